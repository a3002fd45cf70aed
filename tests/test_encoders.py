"""The encoders, with the real model: the backends agree, and every text gets its own vector."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import BULK, EmbeddedEncoder
from gorilla_rag.encoders.exported import GRAPH, RECORD, TOKENIZER, is_exported
from gorilla_rag.encoders.onnx import OnnxEncoder
from gorilla_rag.encoders.tokens import BATCH_TOKENS
from gorilla_rag.errors import ModelMissing
from gorilla_rag.index import change
from gorilla_rag.models import registry
from tests.test_index_search import toy_docs

ROOT = Path(__file__).parents[1]
TEXTS = [
    "Translate text",
    "",
    "Which API finds the objects in a street photo and draws boxes around them? " * 8,
    "把文字转换成语音",
    "🦍",
    "Convert text to speech.",
    "word " * 300,
    "def f(x): return x",
    "a",
]


@pytest.fixture(scope="module")
def folder(encoder: EmbeddedEncoder) -> Path:
    """Where the real model lies."""
    return registry.path(registry.ENCODER)


@pytest.fixture(scope="module")
def onnx(folder: Path, encoder: EmbeddedEncoder) -> OnnxEncoder:
    return OnnxEncoder(folder, name=encoder.id, sha256=encoder.sha256)


@pytest.fixture(scope="module")
def reference(folder: Path) -> npt.NDArray[np.float32]:
    """sentence-transformers' own float32 vectors of `TEXTS`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    made: npt.NDArray[np.float32] = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    return made


@pytest.fixture(scope="module")
def bf16(folder: Path, onnx: OnnxEncoder) -> Encoder:
    from gorilla_rag.encoders.bf16 import Bf16Encoder

    return Bf16Encoder(folder, tokens=onnx.tokens, name=onnx.id, sha256=onnx.sha256)


