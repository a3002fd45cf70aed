"""The embedded encoder: ONNX for questions and small changes, torch in bf16 for bulk where that is faster."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import Encoder, Kind, Progress
from gorilla_rag.encoders.onnx import OnnxEncoder
from gorilla_rag.models import registry

# Importing torch takes as long as ONNX needs for this many documents.
BULK = 500


class EmbeddedEncoder:
    """An encoder of the registry, verified, through whichever backend is the faster for the texts at hand.

    Args:
        name: the encoder's.
        threads: of ONNX; by default as many as `OMP_NUM_THREADS` says, or all cores.

    Raises:
        ModelMissing, ModelCorrupt: the weights aren't there or aren't right.
    """

    def __init__(self, name: str = registry.ENCODER, *, threads: int | None = None) -> None:
        found = registry.spec(name)
        self.id, self.sha256 = found.name, found.sha256[found.weights]
        self._folder: Path = registry.path(name)
        self._onnx = OnnxEncoder(self._folder, name=self.id, sha256=self.sha256, threads=threads)

    @property
    def source(self) -> str:
        """The registry's name of it."""
        return self.id

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._onnx.dimension

    @cached_property
    def _bulk(self) -> Encoder:
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sentence_transformers") is None:
            return self._onnx
        from gorilla_rag.encoders.bf16 import Bf16Encoder, has_fast_bf16

        if not has_fast_bf16():
            return self._onnx
        return Bf16Encoder(self._folder, tokens=self._onnx.tokens, name=self.id, sha256=self.sha256)

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32; the same for questions and documents."""
        chosen = self._bulk if len(texts) >= BULK else self._onnx
        return chosen.encode(texts, kind=kind, progress=progress)
