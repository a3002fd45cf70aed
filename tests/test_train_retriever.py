"""Training a retriever: it learns, keeps what it should, and survives kills, full disks and broken losses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

from gorilla_rag import starter
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.sentence_transformers import open_model
from gorilla_rag.errors import UsageError
from gorilla_rag.models import registry
from gorilla_rag.train import checkpoints, retriever
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.folder import CHECKPOINTS, LOGS, RECORD
from gorilla_rag.train.from_docs import questions_from
from gorilla_rag.train.held_out import SCORE, HeldOut
from gorilla_rag.train.retriever import Trained, train
from gorilla_rag.train.rows import Rows, rows
from gorilla_rag.train.settings import Settings
from gorilla_rag.train.watch import Progress
from tests import tiny_encoders

ROOT = Path(__file__).parents[1]
# Words that say nothing of the documents that they are made to stand for.
CODES = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu red green blue white"
).split()

pytestmark = pytest.mark.usefixtures("one_thread")
# Two epochs of three batches, a checkpoint after each epoch.
SMALL = Settings(epochs=2, batch=10, learning_rate=1e-3, longest=24, checks=1)
Weights = dict[str, npt.NDArray[np.float32]]


def corpus(count: int = 30) -> Corpus:
    """Questions made from documents, one for each."""
    docs = starter.documents()[:count]
    return Corpus("starter", tuple(docs), tuple(questions_from(docs, count=count)), "here", "none")


def some_rows(count: int = 30, *, seed: int = 0) -> Rows:
    made = corpus(count)
    return rows(made, [()] * len(made.pairs), count=1, seed=seed)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model with prompts, pooling and a dense layer; read-only by agreement."""
    return tiny_encoders.save("bert", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def through(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training that ran through; read-only by agreement."""
    return train([some_rows()], base, tmp_path_factory.mktemp("through") / "out", settings=SMALL)


def weights(model: Path) -> Weights:
    """A saved model's tensors, by their names in it."""
    found = {f"0.{name}": held for name, held in load_file(model / "model.safetensors").items()}
    dense = load_file(model / "2_Dense" / "model.safetensors") if (model / "2_Dense").is_dir() else {}
    return found | {f"2.{name}": held for name, held in dense.items()}


def difference(one: Path, other: Path) -> float:
    """The largest difference between two models' weights."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    return max(float(np.abs(mine[name] - theirs[name]).max()) for name in mine)


class Stop(Exception):
    """Stands for whatever ends a training."""


def at(step: int, act: Callable[[], None]) -> Progress:
    """Does something after a step."""

    def tell(_: str, done: int, total: int) -> None:
        if done == step:
            act()

    return tell


def stop() -> None:
    raise Stop


@pytest.fixture
def stopped(base: Path, tmp_path: Path) -> Path:
    """A training that ended after five of six steps, with a checkpoint after three."""
    with pytest.raises(Stop):
        train([some_rows()], base, tmp_path / "stopped", settings=SMALL, progress=at(5, stop))
    return tmp_path / "stopped"


# What is learnt


def test_thirty_pairs_can_be_learnt_by_heart(encoder: EmbeddedEncoder, tmp_path: Path) -> None:
    docs = starter.documents()[: len(CODES)]
    pairs = [Pair(f"the code word is {word}", (doc.id,), "given") for word, doc in zip(CODES, docs, strict=True)]
    codes = Corpus("codes", tuple(docs), tuple(pairs), "here", "none")
    settings = Settings(epochs=8, batch=10, learning_rate=3e-4, longest=16, checks=1)
    found = train([rows(codes, [()] * len(pairs), count=1)], registry.path(encoder.id), tmp_path, settings=settings)
    before, after = (
        HeldOut([codes]).by_corpus(open_model(folder, "cpu", "float32"))["codes"]
        for folder in (registry.path(encoder.id), found.model)
    )
    assert found.steps == 24
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert before < 0.3
    assert after > 0.6
    assert found.seconds > 0


def test_word_embeddings_stay_as_they_are_and_all_else_changes(base: Path, through: Trained) -> None:
    before, after = weights(base), weights(through.model)
    words = next(name for name in before if name.endswith("word_embeddings.weight"))
    np.testing.assert_array_equal(before[words], after[words])
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert {name for name in same if "pooler" not in name} == {words}


def test_half_of_what_was_learnt_lies_halfway(base: Path, through: Trained, tmp_path: Path) -> None:
    half = train([some_rows()], base, tmp_path / "out", settings=replace(SMALL, kept=0.5))
    before, whole, found = (weights(model) for model in (base, through.model, half.model))
    for name, held in found.items():
        np.testing.assert_allclose(held, (before[name] + whole[name]) / 2, atol=1e-6)


def test_what_two_models_learnt_adds_up(base: Path, through: Trained, tmp_path: Path) -> None:
    other = train([some_rows()], base, tmp_path / "out", settings=replace(SMALL, seed=7))
    one, two = (open_model(folder, "cpu", "float32") for folder in (through.model, other.model))
    retriever.combined(base, [(one, 0.5), (two, 0.25)]).save_pretrained(str(tmp_path / "sum"), create_model_card=False)
    before, first, second = (weights(model) for model in (base, through.model, other.model))
    assert difference(through.model, other.model) > 0
    for name, held in weights(tmp_path / "sum").items():
        wanted = before[name] + 0.5 * (first[name] - before[name]) + 0.25 * (second[name] - before[name])
        np.testing.assert_allclose(held, wanted, atol=1e-6)


def test_the_model_reads_prompts_pools_and_cuts_as_its_base_does(base: Path, through: Trained) -> None:
    before, after = (open_model(folder, "cpu", "float32") for folder in (base, through.model))
    assert after.max_seq_length == before.max_seq_length != SMALL.longest
    assert after.prompts == before.prompts
    for name in ("modules.json", "1_Pooling/config.json", "2_Dense/config.json", "tokenizer.json"):
        assert (through.model / name).read_text("utf-8") == (base / name).read_text("utf-8")


def test_questions_and_documents_are_trained_behind_the_prompts_of_the_base(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(base, "cpu", "float32")
    sets: Any = {"one": retriever._dataset(some_rows(4))}
    assert retriever._prompts(model, sets) == {
        "question": "search for: ",
        "document": "entry: ",
        "negative_1": "entry: ",
    }
    seen: list[Any] = []
    real = retriever._Trainer.compute_loss

    def look(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({name: ids for name, ids in inputs.items() if name.endswith("input_ids")})
        return real(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(retriever._Trainer, "compute_loss", look)
    train([some_rows()], base, tmp_path / "out", settings=replace(SMALL, epochs=1))
    texts = {name: model.tokenizer.decode(ids[0]) for name, ids in seen[0].items()}
    assert "search for" in texts["question_input_ids"]
    assert "entry" in texts["document_input_ids"]


def test_the_same_seed_gives_the_same_weights(base: Path, through: Trained, tmp_path: Path) -> None:
    again = train([some_rows()], base, tmp_path / "out", settings=SMALL)
    assert difference(again.model, through.model) == 0
    assert again.losses == through.losses


@pytest.mark.parametrize(
    "other",
    [
        {"epochs": 1},
        {"batch": 8},
        {"learning_rate": 2e-3},
        {"scale": 5.0},
        {"longest": 8},
        {"kept": 0.9},
        {"seed": 1},
    ],
)
def test_each_setting_changes_what_is_learnt(
    base: Path, through: Trained, tmp_path: Path, other: dict[str, Any]
) -> None:
    found = train([some_rows()], base, tmp_path / "out", settings=replace(SMALL, **other))
    assert difference(found.model, through.model) > 1e-6


def test_several_corpora_are_trained_in_batches_of_their_own(base: Path, tmp_path: Path) -> None:
    docs = starter.documents()[40:52]
    other = Corpus("other", tuple(docs), tuple(questions_from(docs, count=12)), "here", "none")
    without = rows(other, [()] * len(other.pairs), count=0)
    found = train([some_rows(), without], base, tmp_path / "out", settings=SMALL)
    assert found.steps == 2 * (3 + 1)


# When to stop


class Told(HeldOut):
    """Scores that are given beforehand, one for each check."""

    def __init__(self, *scores: float) -> None:
        super().__init__([corpus(8)])
        self.left = list(scores)

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        return {SCORE: self.left.pop(0)}


def test_training_stops_when_it_gains_nothing_and_keeps_the_best(base: Path, tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=9, patience=2)
    found = train([some_rows()], base, tmp_path / "out", held_out=Told(0.5, 0.4, 0.3), settings=settings)
    assert found.steps == 9
    longer = train(
        [some_rows()], base, tmp_path / "one", held_out=Told(0.5, 0.4, 0.3, 0.2), settings=replace(settings, patience=3)
    )
    assert longer.steps == 12
    assert difference(found.model, longer.model) == 0, "both are the first check's"


def test_checks_say_how_often_an_epoch_is_looked_at(base: Path, tmp_path: Path) -> None:
    held_out = Told(*(0.1 * number for number in range(1, 7)))
    train([some_rows()], base, tmp_path / "out", held_out=held_out, settings=replace(SMALL, checks=3))
    assert held_out.left == []


# Killed and resumed

SCRIPT = """
import os, signal, sys
from pathlib import Path

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"SOCKET {arguments}".encode())

sys.addaudithook(watch)
from gorilla_rag.train.retriever import train
from tests.test_train_retriever import SMALL, at, some_rows

kill = at(5, lambda: os.kill(os.getpid(), signal.SIGKILL))
resume = sys.argv[3] == "resume"
train([some_rows()], Path(sys.argv[1]), Path(sys.argv[2]), settings=SMALL, resume=resume,
      progress=None if resume else kill)
"""


def test_a_killed_training_goes_on_to_the_same_weights_and_asks_nobody(
    base: Path, through: Trained, tmp_path: Path
) -> None:
    env = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    out, ran = tmp_path / "out", []
    for what in ("begin", "resume"):
        command = [sys.executable, "-c", SCRIPT, str(base), str(out), what]
        ran.append(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False))
    assert [done.returncode for done in ran] == [-signal.SIGKILL, 0], ran[1].stderr
    for done in ran:
        assert done.stdout == ""
        assert "SOCKET" not in done.stderr
    assert difference(out / "model", through.model) == 0


def test_a_stopped_training_is_resumed_from_its_checkpoint(base: Path, stopped: Path, through: Trained) -> None:
    begun: list[int] = []
    found = train(
        [some_rows()], base, stopped, settings=SMALL, resume=True, progress=lambda _, done, total: begun.append(done)
    )
    assert begun == [4, 5, 6]
    assert found.steps == through.steps
    assert difference(found.model, through.model) == 0
    assert not (stopped / CHECKPOINTS).exists()


def test_early_stopping_counts_on_after_a_resumption(base: Path, tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=9, patience=3)
    with pytest.raises(Stop):
        train([some_rows()], base, tmp_path / "out", held_out=Told(0.5, 0.4), settings=settings, progress=at(7, stop))
    found = train([some_rows()], base, tmp_path / "out", held_out=Told(0.3, 0.2), settings=settings, resume=True)
    assert found.steps == 12


def test_an_incomplete_checkpoint_is_not_resumed_from(base: Path, stopped: Path, through: Trained) -> None:
    (folder,) = (stopped / CHECKPOINTS).glob("checkpoint-*")
    assert checkpoints.last(stopped) == folder
    later = folder.with_name("checkpoint-4")
    later.mkdir()
    (later / "model.safetensors").write_bytes(b"half")
    assert checkpoints.last(stopped) == folder, "one without its mark is not whole"
    file = folder / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-1])
    assert checkpoints.last(stopped) is None
    begun: list[int] = []
    found = train(
        [some_rows()], base, stopped, settings=SMALL, resume=True, progress=lambda _, done, total: begun.append(done)
    )
    assert begun[0] == 1
    assert difference(found.model, through.model) == 0


@pytest.mark.parametrize(
    ("given", "settings", "held_out", "named"),
    [
        (some_rows, replace(SMALL, learning_rate=1e-4), None, "settings"),
        (lambda: some_rows(20), SMALL, None, "rows"),
        (lambda: replace(some_rows(), relevant=(frozenset("x"),) * 30), SMALL, None, "rows"),
        (some_rows, SMALL, HeldOut([corpus(8)]), "held-out corpora"),
    ],
)
def test_resuming_with_something_else_is_refused(
    base: Path, stopped: Path, given: Callable[[], Rows], settings: Settings, held_out: HeldOut | None, named: str
) -> None:
    with pytest.raises(UsageError, match=f"was begun with another {named}"):
        train([given()], base, stopped, held_out=held_out, settings=settings, resume=True)


def test_a_training_that_is_done_is_not_done_again(base: Path, tmp_path: Path) -> None:
    held_out = HeldOut([corpus()])
    first = train([some_rows()], base, tmp_path / "out", held_out=held_out, settings=SMALL)
    before = (first.model / "model.safetensors").stat().st_mtime_ns
    assert train([some_rows()], base, tmp_path / "out", held_out=held_out, settings=SMALL, resume=True) == first
    assert (first.model / "model.safetensors").stat().st_mtime_ns == before


def test_nothing_is_resumed_where_nothing_was_begun_and_nothing_begun_where_something_lies(
    base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no training to resume"):
        train([some_rows()], base, tmp_path / "none", settings=SMALL, resume=True)
    (tmp_path / "letter").write_text("dear", encoding="utf-8")
    for out in (tmp_path, tmp_path / "letter"):
        with pytest.raises(UsageError, match="isn't empty"):
            train([some_rows()], base, out, settings=SMALL)


# What it leaves


def test_tensorboard_has_the_losses(through: Trained) -> None:
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    read = event_accumulator.EventAccumulator(str(through.model.parent / LOGS))
    read.Reload()
    logged = [round(event.value, 4) for event in read.Scalars("train/loss")]
    assert logged == pytest.approx(list(through.losses), abs=1e-4)
    assert len(logged) == 6


def test_nothing_is_printed(base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train([some_rows()], base, tmp_path / "out", held_out=HeldOut([corpus(8)]), settings=SMALL)
    assert capfd.readouterr().out == ""
    said = json.loads((tmp_path / "out" / RECORD).read_text("utf-8"))
    assert said["settings"]["seed"] == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"model", "logs", "training.json"}
