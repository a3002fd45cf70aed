"""What is made of written arguments: those given beside the question put in, nulls taken out, what is missing named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gorilla_rag.errors import UsageError
from gorilla_rag.generate.values import admits_null, alternatives, resolved


def without_repeats(value: Any, offer: Mapping[str, Any]) -> Any:
    """What was written of an offer; a list made of the question's values has none of them twice.

    A list that repeats a value stands in the question as a whole, and is offered so.
    """
    if isinstance(value, Mapping):
        inner = offer.get("properties", {})
        return {name: without_repeats(one, inner.get(name, {})) for name, one in value.items()}
    if not isinstance(value, list) or offer.get("type") != "array":
        return value
    items = {json.dumps(one): without_repeats(one, offer["items"]) for one in value}
    return list(items.values()) if len(items) >= offer["minItems"] else value


def completed(values: Any, parameters: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Arguments as they are sent, and the paths (`body.name`) of those that are required and aren't there.

    A `null` that the schema doesn't have says that an argument isn't given: its default stands in, or nothing.
    """
    defs, missing = parameters.get("$defs", {}), dict[str, None]()

    def kept(value: Any, schema: Any, path: str) -> Any:
        given = resolved(schema, defs)
        if isinstance(value, list):
            return [kept(item, given.get("items", {}), path) for item in value]
        if not isinstance(value, Mapping):
            return value
        given = _branch(given, value, defs)
        properties, made = given.get("properties", {}), dict[str, Any]()
        for name, one in value.items():
            inner = resolved(properties.get(name, {}), defs)
            if one is None and not admits_null(inner, parameters):
                if "default" in inner:
                    made[name] = inner["default"]
            else:
                made[name] = kept(one, inner, f"{path}.{name}".removeprefix("."))
        absent = (name for name in given.get("required", ()) if name not in made)
        missing.update(dict.fromkeys(f"{path}.{name}".removeprefix(".") for name in absent))
        return made

    return kept(values, {**parameters, "type": "object"}, ""), tuple(missing)


def told(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is given beside a question, as arguments; `body.name` is the `name` in `body`.

    Raises:
        UsageError: a name that the arguments don't have, or a value that isn't JSON.
    """
    made: dict[str, Any] = {}
    defs = parameters.get("$defs", {})
    for path, value in given.items():
        names = [path] if path in parameters.get("properties", {}) else path.split(".")
        schema: Mapping[str, Any] = parameters
        place = made
        for number, name in enumerate(names):
            properties = resolved(schema, defs).get("properties", {})
            if name not in properties:
                known = ", ".join(properties) or "none"
                raise UsageError(f"no argument is called {path!r}", hint=f"the arguments are {known}")
            schema = properties[name]
            if number < len(names) - 1:
                place = place.setdefault(name, {})
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path} is given {value!r}, which isn't JSON", hint="give a JSON value") from error
        place[names[-1]] = value
    return made


def merged(written: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as written, with those given in their place, to any depth."""
    made = dict(written)
    for name, value in given.items():
        inner = made.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        made[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return made


def _branch(schema: Mapping[str, Any], value: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The alternative that a value is of: the first that has all of its keys."""
    for one in alternatives(schema) if "anyOf" in schema or "oneOf" in schema else ():
        found = resolved(one, defs)
        if set(value) <= set(found.get("properties", {})):
            return found
    return schema
