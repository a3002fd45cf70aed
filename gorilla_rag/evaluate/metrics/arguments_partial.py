"""Arguments partial match (model card, metric 4): key-wise F1 over `arguments`, a key counting with its value alone."""

from gorilla_rag.evaluate.metrics.of_text import arguments_partial_match
from gorilla_rag.evaluate.metrics.structured import wanted
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """0 to 1; `None` where no values are known to be right."""
    expected = wanted(case)
    return None if expected is None else arguments_partial_match(case.outcome.structured, expected)
