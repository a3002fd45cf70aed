"""Type annotations, and types as docstrings write them, as JSON Schema. Parsed with `ast`; nothing is imported or run.

Only what a question could set has a schema: numbers, texts, options, and lists and dictionaries of those. Arrays,
callables and other objects have none, so a union keeps those of its members that can be written down, without `None`:
leaving an argument out says the same. Knows nothing about docstrings or documents.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from gorilla_rag import syntax

Schema = dict[str, Any]

_LONGEST = 500
_NULL: Schema = {"type": "null"}
_CONSTANTS = {"True": True, "False": False, "None": None}
_WORDS = {
    "integer": "int integer ints integers _int SupportsIndex Integral",
    "number": "float floats number numbers scalar _float Real",
    "boolean": "bool boolean bools booleans _bool",
    "string": "str string strs strings _str LiteralString",
    "array": "list List sequence Sequence tuple Tuple",
    "object": "dict Dict mapping Mapping",
    "null": "None NoneType",
}
_NAMED: dict[str, Schema] = {
    **{word: {"type": kind} for kind, words in _WORDS.items() for word in words.split()},
    **{word: {} for word in ("Any", "object")},
}
_LISTS = {"list", "List", "Sequence", "Iterable", "Collection", "MutableSequence"}
_TUPLES = {"tuple", "Tuple"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
_TRANSPARENT = {"Annotated", "Final", "ClassVar", "Required", "NotRequired", "Optional"}
_DEFAULT = re.compile(r""",?\s*\(?(?<!['"])\bdefaults?\b(?!['"]).*$""", re.IGNORECASE | re.DOTALL)
_TEXT_OF = re.compile(r"\bstr(?:ing)?\s*,?\s*(?=\{)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PARENTHESES = re.compile(r"\([^()]*\)")
_OPTION = re.compile(r"""['"‘’“”]([^'"‘’“”]*)['"‘’“”]|(?<![\w.])(-?\d+(?:\.\d+)?|True|False|None)(?![\w.])""")
_ADJECTIVE = re.compile(r"^(?:(?:an?|single|(?:strictly )?positive|non-?negative|optional|python)\s+)+", re.IGNORECASE)
_RANGE = re.compile(r"\s*(?:[<>≥≤].*|(?:in|between|greater|less|at least|from|within)\b.*)$", re.DOTALL)
_ITEMS = re.compile(r"^(?:list|sequence|tuple)s?[ -]of[ -](\w+)$", re.IGNORECASE)


def schema(annotation: str, *, text: str = "") -> Schema:
    """The JSON Schema of what a parameter takes; `{}` when it can't be known, or can't be written as JSON.

    Args:
        annotation: the annotation's source, such as `"int | None"`; may be empty.
        text: the type as a docstring gives it, such as `"{'linear', 'cubic'}, optional"`; counts where the
            annotation says nothing, and where it names the options of a string.
    """
    found = dict(_of_annotation(annotation[:_LONGEST]))
    found = {} if found == _NULL else found
    if not found or found == {"type": "string"}:
        told = dict(_of_text(text[:_LONGEST]))
        return told if not found or "enum" in told else found
    return found


def literal_schema(value: Any) -> Schema:
    """The schema that a default suggests where nothing else is known; `{}` for `None`."""
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds[type(value)]} if type(value) in kinds else {}


@lru_cache(maxsize=4096)
def _of_annotation(annotation: str) -> Schema:
    return _parsed(annotation) or {}


def _parsed(source: str) -> Schema | None:
    """The schema of an annotation; `None` where it isn't one or has none."""
    try:
        return _read(syntax.expression(source))
    except syntax.UNREADABLE:
        return None


def _read(node: ast.expr) -> Schema | None:
    """`None` for what can't be JSON, `{}` for what can be anything."""
    if isinstance(node, ast.Constant):
        return _parsed(node.value) if isinstance(node.value, str) else _NULL if node.value is None else None
    if isinstance(node, ast.Name | ast.Attribute):
        found = _NAMED.get(_name(node))
        return None if found is None else dict(found)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(_read(part) for part in (node.left, node.right))
    return _subscripted(_name(node.value), _elements(node.slice)) if isinstance(node, ast.Subscript) else None


def _name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _subscripted(name: str, inside: list[ast.expr]) -> Schema | None:
    if name == "Literal":
        return _options(_constants(inside))
    if not inside:
        return None
    if name == "Union":
        return _union(map(_read, inside))
    if name in _TRANSPARENT:
        return _union([_read(inside[0])])
    if name in _LISTS:
        return _array(_read(inside[0]))
    if name in _TUPLES:
        return _tuple(inside)
    return _mapping([_read(part) for part in inside]) if name in _MAPPINGS else None


def _constants(nodes: Iterable[ast.expr]) -> Iterator[Any]:
    """The values of those that are literals."""
    for node in nodes:
        with contextlib.suppress(ValueError, TypeError):
            yield ast.literal_eval(node)


def _options(values: Iterable[Any]) -> Schema | None:
    """An enumeration of what JSON can write; of `True` and `False` alone, a boolean."""
    kept = [value for value in values if isinstance(value, str | int | float | None) and _is_json(value)]
    unique = list({json.dumps(value): value for value in kept}.values())
    if not unique or unique == [None]:
        return None
    if all(isinstance(value, bool) for value in unique):
        return {"type": "boolean"}
    texts = all(isinstance(value, str) for value in unique)
    return {"type": "string", "enum": unique} if texts else {"enum": unique}


def _is_json(value: Any) -> bool:
    try:
        return bool(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except ValueError:
        return False


def _array(items: Schema | None) -> Schema | None:
    if items is None:
        return None
    return {"type": "array", "items": items} if items else {"type": "array"}


def _tuple(inside: list[ast.expr]) -> Schema | None:
    last = inside[-1]
    if isinstance(last, ast.Constant) and last.value is ...:
        return _array(_read(inside[0]))
    parts = [part for part in map(_read, inside) if part is not None]
    if len(parts) != len(inside):
        return None
    return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}


def _mapping(parts: list[Schema | None]) -> Schema | None:
    if len(parts) != 2 or parts[1] is None or parts[0] not in ({"type": "string"}, {}):
        return None
    return {"type": "object", "additionalProperties": parts[1]} if parts[1] else {"type": "object"}


def _union(members: Iterable[Schema | None]) -> Schema | None:
    """One schema for several: `{}` where one takes anything, without those that aren't JSON and without null."""
    known = list(_flat(members))
    if any(not member for member in known):
        return {}
    kept = [member for member in known if member != _NULL]
    if {"type": "number"} in kept:
        kept = [member for member in kept if member != {"type": "integer"}]
    unique = list({json.dumps(member, sort_keys=True): member for member in kept}.values())
    if len(unique) > 1:
        return {"anyOf": unique}
    return unique[0] if unique else known[0] if known else None


def _flat(members: Iterable[Schema | None]) -> Iterator[Schema]:
    for member in members:
        if member is not None:
            yield from member.get("anyOf", [member])


@lru_cache(maxsize=16_384)
def _of_text(text: str) -> Schema:
    """The schema of a type written for people: options in braces, alternatives after "or", commas and bars."""
    plain = _TEXT_OF.sub("", _DEFAULT.sub("", text.replace("`", "")))
    options = _options(_option(found) for braces in _BRACES.findall(plain) for found in _OPTION.findall(braces))
    rest = _PARENTHESES.sub(" ", _BRACES.sub(",", plain))
    found = _union([options, *map(_alternative, _alternatives(rest))]) or {}
    return {} if found == _NULL else found


def _option(found: tuple[str, str]) -> Any:
    text, bare = found
    if not bare or bare in _CONSTANTS:
        return _CONSTANTS[bare] if bare else text
    return float(bare) if "." in bare else int(bare)


def _alternatives(text: str) -> Iterator[str]:
    """The parts of a type between "or", commas, bars and slashes that stand outside of brackets."""
    part, depth = "", 0
    for piece in re.split(r"([\[\],|/]|\bor\b)", text):
        depth += (piece == "[") - (piece == "]")
        if depth <= 0 and piece in (",", "|", "/", "or"):
            yield part
            part = ""
        else:
            part += piece
    yield part


def _alternative(text: str) -> Schema | None:
    """One of the types; a quoted word is an option. `Any` and `object` say nothing here."""
    text = text.strip()
    if quoted := re.fullmatch(r"""['"]([^'"]*)['"]""", text):
        return _options([quoted[1]])
    core = _RANGE.sub("", _ADJECTIVE.sub("", text))
    if items := _ITEMS.match(core):
        return _array(_NAMED.get(items[1]))
    found = _parsed(core) if re.match(r"[\w.]+(?:\[.*)?$", core) else None
    return found or None
