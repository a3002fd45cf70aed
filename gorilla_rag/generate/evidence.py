"""Which arguments a question could be setting, and to what: the schema narrowed to what stands in the question.

A small model fills in whatever it is offered. So an optional parameter is only offered where the question gives it a
value: one of its options by name, or a number (or percentage) that fits. Required parameters are always offered; a
value that the question doesn't give is the user's own variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.generate.schema import arguments_schema
from gorilla_rag.text import STOP_WORDS, bm25_words
from gorilla_rag.validate import parameter_schema, schema_errors

_NUMBER = re.compile(r"(?<![\w.])(-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,15})?)( ?%)?(?![\w.]*\w)")
_QUOTED = re.compile(r"(?<!\w)(['\"])(.{1,80}?)\1(?!\w)")


def narrowed(doc: ApiDoc, question: str) -> dict[str, Any] | None:
    """The arguments schema with only the values that the question gives; `None` when there is nothing to fill in."""
    full = arguments_schema(doc)
    properties: Mapping[str, Any] = doc.parameters.get("properties", {})
    numbers = _assigned(doc, [_read(*found) for found in _NUMBER.findall(question)], question)
    kept: dict[str, Any] = {}
    for name, schema in properties.items():
        values = [numbers[name]] if name in numbers else _words(schema, question)
        values = [value for value in values if not schema_errors({name: value}, parameter_schema(doc.parameters, name))]
        if values:
            kept[name] = {"enum": values}
        elif name in full["required"]:
            kept[name] = full["properties"][name]
    return full | {"properties": kept} if kept else None


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in a question; `20 %` is 0.2, or 20 for a parameter that is documented in percent."""

    value: int | float
    percent: int | float | None = None

    def meant_for(self, name: str, schema: Any) -> int | float:
        documented = isinstance(schema, Mapping) and "percent" in f"{name} {schema.get('description', '')}".lower()
        return self.percent if self.percent is not None and documented else self.value


def _read(digits: str, percent: str) -> _Number:
    number = Decimal(digits.replace(",", ""))
    return _Number(_plain(number / 100), _plain(number)) if percent else _Number(_plain(number))


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _words(schema: Any, question: str) -> list[Any]:
    """The options, or the quoted texts, that stand in the question."""
    if not isinstance(schema, Mapping):
        return []
    if "anyOf" in schema:
        return [value for part in schema["anyOf"] for value in _words(part, question)]
    options = schema.get("enum")
    if isinstance(options, list):
        words = set(bm25_words(question))
        return [option for option in options if isinstance(option, str) and set() < set(bm25_words(option)) <= words]
    return [text for _, text in _QUOTED.findall(question)] if schema.get("type") == "string" else []


def _assigned(doc: ApiDoc, numbers: list[_Number], question: str) -> dict[str, int | float]:
    """Each number to the parameter it fits whose name and description share most with the question; ties in order."""
    properties: Mapping[str, Any] = doc.parameters.get("properties", {})
    words = set(bm25_words(question)) - STOP_WORDS
    found: dict[str, int | float] = {}
    for number in numbers:
        meant = {name: number.meant_for(name, schema) for name, schema in properties.items() if name not in found}
        shared = {
            name: len(set(bm25_words(f"{name} {properties[name].get('description', '')}")) & words)
            for name, value in meant.items()
            if _fits(doc, name, value)
        }
        if shared:
            best = max(shared, key=lambda name: shared[name])
            found[best] = meant[best]
    return found


def _fits(doc: ApiDoc, name: str, number: float) -> bool:
    schema = doc.parameters["properties"][name]
    parts = schema.get("anyOf", [schema]) if isinstance(schema, Mapping) else []
    numeric = any(part.get("type") in ("integer", "number") for part in parts)
    return numeric and not schema_errors({name: number}, parameter_schema(doc.parameters, name))
