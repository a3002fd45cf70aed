"""HTTP requests from an operation's arguments: where each goes, how it is written, and the request as curl and httpx.

Knows OpenAPI's styles of writing a value, nothing of documents or indexes. Sends nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gorilla_rag.errors import UsageError

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
_RESERVED = ":/?@!$'()*,;="
"""What isn't escaped where reserved characters are allowed, but for those that would end the value or its query."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an argument goes.

    Attributes:
        name: as it is sent.
        where: `path`, `query`, `header`, `cookie`; `body`, the whole of it; or `field`, one of a body.
        style: of OpenAPI, or `tabDelimited`; empty for the usual one of the place.
        explode: whether each part of a list or an object is written by itself; `None` for what the style usually does.
        content: the content type that the value is written as; empty for its style's.
        reserved: whether RFC 3986's reserved characters are written as they are.
        fields: of a body that is a form, those of its fields that aren't written as usual.
    """

    name: str
    where: str
    style: str = ""
    explode: bool | None = None
    content: str = ""
    reserved: bool = False
    fields: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """An operation's method and address, and where its arguments go.

    Attributes:
        method: in capitals.
        url: with `{name}` for what stands in the path.
        places: by argument.
        consumes: the content type of the body.
    """

    method: str
    url: str
    places: tuple[tuple[str, Place], ...] = ()
    consumes: str = ""

    @classmethod
    def of(cls, call: str, parameters: Mapping[str, Any], consumes: str = "") -> Route | None:
        """The route of a documented `METHOD address`, by the `x-in` of its parameters; `None` for another text."""
        method, _, url = call.strip().partition(" ")
        if not (method.isascii() and method.isalpha() and method.isupper()) or not url or " " in url.strip():
            return None
        properties = parameters.get("properties", {})
        places = {name: _place(name, schema, method, url) for name, schema in properties.items()}
        return cls(method, url.strip(), tuple(places.items()), consumes)

    def request(self, values: Mapping[str, Any]) -> Request:
        """The request of some arguments. What stands in the path and isn't given stays as `{name}`.

        Raises:
            UsageError: a header or a cookie with a line break, which would begin another one.
        """
        url, _, _ = self.url.partition("#")
        query, headers, cookies = list[str](), dict[str, str](), list[str]()
        fields: dict[str, Any] = {}
        body: Any = None
        form: tuple[Place, ...] = ()
        places = dict(self.places)
        for name, value in values.items():
            place = places.get(name, Place(name, "query"))
            if place.content and place.where in ("path", "header"):
                value = _as(place.content, value)
            if place.where == "path":
                url = url.replace(f"{{{place.name}}}", _simple(place, value, escape=True))
            elif place.where == "header":
                headers[place.name] = _one_line(place.name, _simple(place, value))
            elif place.where == "body":
                body, form = value, place.fields
            elif place.where == "field":
                fields[place.name] = value
            else:
                (cookies if place.where == "cookie" else query).extend(_pairs(place, value))
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        if query:
            url += ("&" if "?" in url else "?") + "&".join(query)
        consumes = self.consumes or JSON
        kind = consumes if fields or body is not None else ""
        return Request(self.method, url, headers, fields or body, kind, form)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method, url: the address with its query.
        headers: without the body's content type.
        body: JSON, or what a form or a text is made of; `None` for none.
        content_type: of the body; empty for none.
        fields: of a form, those fields that aren't written as usual.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = ""
    fields: tuple[Place, ...] = ()

    def line(self) -> str:
        """Method and address, and the body as it is sent."""
        return f"{self.method} {self.url}" + (f" {self._content()}" if self.content_type else "")

    def curl(self) -> str:
        """The request as a command of curl."""
        words = ["curl", *(["--globoff"] if set("[]{}") & set(self.url) else [])]
        words += ["--head"] if self.method == "HEAD" else ["-X", self.method]
        words += ["--url", self.url]
        headers = dict(self.headers)
        if _kind(self.content_type) == MULTIPART:
            body = [word for part in self._parts() for word in part.curl()]
        elif self.content_type:
            headers["Content-Type"] = self.content_type
            body = ["--data-raw", self._content()]
        else:
            body = []
        given = [
            word for name, value in headers.items() for word in ("-H", f"{name}: {value}" if value else f"{name};")
        ]
        return shlex.join([*words, *given, *body])

    def httpx(self) -> str:
        """The request as a call of httpx."""
        headers = dict(self.headers)
        arguments = [repr(self.method), repr(self.url)]
        body = ""
        if _kind(self.content_type) == MULTIPART:
            body = f"files={[part.httpx() for part in self._parts()]!r}"
        elif self.content_type:
            headers["Content-Type"] = self.content_type
            body = f"json={self.body!r}" if _is_json(self.content_type) else f"content={self._content()!r}"
        # httpx writes a text as ASCII; bytes go as they are, as curl sends them.
        sent = {name: value if value.isascii() else value.encode() for name, value in headers.items()}
        arguments += [f"headers={sent!r}"] if sent else []
        return f"httpx.request({', '.join([*arguments, *([body] if body else [])])})"

    def _content(self) -> str:
        """The body as text."""
        if _is_json(self.content_type):
            return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        if _kind(self.content_type) in (URLENCODED, MULTIPART):
            return "&".join(pair for place, value in self._form() for pair in _pairs(place, value))
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)

    def _form(self) -> Iterator[tuple[Place, Any]]:
        """The fields of a form and how each is written; of one that is no object, the whole is a field."""
        known = {one.name: one for one in self.fields}
        for name, value in (self.body if isinstance(self.body, Mapping) else {"body": self.body}).items():
            yield known.get(name, Place(str(name), "field")), value

    def _parts(self) -> Iterator[_Part]:
        """A form's fields as the parts of a message."""
        for place, value in self._form():
            between = _DELIMITERS.get(place.style, ",")
            for name, texts, content in _pieces(place, value):
                yield _Part(name, between.join(texts), content)


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a form that is sent as a message of parts."""

    name: str
    text: str
    content_type: str = ""

    def curl(self) -> tuple[str, str]:
        """An option of curl's; only a part without a type is taken as it stands."""
        if not self.content_type:
            return "--form-string", f"{self.name}={self.text}"
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return "--form", f'{self.name}="{escaped}";type={self.content_type}'

    def httpx(self) -> tuple[str, tuple[str | None, ...]]:
        """A file of httpx's that has no name."""
        return self.name, (None, self.text, *([self.content_type] if self.content_type else []))


