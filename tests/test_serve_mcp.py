"""The MCP server with its protocol's official client: over standard input and output, and over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from gorilla_rag.errors import UsageError
from gorilla_rag.serve.guard import check_binding
from gorilla_rag.validate import schema_errors

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
KEY = "a-key-of-more-than-16-characters"
QUESTION = "convert text to speech in my app"
NAMES = ["recommend_api", "search_apis", "get_api_doc", "check_code"]


async def used(address: Any) -> None:
    """Does with a server what an assistant does."""
    async with Client(address) as client:
        assert client.server_info
        assert client.server_info.name == "gorilla-rag"
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == NAMES
        for tool in listed:
            assert tool.annotations
            assert tool.annotations.read_only_hint
            assert tool.annotations.destructive_hint is False
        schemas = {tool.name: tool.output_schema for tool in listed}
        calls: list[tuple[str, dict[str, Any]]] = [
            ("recommend_api", {"question": QUESTION}),
            ("search_apis", {"query": QUESTION, "k": 2}),
            ("check_code", {"code": "import json\njson.load_all()"}),
        ]
        for name, arguments in calls:
            done = await client.call_tool(name, arguments)
            assert not done.is_error, done
            assert not schema_errors(done.structured_content, schemas[name] or {})
            assert json.loads(done.content[0].text) == done.structured_content  # type: ignore[union-attr]
        refused = await client.call_tool("search_apis", {"nothing": 1})
        assert refused.is_error
        assert "question" in refused.content[0].text  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="recommend_api"):
            await client.call_tool("remove_api", {})


def test_it_serves_the_official_client_over_standard_input_and_output(starter_index: Path) -> None:
    words = ["mcp", "--index", str(starter_index)]
    anyio.run(used, StdioServerParameters(command=COMMAND, args=words, env=dict(os.environ)))


def test_nothing_but_the_protocol_stands_on_standard_output(starter_index: Path) -> None:
    messages: list[dict[str, Any]] = [
        {
            "id": 0,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "raw", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"id": 1, "method": "tools/call", "params": {"name": "recommend_api", "arguments": {"question": QUESTION}}},
        {"id": 2, "method": "tools/call", "params": {"name": "check_code", "arguments": {"code": "print('x')"}}},
        {"id": 3, "method": "tools/call", "params": {"name": "recommend_api", "arguments": {"k": []}}},
    ]
    with subprocess.Popen(
        [COMMAND, "mcp", "--index", str(starter_index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        answered: set[int] = set()
        lines: list[str] = []
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
        while not {0, 1, 2, 3} <= answered:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
            answered.add(json.loads(lines[-1]).get("id"))
        process.stdin.close()
        lines += process.stdout.readlines()
        assert process.wait(20) == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)


@contextlib.contextmanager
def serving(index: Path, *words: str, keys: str = "") -> Iterator[str]:
    """The server as a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GORILLA_RAG_API_KEY": keys}
    command = [COMMAND, "mcp", "--http", "--port", str(port), "--index", str(index), *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait(20)


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def test_it_serves_the_official_client_over_http_and_no_page_or_name_that_it_does_not_know(starter_index: Path) -> None:
    with serving(starter_index, "--origin", "https://editor.example.com") as address:
        anyio.run(used, address)
        for headers, status in [
            ({}, 200),
            ({"host": "evil.example.com"}, 421),
            ({"host": "127.0.0.1.evil.example.com:80"}, 421),
            ({"host": ""}, 421),
            ({"origin": "https://evil.example.com"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "https://editor.example.com"}, 200),
            ({"origin": "https://editor.example.com.evil.net"}, 403),
        ]:
            said = httpx.post(address, json=PING, headers=HEADERS | headers)
            assert said.status_code == status, (headers, said.text)
            if status != 200:
                assert said.json()["error"]["hint"]
        large = {**PING, "params": {"text": "x" * (1 << 21)}}
        assert httpx.post(address, json=large, headers=HEADERS).status_code == 413


def test_a_crowd_of_clients_is_served_and_each_gets_its_own_answer(starter_index: Path) -> None:
    questions = [f"{what} {number}" for number, what in enumerate(["translate a text", "read a CSV file"] * 8)]
    found: dict[str, str] = {}

    async def ask(address: str, question: str) -> None:
        async with Client(address) as client:
            done = await client.call_tool("search_apis", {"query": question, "k": 1})
            assert not done.is_error, done
            assert done.structured_content
            found[question] = done.structured_content["results"][0]["api_call"]

    async def crowd(address: str) -> None:
        async with anyio.create_task_group() as group:
            for question in questions:
                group.start_soon(ask, address, question)

    with serving(starter_index) as address:
        anyio.run(crowd, address)
    assert set(found) == set(questions)
    assert all("csv" in call for question, call in found.items() if "CSV" in question)
    assert not any("csv" in call for question, call in found.items() if "CSV" not in question)


def test_a_page_may_call_it_only_where_it_is_named(starter_index: Path) -> None:
    before = {"access-control-request-method": "POST", "access-control-request-headers": "mcp-protocol-version"}
    with serving(starter_index, "--origin", "https://editor.example.com") as address:
        said = httpx.options(address, headers={"origin": "https://editor.example.com", **before})
        assert said.status_code == 200, said.text
        assert said.headers["access-control-allow-origin"] == "https://editor.example.com"
        other = httpx.options(address, headers={"origin": "https://evil.example.com", **before})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


def test_a_key_lets_in_and_nothing_else_does(starter_index: Path) -> None:
    with serving(starter_index, keys=f"{KEY},{KEY}-2") as address:
        for given, status in [
            ("", 401),
            (f"Bearer {KEY}x", 401),
            (f"Bearer {KEY[:-1]}", 401),
            (f"Basic {KEY}", 401),
            (KEY, 401),
            (f"Bearer {KEY}", 200),
            (f"bearer {KEY}-2", 200),
        ]:
            headers = {"authorization": given} if given else {}
            assert httpx.post(address, json=PING, headers=HEADERS | headers).status_code == status, given


@pytest.mark.parametrize(
    ("host", "keys", "match"),
    [("0.0.0.0", [], "reached by others"), ("::", [], "reached by others"), ("127.0.0.1", ["short"], "too short")],
)
def test_others_are_served_only_with_a_key_that_can_not_be_guessed(host: str, keys: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        check_binding(host, keys)
    check_binding("0.0.0.0", [KEY])
    check_binding("::1", [])


def test_a_server_for_others_without_a_key_is_refused_before_anything_is_opened() -> None:
    done = subprocess.run(
        [COMMAND, "mcp", "--http", "--host", "0.0.0.0", "--index", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GORILLA_RAG_API_KEY": ""},
    )
    assert done.returncode
    assert re.search("hint: set a key", done.stderr)


PLUGINS = Path(__file__).parent.parent / "examples" / "plugins"


@pytest.mark.parametrize("file", ["claude-code/.mcp.json", "vscode/.vscode/mcp.json"])
def test_a_plugins_configuration_starts_as_it_is_written(file: str, starter_index: Path) -> None:
    del starter_index
    said = json.loads((PLUGINS / file).read_text("utf-8"))
    ((name, started),) = (said.get("mcpServers") or said["servers"]).items()
    assert name == "gorilla-rag"
    path = os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]])
    anyio.run(
        used,
        StdioServerParameters(command=started["command"], args=started["args"], env={**os.environ, "PATH": path}),
    )


def test_a_plugin_in_python_calls_the_tools_in_its_own_process(starter_index: Path) -> None:
    del starter_index
    done = subprocess.run([sys.executable, str(PLUGINS / "in_process.py")], capture_output=True, text=True, check=True)
    assert "recommend_api: " in done.stdout
    assert "no-such-name" in done.stdout
    assert "to the model: search_apis" in done.stdout
