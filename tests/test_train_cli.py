"""`gorilla-rag train retriever`, and the flow behind it: from questions to a model that an index can be built with."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import starter
from gorilla_rag.cli import app
from gorilla_rag.encoders import delta, exported
from gorilla_rag.encoders.delta import merge, read_delta
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder
from gorilla_rag.errors import BenchmarkError, ModelMissing, SourceError, UsageError
from gorilla_rag.index import change
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry, tensors
from gorilla_rag.train import run as training
from gorilla_rag.train.card import read_pairs
from gorilla_rag.train.run import Outcome, train_on_index
from gorilla_rag.train.settings import Settings
from tests import tiny_encoders
from tests.test_cli import run
from tests.test_index_search import ToyEncoder

pytestmark = pytest.mark.usefixtures("one_thread")

DOCS = starter.documents()[:40]
FAST = Settings(batch=16, longest=32)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of our own, with the embedded models in it."""
    made = tmp_path_factory.mktemp("home")
    (made / "models").symlink_to(registry.home() / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.HOME_VARIABLE, str(made))
        yield made


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model; read-only by agreement."""
    return tiny_encoders.save("bert", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def index(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of forty documents, made with the tiny model; read-only by agreement."""
    folder = tmp_path_factory.mktemp("index") / "mine"
    change.build(folder, DOCS, SentenceTransformersEncoder(tiny))
    return folder


def lines(file: Path, *entries: Any) -> Path:
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return file


def asked(file: Path, questions: Sequence[str]) -> Path:
    """A file of questions, each about a document of its own."""
    return lines(
        file, *({"question": one, "relevant_ids": [doc.id]} for one, doc in zip(questions, DOCS, strict=False))
    )


# From the start to the end


