"""HTTP requests of an operation's arguments: curl and httpx, run as they are written, send what the operation wants."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, argument
from gorilla_rag.errors import UsageError
from gorilla_rag.request import Place, Route

OWN = {"accept", "accept-encoding", "connection", "user-agent", "host", "content-length"}
Received = dict[str, Any]


class Echo(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    received: list[Received]

    def handle_any(self) -> None:
        """Answers anything."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() not in OWN}
        self.received.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[str, list[Received]]]:
    """A server's address, and what it received."""
    Echo.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Echo.received
        server.shutdown()


def sent(call: Call, echo: tuple[str, list[Received]]) -> list[Received]:
    """What the server received from curl and from httpx, both run as they are written."""
    echo[1].clear()
    if shutil.which("curl"):
        subprocess.run(["sh", "-c", call.render("curl")], check=True, capture_output=True, timeout=20)
    exec(call.render("httpx"), {"httpx": httpx})
    return [plain(one) for one in echo[1]]


def plain(one: Received) -> Received:
    """A request without what each client draws: the boundary of a form's parts."""
    kind = one["headers"].get("content-type", "")
    if not kind.startswith("multipart/"):
        return one
    whole = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + one["body"])
    parts = [
        (
            part.get_param("name", header="content-disposition"),
            bytes(part.get_payload(decode=True) or b"").decode(),
            str(part["content-type"]).replace('"', "") if part["content-type"] else None,
        )
        for part in whole.iter_parts()
    ]
    return one | {"headers": {**one["headers"], "content-type": "multipart/form-data"}, "body": parts}


def call_of(method: str, url: str, values: dict[str, Any], consumes: str = "", **places: Any) -> Call:
    route = Route(method, url, tuple(places.items()), consumes)
    kwargs = tuple((name, argument(value)) for name, value in values.items())
    return Call(function=f"{method} {url}", kwargs=kwargs, route=route)


BODY = {"ship": "Ærø 'I'", "n": [1, None]}


def test_curl_and_httpx_send_the_same(echo: tuple[str, list[Received]]) -> None:
    call = call_of(
        "POST",
        echo[0] + "/berths/{berth}",
        {"berth": "a/b c", "unit": "m & ft", "key": "s'e\"c", "day": "2026-01-02", "body": BODY},
        berth=Place("berth", "path"),
        unit=Place("unit", "query"),
        key=Place("X-Key", "header"),
        day=Place("day", "cookie"),
        body=Place("body", "body"),
    )  # fmt: skip
    received = sent(call, echo)
    assert received == [received[0]] * (2 if shutil.which("curl") else 1)
    assert received[0]["method"] == "POST"
    assert received[0]["path"] == "/berths/a%2Fb%20c?unit=m%20%26%20ft"
    assert received[0]["headers"] == {"x-key": "s'e\"c", "cookie": "day=2026-01-02", "content-type": "application/json"}
    assert json.loads(received[0]["body"]) == BODY


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH"])
def test_a_request_without_a_body_has_none(method: str, echo: tuple[str, list[Received]]) -> None:
    for one in sent(call_of(method, echo[0] + "/berths", {}), echo):
        assert (one["method"], one["path"], one["headers"], one["body"]) == (method, "/berths", {}, b"")


def test_a_form_is_sent_as_a_form(echo: tuple[str, list[Received]]) -> None:
    body = {"name": "a b&c=ü", "tags": ["x", "y"], "deep": {"a": 1}, "yes": True, "file": "@/etc/passwd"}
    fields = [
        ("name", "a b&c=ü"),
        ("tags", "x"),
        ("tags", "y"),
        ("deep", '{"a": 1}'),
        ("yes", "true"),
        ("file", "@/etc/passwd"),
    ]
    place = Place("body", "body")
    for one in sent(call_of("POST", echo[0], {"body": body}, "application/x-www-form-urlencoded", body=place), echo):
        assert parse_qsl(one["body"].decode()) == fields
    for one in sent(call_of("POST", echo[0], {"body": body}, "multipart/form-data", body=place), echo):
        assert one["body"] == [(*field, "application/json" if field[0] == "deep" else None) for field in fields]


ENCODED = {
    "list": ["a", "b c"],
    "many": [1, 2],
    "at": {"R": 1, "G": [2, 3]},
    "free": "a/b?c=d&e",
    "json": {"k": 'ü;\n"\\@'},
}
FIELDS = (
    Place("list", "field", "pipeDelimited", explode=False),
    Place("many", "field", "form", explode=True),
    Place("at", "field", "deepObject", explode=True),
    Place("free", "field", "form", reserved=True),
    Place("json", "field", content="application/json; charset=utf-8"),
)


