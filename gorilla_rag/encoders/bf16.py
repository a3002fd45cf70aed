"""The embedded encoder in bulk: bf16, where the processor multiplies it faster than float32.

Importing this module imports torch and sentence-transformers, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.sentence_transformers import open_model
from gorilla_rag.encoders.tokens import Tokens


class Bf16Encoder:
    """Encodes texts with a model that has neither prompts nor token types.

    Args:
        folder: the model folder.
        tokens: its tokenizer.
        name: the model's name, recorded in indexes.
        sha256: of its weights.
    """

    def __init__(self, folder: Path, *, tokens: Tokens, name: str, sha256: str) -> None:
        self.id, self.source, self.sha256 = name, name, sha256
        self._tokens = tokens
        self._model = open_model(folder, "cpu", "bfloat16")

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32; the same for questions and documents."""
        del kind
        made = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        with torch.inference_mode():
            for rows, inputs in self._tokens.batches(texts):
                features = {name: torch.from_numpy(values) for name, values in inputs.items()}
                made[rows] = self._model(features)["sentence_embedding"].float().numpy()
                done += len(rows)
                if progress:
                    progress(done, len(texts))
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices faster than float32 ones."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
