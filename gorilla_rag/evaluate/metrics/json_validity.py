"""JSON validity (model card, metric 5): what was written parses as a JSON object."""

from gorilla_rag.evaluate.metrics import of_text
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return of_text.json_validity(case.outcome.structured)
