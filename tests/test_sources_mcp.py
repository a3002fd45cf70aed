"""Tools read from MCP servers: real ones, made with the SDK, and real programs that do everything wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult, PaginatedRequestParams, Tool, ToolAnnotations

from gorilla_rag import Gorilla
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.cli import app
from gorilla_rag.cli.train import _next
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import ExtraMissing, GorillaError, SourceError, UsageError
from gorilla_rag.index import manifest
from gorilla_rag.sources import formats, mcp
from gorilla_rag.sources.mcp_session import Listing

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
SCHEMA = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
TOOL = {"name": "tides", "description": "Tides of a port.", "inputSchema": SCHEMA}

HARBOUR = '''
import pathlib, sys
from mcp.server import MCPServer

server = MCPServer("harbour", version="1.2")

@server.tool(title="High and low water", annotations={"readOnlyHint": True})
def tides(port: str, days: int = 1) -> list[str]:
    """When the water of a port is highest and lowest."""
    pathlib.Path(sys.argv[1]).write_text("called")
    return []

@server.tool()
def moor(berth: int) -> str:
    """Reserves a place where a ship can stay over night."""
    pathlib.Path(sys.argv[1]).write_text("called")
    return ""

server.run("stdio")
'''
# Speaks just enough of the protocol by hand, so that it can say what the SDK's own servers can't.
PLAIN = """
import json, os, sys, time
INFO = {"name": "plain", "version": "7"}
def initialize(params):
    return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": INFO}
answers = {"initialize": initialize, **ANSWERS}
for line in sys.stdin:
    asked = json.loads(line)
    with open(__file__ + ".asked", "a") as log:
        print(asked["method"], file=log)
    if "id" not in asked:
        continue
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] in answers:
        answer["result"] = answers[asked["method"]](asked.get("params", {}))
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)
"""


def script(folder: Path, text: str, name: str = "server.py") -> str:
    """A command that runs a program; as everywhere in the suite, with sockets closed but for loopback."""
    (folder / name).write_text(text, encoding="utf-8")
    path = f"PYTHONPATH={os.environ['PYTHONPATH']}"
    return shlex.join(["env", path, sys.executable, str(folder / name), str(folder / "called")])


def plain(folder: Path, tools_list: str, **others: str) -> str:
    """A server whose answers are given as Python, from `params`."""
    answers = {"tools/list": tools_list, **others}
    made = ", ".join(f"{method!r}: lambda params: {answer}" for method, answer in answers.items())
    return script(folder, PLAIN.replace("**ANSWERS", made))


def listing(folder: Path, *tools: Any) -> str:
    (folder / "tools.json").write_text(json.dumps({"tools": tools}), encoding="utf-8")
    return plain(folder, f"json.load(open({str(folder / 'tools.json')!r}))")


def running(folder: Path) -> list[str]:
    """Programs that have a folder in their command."""
    listed = subprocess.run(["ps", "-eww", "-o", "stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line and not line.startswith("Z")]


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No test leaves a server running, whether it could be read or not."""
    yield
    assert running(tmp_path) == []


def test_a_servers_tools_are_documents_like_those_of_a_file(tmp_path: Path) -> None:
    tides, moor = mcp.read([script(tmp_path, HARBOUR)]).docs
    assert (tides.id, tides.kind, tides.api_call) == ("harbour:tides@1.2", "tool", "tides")
    assert (tides.source, tides.framework, tides.version, tides.trusted) == ("harbour", "harbour", "1.2", False)
    assert (tides.functionality, tides.details["annotations"]) == ("High and low water", {"readOnlyHint": True})
    assert tides.description == "When the water of a port is highest and lowest."
    assert tides.parameters["required"] == ["port"]
    assert tides.details["returns"]["properties"]["result"]["type"] == "array"
    assert moor.id == "harbour:moor@1.2"
    assert not (tmp_path / "called").exists()


def test_an_empty_cursor_is_the_last(tmp_path: Path) -> None:
    assert len(mcp.read([plain(tmp_path, f"{{'tools': [{TOOL}], 'nextCursor': ''}}")]).docs) == 1


