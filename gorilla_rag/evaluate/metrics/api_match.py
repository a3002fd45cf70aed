"""API match: the answer's call is a right documented call.

1 when the documented call that the answer names (`Catalogue.named_by`: same function, every documented literal in its
place) is one of the question's right calls, else 0. Averaged over distinct gold calls it is the headline: an average
over questions rewards whoever always answers the commonest call. After Gorilla's "AST sub-tree matching" (arXiv
2305.15334, section 4), but by the exact call rather than by its domain.
"""

from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return float(case.matches)
