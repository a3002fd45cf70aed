"""Real HTTP servers on loopback for tests of endpoints: llama.cpp's own, and one that answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gorilla_rag.generate.llama_cpp import _server
from gorilla_rag.models import registry

KEY = "loopback-key-of-the-suite"
KEY_ENV = "GORILLA_RAG_TEST_KEY"


@contextmanager
def llama_cpp() -> Iterator[str]:
    """The base URL of llama.cpp's server with the embedded model; it wants `KEY`."""
    server = _server(registry.weights(registry.GENERATOR), 4096, 1, KEY)
    yield f"{server.listening_address}/v1"


@dataclass(frozen=True)
class Say:
    """One scripted answer.

    Attributes:
        body: bytes, in pieces; a callable in between is waited for.
        kind: the content type.
        status: the HTTP status.
        headers: more of them.
        delay: seconds before anything is said.
        promised: a content length that is too long, so that the answer breaks off.
    """

    body: Sequence[bytes | Callable[[], Any]] = ()
    kind: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    promised: int = 0


def chat(text: str | None, **more: Any) -> Say:
    """A whole answer of a chat model; `more` goes into its choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} | more
    used = {"prompt_tokens": 11, "completion_tokens": 7}
    return Say([json.dumps({"choices": [choice], "usage": used}).encode()])


def event(text: str = "", **choice: Any) -> bytes:
    """One event of a streamed answer."""
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}} | choice]}).encode() + b"\n\n"


def events(*parts: bytes | Callable[[], Any]) -> Say:
    """A streamed answer."""
    return Say(parts, kind="text/event-stream")


END = event(finish_reason="stop")
USED = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"


def failing(status: int, message: str = "", **headers: str) -> Say:
    """An error in OpenAI's shape."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Say([json.dumps({"error": {"message": message}}).encode()], status=status, headers=named)


class Fake(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one for ever; keeps what it was asked, and when."""

    daemon_threads = True

    def __init__(self, *answers: Say) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked, self.times = list(answers), list[dict[str, Any]](), list[float]()
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def fake(*answers: Say) -> Iterator[Fake]:
    """A `Fake` that is serving."""
    server = Fake(*answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.times.append(time.monotonic())
            self.server.asked.append(json.loads(body))
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = self.server.answers[min(len(self.server.asked), len(self.server.answers)) - 1]
        time.sleep(answer.delay)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        if answer.promised:
            self.send_header("Content-Length", str(answer.promised))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in answer.body:
            if callable(part):
                part()
                continue
            try:
                self.wfile.write(part)
            except OSError:
                return

    def log_message(self, *args: Any) -> None:
        pass
