"""Acceptable: of the questions that were judged by reading, the answer's call serves, whether it is the label or not.

Over the judged questions alone (`judged/README.md` says how they were judged). A call that wasn't in the judges' pool
counts as not acceptable, so the figure is a floor.
"""

from gorilla_rag.evaluate.judgements import SERVES
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """1, 0, or `None` for a question that wasn't judged."""
    if not case.question.grades:
        return None
    return float(case.question.grades.get(case.named or "", 0) >= SERVES)
