"""What the six structured-call metrics share: the JSON that was written, and the JSON that was wanted.

The metrics are those of the model card "Llama 3.1 8B – Structured API Generation (LoRA adapter)": exact match,
tool-name accuracy, query preservation, arguments partial match, JSON validity and functional correctness, over objects
of the form `{"query", "tool_name", "arguments"}`.
"""

from __future__ import annotations

import json
from typing import Any, cast

from gorilla_rag.evaluate.outcome import Case, structured


def written(case: Case) -> dict[str, Any] | None:
    """The object that was written, or `None` where it isn't a JSON object."""
    try:
        found = json.loads(case.outcome.structured, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} isn't JSON")


def wanted(case: Case) -> dict[str, Any] | None:
    """The object that was wanted; `None` where no values are known to be right."""
    question = case.question
    if question.expected is None:
        return None
    return cast("dict[str, Any]", json.loads(structured(question.text, question.expected, question.document)))


def arguments(found: dict[str, Any] | None) -> dict[str, Any]:
    """An object's arguments, empty where they aren't an object."""
    given = (found or {}).get("arguments")
    return given if isinstance(given, dict) else {}


def canonical(value: object) -> str:
    """JSON text in one form: keys sorted, no spare white space, inside strings single spaces."""
    return json.dumps(_tidy(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _tidy(value: object) -> object:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return {key: _tidy(item) for key, item in value.items()} if isinstance(value, dict) else value
