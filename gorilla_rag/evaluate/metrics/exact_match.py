"""Exact match (model card, metric 1): equal JSON after normalising white space and sorting keys."""

from gorilla_rag.evaluate.metrics.structured import canonical, wanted, written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` where no values are known to be right."""
    found, expected = written(case), wanted(case)
    if expected is None:
        return None
    return float(found is not None and canonical(found) == canonical(expected))
