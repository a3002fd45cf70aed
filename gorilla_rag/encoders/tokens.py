"""Texts to batches of token ids, by the `tokenizers` package alone. Knows nothing of models, torch or ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH_TOKENS = 1024
Inputs = dict[str, npt.NDArray[np.int64]]
"""Arrays of shape [batch, longest] by the name under which a model reads them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model wants its tokens.

    Attributes:
        inputs: which of `input_ids`, `attention_mask` and `token_type_ids` it reads.
        longest: texts are cut at so many tokens, special ones included; 0 for never.
        cut_left: whether the beginning is cut off rather than the end.
        pad_left: whether shorter texts are filled up in front.
        pad_id, pad_type: what they are filled with.
        blank: stands for a text without any token.
    """

    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    longest: int = 0
    cut_left: bool = False
    pad_left: bool = False
    pad_id: int = 0
    pad_type: int = 0
    blank: str = ""


class Tokens:
    """A model's tokenizer with its layout.

    Args:
        file: the `tokenizer.json`.
        layout: how the model wants its tokens.
    """

    def __init__(self, file: Path, layout: Layout) -> None:
        from tokenizers import Tokenizer

        self._tokenizer, self._layout = Tokenizer.from_file(str(file)), layout
        self._tokenizer.no_padding()
        if layout.longest:
            self._tokenizer.enable_truncation(layout.longest, direction="left" if layout.cut_left else "right")
        else:
            self._tokenizer.no_truncation()

    def batches(self, texts: Sequence[str], *, prompt: str = "") -> Iterator[tuple[list[int], Inputs]]:
        """Batches of at most `BATCH_TOKENS` tokens, padding included, of texts of like length.

        Args:
            texts: any number of them.
            prompt: goes before each.

        Yields:
            The texts' positions, and the model's inputs.
        """
        encoded = self._tokenizer.encode_batch([prompted(text, prompt, self._layout.blank) for text in texts])
        lengths = [len(item.ids) for item in encoded]
        for rows in by_length(lengths, BATCH_TOKENS):
            yield rows, self._padded([encoded[row] for row in rows])

    def _padded(self, encoded: Sequence[Any]) -> Inputs:
        layout = self._layout
        shape = (len(encoded), max(len(item.ids) for item in encoded))
        made = {
            "input_ids": np.full(shape, layout.pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.full(shape, layout.pad_type, dtype=np.int64),
        }
        for row, item in enumerate(encoded):
            length = len(item.ids)
            place = slice(shape[1] - length, None) if layout.pad_left else slice(length)
            made["input_ids"][row, place] = item.ids
            made["attention_mask"][row, place] = 1
            made["token_type_ids"][row, place] = item.type_ids
        return {name: made[name] for name in layout.inputs}


def prompted(text: str, prompt: str, blank: str) -> str:
    """What a tokenizer is given; half a character, which would stop it, becomes a question mark."""
    return (prompt + text or blank).encode("utf-8", "replace").decode()


def by_length(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Groups of rows of like length, shortest first; rows × longest is at most `limit`, or it is one row."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > limit:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
