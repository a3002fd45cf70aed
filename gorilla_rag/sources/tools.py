"""Lists of tools as documents: OpenAI's and Anthropic's functions, MCP's tools, the Berkeley leaderboard's functions.

Knows records, not files. A tool's call is its name with the arguments that its schema requires; types that are no JSON
Schema (`dict`, `tuple`, `float`, `any`) are read as those they mean, and odd ones noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import unquote

from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.errors import UsageError
from gorilla_rag.sources.json_schema import SchemaReader

_SCHEMAS = ("parameters", "inputSchema", "input_schema")
_RETURNS = ("outputSchema", "response", "returns")
_DETAILS = ("annotations", "strict")
_SAYS_SOMETHING = {"properties", "anyOf", "oneOf", "allOf", "patternProperties", "additionalProperties"}


def is_tool(record: Any) -> bool:
    """Whether a record is a tool of one of the formats."""
    if not isinstance(record, Mapping):
        return False
    function = _function(record)
    if isinstance(function.get("name"), str) and record.get("type") == "function":
        return True
    return isinstance(function.get("name"), str) and any(
        isinstance(function.get(key), Mapping) and _is_schema(function[key]) for key in _SCHEMAS
    )


def listed(value: Any) -> Sequence[Any] | None:
    """The records of what a file holds, where it is a list of tools; `None` for what isn't."""
    if isinstance(value, Mapping):
        value = value.get("tools") or value.get("functions") or ([value] if is_tool(value) else None)
    return value if isinstance(value, list) and value and any(map(is_tool, value)) else None


def document(record: Mapping[str, Any], *, source: str = "", trusted: bool = False) -> tuple[ApiDoc, Iterator[str]]:
    """One tool as a document, and notes on what was left out of its schema.

    Raises:
        UsageError: it has no name, or its arguments aren't an object.
    """
    function = _function(record)
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a tool of the name {name!r}", hint="give every tool its name")
    reader = SchemaReader(_nothing)
    given: Mapping[str, Any] = next((function[key] for key in _SCHEMAS if isinstance(function.get(key), Mapping)), {})
    parameters = SchemaReader(_within(given), notes=reader.notes).read(_object(given))
    returned = next((function[key] for key in _RETURNS if isinstance(function.get(key), Mapping)), None)
    details = {key: function[key] for key in _DETAILS if function.get(key) is not None}
    if returned is not None:
        details["returns"] = SchemaReader(_within(returned), "response", notes=reader.notes).read(returned)
    parameters = _inlined(parameters)
    if parameters.get("type", "object") != "object":
        raise UsageError(f"the arguments of {name} are {parameters['type']!r}, not an object", hint="mend the schema")
    properties = parameters.get("properties", {})
    values: dict[str, Any] = {
        "api_call": name.strip(),
        "api_name": name.strip(),
        "domain": _text(record.get("domain") or record.get("category")),
        "framework": _text(record.get("provider") or record.get("server")),
        "functionality": _text(function.get("title") or _mapping(function.get("annotations")).get("title")),
        "description": _text(function.get("description")),
        "api_arguments": {key: _text(_mapping(one).get("description")) for key, one in properties.items()} or None,
        "parameters": parameters if any(parameters.get(key) for key in _SAYS_SOMETHING) else {},
        "kind": "tool",
        "version": _text(record.get("version")),
        "source": source,
        "details": details,
        "trusted": trusted,
    }
    own = record.get("id") if isinstance(record.get("id"), str) else ""
    return ApiDoc(id=own or document_id(values), **values), (f"{name}: left out {note}" for note in reader.notes)


def _function(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function itself, which OpenAI's chat completions wrap."""
    inner = record.get("function")
    return inner if isinstance(inner, Mapping) else record


def _is_schema(value: Mapping[str, Any]) -> bool:
    """Whether it is a schema rather than a list of arguments by name."""
    return not value or "properties" in value or "type" in value or "$ref" in value


def _object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema whose arguments alone are listed counts as an object's."""
    return schema if "type" in schema or "$ref" in schema else {"type": "object", **schema}


def _within(schema: Mapping[str, Any]) -> Any:
    """Looks references up inside one tool's schema."""

    def lookup(reference: str) -> Any:
        if not reference.startswith("#"):
            raise UsageError(f"{reference} leads out of the tool's schema", hint="put what it stands for under $defs")
        place: Any = schema
        for step in reference.removeprefix("#").split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
                place = place[int(step)]
                continue
            if not isinstance(place, Mapping) or step not in place:
                raise UsageError(f"{reference} stands for nothing in the tool's schema", hint="mend the schema")
            place = place[step]
        return place

    return lookup


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that is nothing but a reference, what it refers to in its place."""
    defs = schema.get("$defs", {})
    found = defs.get(str(schema.get("$ref", "")).rpartition("/")[2])
    if not isinstance(found, dict):
        return schema
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _nothing(reference: str) -> NoReturn:
    raise UsageError(f"{reference} stands for nothing", hint="mend the schema")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
