"""`gorilla-rag index build|info|check|add|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gorilla_rag.cli import show

app = typer.Typer(help="Build and change indexes.", no_args_is_help=True, rich_markup_mode=None)
Sources = Annotated[list[Path], typer.Argument(help="APIBench (.jsonl) or API Zoo (.json) files, or folders of them.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave malformed entries out and report them.")]
Trust = Annotated[bool, typer.Option("--trust", help="You vouch for these files.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON.")]
_SHOWN = 10


@app.command()
def build(
    sources: Sources,
    out: Annotated[Path, typer.Option("--out", help="The index's folder.")],
    skip_bad: SkipBad = False,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Build an index from documentation."""
    from gorilla_rag.encoders.embedded import EmbeddedEncoder
    from gorilla_rag.index import change
    from gorilla_rag.sources import apibench

    read = apibench.read(sources, skip_bad=skip_bad, trusted=trust)
    recipe = {"source": "apibench", "paths": [str(path) for path in sources]}
    with show.steps() as tell:
        change.build(out, read.docs, EmbeddedEncoder(), recipe=recipe, progress=tell)
    _report(out, list(map(str, read.problems)), json_)


@app.command()
def add(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    sources: Sources,
    update: Annotated[bool, typer.Option("--update", help="Replace documents that are there.")] = False,
    skip_bad: SkipBad = False,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Add documents to an index, or (--update) replace those of the same id."""
    from gorilla_rag.encoders.embedded import EmbeddedEncoder
    from gorilla_rag.index import change
    from gorilla_rag.sources import apibench

    read = apibench.read(sources, skip_bad=skip_bad, trusted=trust)
    with show.steps() as tell:
        (change.update if update else change.add)(index, read.docs, EmbeddedEncoder(), progress=tell)
    _report(index, list(map(str, read.problems)), json_)


@app.command()
def remove(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of documents.")],
    json_: Json = False,
) -> None:
    """Remove documents from an index."""
    from gorilla_rag.encoders.embedded import EmbeddedEncoder
    from gorilla_rag.index import change

    change.remove(index, ids, EmbeddedEncoder())
    _report(index, [], json_)


@app.command()
def info(
    index: Annotated[Path | None, typer.Argument(help="The index; the starter index by default.")] = None,
    json_: Json = False,
) -> None:
    """Say what an index holds."""
    _report(index or _starter(), [], json_)


@app.command()
def check(
    index: Annotated[Path | None, typer.Argument(help="The index; the starter index by default.")] = None,
    json_: Json = False,
) -> int:
    """Verify every block of every file; report duplicates, degenerate vectors and calls that aren't Python.

    Exits 5 when the index is damaged.
    """
    from dataclasses import asdict

    from gorilla_rag.errors import IndexCorrupt
    from gorilla_rag.index.check import check as verified

    report = verified(index or _starter())
    if json_:
        show.print_json({"ok": report.ok, **asdict(report)})
    else:
        out = show.console()
        for fault in report.damaged:
            out.print(f"damaged: {fault}", markup=False)
        out.print(f"{report.files} files verified, {len(report.damaged)} damaged")
        groups = (
            ("documents that stand more than once", [", ".join(group) for group in report.duplicates]),
            ("degenerate vectors", list(report.degenerate)),
            ("calls that aren't one Python call", list(report.raw_calls)),
        )
        for title, found in groups:
            out.print(f"{title}: {len(found)}")
            for item in found[:_SHOWN]:
                out.print(f"    {item}", markup=False)
            if len(found) > _SHOWN:
                out.print(f"    … and {len(found) - _SHOWN} more (all of them with --json)")
    return 0 if report.ok else IndexCorrupt.exit_code


def _starter() -> Path:
    from gorilla_rag import starter

    return starter.folder()


def _report(folder: Path, problems: list[str], as_json: bool) -> None:
    from gorilla_rag.index import manifest
    from gorilla_rag.index.store import FILTERS, DocumentStore

    found = manifest.read(folder)
    manifest.verify(folder, found.documents, found.files[found.documents])
    store = DocumentStore(folder / found.documents)
    values = {name: store.metadata(name) for name in FILTERS}
    size = sum(entry.size for entry in found.files.values())
    if as_json:
        show.print_json(
            {
                "path": str(folder),
                "counts": dict(found.counts),
                "bytes": size,
                "encoder": dict(found.encoder),
                "recipe": dict(found.recipe),
                "values": values,
                "skipped": problems,
            }
        )
        return
    out = show.console()
    for problem in problems:
        show.notes().print(f"skipped: {problem}", markup=False)
    out.print(f"{folder}", markup=False)
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    out.print(f"    {counts}, {size / 1e6:.1f} MB, encoder {found.encoder['id']}")
    for name in ("provider", "kind"):
        listed = ", ".join(f"{value or '–'} {count}" for value, count in list(values[name].items())[:_SHOWN])
        out.print(f"    {name}: {listed}", markup=False)
