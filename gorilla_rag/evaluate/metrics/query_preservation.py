"""Query preservation (model card, metric 3): the question stands in `query` verbatim, or but for its case.

Answers of this library carry the question as it was asked, so they keep it by construction.
"""

from gorilla_rag.evaluate.metrics import of_text
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return of_text.query_preservation(case.outcome.structured, case.question.text)
