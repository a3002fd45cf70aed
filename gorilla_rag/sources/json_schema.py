"""Schemas as OpenAPI 2.0, 3.0 and 3.1 and lists of tools write them, as JSON Schema (draft 2020-12) that stands alone.

Knows nothing of operations or files: a reference is looked up by whoever gives the schema. What is no JSON Schema is
left out and noted, so that one odd keyword doesn't cost a whole operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Purpose = Literal["request", "response"]
Lookup = Callable[[str], Any]
"""What a reference stands for; raises `LookupError` where it stands for nothing."""

_LOCAL = "#/$defs/"
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
# Names that Python, Java, JavaScript and SQL give the types; what may be anything has no type in JSON Schema.
_SAME_TYPE = {
    "object": "dict dictionary map hashmap mapping struct record json",
    "array": "list tuple arraylist set sequence vector",
    "string": "str text char varchar enum date datetime date-time time timestamp uuid email url uri file binary byte",
    "number": "float double decimal numeric real",
    "integer": "int long short int32 int64 bigint smallint number(int)",
    "boolean": "bool",
    "null": "none nil void",
    "": "any mixed unknown variant",
}
_TYPE_OF = {name: type_ for type_, names in _SAME_TYPE.items() for name in names.split()}
_LEFT_OUT = ("xml", "externalDocs", "discriminator", "collectionFormat", "allowEmptyValue", "nullable", "optional")
_ANNOTATIONS = ("title", "description", "default", "examples", "deprecated", "$comment", "readOnly", "writeOnly")
_WORDS = ("title", "description", "summary", "examples", "example", "deprecated", "$comment")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else", "unevaluatedItems",
        "unevaluatedProperties")  # fmt: skip
_DATA = ("default", "examples", "enum", "const")
_MOST_MENDED = 100


@dataclass
class SchemaReader:
    """Reads schemas of one file. Definitions that several schemas refer to are read once.

    Args:
        lookup: what a reference stands for.
        purpose: of a request, properties that are only ever answered are left out; of a response, those only sent.
        siblings: whether keywords beside a reference count. Before OpenAPI 3.1 they don't; what they say of the
            reference in words is kept all the same, as it changes no value.

    Attributes:
        notes: what was left out or read as something else, each once.
    """

    lookup: Lookup
    purpose: Purpose = "request"
    notes: dict[str, None] = field(default_factory=dict)
    siblings: bool = True
    _names: dict[str, str] = field(default_factory=dict)
    _waiting: list[str] = field(default_factory=list)
    _wholes: dict[str, Any] = field(default_factory=dict)
    _definitions: dict[str, Any] = field(default_factory=dict)
    _refers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _mended_before: dict[str, Any] = field(default_factory=dict)

    def read(self, schema: Any) -> dict[str, Any]:
        """A schema with everything that it refers to under `$defs`."""
        known = dict(self._names)
        try:
            made = self._mended(self._schema(schema))
            while self._waiting:
                reference = self._waiting.pop()
                self._definitions[self._names[reference]] = self._mended(self._schema(self.lookup(reference)))
        except BaseException:
            # What was begun isn't known: the next schema that refers to it fails in the same way.
            self._waiting.clear()
            self._definitions = {name: self._definitions[name] for name in known.values()}
            self._names = known
            raise
        whole = {} if made is True else {"not": {}} if made is False else dict(made)
        defs: dict[str, Any] = {}
        waiting = list(_references(whole))
        while waiting:
            name = waiting.pop()
            if name not in defs:
                defs[name] = self._definitions[name]
                if name not in self._refers:
                    self._refers[name] = tuple(_references(defs[name]))
                waiting += self._refers[name]
        return whole | ({"$defs": {name: defs[name] for name in sorted(defs)}} if defs else {})

    def _schema(self, schema: Any) -> Any:
        """A schema's keywords, each read."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            return self._note(f"a schema that is {type(schema).__name__}", {})
        if isinstance(reference := schema.get("$ref"), str):
            return self._referring(reference, {key: value for key, value in schema.items() if key != "$ref"})
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _MAPS and not isinstance(value, Mapping):
                self._note(f"{key} that is {type(value).__name__}", None)
            elif key not in _LEFT_OUT and not str(key).startswith("x-"):
                named, read = self._keyword(str(key), value)
                made.setdefault(named, read)
        self._typed(made)
        _required(made, schema)
        _exclusive(made)
        if isinstance(made.get("allOf"), list):
            made = self._merged(made)
        return _nullable(made) if schema.get("nullable") is True or schema.get("x-nullable") is True else made

    def _referring(self, reference: str, beside: Mapping[str, Any]) -> Any:
        """A reference and the keywords beside it; where they narrow it, both are put together if that can be."""
        counting = [str(key) for key in beside if key not in _WORDS and not str(key).startswith("x-")]
        if not self.siblings:
            if counting:
                self._note(f"{', '.join(counting)} beside a reference, which counts from OpenAPI 3.1 on", None)
            return self._schema(_only(beside, _WORDS)) | {"$ref": self._reference(reference)}
        nullable = beside.get("nullable") is True or beside.get("x-nullable") is True
        made = self._schema({key: value for key, value in beside.items() if key not in ("nullable", "x-nullable")})
        together = None
        if set(made) - set(_ANNOTATIONS) and isinstance(whole := self._whole(reference), dict):
            together = _both(made, whole)
        if together is None:
            together = made | {"$ref": self._reference(reference)}
        together = self._unhidden(together, [{"$ref": reference}])
        return _nullable(together) if nullable else together

    def _keyword(self, key: str, value: Any) -> tuple[str, Any]:
        """One keyword by its name today, with the schemas in it read; `allOf` is left to `_merged`."""
        if key in _MAPS and isinstance(value, Mapping):
            return key, {str(name): self._schema(part) for name, part in value.items() if self._wanted(part)}
        if key in _LISTS and key != "allOf" and isinstance(value, list):
            return key, [self._schema(part) for part in value]
        if key == "items" and isinstance(value, list):
            return "prefixItems", [self._schema(part) for part in value]
        if key in _ONE and isinstance(value, Mapping | bool):
            return key, self._schema(value)
        return ("examples", [value]) if key == "example" else (key, value)

    def _wanted(self, schema: Any) -> bool:
        """Whether a property is of this direction; what it refers to may say so too."""
        other = "readOnly" if self.purpose == "request" else "writeOnly"
        if not isinstance(schema, Mapping):
            return True
        reference = schema.get("$ref")
        if schema.get(other) is True and (self.siblings or not isinstance(reference, str)):
            return False
        target = self.lookup(reference) if isinstance(reference, str) else None
        return not (isinstance(target, Mapping) and target.get(other) is True)

    def _reference(self, reference: str) -> str:
        """The place under `$defs` of what a reference stands for, which is read in its turn unless it was."""
        if reference not in self._names:
            name = re.sub(r"[^\w.-]", "_", reference.rpartition("/")[2]) or "definition"
            while name in self._definitions:
                name += "_"
            self._names[reference] = name
            self._definitions[name] = {}
            self._waiting.append(reference)
        return _LOCAL + self._names[reference]

    def _typed(self, made: dict[str, Any]) -> None:
        """Types by JSON Schema's names."""
        if "type" not in made:
            return
        given = made["type"] if isinstance(made["type"], list) else [made["type"]]
        found = [self._type(name) for name in given]
        del made["type"]
        if found and None not in found:
            made["type"] = found[0] if len(found) == 1 else list(dict.fromkeys(found))
        if made.get("type") == "array" and "items" not in made and "prefixItems" not in made:
            made["items"] = {}

    def _type(self, name: Any) -> str | None:
        if name in _TYPES:
            return str(name)
        plain = str(name).strip().lower()
        found = plain if plain in _TYPES else _TYPE_OF.get(plain)
        if found is None:
            self._note(f"the type {name!r}, read as anything", None)
        return found or None

    def _merged(self, made: dict[str, Any]) -> dict[str, Any]:
        """`allOf` put together into one schema, as far as its parts don't contradict each other."""
        whole = {key: value for key, value in made.items() if key != "allOf"}
        apart: list[Any] = []
        for part in made["allOf"]:
            reference = part.get("$ref") if isinstance(part, Mapping) and set(part) <= {"$ref", *_WORDS} else None
            read = self._whole(reference) if isinstance(reference, str) else self._schema(part)
            together = _both(whole, read) if isinstance(read, dict) else None
            if together is None:
                apart.append({"$ref": self._reference(reference)} if isinstance(reference, str) else read)
            else:
                whole = together
        return self._unhidden(whole, made["allOf"]) | ({"allOf": apart} if apart else {})

    def _unhidden(self, whole: dict[str, Any], parts: Any) -> dict[str, Any]:
        """A schema that doesn't require what its parts have for the other direction alone."""
        if "required" not in whole:
            return whole
        hidden = self._hidden(parts, set()) - set(whole.get("properties", {}))
        return whole | {"required": [name for name in whole["required"] if name not in hidden]}

    def _whole(self, reference: str) -> Any:
        """What a part of `allOf` stands for, read once; `None` while it is being read, which only a cycle sees."""
        if reference not in self._wholes:
            self._wholes[reference] = None
            try:
                self._wholes[reference] = self._schema(self.lookup(reference))
            except BaseException:
                del self._wholes[reference]
                raise
        return self._wholes[reference]

    def _hidden(self, parts: Any, seen: set[str]) -> set[str]:
        """Names of the properties of `allOf`'s parts that are of the other direction."""
        found: set[str] = set()
        for part in parts if isinstance(parts, list) else ():
            reference = part.get("$ref") if isinstance(part, Mapping) else None
            if isinstance(reference, str):
                if reference in seen:
                    continue
                seen.add(reference)
                part = self.lookup(reference)
            if isinstance(part, Mapping):
                properties = part.get("properties")
                named = properties.items() if isinstance(properties, Mapping) else ()
                found |= {str(name) for name, one in named if not self._wanted(one)}
                found |= self._hidden(part.get("allOf"), seen)
        return found

    def _mended(self, schema: Any) -> Any:
        """The schema without what the meta-schema doesn't allow; the same one is looked at once."""
        text = json.dumps(schema)
        if text not in self._mended_before:
            self._mended_before[text] = self._without_faults(schema)
        return self._mended_before[text]

    def _without_faults(self, schema: Any) -> Any:
        """Keyword by keyword."""
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator(Draft202012Validator.META_SCHEMA)
        for _ in range(_MOST_MENDED):
            error = next(iter(validator.iter_errors(schema)), None)
            if error is None:
                return schema
            path = [*error.absolute_path]
            if not path:
                return self._note("a schema that is no JSON Schema", {})
            schema = _without(schema, path)
            self._note(f"{'/'.join(map(str, path))}: {error.message[:120]}", None)
        return self._note(f"a schema with more than {_MOST_MENDED} faults", {})

    def _note(self, note: str, instead: Any) -> Any:
        self.notes.setdefault(note)
        return instead


