"""Judgements of our own: for a hundred of APIBench's questions, which documents serve. Questions and documents by id.

`judged/README.md` says who judged and how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

SERVES = 2
Readings = Mapping[str, tuple[int, int]]


@cache
def judgements(benchmark: str) -> Mapping[str, Readings]:
    """Of each judged question of a benchmark, the two readings' grades of each document in its pool.

    2 serves, 1 in part, 0 not; the lower of the two counts.
    """
    text = (files(__package__) / "judged" / "apibench.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    return {
        record["question"]: {doc: (first, second) for doc, (first, second) in record["grades"].items()}
        for record in records
        if record["benchmark"] == benchmark
    }


def kappa(pairs: list[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa of two readings (Educational and Psychological Measurement 20, 1960); `None` where undefined."""
    if not pairs:
        return None
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    first, second = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    chance = first * second + (1 - first) * (1 - second)
    return (agreed - chance) / (1 - chance) if chance < 1 else None
