"""Encoders: texts to unit vectors. Each backend is one file; this one holds the protocol they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Progress = Callable[[int, int], None]
"""Told how many of how many texts are done."""


class Encoder(Protocol):
    """Turns texts into unit vectors.

    Attributes:
        id: the model's name.
        sha256: hash of its weights; an index refuses an encoder of another.
        dimension: length of its vectors.
    """

    @property
    def id(self) -> str:
        """The model's name."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 of its weights, in hexadecimal."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], in the order of the texts."""
        ...
