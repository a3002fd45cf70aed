"""Says of a text that was an OpenAPI file until its indentation was lost what it has and what it lacks.

Without indentation nothing says what belongs to what, so it isn't read; but its names still stand there. A schema is
told from its properties by its capital letter, or because something refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from gorilla_rag.sources.openapi import METHODS

HINT = (
    "take the file itself (a copy from a web page loses its indentation), or indent it again, with its operations "
    "under `paths`"
)
_KEY = re.compile(r"^([A-Za-z_$][\w.$-]*):(?:\s|$)", re.MULTILINE)
_ROUTE = re.compile(r"^['\"]?(/[^\s'\"]*)['\"]?:\s*$", re.MULTILINE)
_REFERENCE = re.compile(r"#/(?:components/schemas|definitions)/([\w.-]+)")
_REQUIRED = re.compile(r"^required:\s*\n((?:- .*(?:\n|\Z))+)", re.MULTILINE)
_NOT_YAML = re.compile(r"^\|?\s*\n", re.MULTILINE)
_NEEDED = ("openapi", "info", "paths")
_TOP = ("openapi", "swagger", "info", "servers", "paths", "components", "schemas", "definitions")
_SHOWN = 5


def looks_lost(value: Mapping[str, Any]) -> bool:
    """Whether what a file holds can be what is left of a definition: its parts are there and empty."""
    return any(key in value and value[key] is None for key in ("paths", "components", "schemas", "definitions"))


def fault(text: str) -> str | None:
    """What such a text has and what it lacks; `None` for another text."""
    text = _NOT_YAML.sub("", text)
    keys = dict.fromkeys(_KEY.findall(text))
    routes = _ROUTE.findall(text)
    schemas = dict(_schemas(text, keys))
    if not any(key in keys for key in ("paths", "schemas", "definitions")):
        return None
    if not (schemas and "properties" in keys) and not (routes and set(METHODS) & set(keys)):
        return None
    kind = "definition" if "paths" in keys else "components file"
    tops = ", ".join(f"`{key}`" for key in _TOP if key in keys)
    inside = " and ".join(
        f"{len(one)} {name} ({_some(one)})" for name, one in (("paths", routes), ("schemas", schemas)) if one
    )
    found = f"looks like an OpenAPI {kind} whose indentation is lost: {tops} and {inside} all stand at the margin"
    return "; ".join([f"{found}, so what belongs to what can't be told", *_missing(keys), *_undefined(text, schemas)])


def _missing(keys: Mapping[str, Any]) -> Iterator[str]:
    """Parts of a definition that aren't there."""
    if absent := [f"`{key}`" for key in _NEEDED if key not in keys]:
        yield f"it has no {', no '.join(absent)}" + (", so no operation" if "paths" not in keys else "")


def _schemas(text: str, keys: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each schema's name and what stands between it and the next one."""
    named = {*_REFERENCE.findall(text)}
    names = [key for key in keys if key[:1].isupper() or key in named]
    places = [(match.start(), match[1]) for match in _KEY.finditer(text) if match[1] in names]
    for (start, name), (end, _) in pairwise([*places, (len(text), "")]):
        yield name, text[start:end]


def _undefined(text: str, schemas: Mapping[str, str]) -> Iterator[str]:
    """What is referred to or required and isn't there."""
    if unknown := [name for name in dict.fromkeys(_REFERENCE.findall(text)) if name not in schemas]:
        yield f"it refers to {_some(unknown)}, which it doesn't define"
    for name, inside in schemas.items():
        known = set(_KEY.findall(inside))
        required = [line[2:].strip(" '\"") for lines in _REQUIRED.findall(inside) for line in lines.splitlines()]
        absent = [one for one in dict.fromkeys(required) if one not in known]
        if absent and "allOf" not in known:
            yield f"{name} requires {_some([f'`{one}`' for one in absent])}, which it doesn't define"


def _some(names: Any) -> str:
    """A few names, and how many more there are."""
    shown = list(names)[:_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
