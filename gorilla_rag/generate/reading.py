"""Calls of tools in a text that nothing was masked in: the first JSON value, read as it was asked for or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gorilla_rag.call import argument
from gorilla_rag.errors import CallSyntaxError


def first_value(text: str) -> Any:
    """The JSON object or list that the first bracket of a text opens; `None` where that isn't JSON, or isn't whole."""
    places = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if not places:
        return None
    try:
        return json.JSONDecoder().raw_decode(text, min(places))[0]
    except (ValueError, RecursionError):
        return None


def calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments of the calls in a text: `{"tool_name", "arguments"}`, a list of them, or one in `calls`.

    Raises:
        ValueError: it has no JSON, or JSON that isn't that; the message says what.
    """
    found = first_value(text)
    if found is None:
        raise ValueError("no JSON in what it wrote")
    if isinstance(found, Mapping) and isinstance(found.get("calls"), list):
        found = found["calls"]
    made = [_call(one) for one in (found if isinstance(found, list) else [found])]
    if not made:
        raise ValueError("an empty list")
    return made


def _call(value: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, Mapping) or not isinstance(value.get("tool_name"), str) or not value["tool_name"].strip():
        raise ValueError("no tool_name")
    arguments = value.get("arguments")
    if not isinstance(arguments, dict):
        raise ValueError("no arguments")
    try:
        json.dumps(arguments, allow_nan=False)
        _ = [argument(one) for one in arguments.values()]
    except (CallSyntaxError, ValueError) as error:
        raise ValueError(f"arguments that are no values: {error}") from error
    return value["tool_name"].strip(), arguments
