"""How fast documents become vectors on a device: tokenising, moving and computing together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch

from gorilla_rag import starter
from gorilla_rag.bench.timing import timed
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.text import encoder_text

_DTYPES: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")


def rows(encoder: str, count: int, device: torch.device, seconds: float) -> Iterator[dict[str, object]]:
    """A row for each type of number that the encoder computes in.

    Args:
        encoder: its name, or a model's folder.
        count: how many documents.
        device: where it computes.
        seconds: how long each row is measured, at least.
    """
    texts = documents(count)
    for dtype in _DTYPES:
        made = load_encoder(encoder, device=str(device), dtype=dtype)
        timing = timed(partial(made.encode, texts), device, seconds)
        yield {
            "encoder": made.id,
            "dimension": made.dimension,
            "dtype": dtype,
            "documents": count,
            "characters_per_document": sum(map(len, texts)) / count,
            "seconds": timing.seconds,
            "repeats": timing.repeats,
            "documents_per_second": count / timing.seconds,
        }


def documents(count: int) -> list[str]:
    """So many texts, as long as those of the starter corpus; no two are the same."""
    known = [encoder_text(doc) for doc in starter.documents()]
    return [f"{number} {known[number % len(known)]}" for number in range(count)]