def _place(name: str, schema: Any, method: str, url: str) -> Place:
    given = schema if isinstance(schema, Mapping) else {}
    where = str(
        given.get("x-in")
        or ("path" if f"{{{name}}}" in url else "query" if method in ("GET", "DELETE", "HEAD") else "field")
    )
    written = {key.removeprefix("x-"): value for key, value in given.items() if key.startswith("x-")}
    encoding = written.get("encoding")
    fields = encoding.items() if isinstance(encoding, Mapping) else ()
    return _styled(
        str(written.get("name") or name), where, written, tuple(_styled(one, "field", how) for one, how in fields)
    )


def _styled(name: str, where: str, how: Mapping[str, Any], fields: tuple[Place, ...] = ()) -> Place:
    """A place by OpenAPI's words for how a value is written there."""
    explode = how.get("explode")
    content = str(how.get("content") or "")
    reserved = how.get("allowReserved") is True
    style = str(how.get("style") or "")
    return Place(name, where, style, explode if isinstance(explode, bool) else None, content, reserved, fields)


def _kind(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.split(";")[0].strip().lower()


def _is_json(content_type: str) -> bool:
    return _kind(content_type).endswith(("/json", "+json"))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _written(value: Any) -> str:
    """A value as text: a text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as(content_type: str, value: Any) -> str:
    """A value as a content type has it: JSON as JSON, what is a text otherwise as it is."""
    return json.dumps(value, ensure_ascii=False) if _is_json(content_type) else _written(value)


def _flat(value: Any) -> Iterator[str]:
    """The parts of a list, or the names and values of an object, one after the other."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from (str(name), _written(part))
    else:
        yield from map(_written, value)


def _simple(place: Place, value: Any, *, escape: bool = False) -> str:
    """A value in a path or a header: `a,b`, and with `explode` an object as `name=value`."""

    def write(text: str) -> str:
        return quote(text, safe="") if escape else text

    between = _DELIMITERS.get(place.style, ",")
    before, between, named = {"label": (".", ".", "."), "matrix": (f";{place.name}=", ",", ";")}.get(
        place.style, ("", quote(between, safe=",") if escape else between, ",")
    )
    if not isinstance(value, Mapping | list | tuple):
        return before + write(_written(value))
    if isinstance(value, Mapping) and place.explode:
        parts = [f"{write(str(name))}={write(_written(part))}" for name, part in value.items()]
        return (named if place.style in ("label", "matrix") else "") + named.join(parts)
    if place.style == "matrix" and place.explode:
        return "".join(f";{place.name}={write(part)}" for part in _flat(value))
    return before + (between if place.style != "label" or place.explode else ",").join(map(write, _flat(value)))


def _pairs(place: Place, value: Any) -> Iterator[str]:
    """A value in a query, a cookie or a form, as `name=text` with everything escaped but the comma between parts."""
    between = quote(_DELIMITERS.get(place.style, ","), safe=",")
    safe = _RESERVED if place.reserved else ""
    for name, texts, _ in _pieces(place, value):
        yield f"{quote(name, safe='')}={between.join(quote(text, safe=safe) for text in texts)}"


def _pieces(place: Place, value: Any) -> Iterator[tuple[str, list[str], str]]:
    """A value as names, each with the texts that stand together beside it and their content type, where it has one."""
    explode = place.explode if place.explode is not None else place.style in ("", "form")
    whole = not isinstance(value, Mapping | list | tuple)
    if place.where == "field" and not place.style:
        for part in value if _is_list(value) else [value]:
            content = place.content or (JSON if isinstance(part, Mapping | list) else "")
            yield place.name, [_as(content, part)], content
    elif place.content or whole:
        yield place.name, [_as(place.content, value)], ""
    elif place.style == "deepObject":
        yield from ((name, [text], "") for name, text in _deep(place.name, value))
    elif not explode:
        yield place.name, list(_flat(value)), ""
    elif isinstance(value, Mapping):
        yield from ((str(name), [_written(part)], "") for name, part in value.items())
    else:
        yield from ((place.name, [text], "") for text in _flat(value))


def _deep(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each part of a value under its path, `a[b][0]`.

    OpenAPI leaves open how lists are written there; with their numbers they are told apart from objects' names and keep
    their order, also where they hold objects.
    """
    if isinstance(value, Mapping | list | tuple):
        steps = value.items() if isinstance(value, Mapping) else enumerate(value)
        for step, part in steps:
            yield from _deep(f"{name}[{step}]", part)
    else:
        yield name, _written(value)


def _one_line(name: str, value: str) -> str:
    """A header's value, which may have no line break."""
    if any(character in value for character in "\r\n\0"):
        raise UsageError(f"the header {name} has a line break", hint="give it without one")
    return value