def test_nothing_is_asked_but_who_it_is_and_what_it_has(tmp_path: Path) -> None:
    read = mcp.read([listing(tmp_path, TOOL)])
    assert [doc.id for doc in read.docs] == ["plain:tides@7"]
    asked = (tmp_path / "server.py.asked").read_text(encoding="utf-8").split()
    assert asked == ["initialize", "notifications/initialized", "tools/list"]


def test_a_server_without_the_handshake_is_greeted_as_it_wants(tmp_path: Path) -> None:
    said = "{'resultType': 'complete', 'ttlMs': 0, 'cacheScope': 'public', "
    greeting = said + "'supportedVersions': ['2026-07-28'], 'capabilities': {'tools': {}}}"
    page = said + f"'tools': [{TOOL}]}}"
    command = plain(tmp_path, page, **{"server/discover": greeting})
    text = (tmp_path / "server.py").read_text(encoding="utf-8")
    (tmp_path / "server.py").write_text(text.replace('"initialize": initialize, ', ""), encoding="utf-8")
    assert [doc.id for doc in mcp.read([command]).docs] == ["env:tides"]


def test_ids_are_unique_within_a_server_and_over_servers(tmp_path: Path) -> None:
    command = listing(tmp_path, TOOL, TOOL)
    read = mcp.read([command, command])
    assert [doc.id for doc in read.docs] == [f"plain:tides@7{more}" for more in ("", "#2", "#3", "#4")]


MALFORMED: dict[str, tuple[Any, str]] = {
    "no name": ({"inputSchema": SCHEMA}, "name None"),
    "an empty name": ({**TOOL, "name": " "}, "name ' '"),
    "a name that is a number": ({**TOOL, "name": 3}, "name 3"),
    "a schema that is a list": ({**TOOL, "inputSchema": []}, "'tides' isn't an object"),
    "no schema": ({"name": "tides"}, "'tides' isn't an object"),
    "arguments that are a list": ({**TOOL, "inputSchema": {"type": "array"}}, "not an object"),
    "a number": (3, "int, not an object"),
}


def test_a_malformed_tool_is_named_and_may_be_left_out(tmp_path: Path) -> None:
    command = listing(tmp_path, TOOL, *(tool for tool, _ in MALFORMED.values()), {**TOOL, "name": "last"})
    with pytest.raises(SourceError, match="name None") as caught:
        mcp.read([command])
    assert caught.value.line == 2
    read = mcp.read([command], skip_bad=True)
    assert [doc.api_name for doc in read.docs] == ["tides", "last"]
    assert [problem.line for problem in read.problems] == [2, 3, 4, 5, 6, 7, 8]
    for problem, (_, said) in zip(read.problems, MALFORMED.values(), strict=True):
        assert said in str(problem)


def test_the_protocols_fields_alone_are_read(tmp_path: Path) -> None:
    tool = {**TOOL, "id": "mine", "server": "other", "version": "9", "function": {"name": "hidden", "parameters": {}}}
    (doc,) = mcp.read([listing(tmp_path, tool)]).docs
    assert (doc.id, doc.api_name, doc.framework) == ("plain:tides@7", "tides", "plain")


