"""The tools over the Model Context Protocol, by its own SDK: on standard input and output, or as streamable HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from gorilla_rag.errors import ExtraMissing, GorillaError

try:
    import anyio
    import uvicorn
    from anyio import CapacityLimiter
    from anyio.to_thread import run_sync
    from mcp.server import Server, ServerRequestContext
    from mcp.server.stdio import stdio_server
    from mcp.server.transport_security import TransportSecuritySettings
    from mcp_types import (
        INVALID_PARAMS,
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
        TextContent,
        ToolAnnotations,
    )
    from mcp_types import Tool as Listed
    from starlette.middleware.cors import CORSMiddleware
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[mcp]'"
    ) from error

from mcp.shared.exceptions import MCPError

import gorilla_rag
from gorilla_rag.serve.guard import LOOPBACK, Guard, check_binding, named, plain_origin
from gorilla_rag.serve.tools import NOTICE, Tool

PATH = "/mcp"
LARGEST_BODY = 1 << 20
SECONDS, AT_ONCE = 120, 4
INSTRUCTIONS = (
    "Which API to call, exactly: recommend_api for a task, search_apis and get_api_doc to read, check_code to find "
    f"calls that don't exist before you hand code over. {NOTICE}"
)
_log = logging.getLogger(__name__)


def server(tools: Sequence[Tool]) -> Server[Any]:
    """A server that lists the tools and runs them, each call in a thread of its own."""
    by_name, at_once = {tool.name: tool for tool in tools}, CapacityLimiter(AT_ONCE)
    listed = [_listed(tool) for tool in tools]

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        del context, params
        return ListToolsResult(tools=listed)

    async def call_tool(context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        del context
        tool = by_name.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name[:80]!r}; there are {', '.join(by_name)}")
        try:
            with anyio.fail_after(SECONDS):
                found = await run_sync(tool, params.arguments or {}, abandon_on_cancel=True, limiter=at_once)
        except TimeoutError:
            return _said(f"{tool.name} took more than {SECONDS} seconds. Ask for less.", is_error=True)
        except GorillaError as error:
            return _said(f"{error.message}. {error.hint}.", is_error=True)
        except Exception:
            _log.exception("%s failed", tool.name)
            return _said(f"{tool.name} failed. Try it in another way; the server's log has more.", is_error=True)
        return CallToolResult(
            content=[TextContent(type="text", text=json.dumps(found, ensure_ascii=False))], structured_content=found
        )

    return Server(
        "gorilla-rag",
        title="gorilla_rag",
        version=gorilla_rag.__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve_stdio(tools: Sequence[Tool]) -> None:
    """Serves whoever started this process, until standard input ends. Nothing else is written to standard output."""

    async def serve() -> None:
        made = server(tools)
        async with stdio_server() as (reader, writer):
            await made.run(reader, writer, made.create_initialization_options())

    anyio.run(serve)


def serve_http(
    tools: Sequence[Tool],
    *,
    host: str = "127.0.0.1",
    port: int = 8771,
    host_names: Sequence[str] = (),
    origins: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> None:
    """Serves streamable HTTP at `/mcp` until it is interrupted; the arguments are those of `app`, and where to listen.

    Raises:
        UsageError: an address that others reach without a key, or a key that is too short.
    """
    check_binding(host, keys)
    made = app(tools, host_names=[*host_names, named(host)], origins=origins, keys=keys)
    uvicorn.run(made, host=host, port=port, ws="none", log_level="warning", timeout_graceful_shutdown=5)


def app(
    tools: Sequence[Tool], *, host_names: Sequence[str] = (), origins: Sequence[str] = (), keys: Sequence[str] = ()
) -> Guard:
    """The server as an ASGI app, with `/mcp`.

    Args:
        tools: what it offers.
        host_names: further names that it goes by, beside those of this machine.
        origins: pages that may call it.
        keys: any of them lets in; none are asked for where there are none.
    """
    inner = server(tools).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        max_request_body_size=LARGEST_BODY,
        # The guard does this, also for names that aren't this machine's.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    if origins:
        inner.add_middleware(
            CORSMiddleware,
            allow_origins=[plain_origin(origin) for origin in origins],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["mcp-session-id"],
        )
    return Guard(inner, hosts=[*LOOPBACK, *host_names], origins=origins, keys=keys)


def _listed(tool: Tool) -> Listed:
    return Listed(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=dict(tool.parameters),
        output_schema=dict(tool.returns),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def _said(text: str, *, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)
