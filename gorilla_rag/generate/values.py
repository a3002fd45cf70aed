"""What a question gives for the arguments of a tool or an HTTP operation: the schema narrowed to values in it.

A text is copied as it stands, a number or a date is written as the schema wants it, an option is one of the documented
ones; nothing is made up. That is conditional masking (Chen and Li, "Octopus", arXiv 2404.01549) by the grammar, with
the question as the condition. What is required and isn't given may be written as `null`, and is then asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from gorilla_rag.generate import numbers
from gorilla_rag.text import STOP_WORDS, bm25_words
from gorilla_rag.validate import schema_errors

LONGEST_TEXT = 12
"""Words of a text that is copied without quotes around it."""
_MOST_WORDS = 300
_DEEPEST = 12
_MOST_ITEMS = 8
_WORD = re.compile(r"\S+")
_EDGES = ".,;:!?()[]{}\"'`<>«»“”‘’"
_QUOTED = re.compile(r"(?<!\w)(?:'(.{1,400}?)'|\"(.{1,400}?)\"|“(.{1,400}?)”|`(.{1,400}?)`)(?!\w)")
_FORMATS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "uri": r"[a-z][a-z0-9+.-]*://[^\s<>\"']*[^\s<>\"'.,;:!?)]",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": r"\d{1,3}(?:\.\d{1,3}){3}",
    "time": r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?",
}
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATES = re.compile(
    rf"\d{{4}}-\d\d?-\d\d?(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d?[./]\d\d?[./]\d{{4}}|"
    rf"\d\d?(?:st|nd|rd|th)?(?: of)? {_MONTH},? \d{{4}}|{_MONTH} \d\d?(?:st|nd|rd|th)?,? \d{{4}}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be written.

    Attributes:
        schema: of the arguments that the question could give; `None` where there is none.
        missing: required arguments that it can't give, by their path (`body.name`).
    """

    schema: dict[str, Any] | None
    missing: tuple[str, ...]


def offered(parameters: Mapping[str, Any], question: str) -> Offer:
    """The schema of a call's arguments with only what a question gives.

    Args:
        parameters: JSON Schema of an object.
        question: as asked.
    """
    reader = _Question(question, parameters.get("$defs", {}))
    reader.claimed = frozenset(_names(parameters, reader.defs))
    made = reader.narrowed({**parameters, "type": "object"}, "", needed=True, depth=0)
    return Offer(made if made and made["properties"] else None, tuple(reader.missing))


