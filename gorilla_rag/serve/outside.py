"""What is put around the app: a limit of a request's size, a line of log for each, the guard; and the server itself."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from gorilla_rag.serve.guard import LOOPBACK, App, Guard, Receive, Scope, Send, check_binding, plain_origin
from gorilla_rag.serve.metrics import Metrics

OPEN_PATHS = ("/healthz", "/readyz")
SHUTDOWN_SECONDS = 10
BODY_SECONDS = 30.0
log = logging.getLogger("gorilla_rag.serve")


class Bounded:
    """Refuses a request whose body is larger than `most` bytes, told or not, or takes longer than `seconds` to come."""

    def __init__(self, app: App, most: int, seconds: float = BODY_SECONDS) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        read, more, ends = 0, True, time.monotonic() + self._seconds

        async def counted() -> Any:
            nonlocal read, more
            if not more:  # what comes now is that the client leaves
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, ends - time.monotonic()))
            except TimeoutError as error:
                raise HTTPException(408, f"the request didn't come within {self._seconds:g} seconds") from error
            more = bool(message.get("more_body"))
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, f"the request has more than {self._most} bytes")
            return message

        return await self._app(scope, counted, send)


class Logged:
    """Counts every request and writes a line of JSON about it: never what was asked, unless `questions` are wanted."""

    def __init__(self, app: App, metrics: Metrics, *, questions: bool) -> None:
        self._app, self._metrics, self._questions = app, metrics, questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status, said = time.perf_counter(), 500, bytearray()
        name = secrets.token_hex(8)

        async def sent(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", name.encode())]}
            await send(message)

        async def heard() -> Any:
            message = await receive()
            if self._questions:
                said.extend(message.get("body", b""))
            return message

        try:
            await self._app(scope, heard, sent)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(route, status, seconds)
            line = {"request": name, "method": scope["method"], "route": route, "status": status}
            line |= {"milliseconds": round(1000 * seconds, 1)}
            if self._questions:
                line["body"] = said.decode("utf-8", "replace")
            log.info(json.dumps(line, ensure_ascii=False))
        return None


def surrounded(
    app: FastAPI,
    *,
    body: int,
    host_names: Sequence[str] = (),
    origins: Sequence[str] = (),
    keys: Sequence[str] = (),
    log_questions: bool = False,
) -> App:
    """The app with all that stands before it.

    Args:
        app: of `make_app`.
        body: most bytes of a request.
        host_names: names that the server goes by, beside those of this machine.
        origins: pages that may call it; none by default.
        keys: any of them lets in; none are asked for where there are none.
        log_questions: write what is asked into the log.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[plain_origin(origin) for origin in origins],
            allow_methods=["*"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["retry-after", "x-request-id"],
        )
    app.add_middleware(Bounded, most=body)
    guarded = Guard(app, hosts=[*LOOPBACK, *host_names], origins=origins, keys=keys, open_paths=OPEN_PATHS)
    return Logged(guarded, app.state.metrics, questions=log_questions)


def serve(app: App, *, host: str, port: int, keys: Sequence[str]) -> None:
    """Serves until it is interrupted; then what is being answered has ten seconds to end.

    Raises:
        UsageError: an address that others reach without a key, or a key that is too short.
    """
    check_binding(host, keys)
    uvicorn.run(
        app,
        host=host,
        port=port,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