def test_a_server_that_names_itself_in_lines_has_a_name_of_one(tmp_path: Path) -> None:
    text = PLAIN.replace("**ANSWERS", f"'tools/list': lambda _: {{'tools': [{TOOL}]}}")
    command = script(tmp_path, text.replace('"plain"', r'" two\nlines\x1b[31m "'))
    assert mcp.read([command]).docs[0].source == "two lines [31m"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.sampled_from(["object", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$ref", "$defs", "a", "type", "properties", "required"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(tools=st.lists(JSON | st.fixed_dictionaries({"name": JSON, "inputSchema": JSON, "outputSchema": JSON})))
@settings(max_examples=50, deadline=None)
def test_whatever_is_listed_gives_documents_or_typed_errors(tools: list[Any]) -> None:
    listed = Listing("plain", "7", tuple(tools), ())
    found = formats.collected(mcp._documents(mcp.Server.of("server"), listed, trusted=False), skip_bad=True)
    assert len(found.docs) + len(found.problems) == len(tools)
    assert all(ApiDoc.from_dict(doc.to_dict()) == doc for doc in found.docs)


FAILING: dict[str, tuple[str, str]] = {
    "dies at once": ("import sys; sys.exit('no key is set')", r"status 1.*'no key is set'"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    "answers with rubbish": ("input(); print('hello'); print('\\xff'); print()", "wrote 'hello' to stdout"),
    "writes rubbish for ever": ("while True: print('hello')", "no message to stdout, such as 'hello'"),
    "writes a line for ever": ("import sys\nwhile True: sys.stdout.write('x' * 99999)", "more than 64 MiB"),
    "writes long lines for ever": ("while True: print('x' * 9999999)", "more than 64 MiB"),
    "hangs": ("import sys; sys.stdin.read()", "in 0.5 s"),
    "closes its ears": ("import os, time; os.close(0); time.sleep(0.5)", "ended before"),
    "closes its mouth": ("import os, sys; os.close(1); sys.stdin.read()", "ended before"),
    "leaves without a list": ("input()", "status 0"),
    "is no Python": ("((", "SyntaxError"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILING)
def test_a_program_that_isnt_a_server_is_an_error_that_says_why(kind: str, tmp_path: Path) -> None:
    text, said = FAILING[kind]
    with pytest.raises(SourceError, match=said) as caught:
        mcp.read([script(tmp_path, text)], timeout=0.5 if "0.5 s" in said else 60)
    assert caught.value.hint
    assert str(tmp_path) in caught.value.file


ANSWERS: dict[str, tuple[str, str]] = {
    "the same cursor again": (f"{{'tools': [{TOOL}], 'nextCursor': 'a'}}", "list without end"),
    "ever new cursors": (f"{{'tools': [{TOOL}], 'nextCursor': str(time.time())}}", "list without end: page 1000"),
    "too many tools": (f"{{'tools': [{TOOL}] * 10001}}", "10001 tools"),
    "no tools": ("{'tools': []}", "lists no tools"),
    "no list": ("{'tools': 3}", "what isn't MCP: tools"),
    "nothing": ("{}", "what isn't MCP: tools"),
    "a cursor that is none": (f"{{'tools': [{TOOL}], 'nextCursor': [3]}}", "what isn't MCP: nextCursor"),
    "an end": ("os._exit(3)", "status 3"),
    "silence": ("sys.stdin.read()", "in 0.5 s"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_list_that_cant_be_used_is_an_error_that_says_why(kind: str, tmp_path: Path) -> None:
    answer, said = ANSWERS[kind]
    with pytest.raises(SourceError, match=said):
        mcp.read([plain(tmp_path, answer)], timeout=0.5 if "0.5 s" in said else 60, skip_bad=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("{}", "what isn't MCP"),
        ("{**initialize(params), 'protocolVersion': '1999-01-01'}", "1999-01-01"),
        ("{**initialize(params), 'serverInfo': None}", "what isn't MCP: serverInfo"),
    ],
)
def test_a_greeting_that_isnt_one_is_an_error(answer: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said):
        mcp.read([plain(tmp_path, "{}", initialize=answer)])


def test_a_server_that_refuses_both_greetings_is_quoted(tmp_path: Path) -> None:
    command = plain(tmp_path, "{}")
    text = (tmp_path / "server.py").read_text(encoding="utf-8")
    (tmp_path / "server.py").write_text(text.replace('"initialize": initialize, ', ""), encoding="utf-8")
    with pytest.raises(SourceError, match="no such method"):
        mcp.read([command])


def test_a_server_that_greets_or_logs_on_stdout_is_read_and_noted(tmp_path: Path) -> None:
    command = listing(tmp_path, TOOL)
    text = (tmp_path / "server.py").read_text(encoding="utf-8")
    (tmp_path / "server.py").write_text("print('Welcome!')\nprint()\nprint('Ready.')\n" + text, encoding="utf-8")
    read = mcp.read([command])
    assert len(read.docs) == 1
    assert "no message on stdout (2), such as 'Welcome!'" in read.notes[0]


def test_a_program_that_cant_be_started_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("", encoding="utf-8")
    for command, said in ((tmp_path / "nothing", "No such file"), (tmp_path / "server.py", "Permission denied")):
        with pytest.raises(SourceError, match=said):
            mcp.read([str(command)])


@pytest.mark.parametrize("named", ["", "  ", "'", "''", "http://", "https://[", "http://a b/", "http://a:b/mcp"])
def test_what_names_no_server_is_a_usage_error(named: str) -> None:
    with pytest.raises(UsageError):
        mcp.read([named])


def test_no_server_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no MCP server is named"):
        mcp.read([])


def test_a_server_that_wont_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = f"import time; {str(tmp_path)!r}; time.sleep(99)"
    start = f"import subprocess, sys, signal; subprocess.Popen([sys.executable, '-c', {child!r}])\n"
    stay = "signal.signal(15, signal.SIG_IGN)\nwhile True: signal.pause()"
    with pytest.raises(SourceError, match=r"in 0.5 s"):
        mcp.read([script(tmp_path, start + stay)], timeout=0.5)
    assert running(tmp_path) == []
    with pytest.raises(SourceError, match=r"in 0\.5 s"):
        mcp.read([script(tmp_path, start + "sys.exit(3)")], timeout=0.5)
    assert running(tmp_path) == []
    command = listing(tmp_path, TOOL)
    text = (tmp_path / "server.py").read_text(encoding="utf-8")
    (tmp_path / "server.py").write_text(start + text, encoding="utf-8")
    assert len(mcp.read([command]).docs) == 1


def test_a_server_gets_of_the_environment_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOUR_KEY", "secret")
    tool = "{'name': os.environ.get('HARBOUR_KEY', 'none'), 'inputSchema': {}}"
    command = plain(tmp_path, f"{{'tools': [{tool}]}}")
    assert mcp.read([command]).docs[0].api_name == "none"
    assert mcp.read([f"env HARBOUR_KEY=given {command}"]).docs[0].api_name == "given"


def test_a_server_is_read_from_within_an_event_loop(tmp_path: Path) -> None:
    async def read() -> formats.SourceRead:
        return mcp.read([listing(tmp_path, TOOL)])

    assert len(asyncio.run(read()).docs) == 1


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("mcp.", "gorilla_rag.sources.mcp_"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delattr("gorilla_rag.sources.mcp_session", raising=False)
    with pytest.raises(ExtraMissing, match=r"gorilla-rag\[mcp\]"):
        mcp.read(["server"])


async def page(context: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
    start = int((params and params.cursor) or 0)
    tools = [Tool(name=f"tool_{n}", input_schema={"type": "object"}) for n in range(start, min(start + 10, 25))]
    return ListToolsResult(tools=tools, next_cursor=str(start + 10) if start + 10 < 25 else None)


def harbour() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("harbour", version="1.2")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def tides(port: str, days: int = 1) -> list[str]:
        """When the water of a port is highest and lowest."""
        raise AssertionError("no tool is called")

    return server


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An application's address on loopback."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("form", [{}, {"json_response": True}, {"stateless_http": True}])
def test_a_server_is_read_over_http(form: dict[str, Any]) -> None:
    seen: list[bytes] = []
    inner = harbour().streamable_http_app(**form)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope.get("headers", ()) if name == b"authorization")
        await inner(scope, receive, send)

    with served(app) as address:
        (doc,) = mcp.read([address], headers={"Authorization": "Bearer secret"}).docs
    assert (doc.id, doc.framework, doc.version) == ("harbour:tides@1.2", "harbour", "1.2")
    assert doc.details["annotations"] == {"readOnlyHint": True}
    assert set(seen) == {b"Bearer secret"}
    assert len(seen) >= 3


def test_all_pages_are_read_in_order() -> None:
    with served(Server("paged", version="3", on_list_tools=page).streamable_http_app()) as address:
        docs = mcp.read([address], trusted=True).docs
    assert [doc.api_name for doc in docs] == [f"tool_{n}" for n in range(25)]
    assert {(doc.source, doc.version, doc.trusted) for doc in docs} == {("paged", "3", True)}


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """The address of a server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/mcp"
    server.shutdown()
    server.server_close()


def saying(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(body)), **named}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    saying(200, Content_Type="application/json", Content_Length=str(10**12))(handler)
    try:
        while True:
            handler.wfile.write(b" " * 2**20)
    except OSError:
        pass


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)
    handler.close_connection = True


def broken(handler: BaseHTTPRequestHandler) -> None:
    saying(200, b"{", Content_Type="application/json", Content_Length="99")(handler)
    handler.close_connection = True


REFUSING: dict[str, tuple[Answer, str, str]] = {
    "401": (saying(401), "answers 401", "Authorization"),
    "403": (saying(403), "answers 403", "Authorization"),
    "404": (saying(404), "answers 404", "ends in /mcp"),
    "405": (saying(405), "answers 405", "/sse"),
    "500": (saying(500, b"oh"), "answers 500", "log"),
    "a reason": (
        saying(400, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -1, "message": "not today"}}',
               Content_Type="application/json"), "answers 400: not today", "log",
    ),
    "a redirect": (saying(307, Location="http://127.0.0.2/mcp"), "http://127.0.0.2/mcp", "MCP"),
    "a page": (saying(200, b"<html>", Content_Type="text/html"), "text/html", "MCP"),
    "no JSON": (saying(200, b"{", Content_Type="application/json"), "JSON", "MCP"),
    "nothing": (saying(202), "202", "MCP"),
    "a packed answer": (saying(200, gzip.compress(b" " * 10**6), Content_Encoding="gzip"), "packs its answers", "send"),
    "no end": (endless, "more than 64 MiB", "MCP"),
    "no end of events": (
        saying(200, b"data: " + b"x" * (65 << 20), Content_Type="text/event-stream"), "more than 64 MiB", "MCP"
    ),
    "silence": (silent, "in 0.5 s", "more time"),
    "half of it": (broken, "broke off", "runs there"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSING)
def test_an_address_that_isnt_a_servers_is_an_error_that_says_why(kind: str) -> None:
    answer, said, hint = REFUSING[kind]
    with answering(answer) as address:
        secret = address.replace("http://", "http://user:hidden@") + "?key=hidden"
        with pytest.raises(SourceError, match=said) as caught:
            mcp.read([secret], headers={"X-Key": "hidden"}, timeout=0.5 if "0.5 s" in said else 60)
    assert hint in caught.value.hint
    assert caught.value.file == address
    assert "hidden" not in str(caught.value)


def test_a_refused_connection_is_an_error() -> None:
    with answering(saying(200)) as address:
        pass
    with pytest.raises(SourceError, match="can't be reached") as caught:
        mcp.read([address])
    assert "runs there" in caught.value.hint


@pytest.mark.parametrize(
    ("servers", "headers"),
    [
        (["server"], {"A": "secret"}),
        (["http://127.0.0.1:1/mcp", "http://127.0.0.1:2/mcp"], {"A": "secret"}),
        (["http://127.0.0.1:1/mcp"], {"A b": "secret"}),
        (["http://127.0.0.1:1/mcp"], {"A": "secret\r\nB: c"}),
        (["http://127.0.0.1:1/mcp"], {"A": "sécret"}),
    ],
)
def test_headers_go_to_one_address_and_are_headers(servers: list[str], headers: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        mcp.read(servers, headers=headers)
    assert "cret" not in str(caught.value)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line: its exit code, stdout and stderr."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gorilla-rag", "index", *map(str, words)])
        code = app.run()
        return code, *capfd.readouterr()

    return run


def test_an_index_is_built_of_a_server_and_of_nothing_installed_and_more_is_added(
    run: Run, tmp_path: Path, encoder: EmbeddedEncoder
) -> None:
    notes = {"name": "write_note", "description": "Stores a short text.", "parameters": {}}
    (tmp_path / "notes.json").write_text(json.dumps([notes]), encoding="utf-8")
    command, index = f"env KEY=secret {listing(tmp_path, TOOL, {'name': 'bad'})}", tmp_path / "index"
    code, out, error = run("build", "--mcp", command, "--out", index, "--skip-bad", "--json")
    assert code == 0, error
    report = json.loads(out)
    assert (report["counts"]["documents"], report["recipe"]["mcp"]) == (1, {"plain": 1})
    assert ["'bad'" in skipped for skipped in report["skipped"]] == [True]
    assert b"secret" not in (index / manifest.NAME).read_bytes()
    assert "--mcp '… (plain)'" in _next(index, tmp_path / "model")
    with served(harbour().streamable_http_app()) as address:
        named = ("--mcp", address, "--mcp-header", "Authorization: Bearer secret", "--mcp-timeout", "60")
        code, _, error = run("add", index, tmp_path / "notes.json", *named, "--trust")
        assert code == 0, error
    gorilla = Gorilla.load(index, encoder=encoder)
    assert gorilla.search("store a text", k=1)[0].doc.api_call == "write_note"
    hit = gorilla.search("when is the water highest", k=1)[0]
    assert (hit.doc.api_call, hit.doc.source, hit.doc.trusted) == ("tides", "harbour", True)
    gorilla.index.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("build", "--out", "x", "--mcp", "/nonexistent/server"), 3, "can't be started"),
        (("build", "--out", "x", "--mcp-header", "A: b", "notes.json"), 2, "without an MCP server"),
        (("build", "--out", "x", "--mcp", "http://127.0.0.1:1/", "--mcp-header", "secret"), 2, "no colon"),
        (("build", "--out", "x", "--mcp", "sh -c 'while read x; do :; done'", "--mcp-timeout", "0.2"), 3, "in 0.2 s"),
        (("add", "x"), 2, "nothing to add"),
    ],
)
def test_what_cant_be_served_exits_with_its_own_code(
    words: tuple[str, ...], code: int, said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.json").write_text("[]", encoding="utf-8")
    ended, _, error = run(*words)
    assert (ended, said in error, "secret" in error) == (code, True, False)
    assert not Path("x").exists()


TOUCH = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); "
DEAF = "time.sleep(60)"


def build(folder: Path, command: str) -> subprocess.Popen[str]:
    words = [COMMAND, "index", "build", "--mcp", command, "--out", str(folder / "index")]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible)


def interruptible() -> None:
    """A suite that a shell runs in the background hands down that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def pressed(started: subprocess.Popen[str]) -> tuple[int, str]:
    """Presses Ctrl-C once; the exit code and stderr."""
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=20)
    return started.returncode, said


@pytest.mark.parametrize(("later", "then"), [(0, "sys.stdin.read()"), (0.05, DEAF), (0.5, "sys.stdin.read()")])
def test_one_ctrl_c_ends_the_command_and_its_server(tmp_path: Path, later: float, then: str) -> None:
    started = build(tmp_path, script(tmp_path, TOUCH + then))
    awaited(tmp_path / "called")
    time.sleep(later)
    assert pressed(started) == (130, "interrupted; nothing was lost\n")
    assert running(tmp_path) == []


def test_one_ctrl_c_ends_a_server_that_is_about_to_be_ended(tmp_path: Path) -> None:
    """It has listed its tools and been told to end, and doesn't: where it is waited for, a press isn't what ends it."""
    command = listing(tmp_path, TOOL)
    with (tmp_path / "server.py").open("a", encoding="utf-8") as program:
        program.write("\nimport pathlib, time\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(60)\n")
    started = build(tmp_path, command)
    awaited(tmp_path / "called")
    assert pressed(started) == (130, "interrupted; nothing was lost\n")
    assert running(tmp_path) == []


@pytest.mark.parametrize("after", [0.2, 0.6, 1.2])
def test_one_ctrl_c_ends_the_command_while_it_is_being_imported(tmp_path: Path, after: float) -> None:
    started = build(tmp_path, script(tmp_path, TOUCH + DEAF))
    time.sleep(after)
    code, said = pressed(started)
    # Until its first line is run, Python itself ends it; a shell calls that 130 too.
    assert code == 130 or (code == -signal.SIGINT and "gorilla_rag/cli/app.py" not in said), said
    assert running(tmp_path) == []


def awaited(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_gorilla_answers_from_servers(tmp_path: Path, encoder: EmbeddedEncoder) -> None:
    gorilla = Gorilla.from_mcp(
        listing(tmp_path, TOOL, {**TOOL, "name": "moor", "description": "A berth."}), encoder=encoder
    )
    assert gorilla.search("when is high tide", k=1)[0].doc.api_call == "tides"
    gorilla.index.close()
    with pytest.raises(GorillaError, match="can't be started"):
        Gorilla.from_mcp("/nonexistent/server", encoder=encoder)
