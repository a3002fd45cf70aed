"""Judgements of our own: for a hundred of APIBench's questions, which documents serve. Questions and documents by id.

`judged/README.md` says who judged and how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

SERVES = 2


@cache
def judgements(benchmark: str) -> Mapping[str, Mapping[str, int]]:
    """Of each judged question of a benchmark, the grade of each document in its pool: 2 serves, 1 in part, 0 not."""
    text = (files(__package__) / "judged" / "apibench.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    return {record["question"]: record["grades"] for record in records if record["benchmark"] == benchmark}
