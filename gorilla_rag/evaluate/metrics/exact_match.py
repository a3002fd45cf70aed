"""Exact match (model card, metric 1): equal JSON after normalising white space and sorting keys."""

from gorilla_rag.evaluate.metrics.structured import canonical, wanted, written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    found = written(case)
    return float(found is not None and canonical(found) == canonical(wanted(case)))