def cosines(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    made: npt.NDArray[np.float32] = (left * right).sum(axis=1)
    return made


def test_onnx_gives_the_vectors_of_sentence_transformers(onnx: OnnxEncoder, reference: npt.NDArray[np.float32]) -> None:
    assert cosines(onnx.encode(TEXTS), reference).min() > 1 - 1e-3


def test_bf16_gives_nearly_the_vectors_of_sentence_transformers(
    bf16: Encoder, reference: npt.NDArray[np.float32]
) -> None:
    assert cosines(bf16.encode(TEXTS), reference).min() > 1 - 2e-2


def test_different_texts_have_different_vectors(reference: npt.NDArray[np.float32]) -> None:
    among = reference @ reference.T - np.eye(len(TEXTS))
    assert among.max() < 0.9  # so that the comparisons above tell texts apart


@pytest.mark.parametrize("backend", ["onnx", "bf16"])
def test_the_order_of_the_texts_is_kept_whatever_their_lengths(backend: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(backend)
    order = [6, 0, 8, 2, 1, 7, 4, 5, 3]
    shuffled = encoder.encode([TEXTS[number] for number in order])
    assert cosines(shuffled, encoder.encode(TEXTS)[order]).min() > 1 - 1e-3


@pytest.mark.parametrize(("backend", "tolerance"), [("onnx", 1e-5), ("bf16", 1e-2)])
def test_a_batch_gives_what_each_text_alone_gives(
    backend: str, tolerance: float, request: pytest.FixtureRequest
) -> None:
    encoder: Encoder = request.getfixturevalue(backend)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert cosines(encoder.encode(TEXTS), alone).min() > 1 - tolerance


@pytest.mark.parametrize("backend", ["onnx", "bf16", "encoder"])
def test_vectors_are_float32_of_unit_length(backend: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(backend)
    made = encoder.encode(TEXTS)
    assert made.dtype == np.float32
    assert made.shape == (len(TEXTS), encoder.dimension) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("backend", ["onnx", "bf16", "encoder"])
def test_no_texts_give_no_vectors(backend: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(backend)
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("backend", ["onnx", "bf16"])
def test_progress_ends_with_every_text_done(backend: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(backend)
    told: list[tuple[int, int]] = []
    encoder.encode(TEXTS * 4, progress=lambda done, total: told.append((done, total)))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (36, 36)


def test_a_long_text_is_read_as_far_as_the_model_reads(onnx: OnnxEncoder) -> None:
    start = "convert text to natural speech " * 100
    same, other = onnx.encode([start, start + "zebra " * 5000])
    assert float(same @ other) > 1 - 1e-6
    assert float(same @ onnx.encode(["convert text to natural speech zebra zebra zebra"])[0]) < 0.99


def test_half_a_character_is_encoded_like_a_question_mark(onnx: OnnxEncoder) -> None:
    broken, mark = onnx.encode(["text \ud800 to speech", "text ? to speech"])
    assert float(broken @ mark) > 1 - 1e-6


def test_batches_hold_every_text_once_and_no_more_tokens_than_allowed(onnx: OnnxEncoder) -> None:
    texts = TEXTS * 20
    seen: list[int] = []
    for rows, inputs in onnx.tokens.batches(texts):
        seen += rows
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        assert ids.shape == mask.shape
        assert ids.size <= BATCH_TOKENS or len(rows) == 1
        assert ids.shape[1] == mask.sum(axis=1).max()
    assert sorted(seen) == list(range(len(texts)))


def test_bulk_and_single_encoding_agree(encoder: EmbeddedEncoder) -> None:
    texts = [f"Convert document {number} to speech" for number in range(BULK)]
    assert cosines(encoder.encode(texts)[:40], encoder.encode(texts[:40])).min() > 1 - 2e-2


# The exported graph


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A model folder of links, so that a file can be replaced without touching the model."""
    return Path(shutil.copytree(folder, tmp_path / "model", copy_function=os.symlink))


def test_an_exported_graph_counts_for_the_weights_it_was_made_from(copied: Path, encoder: EmbeddedEncoder) -> None:
    assert is_exported(copied, encoder.sha256)
    assert not is_exported(copied, "0" * 64)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in (GRAPH, TOKENIZER, RECORD) for how in ("truncated", "emptied", "deleted")),
        (GRAPH, "flipped"),
        (TOKENIZER, "flipped"),
    ],
)
def test_a_damaged_export_does_not_count(copied: Path, encoder: EmbeddedEncoder, name: str, how: str) -> None:
    path = copied / name
    content = path.read_bytes()
    path.unlink()
    if how != "deleted":
        flipped = bytes([*content[:-1], content[-1] ^ 1])
        path.write_bytes({"emptied": b"", "truncated": content[:-1], "flipped": flipped}[how])
    assert not is_exported(copied, encoder.sha256)
    broken = OnnxEncoder(copied, name=encoder.id, sha256=encoder.sha256)
    with pytest.raises(ModelMissing, match="exported") as caught:
        broken.encode(["text"])
    assert f"gorilla-rag models pull {encoder.id}" in caught.value.hint


def test_an_export_of_another_version_does_not_count(copied: Path, encoder: EmbeddedEncoder) -> None:
    record = copied / RECORD
    said = json.loads(record.read_text(encoding="utf-8"))
    record.unlink()
    record.write_text(json.dumps(said | {"version": said["version"] + 1}), encoding="utf-8")
    assert not is_exported(copied, encoder.sha256)


# Imports

SEARCH = """
import sys
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.index.index import Index

hits = Index(sys.argv[1], EmbeddedEncoder).search("read a text aloud", mode=sys.argv[2])
heavy = [name for name in ("torch", "transformers", "sentence_transformers", "bm25s", "scipy") if name in sys.modules]
print(hits[0].doc.api_name, *heavy)
"""


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_a_search_imports_neither_torch_nor_bm25s(tmp_path: Path, encoder: EmbeddedEncoder, mode: str) -> None:
    change.build(tmp_path, toy_docs(), encoder)
    command = [sys.executable, "-c", SEARCH, str(tmp_path), mode]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["speech"]
