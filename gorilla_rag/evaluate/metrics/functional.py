"""Functional correctness (model card, metric 6): the right tool, with every required argument present.

Required are those that the document's schema says, else all that the expected call gives; their values don't matter.
"""

from gorilla_rag.evaluate.metrics.structured import arguments, wanted, written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` where no call is known to be right."""
    found, expected = written(case), wanted(case)
    if expected is None:
        return None
    if found is None or found.get("tool_name") != expected["tool_name"]:
        return 0.0
    schema = case.question.document.parameters
    required = schema.get("required", ()) if schema.get("properties") else arguments(expected)
    return float(set(required) <= set(arguments(found)))
