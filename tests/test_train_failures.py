"""What goes wrong while a retriever is trained: losses that are no numbers, full disks, models that don't fit."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gorilla_rag.encoders.sentence_transformers import open_model
from gorilla_rag.errors import ModelMissing, StorageFull, TrainingDiverged, UsageError
from gorilla_rag.generate.disk import disk_errors
from gorilla_rag.train import checkpoints, retriever
from gorilla_rag.train.folder import CHECKPOINTS
from gorilla_rag.train.retriever import Trained, train
from gorilla_rag.train.rows import Rows
from tests import tiny_encoders
from tests.test_train_retriever import SMALL, at, difference, some_rows, weights

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model; read-only by agreement."""
    return tiny_encoders.save("bert", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def through(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training that ran through; read-only by agreement."""
    return train([some_rows()], base, tmp_path_factory.mktemp("through") / "out", settings=SMALL)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The models that are trained, so that a test can break them."""
    found: list[Any] = []
    real = retriever.frozen

    def look(model: Any) -> None:
        real(model)
        found.append(model)

    monkeypatch.setattr(retriever, "frozen", look)
    return found


def broken(models: list[Any]) -> None:
    for weights_ in models[0].parameters():
        weights_.data.fill_(float("nan"))


def test_a_loss_that_is_no_number_is_said_and_leaves_nothing_bad(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retriever, "frozen", lambda model: broken([model]))
    with pytest.raises(TrainingDiverged, match=r"the loss is nan at step 1 of 6"):
        train([some_rows()], base, tmp_path / "out", settings=SMALL)
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize(
    ("step", "said"), [(4, "the loss is nan at step 5 of 6"), (6, "isn't a number any more after step 6 of 6")]
)
def test_the_last_good_weights_are_kept(
    base: Path, through: Trained, tmp_path: Path, seen: list[Any], step: int, said: str
) -> None:
    with pytest.raises(TrainingDiverged, match=said):
        train([some_rows()], base, tmp_path / "out", settings=SMALL, progress=at(step, lambda: broken(seen)))
    kept = weights(tmp_path / "out" / "model")
    assert all(np.isfinite(held).all() for held in kept.values())
    good = weights(tmp_path / "out" / CHECKPOINTS / "checkpoint-3")
    assert all(np.allclose(kept[name], good[name], atol=1e-6) for name in kept)


def test_a_learning_rate_that_overflows_leaves_no_weights_that_make_no_vectors(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"(at|after) step"):
        train([some_rows()], base, tmp_path / "out", settings=replace(SMALL, learning_rate=1e30, checks=3))
    model = tmp_path / "out" / "model"
    assert not model.exists() or np.isfinite(open_model(model, "cpu", "float32").encode(["a text"])).all()


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize("size", [20_000, 1000])
def test_a_full_disk_is_said_and_the_last_checkpoint_can_be_resumed(
    base: Path, through: Trained, tmp_path: Path, size: int
) -> None:
    try:
        with pytest.raises(StorageFull):
            train([some_rows()], base, tmp_path / "out", settings=SMALL, progress=at(5, lambda: limit(size)))
    finally:
        limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    found = checkpoints.last(tmp_path / "out")
    assert found is not None
    assert found.name == "checkpoint-3"
    resumed = train([some_rows()], base, tmp_path / "out", settings=SMALL, resume=True)
    assert difference(resumed.model, through.model) == 0


@pytest.mark.parametrize("size", [0, 1000, 3000])
def test_torchs_own_word_for_a_full_disk_is_understood(tmp_path: Path, size: int) -> None:
    import torch

    before = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    try:
        limit(size)
        with pytest.raises(StorageFull), disk_errors(tmp_path):
            torch.save({"a": torch.zeros(10_000)}, tmp_path / "file.pt")
    finally:
        limit(before)


@pytest.mark.parametrize("name", ["static", "routed"])
def test_a_model_without_a_transformer_is_refused(tmp_path: Path, name: str) -> None:
    base = tiny_encoders.save(name, tmp_path)
    with pytest.raises(UsageError, match="can't be trained here"):
        train([some_rows()], base, tmp_path / "out", settings=SMALL)


def test_no_rows_and_no_model_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to train on"):
        train([Rows("none", {}, (), ())], base, tmp_path / "out", settings=SMALL)
    with pytest.raises(ModelMissing):
        train([some_rows()], tmp_path / "nowhere", tmp_path / "out", settings=SMALL)


@pytest.mark.parametrize("name", ["datasets", "tensorboard"])
def test_a_missing_package_names_the_extra(name: str) -> None:
    script = f"import sys; sys.modules[{name!r}] = None\nfrom gorilla_rag.errors import ExtraMissing\n"
    script += "try:\n    import gorilla_rag.train.retriever\nexcept ExtraMissing as error:\n    print(error.hint)\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "gorilla-rag[train]" in done.stdout, done.stderr