def _references(schema: Any) -> Iterator[str]:
    """Names under `$defs` that a schema refers to."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith(_LOCAL):
            yield reference.removeprefix(_LOCAL)
        for key, value in schema.items():
            if key in _MAPS and isinstance(value, dict):
                yield from (name for one in value.values() for name in _references(one))
            elif key not in _DATA:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _required(made: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """`required` as a list of names that are there, those properties among them that say so themselves."""
    given = made.pop("required", None)
    properties: Mapping[str, Any] = made.get("properties") or {}
    names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    whole = schema.get("properties")
    for name, one in whole.items() if isinstance(whole, Mapping) else ():
        if isinstance(one, Mapping) and one.get("required") is True:
            names.append(str(name))
    dropped = set(map(str, whole)) - set(properties) if isinstance(whole, Mapping) else set()
    if kept := [name for name in dict.fromkeys(names) if name not in dropped]:
        made["required"] = kept


def _only(schema: Mapping[str, Any], keywords: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key in keywords}


def _exclusive(made: dict[str, Any]) -> None:
    """Draft 4's `exclusiveMinimum: true` as a number."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
            made[exclusive] = made.pop(bound)


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    """A schema that also admits `null`."""
    if isinstance(made.get("type"), str) and not {"anyOf", "oneOf", "allOf", "const"} & set(made):
        options = {"enum": [*made["enum"], *([] if None in made["enum"] else [None])]} if "enum" in made else {}
        return made | {"type": [made["type"], "null"]} | options
    if not set(made) - set(_ANNOTATIONS):
        return made
    notes = {key: made[key] for key in ("title", "description", "default") if key in made}
    return notes | {"anyOf": [{key: value for key, value in made.items() if key not in notes}, {"type": "null"}]}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """One schema for what fits both; `None` where that takes more than putting their keywords side by side."""
    made = dict(one)
    for key, value in other.items():
        if key not in made or made[key] == value or key in _ANNOTATIONS:
            made.setdefault(key, value)
        elif key == "properties":
            if any(made[key][name] != value[name] for name in made[key].keys() & value.keys()):
                return None
            made[key] = {**made[key], **value}
        elif key == "required":
            made[key] = list(dict.fromkeys([*made[key], *value]))
        else:
            return None
    closed = made.get("additionalProperties", True) not in (True, {})
    return None if closed and one.get("properties", {}).keys() != other.get("properties", {}).keys() else made


def _without(schema: Any, path: list[str | int]) -> Any:
    """A copy of a JSON value without what stands at a path."""
    made = json.loads(json.dumps(schema))
    place = made
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return made
