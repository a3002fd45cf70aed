"""Exact match (model card, metric 1): equal JSON after normalising white space and sorting keys."""

from gorilla_rag.evaluate.metrics.of_text import exact_match
from gorilla_rag.evaluate.metrics.structured import wanted
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` where no values are known to be right."""
    expected = wanted(case)
    return None if expected is None else exact_match(case.outcome.structured, expected)
