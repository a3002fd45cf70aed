"""Calibration: does a confidence of .8 mean right four times in five?

Expected calibration error over ten bins of equal width (Guo et al., "On calibration of modern neural networks", ICML
2017): the mean gap between confidence and accuracy, weighted by how many answers a bin holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gorilla_rag.evaluate.outcome import Case

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of nearly one confidence: how many, their mean confidence, how often they are right."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The error, and the bins that hold any answer, lowest first."""

    error: float
    bins: tuple[Bin, ...]


def trusted(cases: Sequence[Case]) -> list[tuple[float, bool]]:
    """`(confidence, right)` of every answer that was chosen among several candidates."""
    return [
        (case.outcome.confidence, case.matches)
        for case in cases
        if case.outcome.confidence is not None and case.answered and len(case.outcome.candidates) > 1
    ]


def calibration(answers: Sequence[tuple[float, bool]]) -> Calibration | None:
    """The calibration of `(confidence, right)` pairs; `None` without any."""
    if not answers:
        return None
    found: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in answers:
        found[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    bins = tuple(
        Bin(len(one), sum(c for c, _ in one) / len(one), sum(right for _, right in one) / len(one))
        for one in found
        if one
    )
    error = sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / len(answers)
    return Calibration(error, bins)