def test_fields_of_a_form_are_written_as_their_encoding_says(echo: tuple[str, list[Received]]) -> None:
    place = Place("body", "body", fields=FIELDS)
    kinds = [f"application/x-www-form-urlencoded{rest}" for rest in ("", "; charset=utf-8")]
    for kind in kinds:
        for one in sent(call_of("POST", echo[0], {"body": ENCODED}, kind, body=place), echo):
            assert one["headers"]["content-type"] == kind
            assert one["body"].decode().split("&") == [
                "list=a%7Cb%20c", "many=1", "many=2", "at%5BR%5D=1", "at%5BG%5D%5B0%5D=2", "at%5BG%5D%5B1%5D=3",
                "free=a/b?c=d%26e", "json=%7B%22k%22%3A%20%22%C3%BC%3B%5Cn%5C%22%5C%5C%40%22%7D",
            ]  # fmt: skip
    for one in sent(call_of("POST", echo[0], {"body": ENCODED}, "multipart/form-data", body=place), echo):
        assert one["body"] == [
            ("list", "a|b c", None), ("many", "1", None), ("many", "2", None), ("at[R]", "1", None),
            ("at[G][0]", "2", None), ("at[G][1]", "3", None), ("free", "a/b?c=d&e", None),
            ("json", json.dumps(ENCODED["json"], ensure_ascii=False), "application/json; charset=utf-8"),
        ]  # fmt: skip


def test_fields_of_a_json_body_are_put_together(echo: tuple[str, list[Received]]) -> None:
    places: dict[str, Any] = {"a": Place("a", "field"), "b": Place("bee", "field")}
    for one in sent(call_of("POST", echo[0], {"a": 1, "b": "x"}, **places), echo):
        assert json.loads(one["body"]) == {"a": 1, "bee": "x"}


LIST, OBJECT = ["blue", "black"], {"R": 100, "G": 200}


@pytest.mark.parametrize(
    ("where", "style", "explode", "text", "of_list", "of_object"),
    [
        ("path", "", None, "blue", "blue,black", "R,100,G,200"),
        ("path", "simple", True, "blue", "blue,black", "R=100,G=200"),
        ("path", "label", False, ".blue", ".blue,black", ".R,100,G,200"),
        ("path", "label", True, ".blue", ".blue.black", ".R=100.G=200"),
        ("path", "matrix", False, ";color=blue", ";color=blue,black", ";color=R,100,G,200"),
        ("path", "matrix", True, ";color=blue", ";color=blue;color=black", ";R=100;G=200"),
        ("query", "", None, "color=blue", "color=blue&color=black", "R=100&G=200"),
        ("query", "form", False, "color=blue", "color=blue,black", "color=R,100,G,200"),
        ("query", "spaceDelimited", False, "color=blue", "color=blue black", "color=R 100 G 200"),
        ("query", "pipeDelimited", False, "color=blue", "color=blue|black", "color=R|100|G|200"),
        ("query", "tabDelimited", False, "color=blue", "color=blue\tblack", "color=R\t100\tG\t200"),
        ("path", "pipeDelimited", False, "blue", "blue|black", "R|100|G|200"),
        ("query", "deepObject", True, "color=blue", "color[0]=blue&color[1]=black", "color[R]=100&color[G]=200"),
    ],
)  # fmt: skip
def test_values_are_written_in_openapis_styles(
    where: str, style: str, explode: bool | None, text: str, of_list: str | None, of_object: str
) -> None:
    """By the table under "Style Examples" in OpenAPI 3.1.0, 4.8.12.2, and RFC 6570, 3.2."""
    route = Route(
        "GET",
        "http://h/{color}" if where == "path" else "http://h/",
        (("color", Place("color", where, style, explode)),),
    )
    for value, written in (("blue", text), (LIST, of_list), (OBJECT, of_object)):
        url = urlsplit(route.request({"color": value}).url)
        if written is not None:
            assert unquote(url.path[1:] if where == "path" else url.query) == written


def test_what_stands_between_parts_is_not_escaped_and_the_parts_are() -> None:
    route = Route(
        "GET",
        "http://h/a#more",
        (("c", Place("c", "query", "form", False)), ("j", Place("j", "query", content="application/json"))),
    )
    assert route.request({"c": ["a,b", "c"]}).url == "http://h/a?c=a%2Cb,c"
    assert unquote(route.request({"j": {"a": [1]}}).url) == 'http://h/a?j={"a": [1]}'


STYLES = ["", "form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"]
AWKWARD = {"a b": "[{|}]", "ü&=": "a+b%20/?#'\"", "deep": {"of": ["x,y", {"z": "~^`\\<>"}]}}


