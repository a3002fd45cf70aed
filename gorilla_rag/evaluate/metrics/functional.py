"""Functional correctness (model card, metric 6): the right tool, with every required argument present.

Required are those that the document's schema says, else all that the expected call gives; their values don't matter.
"""

from gorilla_rag.evaluate.metrics.of_text import functional_correctness
from gorilla_rag.evaluate.metrics.structured import wanted
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` where no call is known to be right."""
    expected = wanted(case)
    if expected is None:
        return None
    schema = case.question.document.parameters
    required = schema.get("required", ()) if schema.get("properties") else expected["arguments"]
    return functional_correctness(case.outcome.structured, expected, required)
