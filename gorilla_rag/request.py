"""HTTP requests from an operation's arguments: where each goes, how it is written, and the request as curl and httpx.

Knows OpenAPI's styles of writing a value, nothing of documents or indexes. Sends nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from gorilla_rag.errors import UsageError

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an argument goes.

    Attributes:
        name: as it is sent.
        where: `path`, `query`, `header`, `cookie`; `body`, the whole of it; or `field`, one of a JSON body.
        style: of OpenAPI; empty for the usual one of the place.
        explode: whether each part of a list or an object is written by itself; `None` for what the style usually does.
        as_json: whether the value is written as JSON, whatever it is.
    """

    name: str
    where: str
    style: str = ""
    explode: bool | None = None
    as_json: bool = False


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
        places = dict(self.places)
        for name, value in values.items():
            place = places.get(name, Place(name, "query"))
            value = json.dumps(value, ensure_ascii=False) if place.as_json else value
            if place.where == "path":
                url = url.replace(f"{{{place.name}}}", _simple(place, value, escape=True))
            elif place.where == "header":
                headers[place.name] = _one_line(place.name, _simple(place, value))
            elif place.where == "body":
                body = value
            elif place.where == "field":
                fields[place.name] = value
            else:
                (cookies if place.where == "cookie" else query).extend(_pairs(place, value))
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        if query:
            url += ("&" if "?" in url else "?") + "&".join(query)
        consumes = self.consumes or JSON
        return Request(self.method, url, headers, fields or body, consumes if fields or body is not None else "")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method, url: the address with its query.
        headers: without the body's content type.
        body: JSON, or what a form or a text is made of; `None` for none.
        content_type: of the body; empty for none.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = ""

    def line(self) -> str:
        """Method and address, and the body as it is sent."""
        return f"{self.method} {self.url}" + (f" {self._content()}" if self.content_type else "")

    def curl(self) -> str:
        """The request as a command of curl."""
        words = ["curl", *(["--globoff"] if set("[]{}") & set(self.url) else [])]
        words += ["--head"] if self.method == "HEAD" else ["-X", self.method]
        words += ["--url", self.url]
        headers = dict(self.headers)
        if self.content_type == MULTIPART:
            body = [word for name, value in self._form() for word in ("--form-string", f"{name}={value}")]
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
        if self.content_type == MULTIPART:
            body = f"files={[(name, (None, value)) for name, value in self._form()]!r}"
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
        if self.content_type in (URLENCODED, MULTIPART):
            return urlencode(self._form(), quote_via=quote)
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)

    def _form(self) -> list[tuple[str, str]]:
        """The fields of a form; lists give a field each, objects are JSON."""
        given = self.body.items() if isinstance(self.body, Mapping) else [("body", self.body)]
        return [(name, _written(part)) for name, value in given for part in (value if _is_list(value) else [value])]


def _place(name: str, schema: Any, method: str, url: str) -> Place:
    given = schema if isinstance(schema, Mapping) else {}
    where = str(
        given.get("x-in")
        or ("path" if f"{{{name}}}" in url else "query" if method in ("GET", "DELETE", "HEAD") else "field")
    )
    explode = given.get("x-explode")
    style = str(given.get("x-style") or "")
    explode = explode if isinstance(explode, bool) else None
    return Place(str(given.get("x-name") or name), where, style, explode, "x-content" in given)


def _is_json(content_type: str) -> bool:
    return content_type.split(";")[0].endswith(("/json", "+json"))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _written(value: Any) -> str:
    """A value as text: a text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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

    before, between, named = {"label": (".", ".", "."), "matrix": (f";{place.name}=", ",", ";")}.get(
        place.style, ("", ",", ",")
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
    """A value in a query or a cookie, as `name=text` with everything escaped but what stands between parts."""
    explode = place.explode if place.explode is not None else place.style in ("", "form")
    if not isinstance(value, Mapping | list | tuple):
        yield _pair(place.name, _written(value))
    elif isinstance(value, Mapping) and place.style == "deepObject":
        yield from (_pair(f"{place.name}[{name}]", _written(part)) for name, part in value.items())
    elif not explode:
        between = quote(_DELIMITERS.get(place.style, ","), safe=",|")
        yield f"{quote(place.name, safe='')}={between.join(quote(part, safe='') for part in _flat(value))}"
    elif isinstance(value, Mapping):
        yield from (_pair(str(name), _written(part)) for name, part in value.items())
    else:
        yield from (_pair(place.name, part) for part in _flat(value))


def _pair(name: str, text: str) -> str:
    return f"{quote(name, safe='')}={quote(text, safe='')}"


def _one_line(name: str, value: str) -> str:
    """A header's value, which may have no line break."""
    if any(character in value for character in "\r\n\0"):
        raise UsageError(f"the header {name} has a line break", hint="give it without one")
    return value
