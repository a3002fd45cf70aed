"""How fast a device's memory is: a large copy within it, bytes read and written together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gorilla_rag.bench.timing import timed


def rows(size: int, device: torch.device, seconds: float) -> Iterator[dict[str, Any]]:
    """One row: a copy of `size` bytes."""
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    timing = timed(lambda: target.copy_(source), device, seconds)
    moved = 2 * source.nbytes
    yield {
        "bytes_moved": moved,
        "seconds": timing.seconds,
        "repeats": timing.repeats,
        "bytes_per_second": moved / timing.seconds,
    }
