"""Sentence encoder through torch: bulk encoding in bf16 where the processor has it, and the export to ONNX.

Importing this module imports torch and sentence-transformers, which takes seconds; it is only imported for bulk.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import Progress
from gorilla_rag.encoders.onnx import load_tokenizer, token_batches
from gorilla_rag.errors import ExtraMissing, ModelMissing

try:
    import torch
    from sentence_transformers import SentenceTransformer
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[encode]'"
    ) from error

EXPORT_TOLERANCE = 1e-4
_SAMPLES = ("Convert text to speech.", "Which API finds the objects in a street photo and draws boxes around them?")


class TorchEncoder:
    """Encodes texts with a sentence-transformers model on a torch device.

    Args:
        folder: the model folder.
        name: the model's name, recorded in indexes.
        sha256: of its weights.
        dtype: what it computes in.
    """

    def __init__(self, folder: Path, *, name: str, sha256: str, dtype: torch.dtype = torch.bfloat16) -> None:
        self.id, self.sha256 = name, sha256
        self._model = _load(folder, dtype)
        self._tokenizer = load_tokenizer(folder)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32."""
        made = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        with torch.inference_mode():
            for rows, ids, mask in token_batches(self._tokenizer, texts):
                features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
                made[rows] = self._model(features)["sentence_embedding"].float().numpy()
                done += len(rows)
                if progress:
                    progress(done, len(texts))
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices faster than float32 ones."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def export_onnx(folder: Path, path: Path) -> None:
    """Writes a model's graph (ids and mask in, unit vectors out) and compares it with the model.

    Raises:
        ModelMissing: the two differ by more than `EXPORT_TOLERANCE` in cosine.
    """
    import onnxruntime

    model = _Embedding(_load(folder, torch.float32)).eval()
    _, ids, mask = next(iter(token_batches(load_tokenizer(folder), _SAMPLES)))
    inputs = (torch.from_numpy(ids), torch.from_numpy(mask))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                inputs,
                str(path),
                input_names=["input_ids", "attention_mask"],
                output_names=["sentence_embedding"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        logging.disable(level)
    with torch.inference_mode():
        expected = model(*inputs).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    if (worst := float((expected * found).sum(axis=1).min())) < 1 - EXPORT_TOLERANCE:
        raise ModelMissing(f"the exported encoder differs from the model (cosine {worst:.4f})", hint="report this")


class _Embedding(torch.nn.Module):
    """A sentence-transformers model as a function of two tensors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        embedding: torch.Tensor = features["sentence_embedding"]
        return embedding


def _load(folder: Path, dtype: torch.dtype) -> SentenceTransformer:
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype})
    return model.eval()
