"""A change that is stopped while it encodes goes on where it was."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.index import change, encoded
from gorilla_rag.index.index import Index
from tests.conftest import make_doc


class Counting:
    """Encodes a text by its letters, counts what it encodes, and may stop after some."""

    id, source = "counting", ""

    def __init__(self, *, stop_after: int | None = None, sha256: str = "c" * 64, dimension: int = 8) -> None:
        self.sha256, self.dimension, self.stop_after = sha256, dimension, stop_after
        self.encoded: list[str] = []

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors of the texts' letters."""
        if self.stop_after is not None and len(self.encoded) + len(texts) > self.stop_after:
            raise KeyboardInterrupt
        self.encoded += texts
        made = np.array([_letters(text, self.dimension) for text in texts], dtype=np.float32)
        if progress:
            progress(len(texts), len(texts))
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made


def _letters(text: str, dimension: int) -> list[int]:
    counts = [1] * dimension
    for place, letter in enumerate(text):
        counts[(ord(letter) + place) % dimension] += 1
    return counts


DOCS = [make_doc(number) for number in range(50)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "PART", 10)


def interrupted(folder: Path) -> Counting:
    encoder = Counting(stop_after=30)
    with pytest.raises(KeyboardInterrupt):
        change.build(folder, DOCS, encoder)
    return encoder


def test_a_stopped_build_encodes_only_what_was_left(tmp_path: Path) -> None:
    first = interrupted(tmp_path / "index")
    second = Counting()
    change.build(tmp_path / "index", DOCS, second)
    assert len(first.encoded) == 30
    assert len(second.encoded) == 20
    assert not set(first.encoded) & set(second.encoded)


def test_an_index_built_in_two_goes_is_the_one_built_at_once(tmp_path: Path) -> None:
    interrupted(tmp_path / "twice")
    change.build(tmp_path / "twice", DOCS, Counting())
    change.build(tmp_path / "once", DOCS, Counting())
    twice, once = (Index(tmp_path / name, Counting()) for name in ("twice", "once"))
    for question in ("task number 7", "one of many", "function"):
        assert [(h.doc.id, h.score) for h in twice.search(question, k=20)] == [
            (h.doc.id, h.score) for h in once.search(question, k=20)
        ]


def test_what_was_kept_is_swept_when_the_build_is_done(tmp_path: Path) -> None:
    interrupted(tmp_path / "index")
    assert list((tmp_path / "index").glob(".encoded-*"))
    change.build(tmp_path / "index", DOCS, Counting())
    assert not list((tmp_path / "index").glob(".encoded-*"))


def test_vectors_of_another_encoder_are_not_taken_over(tmp_path: Path) -> None:
    for other in (Counting(sha256="d" * 64), Counting(dimension=9)):
        interrupted(tmp_path / "index")
        change.build(tmp_path / "index", DOCS, other)
        assert len(other.encoded) == 50


def test_documents_may_differ_from_those_of_the_stopped_build(tmp_path: Path) -> None:
    interrupted(tmp_path / "index")
    second = Counting()
    change.build(tmp_path / "index", [*DOCS[20:], make_doc(99)], second)
    assert len(second.encoded) == 21
    assert {hit.doc.id for hit in Index(tmp_path / "index", Counting()).search("task", k=99)} >= {"doc-099", "doc-020"}


@pytest.mark.parametrize("damage", ["cut", "flip", "json", "gone"])
def test_a_damaged_part_is_encoded_again(tmp_path: Path, damage: str) -> None:
    interrupted(tmp_path / "index")
    (kept,) = (tmp_path / "index").glob(".encoded-*")
    part, record = kept / "1.npy", kept / "1.json"
    data = bytearray(part.read_bytes())
    if damage == "cut":
        part.write_bytes(data[:-7])
    elif damage == "flip":
        data[-1] ^= 1
        part.write_bytes(data)
    elif damage == "json":
        record.write_text('{"texts": [')
    else:
        part.unlink()
    second = Counting()
    change.build(tmp_path / "index", DOCS, second)
    assert len(second.encoded) == 30
    assert len(Index(tmp_path / "index", Counting())) == 50


def test_progress_goes_on_from_what_was_there(tmp_path: Path) -> None:
    interrupted(tmp_path / "index")
    told: list[tuple[int, int]] = []
    change.build(
        tmp_path / "index",
        DOCS,
        Counting(),
        progress=lambda step, done, total: told.append((done, total)) if step == "encode" else None,
    )
    assert told == [(40, 50), (50, 50)]


def test_a_killed_process_leaves_parts_that_the_next_takes_over(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from tests import test_index_encoded as here
        from gorilla_rag.index import change, encoded
        encoded.PART = 10
        class Killed(here.Counting):
            def encode(self, texts, **how):
                if len(self.encoded) >= 20:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().encode(texts, **how)
        change.build({str(tmp_path / "index")!r}, here.DOCS, Killed())
    """
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=root, check=False)
    assert done.returncode == -9
    second = Counting()
    change.build(tmp_path / "index", DOCS, second)
    assert len(second.encoded) == 30
