"""`gorilla-rag index build|info|check|add|remove`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gorilla_rag.cli import interrupts, options, show

if TYPE_CHECKING:
    from gorilla_rag.sources.formats import SourceRead
    from gorilla_rag.sources.python import PackagesRead

app = typer.Typer(help="Build and change indexes.", no_args_is_help=True, rich_markup_mode=None)
_FILES = (
    "Documentation files, or folders of them: OpenAPI or Swagger (.json, .yaml), lists of tools (OpenAI, MCP), "
    "RapidAPI's tools, APIBench (.jsonl), API Zoo (.json)."
)
Sources = Annotated[list[Path] | None, typer.Argument(help=_FILES)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave malformed entries out and report them.")]
Trust = Annotated[bool, typer.Option("--trust", help="You vouch for these sources.")]
External = Annotated[
    bool, typer.Option("--allow-external-refs", help="Follow an OpenAPI file's references to files beside it.")
]
Mcp = Annotated[
    list[str] | None,
    typer.Option(
        "--mcp",
        help="An MCP server whose tools to read: its http(s) address, or the command that starts it; repeatable.",
    ),
]
McpHeader = Annotated[
    list[str] | None,
    typer.Option("--mcp-header", help="'Name: value', a header for the http(s) address; repeatable."),
]
McpTimeout = Annotated[float, typer.Option("--mcp-timeout", min=0.1, help="Seconds that an MCP server has.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON.")]
_SHOWN = 10
_PACKAGES = "Installed Python packages; commas, or once each. `python` is the standard library."


@app.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="The index's folder.")],
    sources: Sources = None,
    packages: Annotated[list[str] | None, typer.Option(help=_PACKAGES)] = None,
    requirements: Annotated[Path | None, typer.Option(help="A requirements file whose packages to read.")] = None,
    python: Annotated[Path | None, typer.Option(help="The interpreter whose packages they are.")] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Read source alone; don't import compiled parts.")] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model: a folder, or a name in the hub's cache; by default the embedded one."
        ),
    ] = None,
    mcp: Mcp = None,
    mcp_header: McpHeader = None,
    mcp_timeout: McpTimeout = 30.0,
    skip_bad: SkipBad = False,
    trust: Trust = False,
    allow_external_refs: External = False,
    json_: Json = False,
) -> None:
    """Build an index from documentation files, installed packages, MCP servers, or all of them.

    With none named, it reads a choice of what is installed: the packages with most source, without importing any.
    An encoder's first time, it is exported to ONNX.
    """
    from gorilla_rag.cli import prepare
    from gorilla_rag.index import change
    from gorilla_rag.sources import formats

    files = formats.read(sources or [], skip_bad=skip_bad, trusted=trust, external=allow_external_refs)
    tools = _tools(mcp, mcp_header, mcp_timeout, skip_bad=skip_bad, trust=trust)
    files = formats.merged((files, tools))
    named = [name for given in packages or [] for name in given.split(",") if name]
    recipe: dict[str, Any] = {"source": "files", "paths": [str(path) for path in sources or []]}
    if mcp:  # by name: a command or an address may hold a secret
        recipe["mcp"] = dict(Counter(doc.source for doc in tools.docs))
    made = prepare.encoder(encoder)
    with show.steps() as tell:
        docs, problems = [*files.docs], list(map(str, files.problems))
        if named or requirements or not (sources or mcp):
            read = _packages(named, requirements, python, run=not no_run, skip_bad=skip_bad, tell=tell)
            docs, problems = [*docs, *read.docs], [*problems, *map(str, read.problems)]
            recipe |= {"source": "python", "packages": dict(read.counts)}
        change.build(out, docs, made, recipe=recipe, progress=tell)
    _report(out, problems, json_, notes=files.notes)


def _tools(
    mcp: list[str] | None, headers: list[str] | None, timeout: float, *, skip_bad: bool, trust: bool
) -> SourceRead:
    """Reads the MCP servers that are named, if any."""
    from gorilla_rag.errors import UsageError
    from gorilla_rag.sources import formats
    from gorilla_rag.sources import mcp as source

    given: dict[str, str] = {}
    for header in headers or []:
        name, colon, value = header.partition(":")
        if not colon or not mcp:
            reason = "has no colon" if mcp else "is given without an MCP server"
            raise UsageError(f"a header {reason}", hint="write --mcp ADDRESS --mcp-header 'Name: value'")
        given[name.strip()] = value.strip()
    if not mcp:
        return formats.SourceRead(())
    with interrupts.held_back():
        source.load_sdk()
    return source.read(mcp, headers=given, timeout=timeout, skip_bad=skip_bad, trusted=trust)


def _packages(
    named: list[str], requirements: Path | None, python: Path | None, *, run: bool, skip_bad: bool, tell: Any
) -> PackagesRead:
    """Reads the packages that are named, or a choice of those installed."""
    from gorilla_rag.errors import PackageMissing
    from gorilla_rag.signatures import Environment
    from gorilla_rag.sources import python as source

    environment = Environment.of(python) if python else Environment()
    wanted, missing = list(named), list[PackageMissing]()
    if requirements:
        there, missing = source.available(source.required(requirements), environment)
        if missing and not skip_bad:
            raise missing[0]
        wanted += there
    elif not named:
        wanted, run = [one.name for one in source.chosen(environment)], False
        show.notes().print(f"reading {', '.join(wanted)} (name others with --packages)", markup=False)
    read = source.read(wanted, environment=environment, run=run, skip_bad=skip_bad, progress=tell)
    return replace(read, problems=(*missing, *read.problems))


@app.command()
def add(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    sources: Sources = None,
    mcp: Mcp = None,
    mcp_header: McpHeader = None,
    mcp_timeout: McpTimeout = 30.0,
    update: Annotated[bool, typer.Option("--update", help="Replace documents that are there.")] = False,
    encoder: options.Encoder = None,
    skip_bad: SkipBad = False,
    trust: Trust = False,
    allow_external_refs: External = False,
    json_: Json = False,
) -> None:
    """Add documents to an index, or (--update) replace those of the same id."""
    from gorilla_rag.cli import prepare
    from gorilla_rag.errors import UsageError
    from gorilla_rag.index import change
    from gorilla_rag.sources import formats

    if not (sources or mcp):
        raise UsageError("nothing to add is named", hint="name documentation files, or MCP servers with --mcp")
    files = formats.read(sources or [], skip_bad=skip_bad, trusted=trust, external=allow_external_refs)
    read = formats.merged((files, _tools(mcp, mcp_header, mcp_timeout, skip_bad=skip_bad, trust=trust)))
    made = prepare.encoder_of(index, encoder)
    with show.steps() as tell:
        (change.update if update else change.add)(index, read.docs, made, progress=tell)
    _report(index, list(map(str, read.problems)), json_, notes=read.notes)


@app.command()
def remove(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of documents.")],
    encoder: options.Encoder = None,
    json_: Json = False,
) -> None:
    """Remove documents from an index."""
    from gorilla_rag.cli import prepare
    from gorilla_rag.index import change

    change.remove(index, ids, prepare.encoder_of(index, encoder))
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


def _report(folder: Path, problems: list[str], as_json: bool, *, notes: Sequence[str] = ()) -> None:
    from gorilla_rag.index import manifest
    from gorilla_rag.index.store import KINDS_OF_VALUE, DocumentStore

    found = manifest.read(folder)
    manifest.verify(folder, found.documents, found.files[found.documents])
    store = DocumentStore(folder / found.documents)
    values = {name: store.metadata(name) for name in KINDS_OF_VALUE}
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
                "notes": list(notes),
            }
        )
        return
    out = show.console()
    for problem in problems:
        show.notes().print(f"skipped: {problem}", markup=False)
    for note in notes[:_SHOWN]:
        show.notes().print(f"note: {note}", markup=False)
    if len(notes) > _SHOWN:
        show.notes().print(f"note: … and {len(notes) - _SHOWN} more (--json has all)", markup=False)
    out.print(f"{folder}", markup=False)
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    out.print(f"    {counts}, {size / 1e6:.1f} MB, encoder {found.encoder['id']}")
    for name in ("provider", "kind"):
        listed = ", ".join(f"{value or '–'} {count}" for value, count in list(values[name].items())[:_SHOWN])
        out.print(f"    {name}: {listed}", markup=False)
