"""Risk and coverage: what accuracy a user gets by trusting only answers above a threshold.

El-Yaniv and Wiener, "On the foundations of noise-free selective classification" (JMLR 11, 2010). Coverage is the share
of answers at or above the threshold, risk one minus their accuracy; AURC is the mean risk over all coverages (Geifman,
Uziel and El-Yaniv, ICLR 2019): lower is better. Answers of equal confidence are taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, the share of answers it keeps, and how often those are right."""

    threshold: float
    coverage: float
    accuracy: float


def curve(answers: Sequence[tuple[float, bool]]) -> tuple[Point, ...]:
    """One point for each distinct confidence among `(confidence, right)` pairs, the strictest threshold first."""
    points: list[Point] = []
    kept = right = 0
    for confidence, group in groupby(sorted(answers, key=lambda pair: -pair[0]), key=lambda pair: pair[0]):
        for _, hit in group:
            kept, right = kept + 1, right + hit
        points.append(Point(confidence, kept / len(answers), right / kept))
    return tuple(points)


def area(points: Sequence[Point]) -> float | None:
    """AURC; `None` without points."""
    if not points:
        return None
    starts = [0.0, *(point.coverage for point in points)]
    widths = [point.coverage - start for start, point in zip(starts, points, strict=False)]
    return sum(width * (1 - point.accuracy) for width, point in zip(widths, points, strict=True))
