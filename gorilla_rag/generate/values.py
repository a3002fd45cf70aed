"""What a question gives for the arguments of a tool or an HTTP operation: the schema narrowed to values in it.

A text is copied as it stands, a number or a date is written as the schema wants it, an option is one of the documented
ones; nothing is made up. That is conditional masking (Chen and Li, "Octopus", arXiv 2404.01549) by the grammar, with
the question as the condition. What is required and isn't given may be written as `null`, and is then asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from gorilla_rag.call import EXPR_KEY
from gorilla_rag.generate import lists, numbers
from gorilla_rag.text import STOP_WORDS, bm25_words
from gorilla_rag.validate import fitting, schema_errors

LONGEST_TEXT = 12
"""Words of a text that is copied without quotes around it."""
_MOST_WORDS = 300
_MOST_PARTS = 2000
_VAGUE = frozenset("from max min maximum minimum number count".split())
_PLAIN = ("string", "integer", "number", "boolean")
_NEGATED = re.compile(
    r"\b(?:no|not|never|without|exclud\w+|except|disabl\w+|off|omit\w*|skip\w*)\b|n['’]t\b", re.IGNORECASE
)
_OF_A_YEAR = re.compile(r"(?:^|_|[a-z](?=Y))[yY]ear$")
_DEEPEST = 12
_MOST_ITEMS = 8
_LONGEST_LIST = 100
_MOST_LISTS = 24
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
_TIME = r"(?:,? (?:at )?\d\d?:\d\d(?::\d\d)?(?: ?[ap]m)?)?"
_DATES = re.compile(
    rf"(?:\d{{4}}-\d\d?-\d\d?(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d?[./]\d\d?[./]\d{{4}}|"
    rf"\d\d?(?:st|nd|rd|th)?(?: of)? {_MONTH},? \d{{4}}|{_MONTH} \d\d?(?:st|nd|rd|th)?,? \d{{4}}){_TIME}",
    re.IGNORECASE,
)


def offered(
    parameters: Mapping[str, Any], question: str, *, longest: int = LONGEST_TEXT, single: bool = True
) -> dict[str, Any] | None:
    """The schema of a call's arguments with only what a question gives; `None` where it gives nothing.

    Args:
        parameters: JSON Schema of an object.
        question: as asked.
        longest: words of a text that is copied without quotes around it.
        single: whether one call is written; of several, what the question names may be given to one alone.
    """
    reader = _Question(question, parameters.get("$defs", {}), longest, single)
    reader.claimed = frozenset(_names(parameters, reader.defs))
    made = reader.narrowed({**parameters, "type": "object"}, "", needed=True, depth=0)
    return made if made and made["properties"] else None


def calls_asked(parameters: Mapping[str, Any], question: str) -> tuple[int, int]:
    """How many calls a question asks for at least and at most, by the values that it lists.

    `circles with radius 5, 10 and 15` are three, because a call takes one radius; `a base of 6 and another with a base
    of 8` may be two; a distance between two cities is one, because a call takes both.
    """
    defs = parameters.get("$defs", {})
    schemas = {name: resolved(one, defs) for name, one in parameters.get("properties", {}).items()}
    single = {name: one for name, one in schemas.items() if one.get("type") in ("integer", "number", "string")}
    needed = {name: one for name, one in single.items() if name in parameters.get("required", ())} or single
    numeric = [name for name, one in needed.items() if one["type"] != "string"]
    texts = [name for name in needed if name not in numeric]
    _, joined = _lists(question)
    listed = [max(some, key=len) for some in joined]
    numbered = [len(some[0]) for some in joined if _are_numbers(some[0])]
    found = list(numbers.read(question))
    most = [sum(_stands_beside(name, number) for number in found) for name in numeric]
    most += [count // len(numeric) for count in numbered if numeric]
    most += [len(some) // len(texts) for some in listed if texts]
    takes_lists = any(one.get("type") == "array" for one in schemas.values())
    least = max([1, *numbered]) if len(numeric) == 1 and not takes_lists else 1
    return least, max([1, *most])


@dataclass
class _Question:
    """A question, and what has been found in it."""

    text: str
    defs: Mapping[str, Any]
    longest: int
    single: bool
    claimed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._all_words, self._numbers = _read(self.text)
        self._words = self._all_words - STOP_WORDS
        self._texts = _texts(self.text, self.longest)
        self._left = _MOST_PARTS
        self._bracketed, self._joined = _lists(self.text)
        self._numbered = [{_as_number(one) for one in some[0]} for some in self._joined if _are_numbers(some[0])]

    def narrowed(self, schema: Any, path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        """A schema with only what the question gives; `None` for nothing."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        given = resolved(schema, self.defs)
        if "const" in given:
            return {"const": given["const"]}
        if isinstance(given.get("enum"), list):
            return self._options(given, path, needed=needed)
        if parts := alternatives(given):
            found = [self.narrowed(one, path, needed=needed, depth=depth + 1) for one in parts]
            kept = [one for one in found if one]
            return kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else None
        kind = given.get("type")
        if kind == "object" or "properties" in given:
            return self._object(given, path, needed=needed, depth=depth)
        if kind == "array":
            return self._list(given, path, needed=needed, depth=depth)
        name = path.rpartition(".")[2]
        if kind == "boolean":
            if self._is_named(name) and not _NEGATED.search(self.text):
                return {"const": True}
            return {"type": "boolean"} if needed or self._speaks_of(path, given) else None
        if not needed and not self._speaks_of(path, given) and not self._stands(name, given):
            return None
        values = self._numbers_for(given, path) if kind in ("integer", "number") else self._texts_for(given)
        return {"enum": values} if values else None

    def _object(self, schema: Mapping[str, Any], path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        kept: dict[str, Any] = {}
        if path and (whole := [one for one in self._bracketed if self._is_object(one, schema)]):
            return {"enum": whole}
        properties = schema.get("properties", {})
        required = [name for name in schema.get("required", []) if name in properties]
        for name, one in properties.items():
            place, must, given = f"{path}.{name}".removeprefix("."), name in required, resolved(one, self.defs)
            if found := self.narrowed(one, place, needed=must, depth=depth + 1):
                kept[name] = _or_null(found, given) if must else found
                required += [name] if not must and self._gives(name, one) else []
            elif must and ("default" in given or admits_null(given, {"$defs": self.defs})):
                kept[name] = {"const": given.get("default")}
        optional = [name for name in kept if name not in schema.get("required", ()) or "const" not in kept[name]]
        if path and not (optional if not needed else kept):
            return None
        required = [name for name in required if name in kept]
        return {"type": "object", "properties": kept, "required": required, "additionalProperties": False}

    def _is_object(self, value: Any, schema: Mapping[str, Any]) -> bool:
        return isinstance(value, dict) and not schema_errors(value, alone(schema, {"$defs": self.defs}))

    def _list(self, schema: Mapping[str, Any], path: str, *, needed: bool, depth: int) -> dict[str, Any] | None:
        given = needed or self._speaks_of(path, schema)
        if given and (whole := self._whole_lists(schema)):
            return {"enum": whole}
        fewest = max(1, schema.get("minItems", 1))
        given = given and fewest <= _LONGEST_LIST
        items = self.narrowed(schema.get("items", {}), path, needed=given, depth=depth + 1) if given else None
        if not items:
            return None
        most = max(fewest, min(schema.get("maxItems", _MOST_ITEMS), _MOST_ITEMS))
        return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}

    def _whole_lists(self, schema: Mapping[str, Any]) -> list[Any]:
        """Lists that stand in the question as they are: in brackets, else joined by commas and `and`."""
        whole, items = alone(schema, {"$defs": self.defs}), resolved(schema.get("items", {}), self.defs)
        numeric = items.get("type") in ("integer", "number")
        joined = [[_as_number(one) if numeric else one for one in reading] for some in self._joined for reading in some]
        for found in (self._bracketed, joined):
            if kept := fitting((one for one in found if isinstance(one, list) and one), whole):
                return list({json.dumps(one): one for one in kept}.values())[:_MOST_LISTS]
        return []

    def _options(self, schema: Mapping[str, Any], path: str, *, needed: bool) -> dict[str, Any] | None:
        """The options that the question names; all where one is needed and it names none."""
        words = self._all_words
        named = [one for one in schema["enum"] if isinstance(one, str) and set() < set(bm25_words(one)) <= words]
        beside = [number for number in self._numbers if needed or _stands_beside(path.rpartition(".")[2], number)]
        values = [number.value for number in beside]
        named += [one for one in schema["enum"] if not isinstance(one, bool | str) and one in values]
        found = named or ([one for one in schema["enum"] if one is not None] if needed else [])
        return {"enum": found} if found else None

    def _numbers_for(self, schema: Mapping[str, Any], path: str) -> list[int | float]:
        """Numbers that stand beside the argument's name; else those beside no other's; else all."""
        described = f"{path} {schema.get('description', '')}".lower()
        percent = "percent" in described or "%" in described
        name, whole = path.rpartition(".")[2], alone(schema, {"$defs": self.defs})
        own = [number for number in self._numbers if _stands_beside(name, number)]
        listed = {value for some in self._numbered if any(one.value in some for one in own) for value in some}
        own = [number for number in self._numbers if number in own or number.value in listed]
        free = [number for number in self._numbers if not any(_stands_beside(one, number) for one in self.claimed)]
        for some in (own, free, self._numbers):
            found = [number.written(percent=percent) for number in some]
            found += [number.value for number in some] if schema.get("type") == "number" else []
            if fit := fitting(dict.fromkeys(found), whole):
                return fit
        return []

    def _texts_for(self, schema: Mapping[str, Any]) -> list[str]:
        named = schema.get("format")
        if named in ("date", "date-time"):
            found = tuple(_dates(self.text, whole=named == "date-time"))
        elif named in _FORMATS:
            found = tuple(re.findall(rf"(?<![\w.]){_FORMATS[named]}(?!\w)", self.text))
        else:
            found = self._texts
        fewest, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        fit = [one for one in found if fewest <= len(one) <= most]
        return fitting(fit, {"pattern": schema["pattern"]}) if "pattern" in schema else fit

    def _gives(self, name: str, schema: Any) -> bool:
        """Whether the question gives what may be left out: it names an option, or the argument, or that by a number."""
        given = resolved(schema, self.defs)
        if isinstance(given.get("enum"), list) and any(isinstance(one, str) for one in given["enum"]):
            return True
        return self._stands(name, given) or (given.get("type") in _PLAIN and self._is_named(name))

    def _stands(self, name: str, given: Mapping[str, Any]) -> bool:
        """Whether an argument that is a number stands beside one."""
        numeric = given.get("type") in ("integer", "number") or "enum" in given
        return numeric and any(_stands_beside(name, number) for number in self._numbers)

    def _is_named(self, name: str) -> bool:
        """Whether the question has every word of an argument's name: then it gives the argument.

        So it was for all 91 optional arguments that questions of Seal-Tools and of this project's own examples name;
        of those that they name in part, for 72 of 115.
        """
        whole, *parts = bm25_words(name) or [""]
        return self.single and set() < set(parts or [whole]) - STOP_WORDS <= self._words

    def _speaks_of(self, path: str, schema: Mapping[str, Any]) -> bool:
        """Whether the question has a word of an argument's name, or of its title."""
        return not self._words.isdisjoint(bm25_words(f"{path.rpartition('.')[2]} {schema.get('title', '')}"))


