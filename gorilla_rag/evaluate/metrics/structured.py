"""What the six structured-call metrics share: the JSON that was written, and the JSON that was wanted, of a case."""

from __future__ import annotations

import json
from typing import Any, cast

from gorilla_rag.evaluate.metrics import of_text
from gorilla_rag.evaluate.outcome import Case, structured


def written(case: Case) -> dict[str, Any] | None:
    """The object that was written, or `None` where it isn't a JSON object."""
    return of_text.read(case.outcome.structured)


def wanted(case: Case) -> dict[str, Any] | None:
    """The object that was wanted; `None` where no values are known to be right."""
    question = case.question
    if question.expected is None:
        return None
    return cast("dict[str, Any]", json.loads(structured(question.text, question.expected, question.document)))