@pytest.fixture(scope="module")
def trained(encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The real encoder, trained on questions that are made from documents; read-only by agreement."""
    folder = tmp_path_factory.mktemp("real")
    change.build(folder / "index", DOCS, encoder)
    return train_on_index(folder / "index", folder / "out", from_docs=True, count=60, settings=FAST)


def test_the_encoder_of_an_index_is_trained_and_an_index_can_be_built_with_it(trained: Outcome, tmp_path: Path) -> None:
    assert trained.base.name == registry.ENCODER
    assert sum(trained.data.made.values()) == 60
    assert len(trained.data.train.pairs) + len(trained.data.held.pairs) + trained.data.duplicates == 60
    assert trained.before is not None
    assert trained.after is not None
    assert trained.seconds_per_thousand > 0
    made = load_encoder(trained.trained.model)
    assert isinstance(made, SentenceTransformersEncoder)
    assert made.exported is not None
    assert exported.is_whole(made.export_folder, made.exported)
    assert trained.not_exported == ""
    change.build(tmp_path / "new", DOCS, made)
    assert Index(tmp_path / "new", made).ids("read a text aloud", mode="dense", k=3)


def test_what_was_trained_on_is_written_and_told(trained: Outcome) -> None:
    out = trained.trained.model.parent
    (pairs,) = read_pairs(out / "pairs.jsonl").values()
    assert pairs == trained.data.train.pairs
    card = (out / "card.md").read_text("utf-8")
    assert f"| {len(pairs)} |" in card
    assert "made from its documents" in card
    assert not [file.name for file in out.iterdir() if "partial" in file.name]


def test_the_delta_and_the_base_are_the_model(trained: Outcome, tmp_path: Path) -> None:
    assert trained.delta is not None
    assert read_delta(trained.delta).note["pairs"] == str(len(trained.data.train.pairs))
    merge(trained.base.folder, trained.delta, tmp_path / "merged")
    assert tensors.digest_file(tmp_path / "merged" / "model.safetensors") == read_delta(trained.delta).merged_sha256
    texts = [doc.description for doc in DOCS[:5]]
    ours, theirs = (load_encoder(folder).encode(texts) for folder in (tmp_path / "merged", trained.trained.model))
    assert float((ours * theirs).sum(axis=1).min()) > 0.999


def test_where_the_delta_would_be_too_large_the_model_is_there_and_the_error_says_so(
    trained: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "LIMIT", 10)
    with pytest.raises(UsageError, match="more than 10") as caught:
        training._written(tmp_path, trained.data, trained.trained, trained.base)
    assert str(trained.trained.model) in caught.value.hint
    assert load_encoder(trained.trained.model).encode(["a text"]).shape == (1, 384)
    assert {file.name for file in tmp_path.iterdir()} == {"pairs.jsonl", "card.md"}


@pytest.fixture(scope="module")
def mixed(index: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict[str, Any]]:
    """Given questions and made ones, with all that is left out of them; and what makes it again."""
    folder = tmp_path_factory.mktemp("mixed")
    questions = lines(
        folder / "mine.jsonl",
        {"question": "say this sentence for me please", "relevant_ids": [DOCS[0].id]},
        {"question": "Say this sentence for me, please!", "relevant_ids": [DOCS[1].id]},
        {"question": "something that nobody documented", "relevant_ids": ["nowhere:at-all"]},
        {"question": "which one finds cars in pictures of my street", "relevant_ids": [DOCS[2].id]},
        {"question": "which one is held out by a file", "relevant_ids": [DOCS[3].id]},
        {"relevant_ids": [DOCS[3].id]},
    )
    arguments: dict[str, Any] = {
        "questions": questions,
        "from_docs": True,
        "count": 30,
        "evaluation": [lines(folder / "known.jsonl", {"query": "Which one finds cars in pictures of my street?"})],
        "held_out": asked(folder / "held.jsonl", ["speak", "which one is held out by a file", "make it shorter"]),
        "settings": FAST,
    }
    return train_on_index(index, folder / "out", **arguments), arguments


def test_what_is_left_out_is_counted_and_named(mixed: tuple[Outcome, dict[str, Any]]) -> None:
    data = mixed[0].data
    assert data.made["given"] == 4
    assert data.duplicates == 1
    assert dict(data.unknown) == {"nowhere:at-all": 1}
    assert ["there is no question" in str(problem) for problem in data.problems] == [True]
    assert {leak.question for leak in data.leaks} == {
        "which one finds cars in pictures of my street",
        "which one is held out by a file",
    }
    card = (mixed[0].trained.model.parent / "card.md").read_text("utf-8")
    assert "known.jsonl, held.jsonl" in card
    assert "cars in pictures" in card


def test_a_file_of_held_out_questions_is_what_is_measured(mixed: tuple[Outcome, dict[str, Any]]) -> None:
    data = mixed[0].data
    assert [pair.question for pair in data.held.pairs] == [
        "speak",
        "which one is held out by a file",
        "make it shorter",
    ]
    assert mixed[0].before is not None
    assert mixed[0].delta is None, "the base isn't one that others have"


def test_a_training_that_is_done_is_resumed_to_the_same(index: Path, mixed: tuple[Outcome, dict[str, Any]]) -> None:
    first, arguments = mixed
    model = first.trained.model / "model.safetensors"
    before = model.stat().st_mtime_ns
    (model.parents[1] / "card.md").unlink()
    again = train_on_index(index, model.parents[1], resume=True, **arguments)
    assert again.trained == first.trained
    assert model.stat().st_mtime_ns == before
    assert (model.parents[1] / "card.md").is_file()


# The command


def test_the_command_trains_and_says_what_to_do_next(index: Path, tmp_path: Path) -> None:
    questions = asked(tmp_path / "mine.jsonl", [f"what about thing number {n}" for n in range(10)])
    common: list[str | Path] = ["train", "retriever", "--questions", questions, "--index", index, "--batch", "8"]
    done = run(*common, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "questions  10: 10 given" in done.stdout
    assert "removed    0 duplicates, 0 leaks" in done.stdout
    assert "held out   nothing" in done.stdout
    assert shlex.join(["--encoder", str(tmp_path / "out" / "model")]) in done.stdout
    assert "training" in done.stderr, "the progress bar is on stderr"
    again = run(*common, "--out", tmp_path / "out", "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("\n") == 1
    said = json.loads(again.stdout)
    assert said["pairs"] == 10
    assert said["made"] == {"given": 10}
    assert said["ndcg@10"] == {"before": None, "after": None}
    assert said["model"] == str(tmp_path / "out" / "model")
    assert said["seconds_per_1000_pairs"] > 0


def called(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """The command's exit code, run in this process."""
    monkeypatch.setattr(sys, "argv", ["gorilla-rag", "train", "retriever", *map(str, words)])
    return app.run()


def test_nothing_to_train_on_is_said(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "--index", index, "--out", tmp_path / "out") == UsageError.exit_code
    assert "--from-docs" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").touch()
    words: list[str | Path] = ["--index", index, "--out", tmp_path / "out", "--questions", tmp_path / "empty.jsonl"]
    assert called(monkeypatch, *words) == BenchmarkError.exit_code
    assert "no questions" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "nothing is left of a training that didn't begin"


@pytest.mark.parametrize(
    "option",
    [("--epochs", "0"), ("--batch", "1"), ("--learning-rate", "0"), ("--negatives", "-1"), ("--device", "tpu")],
)
def test_options_that_cannot_be_are_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    assert called(monkeypatch, "--index", index, "--out", tmp_path / "out", "--from-docs", *option) in (2, 19)


def test_options_reach_the_training(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gorilla_rag.train import run as flow

    seen: list[dict[str, Any]] = []

    def look(*args: Any, **kwargs: Any) -> Outcome:
        seen.append(kwargs | {"index": args[0], "out": args[1]})
        raise UsageError("seen", hint="nothing")

    monkeypatch.setattr(flow, "train_on_index", look)
    words = "--index I --out O --questions Q --from-docs --count 7 --base B --held-out H --evaluation E --evaluation F "
    words += "--epochs 2 --batch 4 --learning-rate 0.1 --negatives 3 --seed 5 --device cuda --resume"
    called(monkeypatch, *words.split())
    (given,) = seen
    assert given.pop("progress")
    assert given == {
        "index": Path("I"),
        "out": Path("O"),
        "questions": Path("Q"),
        "from_docs": True,
        "count": 7,
        "base": "B",
        "held_out": Path("H"),
        "evaluation": [Path("E"), Path("F")],
        "settings": Settings(epochs=2, batch=4, learning_rate=0.1, negatives=3, seed=5, device="cuda"),
        "resume": True,
    }


# What the flow refuses


def test_ids_that_the_index_does_not_have_are_an_error_where_none_is_left(index: Path, tmp_path: Path) -> None:
    questions = lines(tmp_path / "mine.jsonl", {"question": "where is it", "relevant_ids": ["nowhere:at-all"]})
    with pytest.raises(BenchmarkError, match="nowhere:at-all"):
        train_on_index(index, tmp_path / "out", questions=questions)


def test_it_is_said_when_all_questions_are_leaks(index: Path, tmp_path: Path) -> None:
    questions = asked(tmp_path / "mine.jsonl", ["make a short text of this long one", "turn my words into German"])
    ways: list[dict[str, Any]] = [{"evaluation": [questions]}, {"held_out": questions}]
    for kept_out in ways:
        with pytest.raises(UsageError, match="2 questions were found, 2 of them resemble"):
            train_on_index(index, tmp_path / "out", questions=questions, **kept_out)


def test_an_evaluation_that_cannot_be_read_is_refused(index: Path, tmp_path: Path) -> None:
    wrong = lines(tmp_path / "wrong.jsonl", {"question": "fine"}, {"text": "no question"})
    (tmp_path / "broken.jsonl").write_text('{"question": "fine"}\n{"quest', encoding="utf-8")
    for file, kind in (
        (wrong, BenchmarkError),
        (tmp_path / "broken.jsonl", SourceError),
        (tmp_path / "none", BenchmarkError),
    ):
        with pytest.raises(kind, match=file.name):
            train_on_index(index, tmp_path / "out", from_docs=True, evaluation=[file])


def test_the_base_has_to_be_an_encoder_that_can_be_found(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoder"):
        train_on_index(index, tmp_path / "out", from_docs=True, base=registry.GENERATOR)
    with pytest.raises(ModelMissing):
        train_on_index(index, tmp_path / "out", from_docs=True, base="nobody/nothing")
    change.build(tmp_path / "toy", DOCS[:3], ToyEncoder(name=""))
    with pytest.raises(UsageError, match="where the index's encoder is found"):
        train_on_index(tmp_path / "toy", tmp_path / "out", from_docs=True)


def test_a_folder_that_holds_something_is_refused_before_the_work(index: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    with pytest.raises(UsageError, match="isn't empty"):
        train_on_index(index, tmp_path, from_docs=True)


def test_a_missing_extra_is_named(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "gorilla_rag.train.retriever", raising=False)
    monkeypatch.delattr("gorilla_rag.train.retriever", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert called(monkeypatch, "--index", index, "--out", tmp_path / "out", "--from-docs") == 13
    assert "gorilla-rag[train]" in capsys.readouterr().err


def test_negatives_change_the_rows(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gorilla_rag.train import retriever

    seen: list[list[str]] = []

    def look(rows: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(list(rows[0].columns))
        raise UsageError("seen", hint="nothing")

    monkeypatch.setattr(retriever, "train", look)
    for negatives in (0, 2):
        settings = Settings(negatives=negatives)
        with pytest.raises(UsageError, match="seen"):
            train_on_index(index, tmp_path / "out", from_docs=True, count=9, settings=settings)
    assert seen == [["question", "document"], ["question", "document", "negative_1", "negative_2"]]
