"""What an MCP server says of itself and its tools, asked through the protocol's own SDK; importing this imports `mcp`.

Knows nothing of documents. All it asks are the greeting and `tools/list`; no tool is called, and what a server asks of
its client (to sample a model, to list folders) is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx2
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, Implementation, PaginatedRequestParams
from pydantic import ValidationError

import gorilla_rag
from gorilla_rag.errors import SourceError
from gorilla_rag.sources.mcp_wire import Wire, connected

TOOLS = 10_000
PAGES = 1_000
_HINTS = {
    401: "give the header it wants: --mcp-header 'Authorization: Bearer …', or headers={…}",
    403: "give a header that it lets in: --mcp-header 'Authorization: Bearer …', or headers={…}",
    404: "check the address; it often ends in /mcp",
    405: "check the address; servers of the older transport with two addresses (/sse) aren't read",
}
_BY_HAND = "run the command by itself to see why"
_IS_IT_ONE = "see that it is an MCP server"


@dataclass(frozen=True)
class Listing:
    """What a server says.

    Attributes:
        name, version: its own; empty where it doesn't tell.
        tools: as they came, whether well-formed or not.
        notes: what else was heard.
    """

    name: str
    version: str
    tools: tuple[Any, ...]
    notes: tuple[str, ...]


async def listing(address: str | Sequence[str], *, server: str, headers: Mapping[str, str], seconds: float) -> Listing:
    """Connects, lists all tools, and disconnects.

    Args:
        address: a URL, or the words of a command.
        server: its name in errors.
        headers: for a URL.
        seconds: how long all of it may take; a process that then doesn't end by itself has four more.

    Raises:
        SourceError: the server can't be reached, fails, doesn't speak the protocol, or doesn't come to an end.
    """
    wire, found = Wire(server), list[Listing]()

    async def ask() -> None:
        with anyio.move_on_after(seconds), _unlogged():
            async with connected(address, wire, headers=headers, seconds=seconds) as streams:
                await _ask(*streams, wire, found)

    try:
        # What cancels this task from outside, as Ctrl-C does, knows no shields; the other one is cancelled by anyio.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
    except Exception as error:
        cause = _cause(error)
        known = wire.fault or _known(cause, wire)
        if known is None:
            raise
        raise known from cause
    if not found:
        hint = f"{_IS_IT_ONE}, or give it more time: --mcp-timeout, or timeout="
        raise SourceError(f"has not listed its tools in {seconds:g} s{_around(wire)}", file=server, line=0, hint=hint)
    return replace(found[0], notes=tuple(_notes(wire)))


async def _ask(heard: Any, told: Any, wire: Wire, found: list[Listing]) -> None:
    """Puts what a server says into `found`, from where it isn't lost if disconnecting takes too long."""
    dispatcher = _Dispatcher(heard, told)
    client = Implementation(name="gorilla-rag", version=gorilla_rag.__version__)
    async with ClientSession(dispatcher=dispatcher, client_info=client) as session:
        await _greet(session)
        await _list(session, dispatcher.tools, wire)
        own = session.server_info
        name, version = (own.name, own.version) if own else ("", "")
        found.append(Listing(name, version, tuple(dispatcher.tools), ()))


class _Dispatcher(JSONRPCDispatcher[TransportContext]):
    """Takes a page's tools out of it before the SDK checks the page: there, one malformed tool costs all others."""

    def __init__(self, heard: Any, told: Any) -> None:
        super().__init__(heard, told)
        self.tools: list[Any] = []

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None, **more: Any
    ) -> dict[str, Any]:
        """Asks, and keeps the tools."""
        answer = await super().send_raw_request(method, params, opts, **more)
        if method != "tools/list" or not isinstance(answer.get("tools"), list):
            return answer
        self.tools += answer["tools"]
        return {**answer, "tools": []}


async def _greet(session: ClientSession) -> None:
    """Agrees on a version: by the handshake, which some servers want first, or else as newer ones without it want."""
    try:
        await session.initialize()
    except MCPError as refused:
        if refused.code == CONNECTION_CLOSED:
            raise
        try:
            await session.discover()
        except MCPError:
            raise refused from None


async def _list(session: ClientSession, tools: Sequence[Any], wire: Wire) -> None:
    """Asks for page after page."""
    cursor: str | None = None
    asked: set[str | None] = set()
    while cursor not in asked and len(asked) < PAGES and len(tools) <= TOOLS:
        asked.add(cursor)
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        cursor = page.next_cursor
        if not cursor and len(tools) <= TOOLS:
            return
    why = f"has a list without end: page {len(asked)}, {len(tools)} tools, and then more"
    raise wire.give_up(why, hint=f"have it list {TOOLS} tools at most, on {PAGES} pages")


def _cause(error: BaseException) -> BaseException:
    """What went wrong first, in whatever groups of tasks that was."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _known(error: BaseException, wire: Wire) -> SourceError | None:
    """An error of the SDK, of HTTP or of the system as ours; `None` for a fault in the code."""
    reason, hint = "", _IS_IT_ONE
    match error:
        case MCPError() if wire.status >= 400:
            reason = f"answers {wire.status}: {_short(error.message)}"
            hint = _HINTS.get(wire.status, "see the server's own log")
        case MCPError(code=code) if code == CONNECTION_CLOSED:
            reason, hint = f"ended before it had listed its tools{_around(wire)}", _BY_HAND
        case MCPError():
            reason = f"answers: {_short(error.message)}"
        case ValidationError():
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            reason = f"answers with what isn't MCP: {place}: {first['msg']}"
        case httpx2.TransportError():
            failed = "can't be reached" if isinstance(error, httpx2.ConnectError) else "broke off"
            reason = f"{failed}: {_short(str(error)) or type(error).__name__}"
            hint = "check the address, and that the server runs there"
        case RuntimeError():  # a version of the protocol that the SDK doesn't speak
            reason = _short(str(error))
        case _:
            return None
    return SourceError(reason, file=wire.server, line=0, hint=hint)


def _around(wire: Wire) -> str:
    """What else is known of a server that failed."""
    parts = []
    if wire.exit is not None:
        parts.append(f"it ended with status {wire.exit}" if wire.exit >= 0 else f"signal {-wire.exit} ended it")
    if wire.strays:
        parts.append(f"it wrote {wire.stray!r} to stdout, which is no message")
    if wire.log:
        parts.append(f"it wrote {wire.log!r} to stderr")
    return "".join(f"; {part}" for part in parts)


def _notes(wire: Wire) -> Iterator[str]:
    if wire.strays:
        yield f"{wire.server}: passed over what is no message on stdout ({wire.strays}), such as {wire.stray!r}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:300] + "…"


@contextmanager
def _unlogged() -> Iterator[None]:
    """Where nobody has set up logging, the SDK's tracebacks don't land on stderr: the error says what they say."""
    logger, nothing = logging.getLogger("mcp"), logging.NullHandler()
    logger.addHandler(nothing)
    try:
        yield
    finally:
        logger.removeHandler(nothing)