@lru_cache(maxsize=1024)
def _as_number(text: str) -> int | float | None:
    """The only number of a text."""
    found = list(numbers.read(text))
    return found[0].value if len(found) == 1 else None


def _are_numbers(texts: list[str]) -> bool:
    return all(_as_number(one) is not None for one in texts)


def _names(value: Any, defs: Mapping[str, Any]) -> Iterator[str]:
    """The names of every number among some arguments, to any depth, and in what they refer to."""
    if isinstance(value, Mapping):
        properties = value.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) else ():
            if resolved(one, defs).get("type") in ("integer", "number"):
                yield name
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _names(part, defs)


def _stands_beside(name: str, number: numbers.Number) -> bool:
    """Whether an argument's name, or its last word, stands right before or after a number: `6 hours`, `page 2`."""
    if number.is_year and _OF_A_YEAR.search(name):
        return True
    words = [word.rstrip("s") for word in bm25_words(name.rpartition("_")[2]) if word not in STOP_WORDS | _VAGUE]
    return any(word.rstrip("s") in words for word in number.beside)


def _or_null(found: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """What may be written of a required argument, or that the question doesn't give it, unless it names an option."""
    if isinstance(schema.get("enum"), list) and len(found.get("enum", ())) < len(schema["enum"]):
        return found
    if "anyOf" in found:
        return {"anyOf": [*found["anyOf"], {"type": "null"}]}
    one_of_the_question = set(found) == {"enum"} and None not in found["enum"]
    return {"enum": [*found["enum"], None]} if one_of_the_question else found


def admits_null(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether `null` is a value; of what may be anything it only says that nothing is given."""
    says = {key for key in schema if not key.startswith("x-")} - {"description", "title", "default", "examples"}
    return bool(says) and not schema_errors(None, alone(schema, parameters))


# Every candidate is offered what stands in the same question.
@lru_cache(maxsize=64)
def _read(question: str) -> tuple[frozenset[str], tuple[numbers.Number, ...]]:
    """A question's words and numbers."""
    return frozenset(bm25_words(question)), tuple(numbers.read(question))


@lru_cache(maxsize=64)
def _lists(question: str) -> tuple[tuple[Any, ...], tuple[list[list[str]], ...]]:
    """What stands in brackets in a question, and the readings of its joined lists; not to be changed.

    `{"$expr": …}` would be read as Python of the user's own, which the arguments of a tool have none of.
    """
    found = (one for one in lists.bracketed(question) if EXPR_KEY not in json.dumps(one))
    return tuple(found), tuple(lists.joined(question))


@lru_cache(maxsize=64)
def _texts(question: str, longest: int) -> tuple[str, ...]:
    """A question's texts, each once."""
    return tuple(dict.fromkeys(_runs(question, longest)))


def _runs(question: str, longest: int) -> Iterator[str]:
    """What is quoted; then every run of words at most so long among the first 300, with and without punctuation."""
    for match in _QUOTED.finditer(question):
        yield next(filter(None, match.groups()))
    words = [(match.start(), match.end()) for match in islice(_WORD.finditer(question), _MOST_WORDS)]
    for first in range(len(words)):
        for last in range(first, min(first + longest, len(words))):
            text = question[words[first][0] : words[last][1]]
            bare = text.strip(_EDGES)
            own = bare.removesuffix("'s").removesuffix("’s")
            for one in (bare, own, text.rstrip(".,;:!?") if set(text) & set("()[]{}") else ""):
                if one and "\n" not in one:
                    yield one


def _dates(question: str, *, whole: bool) -> Iterator[str]:
    """Dates as ISO 8601 writes them; with a time where that is wanted, midnight unless one is given.

    `02/03/2026` is read both ways, `02.03.2026` day first.
    """
    from dateutil import parser

    for match in _DATES.finditer(question):
        text = re.sub(r"\bat\b", " ", match.group())
        for day_first in (True,) if "." in text else (False, True) if "/" in text else (False,):
            try:
                found = parser.parse(text, default=datetime(2000, 1, 1), dayfirst=day_first)
            except (ValueError, OverflowError):
                continue
            if whole:
                yield found.isoformat() if found.tzinfo else found.isoformat() + "Z"
            else:
                yield found.date().isoformat()


def alternatives(schema: Mapping[str, Any]) -> list[Any]:
    """What a schema may be instead of one thing, `null` left out."""
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            rest = {name: value for name, value in schema.items() if name not in (key, "$defs")}
            return [{**rest, **one} for one in schema[key] if isinstance(one, Mapping) and one.get("type") != "null"]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"] if one != "null"]
    return []


def resolved(schema: Any, defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, what it refers to in its place."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            break
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**(defs.get(reference.rpartition("/")[2]) or {}), **rest}
    return schema if isinstance(schema, Mapping) else {}


def alone(schema: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what it may refer to."""
    return {**(schema if isinstance(schema, Mapping) else {}), "$defs": dict(parameters.get("$defs", {}))}
