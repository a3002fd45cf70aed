"""What the model may write, as JSON Schema, and the llguidance grammar made of it.

A keyword that llguidance can't compile is taken out here, by name, before anything reaches a backend (llama.cpp would
only log a line and go on unconstrained); the full schema is checked in Python afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import EXPR_KEY
from gorilla_rag.errors import GenerationFailed

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RECALL_LENGTH = 240
_STRING_LENGTH = 120
_ITEMS = 8
_LONG = 20
_OPTIONS = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
_OF_JSON = "%llguidance {}\nstart: arguments\narguments: %json "
_SUBSCHEMAS = ("items", "additionalProperties")
_SCHEMA_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_DATA = ("enum", "const")
_ALWAYS_KNOWN = {"type", "enum", "const", "required", "$ref"}
_NOTES = {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment"}


@dataclass(frozen=True, slots=True)
class Compilable:
    """A schema that llguidance compiles, and what had to be taken out of the one it was made from.

    Attributes:
        schema: what is enforced while writing.
        removed: each keyword taken out, as `path: keyword`; checked afterwards.
    """

    schema: Mapping[str, Any]
    removed: tuple[str, ...]


def arguments_schema(doc: ApiDoc) -> dict[str, Any]:
    """The full schema of a document's arguments; of a Python call's, each may also be the user's own variable.

    That is written as `{"$expr": name}`.
    """
    if doc.kind != "python":
        return {"type": "object", **doc.parameters}
    own = {
        "type": "object",
        "properties": {EXPR_KEY: {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]{0,40}$"}},
        "required": [EXPR_KEY],
        "additionalProperties": False,
    }
    properties = doc.parameters.get("properties", {})
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"anyOf": [value, own]} for name, value in properties.items()},
        "required": [name for name in doc.parameters.get("required", []) if name in properties],
        "additionalProperties": False,
    }
    shared = {key: doc.parameters[key] for key in ("$defs", "definitions") if key in doc.parameters}
    return schema | shared


def draft_schema(choice: str, arguments: Mapping[str, Any], *, pattern: str | None = None) -> dict[str, Any]:
    """The schema of a finished draft: what has been chosen and filled in, and an explanation."""
    explanation = {"type": "string", "minLength": 1} | ({"pattern": pattern} if pattern else {})
    return _of({"choice": {"const": choice}, "arguments": {"const": dict(arguments)}, "explanation": explanation})


def choice_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The schema of a choice among labels."""
    return _of({"choice": {"type": "string", "enum": list(labels)}})


def filling_schema(choice: str, arguments: Mapping[str, Any], *, key: str = "arguments") -> dict[str, Any]:
    """The schema of a draft up to its arguments, or to the list of several `calls`' arguments.

    What these refer to stands where the references look for it.
    """
    shared = {key: arguments[key] for key in ("$defs", "definitions") if key in arguments}
    own = {key: value for key, value in arguments.items() if key not in shared}
    return _of({"choice": {"const": choice}, key: own}) | shared


def recall_schema(catalogue: Sequence[str] | None, *, call_only: bool) -> dict[str, Any]:
    """The schema of a call from memory, or from a catalogue, and of its explanation."""
    text = {"type": "string", "minLength": 1, "maxLength": RECALL_LENGTH}
    call = text if catalogue is None else {"type": "string", "enum": list(catalogue)}
    return _of({"api_call": call} | ({} if call_only else {"explanation": text}))


