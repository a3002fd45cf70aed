"""How fast a generator reads and writes: one prompt, several times, nothing kept between them."""

from __future__ import annotations

import time
from statistics import median

from gorilla_rag.generate.base import Generator, Message, Usage

RUNS = 5
WRITTEN = 64
PROMPT: list[Message] = [
    {"role": "system", "content": "You explain an API to a programmer."},
    {"role": "user", "content": "Document: it takes values and gives others, as its arguments say. " * 25},
]


def measured(model: Generator) -> dict[str, float]:
    """Tokens a second, read and written: medians of five after one that doesn't count."""
    each = [_once(model) for _ in range(RUNS + 1)][1:]
    return {"read": round(median(one for one, _ in each), 1), "written": round(median(other for _, other in each), 1)}


def _once(model: Generator) -> tuple[float, float]:
    began = time.perf_counter()
    first, usage = 0.0, Usage(0, 0, 0, "")
    for item in model.stream(PROMPT, "The", grammar=None, max_tokens=WRITTEN, reuse=False):
        first = first or time.perf_counter()
        usage = item if isinstance(item, Usage) else usage
    return usage.prompt / (first - began), (usage.completion - 1) / (time.perf_counter() - first)
