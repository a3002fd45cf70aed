"""What OpenAPI says of bodies and answers: which of several content types, and an answer's schema and example.

Knows nothing of operations or files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gorilla_rag.sources.json_schema import SchemaReader
from gorilla_rag.sources.styles import FORMS

JSON = "application/json"


def preferred(content: Mapping[str, Any]) -> str:
    """JSON before forms before anything else."""
    names = [str(name) for name in content]
    json_like = [name for name in names if re.search(r"[/+]json\b", name)]
    return next((one for one in (JSON, *json_like, *FORMS, *names) if one in names), "")


def response(given: Mapping[str, Any], reader: SchemaReader) -> dict[str, Any]:
    """A response's description, schema and example."""
    content = given.get("content")
    if isinstance(content, Mapping) and content:
        media = content[preferred(content)]
        media = media if isinstance(media, Mapping) else {}
    else:
        media = {"schema": given.get("schema"), "example": given.get("examples")}
    made = {
        "description": _text(given.get("description")),
        "schema": reader.read(media["schema"]) if isinstance(media.get("schema"), Mapping | bool) else None,
        "example": _example(media),
    }
    return {key: value for key, value in made.items() if value not in (None, "")}


def _example(media: Mapping[str, Any]) -> Any:
    if media.get("example") is not None:
        return media["example"]
    examples = media.get("examples")
    first = next(iter(examples.values()), None) if isinstance(examples, Mapping) else None
    return first.get("value") if isinstance(first, Mapping) else None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
