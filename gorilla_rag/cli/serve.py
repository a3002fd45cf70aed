"""`gorilla-rag serve`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gorilla_rag.cli.mcp import KEY
from gorilla_rag.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from gorilla_rag.index.index import Index

_MEBIBYTE = 1 << 20


def serve(
    index: Annotated[
        list[str] | None,
        typer.Option(help="FOLDER or NAME=FOLDER of an index, the default one first; repeatable. The starter index."),
    ] = None,
    route: Annotated[Path | None, typer.Option(help="TOML: models beside the registry's, fallback, A/B.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8770,
    host_name: Annotated[
        list[str] | None, typer.Option(help="A further name that the server goes by; repeatable.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Pages that may call it, as https://app.example.com; repeatable.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Questions that are answered at once.")] = 2,
    waiting: Annotated[int, typer.Option(min=0, help="How many more may wait; the next gets 429.")] = 64,
    seconds: Annotated[float, typer.Option(min=1, help="How long one may take.")] = 120,
    idle: Annotated[float | None, typer.Option(min=1, help="Seconds after which an unused model is unloaded.")] = None,
    memory: Annotated[int | None, typer.Option(min=1, help="MiB that loaded models may take together.")] = None,
    log_questions: Annotated[bool, typer.Option("--log-questions", help="Write what is asked into the log.")] = False,
) -> None:
    """Serve over HTTP: OpenAI's chat completions and embeddings, ask, search and check, and the models' lifecycle.

    The keys in GORILLA_RAG_API_KEY (separated by commas) let in; without any, only this machine is served.
    """
    try:
        from gorilla_rag.serve import answering as answers
        from gorilla_rag.serve import app as apps
        from gorilla_rag.serve import outside
    except ImportError as error:
        raise ExtraMissing(
            f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[serve]'"
        ) from error
    from gorilla_rag.models import download
    from gorilla_rag.serve import routing
    from gorilla_rag.serve.guard import check_binding, keys_in, named
    from gorilla_rag.serve.lifecycle import Models

    keys = keys_in(os.environ.get(KEY, ""))
    check_binding(host, keys)
    where = routing.read(route)
    download.sweep()
    models = Models(answers.entries(where), memory=memory * _MEBIBYTE if memory else None, idle=idle)
    limits = apps.Limits(at_once=at_once, waiting=waiting, seconds=seconds)
    app = apps.make_app(answers.Answering(_indexes(index or []), models, where), limits)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    outside.log.setLevel(logging.INFO)
    around = outside.surrounded(
        app,
        body=limits.body,
        host_names=[named(host), *(host_name or [])],
        origins=origin or (),
        keys=keys,
        log_questions=log_questions,
    )
    typer.echo(f"http://{named(host)}:{port}/v1", err=True)
    outside.serve(around, host=host, port=port, keys=keys)


def _indexes(named: list[str]) -> dict[str, Index]:
    """The indexes by name: a folder's own name where none is given. Encoders take one core, and encode on all at once.

    Raises:
        UsageError: two of one name.
    """
    from gorilla_rag.cli.prepare import gorilla

    if not named:
        return {"starter": gorilla(None, setup=False, threads=1).index}
    found: dict[str, Index] = {}
    for one in named:
        name, equals, folder = one.partition("=")
        place = Path(folder if equals else name)
        name = name if equals else place.resolve().name
        if name in found:
            raise UsageError(f"two indexes are called {name!r}", hint="name them: --index NAME=FOLDER")
        found[name] = gorilla(place, setup=False, threads=1).index
    return found