def _of(properties: Mapping[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def arguments_grammar(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The grammar of an arguments object, and the keywords that had to be taken out of its schema."""
    made, grammar = _compilable(json.dumps(schema))
    return grammar, made.removed


def choice_grammar(choices: Sequence[str]) -> str:
    """One of some strings as JSON, without its opening quote."""
    return _lark("start: choice\nchoice: " + " | ".join(json.dumps(json.dumps(choice)[1:]) for choice in choices))


def compilable(schema: Mapping[str, Any]) -> Compilable:
    """The largest part of a schema that llguidance compiles, keyword by keyword, and bounded.

    What is documented without a bound gets one, so that a small model comes to an end: objects take no keys but
    their own, strings and lists have a greatest length. That only narrows what may be written.
    """
    return _compilable(json.dumps(schema))[0]


@lru_cache(maxsize=1024)
def _compilable(source: str) -> tuple[Compilable, str]:
    """What compiles of a schema, and its grammar."""
    removed: list[str] = []
    schema = _pruned(json.loads(source), "", removed)
    if error := _grammar_error(_grammar(schema)):
        removed.append(f"/: everything ({error})")
        schema = {"type": "object"} if json.loads(source).get("type") == "object" else {}
    return Compilable(schema, tuple(removed)), _grammar(schema)


def _grammar(schema: Mapping[str, Any]) -> str:
    return _OF_JSON + json.dumps(_shared(schema) | _OPTIONS)


def _shared(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every long list of options that stands in it more than once under `$defs`.

    A question's texts are the options of many arguments. Five lists of 260 texts compile in 8 ms, one that five
    arguments refer to in 1 ms.
    """
    places: dict[str, list[int]] = {}
    for one in _lists(schema):
        places.setdefault(json.dumps(one["enum"]), []).append(id(one))
    repeated = [options for options, found in places.items() if len(found) > 1]
    defs = {f"options{number}": {"enum": json.loads(options)} for number, options in enumerate(repeated)}
    if not defs or not defs.keys().isdisjoint(schema.get("$defs", ())):
        return dict(schema)
    names = {place: name for name, options in zip(defs, repeated, strict=True) for place in places[options]}
    made: dict[str, Any] = _referring(schema, names)
    return made | {"$defs": {**made.get("$defs", {}), **defs}}


def _lists(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema in a schema that is a long list of options and nothing else."""
    if isinstance(value, Mapping):
        options = value.get("enum") if len(value) == 1 else None
        if isinstance(options, list) and len(options) > _LONG:
            yield value
        else:
            yield from (found for key, one in value.items() if key not in _DATA for found in _lists(one))
    elif isinstance(value, list):
        yield from (found for one in value for found in _lists(one))


def _referring(value: Any, names: Mapping[int, str]) -> Any:
    """A schema with references in place of the lists that have names; data in it stay as they are."""
    if id(value) in names:
        return {"$ref": f"#/$defs/{names[id(value)]}"}
    if isinstance(value, list):
        return [_referring(one, names) for one in value]
    if isinstance(value, Mapping):
        return {key: one if key in _DATA else _referring(one, names) for key, one in value.items()}
    return value


def _pruned(schema: Any, path: str, removed: list[str], *, closed: bool = True) -> Any:
    """The schema without the keywords that don't compile, each tried by itself.

    `oneOf` is written as `anyOf`: whether only one of its parts fits is checked afterwards. Parts of `allOf` aren't
    closed, or none would take the keys of another.
    """
    if not isinstance(schema, dict):
        return schema
    if "oneOf" in schema and "anyOf" not in schema:
        removed.append(f"{path or '/'}: oneOf")
        schema = {("anyOf" if key == "oneOf" else key): value for key, value in schema.items()}
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NOTES or keyword.startswith("x-"):
            continue
        if keyword in _SCHEMA_MAPS and isinstance(value, dict):
            kept[keyword] = {name: _pruned(item, f"{path}/{keyword}/{name}", removed) for name, item in value.items()}
        elif keyword in _SCHEMA_LISTS and isinstance(value, list):
            parts = enumerate(value)
            kept[keyword] = [
                _pruned(one, f"{path}/{keyword}/{n}", removed, closed=keyword != "allOf") for n, one in parts
            ]
        elif keyword in _SUBSCHEMAS:
            kept[keyword] = _pruned(value, f"{path}/{keyword}", removed)
        elif keyword in _ALWAYS_KNOWN or _compiles_alone(keyword, json.dumps(value), str(schema.get("type", ""))):
            kept[keyword] = value
        else:
            removed.append(f"{path or '/'}: {keyword}")
    return _bounded(kept, closed=closed and "allOf" not in kept)


def _bounded(schema: dict[str, Any], *, closed: bool) -> dict[str, Any]:
    """A schema with bounds where it has none."""
    if closed and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    if schema.get("type") == "string" and not {"enum", "const", "pattern", "format", "maxLength"} & set(schema):
        schema["maxLength"] = max(_STRING_LENGTH, schema.get("minLength", 0))
    if schema.get("type") == "array" and "maxItems" not in schema:
        schema["maxItems"] = max(_ITEMS, schema.get("minItems", 0))
    return schema


@lru_cache(maxsize=4096)
def _compiles_alone(keyword: str, value: str, type_: str) -> bool:
    """Whether llguidance knows a keyword with that value."""
    schema = {keyword: json.loads(value)}
    return not _error({"type": type_} | schema if type_ and not type_.startswith("[") else schema)


def _error(schema: Mapping[str, Any]) -> str:
    from llguidance import LLMatcher

    message: str = LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    return message.split("\n")[0]


def check_grammar(grammar: str) -> None:
    """Compiles a grammar in Python.

    Raises:
        GenerationFailed: it doesn't compile; the message says why.
    """
    message = _grammar_error(grammar)
    if message:
        raise GenerationFailed(f"the grammar doesn't compile: {message}", hint="simplify the documented parameters")


@lru_cache(maxsize=1024)
def _grammar_error(grammar: str) -> str:
    """Why a grammar doesn't compile. The schema of an arguments' grammar is compiled by itself, in half the time."""
    from llguidance import LLMatcher

    if grammar.startswith(_OF_JSON):
        made = LLMatcher.grammar_from_json_schema(grammar.removeprefix(_OF_JSON))
    else:
        made = LLMatcher.grammar_from_lark(grammar)
    message: str = LLMatcher.validate_grammar(made)
    return re.sub(r"\s+", " ", message)[:300]


def _lark(rules: str) -> str:
    return f"%llguidance {{}}\n{rules}"
