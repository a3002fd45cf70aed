"""Hallucination: there is a call, and it names nothing in the catalogue.

After Gorilla (arXiv 2305.15334, section 4: "an API call that is not a sub-tree of any API in the database"), but by the
exact documented call. A refusal or a failure isn't one.
"""

from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0; lower is better."""
    return float(case.answered and case.named is None)
