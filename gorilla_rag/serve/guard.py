"""What stands before a server's own work: whose name it is called by, which pages may call it, and who has the key.

A page in a browser can reach a server on this machine through a name that it resolves to 127.0.0.1 (DNS rebinding), so
a request has to name a host that the server goes by, and a page's origin has to be one that was let in.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from gorilla_rag.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SHORTEST_KEY = 16
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def named(host: str) -> str:
    """An address as a URL and a Host header write it."""
    return f"[{host}]" if ":" in host else host


def keys_in(text: str) -> list[str]:
    """Keys separated by commas."""
    return [key for one in text.split(",") if (key := one.strip())]


def check_binding(host: str, keys: Sequence[str]) -> None:
    """Refuses an address that others reach without a key, and keys that can be guessed.

    Raises:
        UsageError: no key, or a short one.
    """
    if not is_loopback(host) and not keys:
        raise UsageError(
            f"{host} can be reached by others", hint="set a key in GORILLA_RAG_API_KEY, or listen on 127.0.0.1"
        )
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise UsageError(
            "a key is too short",
            hint=f'give {SHORTEST_KEY} characters or more: python -c "import secrets; print(secrets.token_urlsafe())"',
        )


class Guard:
    """Lets requests through to an app that have a known host, a known origin or none, and a key where keys are set.

    Args:
        app: what is guarded.
        hosts: names that the server goes by, without a port; IPv6 addresses in brackets.
        origins: of pages that may call it, such as `https://app.example.com`; none by default.
        keys: any of these lets in; none are asked for where none are set.
        open_paths: what needs no key.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: Sequence[str] = LOOPBACK,
        origins: Sequence[str] = (),
        keys: Sequence[str] = (),
        open_paths: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._origins = {plain_origin(origin) for origin in origins}
        self._keys = [key.encode() for key in keys]
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or says why not."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await _say(send, *refusal)
        elif scope["type"] in ("http", "lifespan"):
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, what is wrong and what to do."""
        headers = _Headers(scope)
        if len(headers.all(b"host")) != 1 or _name(headers.first(b"host")) not in self._hosts:
            return (
                421,
                "this server doesn't go by that name",
                "use the address that it prints, or start it with --host-name",
            )
        origin = plain_origin(headers.first(b"origin"))
        if origin and origin not in self._origins:
            return 403, "pages of this origin may not call this server", "start it with --origin"
        asks = origin and scope["method"] == "OPTIONS"  # a browser asks first whether it may, without the key
        if self._keys and not asks and scope["path"] not in self._open and not self._has_key(headers):
            return 401, "the key is missing or wrong", "send the header Authorization: Bearer KEY"
        return None

    def _has_key(self, headers: _Headers) -> bool:
        """Compares with every key, each in the same time whatever is given."""
        scheme, _, given = headers.first(b"authorization").partition(" ")
        said = given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        equal = [hmac.compare_digest(said, key) for key in self._keys]
        return any(equal)


class _Headers:
    """A request's headers, by names in lower case."""

    def __init__(self, scope: Scope) -> None:
        self._pairs: list[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self._pairs if key.lower() == name]

    def first(self, name: bytes) -> str:
        return next(iter(self.all(name)), "")


def plain_origin(origin: str) -> str:
    """An origin as browsers send it."""
    return origin.lower().rstrip("/")


def _name(host: str) -> str:
    """A Host header without its port."""
    name, separator, port = host.lower().rpartition(":")
    return name if separator and port.isdecimal() else host.lower()


async def _say(send: Send, status: int, message: str, hint: str) -> None:
    said = {"message": message, "hint": hint, "type": "invalid_request_error", "code": "Refused", "param": None}
    body = json.dumps({"error": said}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
