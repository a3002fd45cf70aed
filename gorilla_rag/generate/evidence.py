"""Which arguments a question could be setting, and to what: the schema narrowed to what stands in the question.

A small model fills in whatever it is offered. So an optional parameter is only offered where the question gives it a
value: one of its options by name, or a number (or percentage) that fits. Required parameters are always offered; a
value that the question doesn't give is the user's own variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.generate.schema import arguments_schema
from gorilla_rag.text import bm25_words

_NUMBER = re.compile(r"(?<![\w.])(-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,15})?)( ?%)?(?![\w.]*\w)")
_QUOTED = re.compile(r"(?<!\w)(['\"])(.{1,80}?)\1(?!\w)")


def narrowed(doc: ApiDoc, question: str) -> dict[str, Any] | None:
    """The arguments schema with only the values that the question gives; `None` when there is nothing to fill in."""
    full = arguments_schema(doc)
    properties: Mapping[str, Any] = doc.parameters.get("properties", {})
    numbers = _assigned(properties, [_number(*found) for found in _NUMBER.findall(question)], question)
    kept: dict[str, Any] = {}
    for name, schema in properties.items():
        values = _values(name, schema, question, numbers)
        if values:
            kept[name] = {"enum": values}
        elif name in full["required"]:
            kept[name] = full["properties"][name]
    return full | {"properties": kept} if kept else None


def _number(digits: str, percent: str) -> float:
    return float(Decimal(digits.replace(",", "")) / (100 if percent else 1))


def _values(name: str, schema: Any, question: str, numbers: Mapping[str, float]) -> list[Any]:
    """The values of one parameter that stand in the question."""
    if not isinstance(schema, Mapping):
        return []
    options = schema.get("enum")
    if isinstance(options, list):
        words = set(bm25_words(question))
        return [option for option in options if isinstance(option, str) and set() < set(bm25_words(option)) <= words]
    if name in numbers:
        number = numbers[name]
        return [int(number) if number.is_integer() else number]
    return [text for _, text in _QUOTED.findall(question)] if schema.get("type") == "string" else []


def _assigned(properties: Mapping[str, Any], numbers: list[float], question: str) -> dict[str, float]:
    """Each number to the parameter it fits whose name and description share most with the question; ties in order."""
    words = set(bm25_words(question))
    found: dict[str, float] = {}
    for number in numbers:
        fitting = [name for name, schema in properties.items() if name not in found and _fits(schema, number)]
        if fitting:
            described = {name: set(bm25_words(f"{name} {properties[name].get('description', '')}")) for name in fitting}
            found[max(fitting, key=lambda name: len(described[name] & words))] = number
    return found


def _fits(schema: Any, number: float) -> bool:
    if not isinstance(schema, Mapping) or schema.get("type") not in ("integer", "number") or "enum" in schema:
        return False
    if schema["type"] == "integer" and not number.is_integer():
        return False
    low, high = schema.get("minimum", -float("inf")), schema.get("maximum", float("inf"))
    return bool(low <= number <= high)
