"""Arguments partial match (model card, metric 4): key-wise F1 over `arguments`, a key counting with its value alone.

The card's example: of `{"limit": 100, "order": "asc"}` against `{"limit": 100, "order": "ASC"}`, 0.5.
"""

from gorilla_rag.evaluate.metrics.argument_f1 import pairs_f1
from gorilla_rag.evaluate.metrics.structured import arguments, canonical, wanted, written
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float | None:
    """0 to 1; `None` where no values are known to be right."""
    found, expected = written(case), wanted(case)
    if expected is None:
        return None
    return 0.0 if found is None else pairs_f1(_pairs(arguments(found)), _pairs(arguments(expected)))


def _pairs(given: dict[str, object]) -> dict[str | int, str]:
    return {name: canonical(value) for name, value in given.items()}
