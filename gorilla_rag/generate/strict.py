"""The part of JSON Schema that servers compile in OpenAI's strict mode, and the way back.

Strict mode wants every property required and no others allowed, and knows few keywords. So what is sent is a part of
the schema: an optional property may be null instead of being left out, and what has no equivalent is left out. What
comes back is for the caller to check against the whole schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gorilla_rag.validate import schema_errors

_NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_ANYTHING = {"anyOf": [{"type": name} for name in ("string", "number", "boolean", "null")]}
# Anchored, without lookarounds or back references, and no escape that servers read differently.
_PLAIN = re.compile(r"\^(?:[^\\]|\\[][.^$*+?(){}|/\\dwsnrt-])*\$")


def strict(schema: Any) -> dict[str, Any]:
    """The part of a schema that strict mode takes; wider than the schema wherever that isn't all of it."""
    if not isinstance(schema, Mapping):
        return dict(_ANYTHING)
    shared = {
        key: {name: strict(value) for name, value in schema[key].items()}
        for key in ("$defs", "definitions")
        if key in schema
    }
    return _one(schema) | shared


def _one(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return {"anyOf": [strict(branch) for branch in branches]}
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values and all(type(value) in _TYPES for value in values):
        return _options(values)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        return {"anyOf": [_one({**schema, "type": one}) for one in kind]}
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return {"type": "array", "items": strict(schema.get("items"))} | _taken(schema, ("minItems", "maxItems"))
    if kind == "string":
        return {"type": "string"} | _text(schema)
    if kind in ("integer", "number"):
        return {"type": kind} | _taken(schema, _NUMBER)
    return {"type": kind} if kind in ("boolean", "null") else dict(_ANYTHING)


def _options(values: Sequence[Any]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(_TYPES[type(value)] for value in values))
    if len(kinds) == 1:
        return {"type": kinds[0], "enum": list(values)}
    return {"anyOf": [_options([value for value in values if _TYPES[type(value)] == kind]) for kind in kinds]}


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    properties = {
        name: strict(value) if name in required else _nullable(strict(value))
        for name, value in schema.get("properties", {}).items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    branches = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {"anyOf": branches if {"type": "null"} in branches else [*branches, {"type": "null"}]}


def _text(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a string must look like. Strict mode has no lengths, so a greatest length becomes a pattern."""
    pattern = schema.get("pattern", "")
    if _PLAIN.fullmatch(pattern) and "(?" not in pattern:
        return {"pattern": pattern}
    if schema.get("format") in _FORMATS:
        return {"format": schema["format"]}
    if "maxLength" in schema:
        return {"pattern": rf'^[^"\\\n\r\t]{{{schema.get("minLength", 0)},{schema["maxLength"]}}}$'}
    return {}


def _taken(schema: Mapping[str, Any], keywords: Sequence[str]) -> dict[str, Any]:
    return {keyword: schema[keyword] for keyword in keywords if keyword in schema}


def without_nulls(value: Any, schema: Any) -> Any:
    """A value as the schema means it: an optional property that is null was left out."""
    if not isinstance(schema, Mapping):
        return value
    for branch in schema.get("anyOf") or schema.get("oneOf") or ():
        meant = without_nulls(value, branch)
        if not schema_errors(meant, branch):
            return meant
    if isinstance(value, list):
        return [without_nulls(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return {
        name: without_nulls(item, properties.get(name))
        for name, item in value.items()
        if item is not None or name in required or name not in properties
    }
