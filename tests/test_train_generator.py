"""`gorilla-rag train generator`: from an index and examples to an adapter that `ask` takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import Gorilla, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import BenchmarkError, UsageError
from gorilla_rag.generate import adapter_card
from gorilla_rag.generate.load import load_generator
from gorilla_rag.index import change
from gorilla_rag.train.examples import read_examples
from gorilla_rag.train.generator import LONG_HELD, TURNS, train_on_examples
from gorilla_rag.train.settings import AdapterSettings
from tests.test_cli import run as command

pytestmark = pytest.mark.usefixtures("one_thread")
DOCS = starter.documents()[:30]


@pytest.fixture(scope="module")
def base(tiny_llama: Path) -> Path:
    return tiny_llama


@pytest.fixture(scope="module")
def index(encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "thirty"
    change.build(folder, DOCS, encoder)
    return folder


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    rows: list[dict[str, Any]] = [
        {
            "question": f"I need number {number}: {doc.functionality.lower()}",
            "relevant_ids": [doc.id],
            "calls": [{}],
            "explanation": f"{doc.api_name} does what number {number} wants.",
        }
        for number, doc in enumerate(DOCS)
    ]
    rows.append(rows[0])
    rows.append({"question": "Where is my umbrella by the door today?", "relevant_ids": ["nowhere"]})
    rows.append({"question": "Translate this evaluation sentence for me please now", "relevant_ids": [DOCS[3].id]})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return command("train", "generator", *words)


def test_an_adapter_is_trained_measured_and_taken(base: Path, index: Path, questions: Path, tmp_path: Path) -> None:
    kept_out = tmp_path / "evaluation.jsonl"
    kept_out.write_text('{"question": "Translate this evaluation sentence for me please"}\n', encoding="utf-8")
    config = tmp_path / "recipe.yaml"
    config.write_text(
        f"base: {base}\nindex: {index}\nepochs: 3\nbatch: 4\nmicro_batch: 2\nrank: 4\ndevice: cpu\n", encoding="utf-8"
    )
    out = tmp_path / "out"
    words = ("--config", config, "--questions", questions, "--out", out, "--evaluation", kept_out, "--epochs", "1")
    found = run(*words, "--json")
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["duplicates"] == 1
    assert [leak["question"] for leak in said["leaks"]] == ["Translate this evaluation sentence for me please now"]
    assert said["unknown"] == {"nowhere": 1}
    assert said["held_out"] > 0
    assert set(said["turns"]) == {"choose", "fill", "explain", "recall"}
    assert next(iter(said["checks"])) == "0"
    card = json.loads((out / "adapter" / adapter_card.CARD).read_text("utf-8"))
    assert (card["settings"]["epochs"], card["settings"]["rank"]) == (1.0, 4)
    assert len((out / TURNS).read_text("utf-8").splitlines()) == sum(said["turns"].values())
    assert "thirty" not in (out / "adapter" / "adapter_config.json").read_text("utf-8")
    generator = load_generator(f"transformers:{base}", adapter=said["adapter"], device="cpu")
    answer = Gorilla.load(index, generator=generator).ask("Turn English text into German", chooser="model")
    assert answer.api_call
    again = run(*words, "--resume")
    assert again.returncode == 0, again.stderr
    assert "adapter " in again.stdout


def configured(base: Path, target: Path, **changes: Any) -> Path:
    """A copy of a model with another config.json."""
    made = Path(shutil.copytree(base, target))
    config = json.loads((made / "config.json").read_text(encoding="utf-8"))
    (made / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return made


def test_a_base_without_a_chat_template_is_refused_before_the_index_is_read(base: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(base, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    found = run("--base", bare, "--index", "nowhere", "--questions", "q", "--out", tmp_path / "out")
    assert found.returncode == UsageError.exit_code
    assert "has no chat template" in " ".join(found.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_context_that_nothing_fits_is_refused_before_anything_is_written(
    base: Path, index: Path, questions: Path, tmp_path: Path
) -> None:
    small = configured(base, tmp_path / "small", max_position_embeddings=64)
    with pytest.raises(UsageError, match="more than 64 tokens"):
        train_on_examples(index, questions, tmp_path / "out", base=small, settings=AdapterSettings(device="cpu"))
    assert not (tmp_path / "out").exists()


def test_questions_and_documents_are_cut_to_the_bases_context_and_what_is_too_long_is_counted(
    base: Path, encoder: EmbeddedEncoder, tmp_path: Path
) -> None:
    """Every other document's call alone is longer than the context; so would all questions be."""
    docs = [
        ApiDoc(
            id=str(number),
            api_call=f"tools.f{number}({', '.join(f'argument_{n}' for n in range(1 if number % 2 else 200))})",
            api_name=f"tools.f{number}",
            functionality=f"does task number {number} " + "of many tasks " * 100,
        )
        for number in range(30)
    ]
    change.build(tmp_path / "index", docs, encoder)
    rows = [
        {
            "question": f"{number} tasks please " + "very much " * 200,
            "relevant_ids": [str(number)],
            "calls": [{}],
            "explanation": f"tools.f{number} does what you want with it.",
        }
        for number in range(30)
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    small = configured(base, tmp_path / "small", max_position_embeddings=700)
    settings = AdapterSettings(epochs=0.1, batch=4, rank=4, device="cpu")
    made = train_on_examples(tmp_path / "index", file, tmp_path / "out", base=small, settings=settings)
    assert made.adapter.too_long > 0
    assert made.adapter.turns > 0
    assert made.unwritable[LONG_HELD] > 0
    assert made.held > 0
    assert "0" in made.adapter.checks


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("colour: red\n", "has colour"),
        ("- a\n", "is no mapping"),
        ("rank: [\n", "can't be read"),
        ("rank: 0\n", "rank=0"),
    ],
)
def test_a_recipe_that_can_not_be_is_refused(text: str, match: str, tmp_path: Path) -> None:
    config = tmp_path / "recipe.yaml"
    config.write_text(text, encoding="utf-8")
    found = run("--config", config, "--index", "i", "--questions", "q", "--out", "o")
    assert found.returncode == 2
    assert match in " ".join(found.stderr.split())


def test_what_is_needed_and_nowhere_is_named() -> None:
    found = run("--index", "i")
    assert found.returncode == 2
    assert "--questions, --out isn't given" in " ".join(found.stderr.split())


@pytest.mark.parametrize("wrong", [{"calls": []}, {"calls": ["x"]}, {"calls": {}}, {"explanation": 3}])
def test_examples_of_another_form_are_refused_with_their_line(wrong: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps({"question": "Turn it", "relevant_ids": [DOCS[0].id], **wrong}), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"q\.jsonl:1"):
        read_examples(file, DOCS)


def test_what_two_records_say_differently_of_one_question_is_of_neither(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    ids = [doc.id for doc in DOCS]
    rows = [
        {"question": "Turn it", "relevant_ids": [ids[0]], "calls": [{"angle": 1}]},
        {"question": "Turn it", "relevant_ids": [ids[1]], "calls": [{"angle": 2}]},
        {"question": "Fold it", "relevant_ids": ["unknown", ids[2]], "calls": [{"times": 2}]},
        {"question": "Cut it", "relevant_ids": [ids[3]], "calls": [{"length": 2}]},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    examples, _ = read_examples(file, DOCS)
    assert [example.calls for example in examples] == [None, None, None, ({"length": 2},)]


def test_an_embedded_model_takes_an_adapter_and_no_other_option() -> None:
    with pytest.raises(UsageError, match="quantize"):
        load_generator("smollm2-135m", adapter="x", quantize="4bit")
