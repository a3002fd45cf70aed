"""Errors as HTTP: the right status, and a body that says what is wrong and what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from gorilla_rag.errors import (
    DownloadFailed,
    EndpointError,
    GorillaError,
    ModelBusy,
    ModelMissing,
    ModelTooLarge,
    NotServed,
    Overloaded,
    StorageFull,
    TooSlow,
    UsageError,
)
from gorilla_rag.serve.wire import ErrorResponse
from gorilla_rag.serve.work import Gone

if TYPE_CHECKING:
    from gorilla_rag.serve.metrics import Metrics

_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (NotServed, 404),
    (ModelMissing, 409),
    (ModelBusy, 409),
    (ModelTooLarge, 503),
    (Overloaded, 429),
    (TooSlow, 504),
    (EndpointError, 502),
    (DownloadFailed, 502),
    (StorageFull, 507),
    (UsageError, 400),
    (GorillaError, 503),
    (RecursionError, 400),
)
_CLIENT_GONE = 499
_HINTS = {404: "the paths are in /openapi.json", 408: "send it faster, or in pieces", 413: "send less"}
_TYPES = {400: "invalid_request_error", 404: "invalid_request_error", 429: "rate_limit_error"}
_WHAT = {
    400: "The request can't be served as it is.",
    401: "The key is missing or wrong.",
    404: "No such model or path.",
    409: "The model's state contradicts what is wanted.",
    413: "The request is too large.",
    429: "Too many questions wait; see Retry-After.",
    502: "A model's own server failed.",
    503: "The model can't be used just now.",
    504: "It took too long.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: {"model": ErrorResponse, "description": what} for status, what in _WHAT.items()}
}
NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "The default model isn't there.",
        "content": {"application/json": {"schema": {"type": "object", "properties": {"status": {"type": "string"}}}}},
    }
}


def status(error: BaseException) -> int:
    """The HTTP status of an error."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def body(error: BaseException) -> tuple[int, dict[str, Any]]:
    """The status of an error, and what is said of it."""
    code = status(error)
    message, hint = str(error), "report this with the request"
    if isinstance(error, GorillaError):
        message, hint = error.message, error.hint
    elif isinstance(error, RecursionError):
        message, hint = "the request is nested too deeply", "send flatter JSON"
    elif code == 500:
        message = "something failed that should not"
    return code, said(code, message, hint, type(error).__name__)


def said(code: int, message: str, hint: str, name: str, param: str | None = None) -> dict[str, Any]:
    """An error's body."""
    kind = _TYPES.get(code, "server_error" if code >= 500 else "invalid_request_error")
    return {"error": {"message": message, "hint": hint, "type": kind, "code": name, "param": param}}


def handle(app: FastAPI, metrics: Metrics) -> None:
    """Has an app answer every error so."""

    async def known(_: Request, error: Exception) -> JSONResponse:
        metrics.error(error)
        code, text = body(error)
        headers = {"retry-after": str(math.ceil(error.seconds))} if isinstance(error, Overloaded) else None
        return JSONResponse(text, code, headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for these)
        metrics.error(error)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        return JSONResponse(said(400, message, "see /openapi.json", "InvalidRequest", place or None), 400)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 (registered for these)
        hint, headers = _HINTS.get(error.status_code, "see /openapi.json"), dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(app, request))
        return JSONResponse(said(error.status_code, str(error.detail), hint, "HTTPError"), error.status_code, headers)

    async def gone(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(said(_CLIENT_GONE, "the client has left", "", type(error).__name__), _CLIENT_GONE)

    app.add_exception_handler(Gone, gone)
    app.add_exception_handler(GorillaError, known)
    app.add_exception_handler(RecursionError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, known)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """The methods of a path, which several routes may have between them."""
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