@pytest.mark.parametrize("explode", [True, False, None])
@pytest.mark.parametrize("style", STYLES)
def test_a_query_is_sent_as_it_is_written(style: str, explode: bool | None, echo: tuple[str, list[Received]]) -> None:
    for reserved, value in ((False, AWKWARD), (True, AWKWARD), (False, ["a b", *AWKWARD.values()]), (True, "[a]|b")):
        place = Place("c [d]", "query", style, explode, reserved=reserved)
        call = call_of("GET", echo[0] + "/a", {"c": value}, c=place)
        written = call.request().url.removeprefix(echo[0])
        assert [one["path"] for one in sent(call, echo)] == [written] * (2 if shutil.which("curl") else 1)
        assert not set(written) & set('[]{}|"<>\\^` ')


PLAIN = st.text("ab /ü&=", min_size=1, max_size=4)
DEEP = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(PLAIN, inner, min_size=1),
    max_leaves=5,
)


@given(value=st.dictionaries(PLAIN, DEEP, min_size=1, max_size=3))
def test_a_deep_object_can_be_put_together_again(value: dict[str, Any]) -> None:
    """By its brackets alone, a number counting in a list, as most parsers do."""
    query = urlsplit(
        Route("GET", "http://h/", (("c", Place("c", "query", "deepObject")),)).request({"c": value}).url
    ).query
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True, strict_parsing=True):
        *steps, last = ["c", *name.removeprefix("c[").removesuffix("]").split("][")]
        place = found
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = text
    assert found["c"] == numbered(value)


def numbered(value: Any) -> Any:
    """Lists as objects whose names are numbers."""
    if isinstance(value, list):
        value = {str(number): part for number, part in enumerate(value)}
    return {name: numbered(part) for name, part in value.items()} if isinstance(value, dict) else value


def test_a_header_can_not_begin_another_one(echo: tuple[str, list[Received]]) -> None:
    places: dict[str, Any] = {"x": Place("X", "header"), "c": Place("c", "cookie")}
    with pytest.raises(UsageError, match="line break"):
        call_of("GET", echo[0], {"x": "a\r\nEvil: b"}, **places).request()
    for one in sent(call_of("GET", echo[0], {"x": "Ærø", "c": "a; admin=1"}, **places), echo):
        assert one["headers"]["x"].encode("latin-1").decode() == "Ærø"
        assert one["headers"]["cookie"] == "c=a%3B%20admin%3D1"


def test_an_address_is_never_an_option_of_curls() -> None:
    assert shlex.split(Call(function="f", route=Route("GET", "-K/tmp/x")).render("curl"))[-2:] == ["--url", "-K/tmp/x"]


def test_what_is_not_given_stays_in_the_address(echo: tuple[str, list[Received]]) -> None:
    call = call_of("GET", echo[0] + "/berths/{berth}", {})
    assert call.render() == f"GET {echo[0]}/berths/{{berth}}"
    for one in sent(call, echo):
        assert unquote(one["path"]) == "/berths/{berth}"


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
VALUES = st.recursive(
    TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(path=TEXT, query=TEXT, body=VALUES)
@settings(max_examples=25, deadline=None)
def test_any_value_arrives_as_it_was_given(path: str, query: str, body: Any, echo: tuple[str, list[Received]]) -> None:
    places: dict[str, Any] = {name: Place(name, name) for name in ("path", "query", "body")}
    values = {"path": path, "query": query, "body": {"is": body}}
    for one in sent(call_of("POST", echo[0] + "/{path}", values, **places), echo):
        url = urlsplit(one["path"])
        if path not in (".", ".."):
            assert unquote(url.path[1:]) == path
        assert parse_qsl(url.query, keep_blank_values=True) == [("query", query)]
        assert json.loads(one["body"]) == {"is": body}


def test_a_python_call_is_no_http_request() -> None:
    with pytest.raises(UsageError, match="no HTTP request"):
        Call(function="f").render("curl")


def test_a_call_is_a_message_of_openais() -> None:
    from openai.types.chat import ChatCompletionMessageToolCall

    call = Call(function="math.hypot", kwargs=(("x", argument(3)), ("unit", argument("m"))))
    made = ChatCompletionMessageToolCall.model_validate(call.tool_call("call_1"), strict=True)
    assert (made.id, made.function.name) == ("call_1", "math_hypot")
    assert json.loads(made.function.arguments) == {"x": 3, "unit": "m"}


def test_a_call_is_a_query_with_its_tool_and_arguments() -> None:
    call = ApiDoc("x", "list_countries", kind="tool").call.with_arguments({"limit": argument(100)})
    assert call.structured("The first 100 countries") == {
        "query": "The first 100 countries", "tool_name": "list_countries", "arguments": {"limit": 100},
    }  # fmt: skip
