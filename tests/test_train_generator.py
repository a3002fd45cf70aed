"""`gorilla-rag train generator`: from an index and examples to an adapter that `ask` takes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gorilla_rag import Gorilla, starter
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import BenchmarkError, UsageError
from gorilla_rag.generate import adapter_card
from gorilla_rag.generate.load import load_generator
from gorilla_rag.index import change
from gorilla_rag.train.examples import read_examples
from gorilla_rag.train.generator import TURNS
from tests.test_cli import run as command
from tests.test_generate_transformers import tiny_tokenizer

DOCS = starter.documents()[:30]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices of this size are multiplied faster by one thread than shared out to several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["none"])
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=2, eos_token_id=tokenizer.eos_token_id, **shape)
    LlamaForCausalLM(config).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


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
