"""Tool-name accuracy (model card, metric 2): `tool_name` is exactly the expected one."""

from gorilla_rag.evaluate.metrics.structured import wanted, written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return float((written(case) or {}).get("tool_name") == wanted(case)["tool_name"])
