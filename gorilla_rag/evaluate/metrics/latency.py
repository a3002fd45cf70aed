"""Latency by stage, and tokens: percentiles over questions.

A percentile is linearly interpolated (Hyndman and Fan's type 7). The first question's `load model` is a stage of its
own, so no other stage carries it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gorilla_rag.evaluate.outcome import Outcome

TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of how many values, the 50th, 95th and 99th percentile."""

    count: int
    p50: float
    p95: float
    p99: float


def seconds(outcomes: Sequence[Outcome]) -> dict[str, Percentiles]:
    """Of each stage in the order of the flow, and of the whole without loading models."""
    stages = list(dict.fromkeys(stage for outcome in outcomes for stage in outcome.timings))
    found = {stage: [o.timings[stage] for o in outcomes if stage in o.timings] for stage in stages}
    whole = [sum(s for stage, s in o.timings.items() if stage != "load model") for o in outcomes if o.timings]
    return {stage: percentiles(values) for stage, values in (found | {TOTAL: whole}).items() if values}


def tokens(outcomes: Iterable[Outcome]) -> dict[str, Percentiles]:
    """Of `prompt`, `cached` and `completion`, over the questions for which a model was asked."""
    counted: list[Mapping[str, int]] = [o.tokens for o in outcomes if o.tokens.get("prompt")]
    names = ("prompt", "cached", "completion")
    return {name: percentiles([float(one[name]) for one in counted]) for name in names} if counted else {}


def percentiles(values: Sequence[float]) -> Percentiles:
    """Of at least one value."""
    p50, p95, p99 = (float(value) for value in np.percentile(np.asarray(values, dtype=np.float64), [50, 95, 99]))
    return Percentiles(len(values), p50, p95, p99)
