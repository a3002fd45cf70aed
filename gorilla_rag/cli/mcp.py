"""`gorilla-rag mcp`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gorilla_rag.cli import options

KEY = "GORILLA_RAG_API_KEY"


def mcp(
    index: Annotated[Path | None, typer.Option(help="An index; the starter index by default.")] = None,
    generator: options.Spec = None,
    adapter: options.Adapter = None,
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp, not standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8771,
    host_name: Annotated[
        list[str] | None, typer.Option(help="A further name that the server goes by; repeatable.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Pages that may call it, as https://app.example.com; repeatable.")
    ] = None,
) -> None:
    """Serve coding assistants over MCP: recommend_api, search_apis, get_api_doc, check_code. They only read.

    Over HTTP, the keys in GORILLA_RAG_API_KEY (separated by commas) let in; without any, only this machine is served.
    """
    from gorilla_rag.cli.prepare import gorilla
    from gorilla_rag.serve import mcp as served
    from gorilla_rag.serve.guard import check_binding, keys_in, named
    from gorilla_rag.serve.tools import tools

    keys = keys_in(os.environ.get(KEY, ""))
    if http:
        check_binding(host, keys)
    model = options.generator(generator, adapter=adapter, device=None, quantize=None)
    offered = tools(gorilla(index, setup=False, generator=model))
    if http:
        typer.echo(f"http://{named(host)}:{port}{served.PATH}", err=True)
        served.serve_http(offered, host=host, port=port, host_names=host_name or (), origins=origin or (), keys=keys)
    else:
        served.serve_stdio(offered)
