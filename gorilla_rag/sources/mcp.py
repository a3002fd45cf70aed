"""The tools that MCP servers list as documents, read from the servers themselves.

A server is named by its http(s) address (streamable HTTP), or by the command that starts it (stdio). Knows nothing of
the protocol, which `mcp_session.py` speaks, nor of schemas, which `tools.py` reads.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import ExtraMissing, SourceError, UsageError
from gorilla_rag.sources import formats, tools

if TYPE_CHECKING:
    from gorilla_rag.sources.mcp_session import Listing

TIMEOUT = 30.0
_TOOL = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SHOWN = 200


@dataclass(frozen=True)
class Server:
    """Where a server is.

    Attributes:
        address: its URL, or the words of the command that starts it.
        label: how errors name it; a URL without the secrets that one may hold.
        name: what it is called if it doesn't say.
    """

    address: str | tuple[str, ...]
    label: str
    name: str

    @classmethod
    def of(cls, given: str) -> Server:
        """The server that a text names.

        Raises:
            UsageError: it is neither a URL nor a command.
        """
        return cls._at(given) if re.match(r"\s*https?:", given, re.IGNORECASE) else cls._started_by(given)

    @classmethod
    def _at(cls, given: str) -> Server:
        url = given.strip()
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or re.search(r"\s", url) or not url.isprintable():
            raise UsageError("an MCP server's address can't be read", hint="write it as https://HOST/mcp")
        return cls(url, f"{parts.scheme}://{host}" + (f":{port}" if port else "") + parts.path, host)

    @classmethod
    def _started_by(cls, given: str) -> Server:
        hint = "name a command such as 'python server.py', or an http(s) address"
        try:
            words = tuple(shlex.split(given))
        except ValueError as error:
            raise UsageError(f"the command {given!r} can't be read: {error}", hint=hint) from None
        if not words or not words[0] or "\0" in given:
            raise UsageError(f"{given!r} names no MCP server", hint=hint)
        return cls(words, given if len(given) <= _SHOWN else given[:_SHOWN] + "…", Path(words[0]).name)


def read(
    servers: Iterable[str],
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    skip_bad: bool = False,
    trusted: bool = False,
) -> formats.SourceRead:
    """Reads the tools of MCP servers. None of the tools is called.

    Args:
        servers: for each its http(s) address, or the command that starts it. The command is run without a shell, and
            of the environment gets no more than the SDK lets through (on POSIX `HOME`, `LOGNAME`, `PATH`, `SHELL`,
            `TERM`, `USER`); `env NAME=value COMMAND` gives it more. When it has been read, it is ended.
        headers: HTTP headers, such as `Authorization`; they go to one server, so one address may be named with them.
        timeout: seconds for all that is asked of one server.
        skip_bad: leave malformed tools out and report them, instead of stopping at the first.
        trusted: whether the user vouches for the servers.

    Raises:
        SourceError: a server can't be read, or (without `skip_bad`) a tool of it.
        UsageError: no server is named, or one or a header is malformed.
        ExtraMissing: the extra `mcp` isn't installed.
    """
    named = [Server.of(given) for given in servers]
    headers = _checked(headers or {}, named)
    if not named:
        raise UsageError("no MCP server is named", hint="name one: the command that starts it, or its http(s) address")
    found = (item for server in named for item in _found(server, headers, timeout, trusted=trusted))
    return formats.collected(found, skip_bad=skip_bad)


def _found(server: Server, headers: Mapping[str, str], timeout: float, *, trusted: bool) -> Iterator[formats.Found]:
    """What one server gives.

    Raises:
        SourceError: it can't be read, or has no tools.
    """
    listing = _listing(server, headers if isinstance(server.address, str) else {}, timeout)
    if not listing.tools:
        hint = "see whether it wants an argument or a header to list some"
        raise SourceError("lists no tools", file=server.label, line=0, hint=hint)
    yield from listing.notes
    yield from _documents(server, listing, trusted=trusted)


def _documents(server: Server, listing: Listing, *, trusted: bool) -> Iterator[formats.Found]:
    name = _line(listing.name) or server.name
    more = {"server": name, "version": _line(listing.version)}
    for number, record in enumerate(listing.tools, start=1):
        yield from formats.stored(server.label, number, partial(_document, record, more, source=name, trusted=trusted))


def _document(record: Any, more: Mapping[str, str], *, source: str, trusted: bool) -> tuple[ApiDoc, Iterator[str]]:
    """One tool; what the protocol doesn't know of it is left aside.

    Raises:
        UsageError: it is malformed.
    """
    if not isinstance(record, Mapping):
        raise UsageError(f"a tool is {type(record).__name__}, not an object", hint="mend the server")
    if not isinstance(record.get("inputSchema"), Mapping):
        raise UsageError(f"the inputSchema of {record.get('name')!r} isn't an object", hint="mend the server")
    own = {key: record[key] for key in _TOOL if key in record}
    return tools.document({**own, **more}, source=source, trusted=trusted)


def _listing(server: Server, headers: Mapping[str, str], timeout: float) -> Listing:
    """What a server lists, from whatever thread or event loop that is asked."""
    load_sdk()
    from gorilla_rag.sources import mcp_session

    def ask() -> Listing:
        asked = mcp_session.listing(server.address, server=server.label, headers=headers, seconds=timeout)
        return asyncio.run(asked)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ask()
    with ThreadPoolExecutor(1) as thread:  # a notebook's loop, in which no other can run
        return thread.submit(ask).result()


def load_sdk() -> None:
    """Imports what speaks with servers, which takes a while the first time.

    Raises:
        ExtraMissing: the extra `mcp` isn't installed.
    """
    try:
        from gorilla_rag.sources import mcp_session  # noqa: F401
    except ImportError as error:
        hint = "pip install 'gorilla-rag[mcp]'"
        raise ExtraMissing(f"MCP servers are read with the package mcp ({error})", hint=hint) from error


def _checked(headers: Mapping[str, str], servers: Iterable[Server]) -> Mapping[str, str]:
    """Headers that can be sent, and go to no server that they aren't for."""
    addresses = sum(isinstance(server.address, str) for server in servers)
    if headers and addresses != 1:
        hint = "name one address with its headers, and add the others' tools with `index add`"
        raise UsageError(f"headers are given, and {addresses} http(s) addresses", hint=hint)
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise UsageError(f"the header {name!r} can't be sent", hint="write it as 'Name: value', in ASCII")
    return headers


def _line(text: str) -> str:
    """What a server calls itself, on one line."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:_SHOWN]
