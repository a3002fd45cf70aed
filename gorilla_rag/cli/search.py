"""`gorilla-rag search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from gorilla_rag.cli import options, show


def search(
    question: Annotated[str, typer.Argument(help="What you need, in plain words.")],
    index: Annotated[Path | None, typer.Option(help="An index; the starter index by default.")] = None,
    mode: Annotated[str, typer.Option(help="bm25, dense or hybrid.")] = "hybrid",
    k: Annotated[int, typer.Option(help="How many documents.")] = 5,
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="NAME=VALUE, such as provider=PyTorch.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every document by itself, not one of each call.")] = False,
    encoder: options.Encoder = None,
    device: options.Device = None,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> int:
    """Find the documents of the calls that could do it. Exits 20 when nothing is found."""
    from rich.markup import escape

    from gorilla_rag.cli.prepare import gorilla
    from gorilla_rag.index.index import Retrieval

    found = gorilla(index, setup=False, encoder=encoder, device=device).search(
        question,
        mode=cast("Retrieval", mode),
        k=k,
        filters=show.parse_filters(filter_ or []),
        distinct=not all_,
    )
    if json_:
        show.print_json([hit.to_dict() for hit in found])
    else:
        out = show.console()
        for hit in found:
            ranks = ", ".join(f"{name} #{rank} ({score:.2f})" for name, (rank, score) in hit.retrievers.items())
            out.print(f"{hit.rank}. [bold green]{escape(hit.doc.api_call)}[/]")
            out.print(f"   {escape(hit.doc.domain)} · {escape(hit.doc.functionality)}")
            out.print(f"   [dim]{hit.score:.4f}  {escape(hit.doc.id)}  {ranks}[/]")
        if not found:
            show.notes().print("nothing found: no document has these words and passes these filters")
    return 0 if found else show.NO_ANSWER
