"""JSON Schema validation, with nothing fetched: a reference out of the schema is an error, not a download."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from referencing.exceptions import Unresolvable

# What applying a schema raises whose references lead nowhere, or whose patterns are none.
_NO_SCHEMA = (Unresolvable, re.error, OverflowError, ValueError, RecursionError)


def schema_errors(value: Any, schema: Mapping[str, Any], *, formats: bool = False) -> list[str]:
    """What is wrong with a value by a schema (draft 2020-12), as `path: message`; empty when nothing is.

    Args:
        value: JSON.
        schema: of it.
        formats: whether `format` counts, as far as jsonschema knows it without further packages.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry

    try:
        checker = Draft202012Validator.FORMAT_CHECKER if formats else None
        found = list(Draft202012Validator(schema, registry=Registry(), format_checker=checker).iter_errors(value))
    except _NO_SCHEMA as error:
        return [f"the schema can't be applied: {error}"]
    return sorted(f"{'/'.join(map(str, error.absolute_path)) or 'value'}: {error.message}" for error in found)


def fitting(values: Iterable[Any], schema: Mapping[str, Any]) -> list[Any]:
    """Those of some values that are valid by a schema, which is read once for all of them."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    validator = Draft202012Validator(schema, registry=Registry())
    try:
        return [value for value in values if validator.is_valid(value)]
    except _NO_SCHEMA:
        return []


def schema_fault(schema: Mapping[str, Any]) -> str:
    """Why a value is no JSON Schema (draft 2020-12), as `path: message`; empty where it is one."""
    from jsonschema import Draft202012Validator

    try:
        error = next(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema), None)
    except RecursionError:
        return "it is nested too deeply"
    return f"{'/'.join(map(str, error.absolute_path)) or 'it'}: {error.message}" if error else ""


def unfolds_to(schema: Any, most: int) -> int:
    """How many parts a schema has when each reference into it is followed, but none around in a circle.

    Two references from each of thirty definitions to the next are a billion parts, which applying it would visit: no
    more than `most` are counted, and then one.
    """
    seen = 0

    def visit(part: Any, following: frozenset[str]) -> None:
        nonlocal seen
        if isinstance(part, list):
            for one in part:
                visit(one, following)
        if not isinstance(part, Mapping) or seen > most:
            return
        seen += 1
        for one in part.values():
            visit(one, following)
        for key in ("$ref", "$dynamicRef"):
            if isinstance(pointer := part.get(key), str) and pointer not in following:
                visit(_at(schema, pointer), following | {pointer})

    visit(schema, frozenset())
    return seen


def _at(schema: Any, pointer: str) -> Any:
    """What a reference leads to; the whole schema where it isn't a plain path into it."""
    found = schema
    for name in pointer.removeprefix("#").split("/")[1:]:
        name = unquote(name).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            return schema
    return found


def parameter_schema(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The schema of an object with one of the parameters, and what that may refer to."""
    shared = {key: parameters[key] for key in ("$defs", "definitions") if key in parameters}
    return {"type": "object", "properties": {name: parameters["properties"][name]}} | shared
