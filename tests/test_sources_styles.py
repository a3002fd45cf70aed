"""How OpenAPI and Swagger say that values are written, from the definition to what is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gorilla_rag.call import argument
from gorilla_rag.request import Request
from gorilla_rag.sources import formats
from tests.test_sources_openapi import INFO, arguments, read

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
SCHEMA = {"type": "object", "properties": {name: {} for name in ("list", "at", "url", "json", "picture")}}


def form(folder: Path, kind: str, encoding: Any, version: str = "3.1.0") -> formats.SourceRead:
    body = {"content": {kind: {"schema": SCHEMA, "encoding": encoding}}}
    value = {
        "openapi": version,
        "info": INFO,
        "servers": [{"url": "http://h"}],
        "paths": {"/a": {"post": {"requestBody": body}}},
    }
    return read(folder, value)


def sent(found: formats.SourceRead, **values: Any) -> Request:
    """The request of the one document that was read."""
    (doc,) = found.docs
    return doc.call.with_arguments({name: argument(value) for name, value in values.items()}).request()


def test_a_form_is_sent_as_its_encoding_says(tmp_path: Path) -> None:
    encoding = {
        "list": {"style": "spaceDelimited", "explode": False, "contentType": "text/plain"},
        "at": {"style": "deepObject", "explode": True},
        "url": {"allowReserved": True},
        "json": {"contentType": "application/json"},
    }
    found = form(tmp_path, URLENCODED, encoding)
    assert arguments(found.docs[0])["body"]["x-encoding"] == {
        "list": {"style": "spaceDelimited", "explode": False},
        "at": {"style": "deepObject", "explode": True},
        "url": {"style": "form", "allowReserved": True},
        "json": {"content": "application/json"},
    }
    body = {"list": ["a", "b c"], "at": {"x": [1, 2]}, "url": "http://a/b?c=d", "json": "text"}
    assert sent(found, body=body).line() == (
        "POST http://h/a list=a%20b%20c&at%5Bx%5D%5B0%5D=1&at%5Bx%5D%5B1%5D=2&url=http://a/b?c=d&json=%22text%22"
    )
    assert found.notes == ()


def test_parts_have_their_content_type(tmp_path: Path) -> None:
    encoding = {"json": {"contentType": "application/json"}, "picture": {"contentType": "image/png, image/jpeg"}}
    request = sent(form(tmp_path, MULTIPART, encoding), body={"json": {"a": 1}, "picture": "...", "url": "x"})
    assert request.httpx().endswith(
        """files=[('json', (None, '{"a": 1}', 'application/json')), """
        """('picture', (None, '...', 'image/png')), ('url', (None, 'x'))])"""
    )


@pytest.mark.parametrize(("version", "text"), [("3.0.3", ["a", "b"]), ("3.1.0", ["a b"])])
def test_a_style_of_a_part_counts_from_3_1_on(version: str, text: list[str], tmp_path: Path) -> None:
    found = form(tmp_path, MULTIPART, {"list": {"style": "spaceDelimited", "explode": False}}, version)
    assert [part.text for part in sent(found, body={"list": ["a", "b"]})._parts()] == text
    assert [note.split(": ")[1] for note in found.notes] == (
        ["style, explode of a part, ignored before OpenAPI 3.1"] if version < "3.1" else []
    )


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ({"json": {"headers": {"X": {}}}}, "headers of a part, left out"),
        ({"picture": {"contentType": "image/*"}}, "the content type image/* of a part, which may be any"),
        ({"json": 3}, "an encoding that is int, left out"),
        ({"json": {"explode": "yes"}}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_an_encoding_says_in_vain_is_noted(encoding: Any, said: str | None, tmp_path: Path) -> None:
    found = form(tmp_path, MULTIPART, encoding)
    assert "x-encoding" not in arguments(found.docs[0])["body"]
    assert [note.split(": ")[1] for note in found.notes] == ([said] if said else [])


def test_an_encoding_is_no_matter_of_other_bodies(tmp_path: Path) -> None:
    found = form(tmp_path, "application/json", {"list": {"style": "form"}})
    assert "x-encoding" not in arguments(found.docs[0])["body"]


def swagger(folder: Path, place: str, **more: Any) -> formats.SourceRead:
    given = {"name": "a", "in": place, "type": "array", "items": {"type": "string"}, "required": True, **more}
    route = "/{a}" if place == "path" else "/"
    consumes = [URLENCODED]
    value = {"swagger": "2.0", "info": INFO, "host": "h", "schemes": ["http"], "consumes": consumes}
    return read(folder, value | {"paths": {route: {"post": {"parameters": [given]}}}})


COLLECTIONS = {"csv": "x%20y,z", "ssv": "x%20y%20z", "tsv": "x%20y%09z", "pipes": "x%20y%7Cz", None: "x%20y,z"}


@pytest.mark.parametrize("written", [*COLLECTIONS, "multi"])
def test_lists_of_swagger_are_written_as_their_format_says(written: str | None, tmp_path: Path) -> None:
    more = {"collectionFormat": written} if written else {}
    text, values = COLLECTIONS.get(written, ""), ["x y", "z"]
    pairs = "a=x%20y&a=z" if written == "multi" else f"a={text}"
    assert sent(swagger(tmp_path, "query", **more), a=values).url == f"http://h/?{pairs}"
    found = swagger(tmp_path, "formData", **more)
    assert sent(found, body={"a": values}).line() == f"POST http://h/ {pairs}"
    assert found.notes == ()
    if written != "multi":
        assert sent(swagger(tmp_path, "path", **more), a=values).url == f"http://h/{text}"
        plain = text.replace("%20", " ").replace("%09", "\t").replace("%7C", "|")
        assert sent(swagger(tmp_path, "header", **more), a=values).headers == {"a": plain}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"collectionFormat": "commas"}, "the collectionFormat 'commas', read as csv"),
        ({"collectionFormat": ["csv"]}, "the collectionFormat ['csv'], read as csv"),
        ({"items": {"type": "array", "collectionFormat": "pipes"}}, "a list of lists, the inner ones written as JSON"),
    ],
)
def test_a_format_that_is_not_followed_is_noted(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    for place in ("query", "formData"):
        assert [note.split(": ")[1] for note in swagger(tmp_path, place, **more).notes] == [said]


def test_reserved_characters_of_a_parameter_are_left_where_they_may_be(tmp_path: Path) -> None:
    for allowed, text in ((True, "a/b?c@d"), (False, "a%2Fb%3Fc%40d")):
        given = {"name": "q", "in": "query", "allowReserved": allowed, "schema": {"type": "string"}}
        value = {"openapi": "3.0.3", "info": INFO, "servers": [{"url": "http://h"}]}
        found = read(tmp_path, value | {"paths": {"/": {"get": {"parameters": [given]}}}})
        assert sent(found, q="a/b?c@d").url == f"http://h/?q={text}"


@pytest.mark.parametrize(("content", "text"), [("application/json", "%22a%20b%22"), ("text/plain", "a%20b")])
def test_a_parameter_is_written_as_its_content_type_has_it(content: str, text: str, tmp_path: Path) -> None:
    given = {"name": "q", "in": "query", "content": {content: {"schema": {"type": "string"}}}}
    value = {"openapi": "3.0.3", "info": INFO, "servers": [{"url": "http://h"}]}
    found = read(tmp_path, value | {"paths": {"/": {"get": {"parameters": [given]}}}})
    assert sent(found, q="a b").url == f"http://h/?q={text}"
