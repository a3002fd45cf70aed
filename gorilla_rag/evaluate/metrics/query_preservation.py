"""Query preservation (model card, metric 3): the question stands in `query` verbatim, or but for its case.

Answers of this library carry the question as it was asked, so they keep it by construction.
"""

from gorilla_rag.evaluate.metrics.structured import written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    query = (written(case) or {}).get("query")
    return float(isinstance(query, str) and query.casefold() == case.question.text.casefold())
