"""Tool-name accuracy (model card, metric 2): `tool_name` is exactly the expected one."""

from gorilla_rag.evaluate.metrics.of_text import tool_name_accuracy
from gorilla_rag.evaluate.metrics.structured import wanted
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` where no call is known to be right."""
    expected = wanted(case)
    return None if expected is None else tool_name_accuracy(case.outcome.structured, expected)
