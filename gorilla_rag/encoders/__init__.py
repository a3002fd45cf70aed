"""Encoders: texts to unit vectors. Each backend is one file; this one holds the protocol they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Kind = Literal["query", "document"]
"""What a text is: some models read questions and documents behind different prompts."""
Progress = Callable[[int, int], None]
"""Told how many of how many texts are done."""


class Encoder(Protocol):
    """Turns texts into unit vectors.

    Attributes:
        id: the model's name.
        sha256: hash of all that its vectors come from; an index refuses an encoder of another.
        source: what `load_encoder` finds it by: a name or a folder. Empty where only its maker can make it.
        dimension: length of its vectors.
    """

    @property
    def id(self) -> str:
        """The model's name."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 of all that its vectors come from, in hexadecimal."""
        ...

    @property
    def source(self) -> str:
        """What `load_encoder` finds it by; empty where only its maker can make it."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], in the order of the texts."""
        ...
