"""Sentence encoder through ONNX Runtime: no torch on the query path. Exported once from the model's own weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import Progress
from gorilla_rag.errors import ModelMissing
from gorilla_rag.files import fsync, storage_errors

EXPORTED = "encoder.onnx"
EXPORT_VERSION = 1
BATCH_TOKENS = 1024


class OnnxEncoder:
    """Encodes texts with an exported sentence encoder (pooling and normalising are part of it).

    Args:
        folder: a sentence-transformers model folder with its exported graph.
        name: the model's name, recorded in indexes.
        sha256: of the weights it was exported from.

    Raises:
        ModelMissing: the graph hasn't been exported, or from other weights (raised at the first use).
    """

    def __init__(self, folder: Path, *, name: str, sha256: str) -> None:
        self.folder, self.id, self.sha256 = folder, name, sha256

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(json.loads((self.folder / "config.json").read_text(encoding="utf-8"))["hidden_size"])

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        if not is_exported(self.folder, self.sha256):
            raise ModelMissing(
                f"{self.id} has not been exported to ONNX", hint=f"run `gorilla-rag models pull {self.id}`"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(self.folder / EXPORTED), options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, cutting at the length that the model was made for."""
        return load_tokenizer(self.folder)

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32."""
        made = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for rows, ids, mask in token_batches(self.tokenizer, texts):
            made[rows] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
            done += len(rows)
            if progress:
                progress(done, len(texts))
        return made


def load_tokenizer(folder: Path) -> Any:
    """A model's fast tokenizer, cutting at the model's own length, without padding."""
    from tokenizers import Tokenizer

    limits = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(int(limits["max_seq_length"]))
    tokenizer.no_padding()
    return tokenizer


def token_batches(
    tokenizer: Any, texts: Sequence[str]
) -> Iterator[tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Batches of at most `BATCH_TOKENS` tokens, padding included, of texts of like length.

    Yields:
        The texts' positions, token ids and attention mask, the latter two of shape [batch, longest].
    """
    whole = [text.encode("utf-8", "replace").decode() for text in texts]  # half a character would stop the tokenizer
    encoded = [item.ids for item in tokenizer.encode_batch(whole)]
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * len(encoded[row]) > BATCH_TOKENS:
            yield _padded(batch, encoded)
            batch = []
        batch.append(row)
    if batch:
        yield _padded(batch, encoded)


def is_exported(folder: Path, sha256: str) -> bool:
    """Whether the graph is there, whole, and made from these weights by this version."""
    try:
        recorded = json.loads((folder / f"{EXPORTED}.json").read_text(encoding="utf-8"))
        size = (folder / EXPORTED).stat().st_size
    except (OSError, ValueError):
        return False
    return bool(recorded == {"version": EXPORT_VERSION, "weights": sha256, "size": size})


def export(folder: Path, sha256: str) -> None:
    """Writes the ONNX graph of a sentence-transformers model next to it: transformer, mean pooling, unit length.

    The graph is compared with the model before it is put in place.

    Raises:
        ExtraMissing: torch or sentence-transformers isn't installed.
        ModelMissing: the exported graph doesn't compute what the model does.
        StorageFull: the disk is full.
    """
    from gorilla_rag.encoders.sentence_transformers import export_onnx

    temporary = folder / f".{EXPORTED}.{os.getpid()}"
    with storage_errors(folder):
        try:
            export_onnx(folder, temporary)
            fsync(temporary)
            size = temporary.stat().st_size
            os.replace(temporary, folder / EXPORTED)
        finally:
            temporary.unlink(missing_ok=True)
        record = folder / f"{EXPORTED}.json"
        record.write_text(json.dumps({"version": EXPORT_VERSION, "weights": sha256, "size": size}), encoding="utf-8")
        fsync(record)


def _padded(
    rows: list[int], encoded: Sequence[Sequence[int]]
) -> tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    longest = max(len(encoded[row]) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(encoded[row])] = encoded[row]
        mask[at, : len(encoded[row])] = 1
    return rows, ids, mask
