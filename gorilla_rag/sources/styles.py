"""How OpenAPI 2.0, 3.0 and 3.1 say that values are written in a request, as keywords beside an argument's schema.

`x-style`, `x-explode` and `x-allowReserved`; `x-content`, the content type that the value is written as; and of a form
`x-encoding`, the same of those fields that aren't written as usual. Knows nothing of operations or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_STYLED = {"style": str, "explode": bool, "allowReserved": bool}
_COLLECTIONS: Mapping[str, Mapping[str, Any]] = {
    "csv": {"style": "form", "explode": False},
    "multi": {"style": "form", "explode": True},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "tsv": {"style": "tabDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
}
"""How Swagger 2.0 writes lists, in OpenAPI 3's words, of which only `tabDelimited` is none of its own."""
Note = Callable[[str], None]


def of_parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """What a parameter of OpenAPI 3 says of its value."""
    return {f"x-{key}": value for key, value in _styled(parameter).items()}


def of_list(parameter: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """What a parameter of Swagger 2.0 that is a list says of its parts; of one in a path or a header, too."""
    written = dict(_collection(parameter, note))
    if written["style"] == "form":
        del written["style"]
    return {f"x-{key}": value for key, value in written.items()}


def of_field(parameter: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """What a form's field of Swagger 2.0 says of its parts; empty for one that is no list."""
    return dict(_collection(parameter, note)) if parameter.get("type") == "array" else {}


def of_form(media: Mapping[str, Any], content_type: str, note: Note, *, styled_parts: bool) -> dict[str, Any]:
    """How the fields of a form are written that its `encoding` speaks of.

    A style counts before a content type (OpenAPI 3.1.0, 4.8.15.1).

    Args:
        media: the form's media type.
        content_type: its name.
        note: told what is left out.
        styled_parts: whether styles count in `multipart/form-data`; before OpenAPI 3.1 they don't.
    """
    given = media.get("encoding")
    kind = content_type.split(";")[0].strip().lower()
    found: dict[str, Any] = {}
    for name, one in given.items() if isinstance(given, Mapping) and kind in FORMS else ():
        if not isinstance(one, Mapping):
            note(f"an encoding that is {type(one).__name__}, left out")
            continue
        written = _styled(one)
        if written and kind == FORMS[1] and not styled_parts:
            note(f"{', '.join(written)} of a part, ignored before OpenAPI 3.1")
            written = {}
        if one.get("headers"):
            note("headers of a part, left out")
        if made := {"style": "form", **written} if written else _content(one, note):
            found[str(name)] = made
    return found


def _styled(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key, kind in _STYLED.items() if isinstance(given.get(key), kind)}


def _content(encoding: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """The content type of a field: the first of several; none where it may be any of a kind."""
    given = encoding.get("contentType")
    first = given.split(",")[0].strip() if isinstance(given, str) else ""
    if "*" in first:
        note(f"the content type {given} of a part, which may be any")
        return {}
    return {"content": first} if first else {}


def _collection(parameter: Mapping[str, Any], note: Note) -> Mapping[str, Any]:
    named = parameter.get("collectionFormat", "csv")
    items = parameter.get("items")
    if isinstance(items, Mapping) and items.get("type") == "array":
        note("a list of lists, the inner ones written as JSON")
    if not isinstance(named, str) or named not in _COLLECTIONS:
        note(f"the collectionFormat {named!r}, read as csv")
        named = "csv"
    return _COLLECTIONS[named]
