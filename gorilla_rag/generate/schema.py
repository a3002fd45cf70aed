"""What the model may write, as JSON Schema, and the llguidance grammar made of it.

A keyword that llguidance can't compile is taken out here, by name, before anything reaches a backend (llama.cpp would
only log a line and go on unconstrained); the full schema is checked in Python afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import EXPR_KEY
from gorilla_rag.errors import GenerationFailed

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
EXPLANATION_LENGTH = 220
_DOTTED_NAMES = 20
_OPTIONS = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
_SUBSCHEMAS = ("items", "additionalProperties")
_SCHEMA_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
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
    """The full schema of a document's arguments; each may also be the user's own variable, `{"$expr": name}`."""
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


def draft_schema(choice: str, doc: ApiDoc) -> dict[str, Any]:
    """The full schema of a draft whose choice has been made: that document's arguments, and an explanation."""
    properties = {
        "choice": {"const": choice},
        "arguments": arguments_schema(doc),
        "explanation": {"type": "string"},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def arguments_grammar(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The grammar of an arguments object, and the keywords that had to be taken out of its schema."""
    made = compilable(schema)
    return _lark(f"start: arguments\narguments: %json {json.dumps(dict(made.schema) | _OPTIONS)}"), made.removed


def explanation_grammar(doc: ApiDoc) -> str:
    """The rest of an explanation that has been begun, and the end of the draft: `one sentence."}`.

    It goes on from the API's name with a verb. The first full stop ends it, so a dot may only stand in a number or in
    a name that the document has.
    """
    text = f"{doc.api_call} {doc.api_name} {doc.description}"
    dotted = list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", text)))[:_DOTTED_NAMES]
    names = "".join(f"|{re.escape(name)}" for name in dotted).replace("/", "\\/")
    plain = r'[^".\\\x00-\x1f]'
    sentence = rf" [a-z]({plain}|\.[0-9]{names}){{12,{EXPLANATION_LENGTH}}}\."
    return _lark(f'start: SENTENCE "\\"}}"\nSENTENCE: /{sentence}/')


def choice_grammar(choices: Sequence[str]) -> str:
    """One of some strings as JSON, without its opening quote."""
    return _lark("start: choice\nchoice: " + " | ".join(json.dumps(json.dumps(choice)[1:]) for choice in choices))


def compilable(schema: Mapping[str, Any]) -> Compilable:
    """The largest part of a schema that llguidance compiles, keyword by keyword."""
    return _compilable(json.dumps(schema))


@lru_cache(maxsize=1024)
def _compilable(source: str) -> Compilable:
    removed: list[str] = []
    schema = _pruned(json.loads(source), "", removed)
    if error := _error(schema):
        removed.append(f"/: everything ({error})")
        schema = {"type": "object"} if json.loads(source).get("type") == "object" else {}
    return Compilable(schema, tuple(removed))


def _pruned(schema: Any, path: str, removed: list[str]) -> Any:
    """The schema without the keywords that don't compile, each tried by itself."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NOTES:
            continue
        if keyword in _SCHEMA_MAPS and isinstance(value, dict):
            kept[keyword] = {name: _pruned(item, f"{path}/{keyword}/{name}", removed) for name, item in value.items()}
        elif keyword in _SCHEMA_LISTS and isinstance(value, list):
            kept[keyword] = [_pruned(item, f"{path}/{keyword}/{n}", removed) for n, item in enumerate(value)]
        elif keyword in _SUBSCHEMAS:
            kept[keyword] = _pruned(value, f"{path}/{keyword}", removed)
        elif _compiles_alone(keyword, json.dumps(value), str(schema.get("type", ""))):
            kept[keyword] = value
        else:
            removed.append(f"{path or '/'}: {keyword}")
    return kept


@lru_cache(maxsize=4096)
def _compiles_alone(keyword: str, value: str, type_: str) -> bool:
    """Whether llguidance knows a keyword with that value."""
    if keyword in ("type", "enum", "const", "required", "$ref"):
        return True
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
    from llguidance import LLMatcher

    message: str = LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(grammar))
    return re.sub(r"\s+", " ", message)[:300]


def _lark(rules: str) -> str:
    return f"%llguidance {{}}\n{rules}"
