"""Refusal: there is no call and nothing failed. Its precision: how many refusals had no right document before them.

An answer from which no call can be read isn't one; it counts as a failure. Refusing is right where the right document
is missing. In zero-shot there are no documents, and the precision doesn't apply.
"""

from collections.abc import Sequence

from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return float(refused(case))


def precision(cases: Sequence[Case]) -> float | None:
    """Share of the refusals, among questions with candidates, whose candidates held no right document."""
    decided = [case.rank is None for case in cases if refused(case) and case.outcome.candidates]
    return sum(decided) / len(decided) if decided else None


def refused(case: Case) -> bool:
    """Whether it is a refusal."""
    return not case.answered and not case.outcome.error
