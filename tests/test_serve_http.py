"""The HTTP server as a process of its own, asked by its clients: OpenAI's, plain HTTP, and one that tries anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from gorilla_rag import Gorilla, starter
from gorilla_rag.models import registry
from gorilla_rag.serve import faults
from gorilla_rag.serve.lifecycle import Models
from gorilla_rag.serve.metrics import Metrics
from gorilla_rag.serve.outside import Bounded
from gorilla_rag.serve.routing import Routing, Target

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
KEY = "a-key-of-more-than-16-characters"
QUESTION = "convert text to speech in my app"
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather forecast of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "send_mail", "description": "Send an email to somebody."}},
]


@contextlib.contextmanager
def started(*words: str, log: Path | None = None, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The server's address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [COMMAND, "serve", "--port", str(port), *words]
    with (log or Path(os.devnull)).open("w") as said:
        process = subprocess.Popen(command, stderr=said, env={**os.environ, **environment})
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            assert process.poll() is None, log.read_text("utf-8") if log else "it ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def serving(*words: str, log: Path | None = None, **environment: str) -> Iterator[str]:
    """The server; its address."""
    with started(*words, log=log, **environment) as (address, _):
        yield address


@pytest.fixture(scope="module")
def server(starter_index: Path) -> Iterator[str]:
    with serving("--index", f"starter={starter_index}") as address:
        yield address


@pytest.fixture(scope="module")
def client(server: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0)


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    models = list(client.models.list())
    assert models[0].id == registry.GENERATOR
    assert all(model.object == "model" and model.owned_by for model in models)
    assert client.models.retrieve(registry.GENERATOR).id == registry.GENERATOR


def test_an_answer_is_the_recommendation_as_text(client: openai.OpenAI, gorilla: Gorilla) -> None:
    said = client.chat.completions.create(model=registry.GENERATOR, messages=ASKED)
    answer = gorilla.ask(QUESTION)
    (choice,) = said.choices
    assert choice.finish_reason == "stop"
    assert (answer.api_call or "?") in (choice.message.content or "")
    assert answer.code in (choice.message.content or "")
    assert said.usage
    assert said.usage.completion_tokens > 0
    more = said.model_extra["gorilla"]  # type: ignore[index]
    assert more["api_call"] == answer.api_call
    assert [hit["doc"]["id"] for hit in more["hits"]] == [hit.doc.id for hit in answer.hits]
    assert more["verdict"]["ok"] is True


def test_a_stream_says_the_same_in_pieces(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=registry.GENERATOR, messages=ASKED)
    stream = client.chat.completions.create(
        model=registry.GENERATOR, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    pieces = list(stream)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices][-1] == "stop"
    assert pieces[-1].usage
    assert len(pieces) > 8


def test_the_asynchronous_client_is_served_too(server: str) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            several = [client.chat.completions.create(model="auto", messages=ASKED) for _ in range(3)]
            return [said.choices[0].message.content or "" for said in await asyncio.gather(*several)]

    assert len(set(asyncio.run(ask()))) == 1


class Recommendation(BaseModel):
    api_call: str
    explanation: str
    trusted: bool


def test_structured_outputs_are_parsed(client: openai.OpenAI) -> None:
    said = client.chat.completions.parse(model=registry.GENERATOR, messages=ASKED, response_format=Recommendation)
    parsed = said.choices[0].message.parsed
    assert parsed
    assert parsed.trusted
    assert parsed.explanation.endswith(".")
    free = client.chat.completions.create(
        model=registry.GENERATOR, messages=ASKED, response_format={"type": "json_object"}
    )
    assert json.loads(free.choices[0].message.content or "")["api_call"] == parsed.api_call
    with client.chat.completions.stream(
        model=registry.GENERATOR, messages=ASKED, response_format=Recommendation
    ) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == parsed


def test_tools_that_are_given_are_called(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "what will the weather be in Oslo for 3 days"}]
    said = client.chat.completions.create(model=registry.GENERATOR, messages=messages, tools=TOOLS)
    (call,) = said.choices[0].message.tool_calls or []
    assert said.choices[0].finish_reason == "tool_calls"
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo", "days": 3})
    pieces = list(client.chat.completions.create(model=registry.GENERATOR, messages=messages, tools=TOOLS, stream=True))
    streamed = [one for piece in pieces for one in piece.choices[0].delta.tool_calls or []]
    assert [one.function.arguments for one in streamed if one.function] == [call.function.arguments]


def test_no_tool_is_called_that_does_not_fit_and_a_chosen_one_is(client: openai.OpenAI) -> None:
    poem: list[Any] = [{"role": "user", "content": "write me a poem about cheese"}]
    said = client.chat.completions.create(model=registry.GENERATOR, messages=poem, tools=TOOLS)
    assert not said.choices[0].message.tool_calls
    assert "No API" in (said.choices[0].message.content or "")
    chosen: Any = {"type": "function", "function": {"name": "send_mail"}}
    said = client.chat.completions.create(model=registry.GENERATOR, messages=poem, tools=TOOLS, tool_choice=chosen)
    assert [call.function.name for call in said.choices[0].message.tool_calls or []] == ["send_mail"]  # type: ignore[union-attr]
    said = client.chat.completions.create(model=registry.GENERATOR, messages=ASKED, tools=TOOLS, tool_choice="none")
    assert said.choices[0].message.content


def test_a_tool_is_not_called_without_what_it_needs_unless_it_has_to_be(client: openai.OpenAI) -> None:
    vague: list[Any] = [{"role": "user", "content": "set the volume of the loudspeaker"}]
    level = {"type": "object", "properties": {"level": {"type": "integer"}}, "required": ["level"]}
    volume = {"name": "set_volume", "description": "Set the volume of the loudspeaker.", "parameters": level}
    tools: list[Any] = [*TOOLS, {"type": "function", "function": volume}]
    said = client.chat.completions.create(model=registry.GENERATOR, messages=vague, tools=tools)
    assert not said.choices[0].message.tool_calls
    assert "Missing: level" in (said.choices[0].message.content or "")
    said = client.chat.completions.create(model=registry.GENERATOR, messages=vague, tools=tools, tool_choice="required")
    assert said.choices[0].message.tool_calls


def test_what_a_tool_said_ends_the_conversation(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "what will the weather be in Oslo"}]
    said = client.chat.completions.create(model=registry.GENERATOR, messages=messages, tools=TOOLS)
    (call,) = said.choices[0].message.tool_calls or []
    messages += [
        said.choices[0].message.model_dump(include={"role", "tool_calls"}),
        {"role": "tool", "tool_call_id": call.id, "content": "Rain until noon."},
    ]
    ended = client.chat.completions.create(model=registry.GENERATOR, messages=messages, tools=TOOLS)
    assert ended.choices[0].message.content == "Rain until noon."
    assert ended.choices[0].finish_reason == "stop"
    again = client.chat.completions.create(model=registry.GENERATOR, messages=messages[:1], tools=TOOLS)
    assert (again.choices[0].message.tool_calls or [])[0].id != call.id


def test_what_a_tool_said_is_streamed_where_a_stream_is_wanted(client: openai.OpenAI) -> None:
    called = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages: list[Any] = [
        {"role": "user", "content": "what will the weather be in Oslo"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "content": "Rain until noon."},
    ]
    chunks = list(
        client.chat.completions.create(
            model=registry.GENERATOR,
            messages=messages,
            tools=TOOLS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "Rain until noon."
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].usage
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing", messages=messages, tools=TOOLS)


@pytest.mark.parametrize("mode", ["zero-shot", "hybrid"])
def test_a_stream_is_the_whole_answer_in_every_mode(mode: str, client: openai.OpenAI) -> None:
    model = f"{registry.GENERATOR}:{mode}"
    whole = client.chat.completions.create(model=model, messages=ASKED)
    pieces = client.chat.completions.create(model=model, messages=ASKED, stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in pieces) == whole.choices[0].message.content


def test_the_asynchronous_client_streams_too(server: str) -> None:
    async def asked() -> str:
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            stream = await client.chat.completions.create(model=registry.GENERATOR, messages=ASKED, stream=True)
            return "".join([one.choices[0].delta.content or "" async for one in stream if one.choices])

    assert "```" in asyncio.run(asked())


def test_tools_are_called_whatever_mode_the_model_is_named_with(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "what will the weather be in Oslo"}]
    said = client.chat.completions.create(model=f"{registry.GENERATOR}:zero-shot", messages=messages, tools=TOOLS)
    assert said.choices[0].message.tool_calls


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings_are_the_encoders(form: Any, client: openai.OpenAI, gorilla: Gorilla) -> None:
    texts = ["read a text aloud", "find a cat in a photo"]
    said = client.embeddings.create(model=registry.ENCODER, input=texts, encoding_format=form)
    expected = gorilla.index.encoder.encode(texts)
    if form == "float":
        for row, vector in zip(said.data, expected, strict=True):
            assert row.embedding == pytest.approx(vector.tolist(), abs=1e-6)
    assert [row.index for row in said.data] == [0, 1]
    default = client.embeddings.create(model=registry.ENCODER, input=texts[0])
    assert default.data[0].embedding == pytest.approx(expected[0].tolist(), abs=1e-5)


def test_the_librarys_own_verbs(server: str, gorilla: Gorilla) -> None:
    said = httpx.post(f"{server}/v1/ask", json={"question": QUESTION, "fields": "call", "k": 3}).json()
    assert said["api_call"] == gorilla.ask(QUESTION, k=3, fields="call").api_call
    assert len(said["hits"]) == 3
    assert (said["model"], said["route"]) == (f"{registry.GENERATOR}:hybrid", "default")
    found = httpx.post(f"{server}/v1/search", json={"question": QUESTION, "k": 2, "mode": "bm25"}).json()
    assert [one["doc"]["id"] for one in found["results"]] == [
        hit.doc.id for hit in gorilla.search(QUESTION, k=2, mode="bm25")
    ]
    checked = httpx.post(f"{server}/v1/check", json={"code": "import json\njson.lod()"}).json()
    assert checked["findings"][0]["suggestion"] == "load"
    (index,) = httpx.get(f"{server}/v1/indexes").json()["data"]
    assert (index["id"], index["documents"]) == ("starter", len(starter.documents()))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", {}, 400),
        ("POST", "/v1/chat/completions", {"messages": []}, 400),
        ("POST", "/v1/chat/completions", {"messages": [{"role": "assistant", "content": "x"}]}, 400),
        ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": " "}]}, 400),
        ("POST", "/v1/chat/completions", {"messages": [{"role": "king", "content": "x"}]}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "n": 2}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "model": "gpt-9"}, 404),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "model": "api-smollm2:oracle"}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "tools": [{"type": "function"}]}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "tools": TOOLS, "tool_choice": {"name": "no"}}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "gorilla": {"k": 0}}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "gorilla": {"colour": 1}}, 400),
        (
            "POST",
            "/v1/chat/completions",
            {"messages": ASKED, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 3}}}},
            400,
        ),
        (
            "POST",
            "/v1/chat/completions",
            {
                "messages": ASKED,
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"required": ["price"]}}},
            },
            400,
        ),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "tools": TOOLS, "tool_choice": {"function": "f"}}, 400),
        ("POST", "/v1/chat/completions", {"messages": ASKED, "tools": [{"type": "function", "function": None}]}, 400),
        (
            "POST",
            "/v1/chat/completions",
            {
                "messages": ASKED,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"properties": {"code": {"$ref": "#/enum/x"}}}},
                },
            },
            400,
        ),
        ("POST", "/v1/embeddings", {"input": []}, 400),
        ("POST", "/v1/embeddings", {"input": [1, 2]}, 400),
        ("POST", "/v1/embeddings", {"input": "x", "model": "ada"}, 404),
        ("POST", "/v1/embeddings", {"input": "x", "dimensions": 3}, 400),
        ("POST", "/v1/ask", {"question": ""}, 400),
        ("POST", "/v1/ask", {"question": "x" * 5000}, 400),
        ("POST", "/v1/ask", {"question": "x", "index": "nowhere"}, 404),
        ("POST", "/v1/ask", {"question": "x", "filters": {"colour": "red"}}, 400),
        ("POST", "/v1/ask", {"question": "x", "given": {"a": 1}, "model": "a/../b"}, 404),
        ("POST", "/v1/search", {"question": "x", "mode": "zero-shot"}, 400),
        ("POST", "/v1/search", [], 400),
        ("POST", "/v1/check", {}, 400),
        ("GET", "/v1/check", None, 405),
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/v1/models/nothing", None, 404),
        ("PUT", "/v1/models/nothing/start", None, 404),
        ("DELETE", "/v1/models/nothing", None, 404),
        ("POST", "/v1/models", {"id": "nothing"}, 404),
        ("POST", "/v1/models", {"url": "http://169.254.169.254/latest"}, 400),
        ("POST", "/v1/models", {"id": "http://127.0.0.1:1/model.gguf"}, 404),
    ],
)
def test_what_can_not_be_served_is_told_with_what_to_do(
    method: str, path: str, body: Any, status: int, server: str
) -> None:
    said = httpx.request(method, f"{server}{path}", json=body)
    assert said.status_code == status, said.text
    error = said.json()["error"]
    assert error["message"]
    assert error["hint"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"question": "\\ud800"}',
        b'{"question": NaN}',
        b"null",
        b'{"question": "x", "given": {"a": "\\ud800"}}',
        b'{"question": "x", "given": {"\\ud800": 1}}',
        b'{"question": "x", "given": {"a": [NaN]}}',
    ],
)
def test_bodies_that_are_no_requests_are_refused(raw: bytes, server: str) -> None:
    said = httpx.post(f"{server}/v1/ask", content=raw, headers={"content-type": "application/json"})
    assert said.status_code == 400, said.text
    assert said.json()["error"]["hint"]


@pytest.mark.parametrize("how", ["unfolding", "long"])
def test_no_schema_of_a_clients_keeps_the_server_busy(how: str, server: str) -> None:
    doubled: dict[str, Any] = {"$defs": {"d0": {}}, "$ref": "#/$defs/d30"}
    for number in range(1, 31):
        doubled["$defs"][f"d{number}"] = {"allOf": [{"$ref": f"#/$defs/d{number - 1}"}] * 2}
    schema = doubled if how == "unfolding" else {"properties": {f"name{number}": {} for number in range(9_000)}}
    asked = {"messages": ASKED, "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    began = time.monotonic()
    said = httpx.post(f"{server}/v1/chat/completions", json=asked, timeout=60)
    assert said.status_code == 400, said.text
    assert "a schema of more than" in said.json()["error"]["message"]
    assert time.monotonic() - began < 10


def test_a_program_of_nothing_but_mistakes_is_checked_all_the_same(server: str) -> None:
    code = "\n".join(f"value_{number} = 1\nvalu_{number}()" for number in range(4_000))
    said = httpx.post(f"{server}/v1/check", json={"code": code}, timeout=120)
    assert said.status_code == 200, said.text
    assert len(said.json()["findings"]) == 4_000


def test_nobody_speaks_websockets_with_it(server: str) -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "eA==",
    }
    assert httpx.get(f"{server}/v1/models", headers=upgrade).status_code < 500


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    app = FastAPI()
    faults.handle(app, Metrics(Models({}), Routing(Target("a")), waiting=int, running=int))

    @app.post("/")
    async def read(request: Request) -> int:
        return len(await request.body())

    async def asked() -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "app": app}
        app.add_middleware(Bounded, most=1_000, seconds=0.2)
        await app(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(asked()) == 408


def test_no_pattern_of_a_clients_keeps_the_server_busy(server: str) -> None:
    endless = "^(([a-z]+)+ ?)+$"
    schema = {"properties": {"explanation": {"type": "string", "pattern": endless}}, "patternProperties": {endless: {}}}
    asked = {"messages": ASKED, "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    tool = {
        "type": "function",
        "function": {
            "name": "speak",
            "description": "Convert text to speech",
            "parameters": {"type": "object", "properties": {"text": {"type": "string", "pattern": endless}}},
        },
    }
    for body in (asked, {"messages": ASKED, "tools": [tool]}):
        said = httpx.post(f"{server}/v1/chat/completions", json=body, timeout=30)
        assert said.status_code == 200, said.text


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "a%00b",
        "C:%5Cmodels",
        "api-smollm2%2f..",
        "API-SMOLLM2",
    ],
)
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("PUT", "/start"), ("PUT", "/stop")])
def test_a_models_id_never_becomes_a_path(name: str, method: str, tail: str, server: str) -> None:
    said = httpx.request(method, f"{server}/v1/models/{name}{tail}")
    assert said.status_code in (404, 405), said.text


def test_a_request_that_is_too_large_is_refused_told_or_not(server: str) -> None:
    large = json.dumps({"question": "x" * (2 << 20)}).encode()
    headers = {"content-type": "application/json"}

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(large), 1 << 16):
            yield large[start : start + (1 << 16)]

    for content in (large, pieces()):
        assert httpx.post(f"{server}/v1/search", content=content, headers=headers).status_code == 413


def test_a_model_is_stopped_started_and_not_deleted_while_it_runs(starter_index: Path) -> None:
    with serving("--index", str(starter_index)) as address:
        model = f"{address}/v1/models/{registry.GENERATOR}"
        assert httpx.get(model).json()["state"] == "stopped"
        assert httpx.put(f"{model}/start", timeout=60).json() == {
            "id": registry.GENERATOR,
            "object": "model",
            "state": "running",
        }
        refused = httpx.delete(model)
        assert refused.status_code == 409
        assert "stop" in refused.json()["error"]["hint"]
        assert httpx.put(f"{model}/stop").json()["state"] == "stopped"
        assert httpx.get(model).json()["state"] == "stopped"
        assert httpx.get(f"{address}/readyz").status_code == 200


def test_measures_and_logs_say_what_was_done_and_not_what_was_asked(starter_index: Path, tmp_path: Path) -> None:
    secret = "the harbour of Tromsø"
    for words, expected in (((), False), (("--log-questions",), True)):
        log = tmp_path / f"log{len(words)}"
        with serving("--index", str(starter_index), *words, log=log) as address:
            asked = {"question": f"convert text to speech for {secret}", "fields": "call"}
            assert httpx.post(f"{address}/v1/ask", json=asked).status_code == 200
            assert httpx.post(f"{address}/v1/ask", json={"question": ""}).status_code == 400
            measured = httpx.get(f"{address}/metrics").text
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
        assert [(line["route"], line["status"]) for line in lines if line["route"] == "/v1/ask"] == [
            ("/v1/ask", 200),
            ("/v1/ask", 400),
        ]
        assert any(secret in json.dumps(line, ensure_ascii=False) for line in lines) == expected
        for name in (
            'gorilla_rag_requests_total{path="/v1/ask",status="200"} 1.0',
            'gorilla_rag_stage_seconds_count{stage="search"} 1.0',
            f'model="{registry.GENERATOR}",outcome="answered",route="default"',
            'gorilla_rag_errors_total{type="RequestValidationError"} 1.0',
            f'gorilla_rag_model_state{{model="{registry.GENERATOR}",state="stopped"}} 1.0',
            "gorilla_rag_queue_depth 0.0",
        ):
            assert name in measured, name


def test_keys_origins_and_names_are_checked_before_anything_else(starter_index: Path) -> None:
    words = ("--index", str(starter_index), "--origin", "https://app.example.com")
    with serving(*words, GORILLA_RAG_API_KEY=KEY) as address:
        search, body = f"{address}/v1/search", {"question": "x"}
        right = {"authorization": f"Bearer {KEY}"}
        for headers, status in [
            ({}, 401),
            ({"authorization": f"Bearer {KEY[:-1]}é"}, 401),
            (right, 200),
            (right | {"host": "evil.example.com"}, 421),
            (right | {"origin": "https://evil.example.com"}, 403),
            (right | {"origin": "https://app.example.com"}, 200),
        ]:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            assert httpx.post(search, json=body, headers=raw).status_code == status, headers
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/metrics").status_code == 401
        asks = {
            "origin": "https://app.example.com",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        }
        allowed = httpx.options(search, headers=asks)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)
        assert list(client.models.list())


def test_pages_may_call_nothing_by_default(server: str) -> None:
    said = httpx.post(f"{server}/v1/search", json={"question": "x"}, headers={"origin": server})
    assert said.status_code == 403
    assert "access-control-allow-origin" not in said.headers


def test_more_than_may_wait_are_told_to_come_back(starter_index: Path) -> None:
    words = ("--index", str(starter_index), "--at-once", "1", "--waiting", "1")
    with serving(*words) as address:
        codes: list[int] = []
        waits: list[str] = []

        def ask() -> None:
            said = httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=120)
            codes.append(said.status_code)
            if said.status_code == 429:
                waits.append(said.headers["retry-after"])

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(codes) == {200, 429}
        assert all(int(wait) >= 1 for wait in waits)


def test_who_leaves_frees_the_place(starter_index: Path) -> None:
    with serving("--index", str(starter_index), "--at-once", "1") as address:
        httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=60)
        asked = {"messages": ASKED, "stream": True}
        for _ in range(3):
            with httpx.stream("POST", f"{address}/v1/chat/completions", json=asked, timeout=60) as stream:
                next(stream.iter_lines())
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=0.05)
        for _ in range(100):
            measured = httpx.get(f"{address}/metrics").text
            if "gorilla_rag_running 0.0" in measured and "gorilla_rag_queue_depth 0.0" in measured:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(measured)


def test_after_a_kill_the_state_is_true(starter_index: Path) -> None:
    for _ in range(2):
        with started("--index", str(starter_index)) as (address, process):
            assert httpx.get(f"{address}/v1/models/{registry.GENERATOR}").json()["state"] == "stopped"
            asking = threading.Thread(target=_ask_and_be_left, args=(address,))
            asking.start()
            while "gorilla_rag_running 1.0" not in httpx.get(f"{address}/metrics").text:
                time.sleep(0.02)
            process.kill()
            asking.join(20)
    assert registry.state(registry.GENERATOR) == "ready"


def _ask_and_be_left(address: str) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=60)


def test_it_ends_when_it_is_told_to(starter_index: Path) -> None:
    with serving("--index", str(starter_index)) as address:
        httpx.put(f"{address}/v1/models/{registry.GENERATOR}/start", timeout=60)
        began = time.monotonic()
    assert time.monotonic() - began < 15


def test_what_is_being_answered_when_it_is_told_to_end_is_answered(starter_index: Path) -> None:
    said: list[httpx.Response] = []
    with started("--index", str(starter_index)) as (address, process):
        httpx.put(f"{address}/v1/models/{registry.GENERATOR}/start", timeout=60)
        asked = {"question": QUESTION}
        asking = threading.Thread(target=lambda: said.append(httpx.post(f"{address}/v1/ask", json=asked, timeout=60)))
        asking.start()
        while "gorilla_rag_running 1.0" not in httpx.get(f"{address}/metrics").text:
            time.sleep(0.01)
        process.terminate()
        asking.join(30)
        assert process.wait(30) in (0, -signal.SIGTERM)
    assert [one.status_code for one in said] == [200]
    assert said[0].json()["explanation"]


# What schemathesis can't know: that a body may be too large, that a deleted model still has a state, that a
# conversation wants a user's message. /readyz says 503 once schemathesis has deleted the default model.
TRYING = """
generation.max-examples = 5
seed = 1
request-timeout = 60
checks.negative_data_rejection.expected-statuses = ["400", "404", "405", "409", "413"]
checks.use_after_free.enabled = false

[[operations]]
include-path = "/v1/chat/completions"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = "/readyz"
enabled = false
"""


def test_whatever_its_description_allows_is_answered_as_it_says(starter_index: Path, tmp_path: Path) -> None:
    """Schemathesis makes requests of the server's own OpenAPI, fitting ones and others, and follows its links."""
    home = tmp_path / "home"
    shutil.copytree(registry.home() / "models", home / "models")  # it may delete what it likes
    (tmp_path / "schemathesis.toml").write_text(TRYING, encoding="utf-8")
    with serving("--index", str(starter_index), GORILLA_RAG_HOME=str(home)) as address:
        command = [str(Path(COMMAND).with_name("schemathesis")), "run", f"{address}/openapi.json", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
