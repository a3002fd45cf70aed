"""Connections to MCP servers, a process's pipes or HTTP: what comes in is counted, and what a process leaves is ended.

Importing this imports the package `mcp`. Knows bytes and messages, nothing of what the messages say. The SDK's own
pipes aren't used: they read lines of any length, and leave alone what a server has started once it has itself gone.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any, TypeAlias, cast
from urllib.parse import urlsplit

import anyio
import httpx2
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Transport
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from gorilla_rag.errors import SourceError

LARGEST = 64 * 1024 * 1024
_GRACE = 2.0
_OFTEN = 0.01
_SHOWN = 200
_STRAYS = 1_000
_Incoming: TypeAlias = SessionMessage | Exception
_Streams: TypeAlias = tuple[Any, Any]
"""What a server says, and what it is told; their types differ by transport, and the SDK names none for both."""


@dataclass
class Wire:
    """What is known of a connection beside its messages.

    Attributes:
        server: the server's name in errors.
        received: how many bytes have come.
        strays: how many lines that are no messages.
        stray: the first of them.
        status: the HTTP status of the last answer to a message.
        exit: what a process ended with of its own accord.
        log: the last that it wrote to stderr.
        fault: why reading was given up.
    """

    server: str
    received: int = 0
    strays: int = 0
    stray: str = ""
    status: int = 0
    exit: int | None = None
    log: str = ""
    fault: SourceError | None = None

    def count(self, size: int) -> None:
        """Adds bytes that have come.

        Raises:
            SourceError: they are too many.
        """
        self.received += size
        if self.received > LARGEST:
            raise self.too_much()

    def too_much(self) -> SourceError:
        """The error to raise where more comes than is read."""
        return self.give_up(f"sends more than {LARGEST >> 20} MiB", hint="see that it is an MCP server")

    def give_up(self, reason: str, *, hint: str) -> SourceError:
        """The error to raise; it is kept, because between here and the reader the SDK may make another of it."""
        self.fault = SourceError(reason, file=self.server, line=0, hint=hint)
        return self.fault

    def overhear(self, line: bytes) -> None:
        """Keeps what is on stdout and is no message; many servers greet or log there, and some do nothing else.

        Raises:
            SourceError: there is too much of it.
        """
        self.strays += 1
        self.stray = self.stray or line[:_SHOWN].decode("utf-8", "replace").strip()
        if self.strays > _STRAYS:
            hint = "see that it is an MCP server, and have it log to stderr"
            raise self.give_up(f"writes what is no message to stdout, such as {self.stray!r}", hint=hint)


def connected(address: str | Sequence[str], wire: Wire, *, headers: Mapping[str, str], seconds: float) -> Transport:
    """The server at a URL, or the one that a command starts: streams of what it says, and of what it is told."""
    return _over_http(address, wire, headers, seconds) if isinstance(address, str) else _over_pipes(address, wire)


@asynccontextmanager
async def _over_pipes(command: Sequence[str], wire: Wire) -> AsyncIterator[_Streams]:
    """Starts a server; afterwards neither it nor anything of its process group runs."""
    to_us, heard = anyio.create_memory_object_stream[_Incoming]()
    told, to_server = anyio.create_memory_object_stream[SessionMessage]()
    with TemporaryFile() as log, to_us, heard, told, to_server:
        process = await _started(command, log, wire)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_read, cast("ByteReceiveStream", process.stdout), to_us, wire)
                tasks.start_soon(_write, cast("ByteSendStream", process.stdin), to_server)
                yield heard, told
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, wire)
            wire.log = _last(log)


async def _started(command: Sequence[str], log: IO[bytes], wire: Wire) -> Process:
    try:
        # A session of its own makes it a group that can be ended whole, and that Ctrl-C in a terminal doesn't reach.
        # Shielded, because a process that is given up on while it starts is ended without what it has itself started.
        with anyio.CancelScope(shield=True):
            environment = get_default_environment()
            process = await anyio.open_process(command, stderr=log, env=environment, start_new_session=True)
    except OSError as error:
        hint = "give a command that starts the server, such as 'python server.py', or its http(s) address"
        raise wire.give_up(f"can't be started: {error.strerror or error}", hint=hint) from error
    return process


async def _read(stdout: ByteReceiveStream, to_us: MemoryObjectSendStream[_Incoming], wire: Wire) -> None:
    """Hands each message on, until the server has nothing more to say."""
    lines = BufferedByteReceiveStream(stdout)
    with to_us, contextlib.suppress(anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            try:
                line = await lines.receive_until(b"\n", LARGEST)
            except anyio.DelimiterNotFound:
                raise wire.too_much() from None
            wire.count(len(line) + 1)
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                if line.strip():
                    wire.overhear(line)
            else:
                await to_us.send(SessionMessage(message))


async def _write(stdin: ByteSendStream, to_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Sends each message; that a server reads no more is noticed where its answer is missing."""
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async for item in to_server:
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stdin.send(line.encode() + b"\n")


async def _end(process: Process, wire: Wire) -> None:
    """Closes a server's input, which asks it to end, and then ends what is left of it and of what it started.

    One that was given up on isn't waited for: it may be writing for ever.
    """
    with contextlib.suppress(OSError, anyio.BrokenResourceError):
        await cast("ByteSendStream", process.stdin).aclose()
    with anyio.move_on_after(0 if wire.fault else _GRACE):
        while process.returncode is None:  # not wait(): that waits for whoever else holds the pipes
            await anyio.sleep(_OFTEN)
    wire.exit = process.returncode
    if sys.platform == "win32":
        process.kill()
    else:
        await terminate_posix_process_tree(process, _GRACE)
    await process.aclose()


def _last(log: IO[bytes]) -> str:
    """The last line of a log that says something."""
    log.seek(0, 2)
    log.seek(max(0, log.tell() - 4096))
    lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip()[:_SHOWN] if lines else ""


@asynccontextmanager
async def _over_http(url: str, wire: Wire, headers: Mapping[str, str], seconds: float) -> AsyncIterator[_Streams]:
    """Opens a session with a server, and closes it."""

    async def counted(response: httpx2.Response) -> None:
        if response.request.method == "POST":
            wire.status = response.status_code
        packing = response.headers.get("content-encoding", "identity")
        if packing != "identity":  # a small answer could unpack to one that fills the memory
            raise wire.give_up(f"packs its answers ({packing}) unasked", hint="have it send them as they are")
        response.stream = _Counted(cast("httpx2.AsyncByteStream", response.stream), wire)

    async with (
        httpx2.AsyncClient(
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=seconds,
            # A proxy that is set for the network knows nothing of this machine's own ports.
            trust_env=urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"),
            event_hooks={"response": [counted]},
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LARGEST) as streams,
    ):
        yield streams


class _Counted(httpx2.AsyncByteStream):
    """An answer's body whose bytes are counted as they come."""

    def __init__(self, body: httpx2.AsyncByteStream, wire: Wire) -> None:
        self._body, self._wire = body, wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self._wire.count(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        """Closes the connection's end of it."""
        await self._body.aclose()