def completed(values: Any, parameters: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """The arguments as written without `null` where the schema has none; and the paths of what is so asked for."""
    missing: list[str] = []

    def kept(value: Any, schema: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            properties = _resolved(schema, parameters.get("$defs", {})).get("properties", {})
            made = {}
            for name, one in value.items():
                place = f"{path}.{name}".removeprefix(".")
                inner = properties.get(name, {})
                if one is None and schema_errors(None, _alone(inner, parameters)):
                    missing.append(place)
                else:
                    made[name] = kept(one, inner, place)
            return made
        return value

    return kept(values, parameters, ""), tuple(missing)


@dataclass
class _Question:
    """A question, and what has been found in it."""

    text: str
    defs: Mapping[str, Any]
    missing: list[str] = field(default_factory=list)
    claimed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._words = set(bm25_words(self.text)) - STOP_WORDS
        self._texts = list(dict.fromkeys(_texts(self.text)))
        self._numbers = list(numbers.read(self.text))

    def narrowed(self, schema: Any, path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        """A schema with only what the question gives; `None` for nothing."""
        if depth > _DEEPEST:
            return None
        given = _resolved(schema, self.defs)
        if "const" in given:
            return {"const": given["const"]}
        if isinstance(given.get("enum"), list):
            return self._options(given, needed=needed)
        if alternatives := _alternatives(given):
            found = [self.narrowed(one, path, needed=needed, depth=depth + 1) for one in alternatives]
            kept = [one for one in found if one]
            return kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else None
        kind = given.get("type")
        if kind == "object" or "properties" in given:
            return self._object(given, path, needed=needed, depth=depth)
        if kind == "array":
            return self._list(given, path, needed=needed, depth=depth)
        if kind == "boolean":
            return {"type": "boolean"} if needed or self._speaks_of(path, given) else None
        if not needed and not self._speaks_of(path, given):
            return None
        values = self._numbers_for(given, path) if kind in ("integer", "number") else self._texts_for(given)
        return {"enum": values} if values else None

    def _object(self, schema: Mapping[str, Any], path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        kept: dict[str, Any] = {}
        required = [name for name in schema.get("required", []) if name in schema.get("properties", {})]
        asked = len(self.missing)
        for name, one in schema.get("properties", {}).items():
            place, must = f"{path}.{name}".removeprefix("."), needed and name in required
            found = self.narrowed(one, place, needed=must, depth=depth + 1)
            if found:
                kept[name] = _or_null(found, one, self.defs) if must else found
                required += [name] if not must and self._gives(name, one) else []
            elif must and "default" in _resolved(one, self.defs):
                kept[name] = {"const": _resolved(one, self.defs)["default"]}
            elif must and not any(one.startswith(f"{place}.") for one in self.missing[asked:]):
                self.missing.append(place)
        if not kept and path:
            return None
        required = [name for name in required if name in kept]
        return {"type": "object", "properties": kept, "required": required, "additionalProperties": False}

    def _list(self, schema: Mapping[str, Any], path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        given = needed or self._speaks_of(path, schema)
        items = self.narrowed(schema.get("items", {}), path, needed=given, depth=depth + 1) if given else None
        if not items:
            return None
        fewest = max(1, schema.get("minItems", 1))
        most = max(fewest, min(schema.get("maxItems", _MOST_ITEMS), _MOST_ITEMS))
        return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}

    def _options(self, schema: Mapping[str, Any], *, needed: bool) -> dict[str, Any] | None:
        """The options that the question names; all where one is needed and it names none."""
        named = [one for one in schema["enum"] if isinstance(one, str) and set() < set(bm25_words(one)) <= self._words]
        values = [number.value for number in self._numbers]
        named += [one for one in schema["enum"] if not isinstance(one, bool | str) and one in values]
        found = named or ([one for one in schema["enum"] if one is not None] if needed else [])
        return {"enum": found} if found else None

    def _numbers_for(self, schema: Mapping[str, Any], path: str) -> list[int | float]:
        percent = "percent" in f"{path} {schema.get('description', '')}".lower()
        name = path.rpartition(".")[2]
        own = [number for number in self._numbers if _stands_beside(name, number)]
        free = [number for number in self._numbers if not any(_stands_beside(one, number) for one in self.claimed)]
        found = [number.written(percent=percent) for number in own or free]
        if schema.get("type") == "number":
            found += [number.value for number in own or free]
        return [one for one in dict.fromkeys(found) if not schema_errors(one, _alone(schema, {"$defs": self.defs}))]

    def _texts_for(self, schema: Mapping[str, Any]) -> list[str]:
        named = schema.get("format")
        if named in ("date", "date-time"):
            found = list(_dates(self.text, whole=named == "date-time"))
        elif named in _FORMATS:
            found = [match.group() for match in re.finditer(rf"(?<![\w.]){_FORMATS[named]}(?!\w)", self.text)]
        else:
            found = self._texts
        limits = {key: schema[key] for key in ("pattern", "minLength", "maxLength") if key in schema}
        return [one for one in found if not limits or not schema_errors(one, limits)]

    def _gives(self, name: str, schema: Any) -> bool:
        """Whether the question gives what may be left out: it names an option, or the argument beside a number."""
        given = _resolved(schema, self.defs)
        if isinstance(given.get("enum"), list):
            return True
        numeric = given.get("type") in ("integer", "number")
        return numeric and any(_stands_beside(name, number) for number in self._numbers)

    def _speaks_of(self, path: str, schema: Mapping[str, Any]) -> bool:
        """Whether the question has a word of an argument's name, or of its title."""
        return not self._words.isdisjoint(bm25_words(f"{path.rpartition('.')[2]} {schema.get('title', '')}"))


def _names(value: Any, defs: Mapping[str, Any]) -> Iterator[str]:
    """The names of every number among some arguments, to any depth, and in what they refer to."""
    if isinstance(value, Mapping):
        properties = value.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) else ():
            if _resolved(one, defs).get("type") in ("integer", "number"):
                yield name
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _names(part, defs)


def _stands_beside(name: str, number: numbers.Number) -> bool:
    """Whether an argument's name, or a word of it, stands right before or after a number: `6 hours`, `page 2`."""
    words = {word.rstrip("s") for word in bm25_words(name)} - STOP_WORDS
    return any(word.rstrip("s") in words for word in number.beside)


def _or_null(found: dict[str, Any], schema: Any, defs: Mapping[str, Any]) -> dict[str, Any]:
    """What may be written of a required argument, or that the question doesn't give it."""
    if set(found) == {"enum"} and not _alternatives(_resolved(schema, defs)) and "enum" not in _resolved(schema, defs):
        return {"enum": [*found["enum"], None]}
    return found


def _texts(question: str) -> Iterator[str]:
    """What is quoted; then every run of `LONGEST_TEXT` words at most among the first 300, bare of punctuation."""
    for match in _QUOTED.finditer(question):
        yield next(filter(None, match.groups()))
    words = [(match.start(), match.end()) for match in islice(_WORD.finditer(question), _MOST_WORDS)]
    for first in range(len(words)):
        for last in range(first, min(first + LONGEST_TEXT, len(words))):
            text = question[words[first][0] : words[last][1]]
            for one in (text.strip(_EDGES), re.sub(r"['’]s?$", "", text.strip(_EDGES))):
                if one and "\n" not in one:
                    yield one


def _dates(question: str, *, whole: bool) -> Iterator[str]:
    """Dates as ISO 8601 writes them; with a time where that is wanted, midnight unless one is given."""
    from dateutil import parser

    for match in _DATES.finditer(question):
        try:
            found = parser.parse(match.group(), default=datetime(2000, 1, 1), dayfirst=False)
        except (ValueError, OverflowError):
            continue
        if whole:
            yield found.isoformat() if found.tzinfo else found.isoformat() + "Z"
        else:
            yield found.date().isoformat()


def _alternatives(schema: Mapping[str, Any]) -> list[Any]:
    """What a schema may be instead of one thing, `null` left out."""
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            rest = {name: value for name, value in schema.items() if name not in (key, "$defs")}
            return [{**rest, **one} for one in schema[key] if isinstance(one, Mapping) and one.get("type") != "null"]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"] if one != "null"]
    return []


def _resolved(schema: Any, defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, what it refers to in its place."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            break
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**(defs.get(reference.rpartition("/")[2]) or {}), **rest}
    return schema if isinstance(schema, Mapping) else {}


def _alone(schema: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what it may refer to."""
    return {**(schema if isinstance(schema, Mapping) else {}), "$defs": dict(parameters.get("$defs", {}))}
