"""`gorilla-rag check`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gorilla_rag.check import Checked
    from gorilla_rag.signatures.resolve import Resolver

FOUND = 1


def check(
    paths: Annotated[list[str], typer.Argument(help="Python files, folders of them, or - for standard input.")],
    format_: Annotated[str, typer.Option("--format", help="text, json, sarif or github.")] = "text",
    python: Annotated[
        Path | None, typer.Option(help="The interpreter whose packages count; by default the one this runs in.")
    ] = None,
    inspect: Annotated[
        list[str] | None,
        typer.Option(help="A package that may be imported, in a separate process, for what its source doesn't tell."),
    ] = None,
    show_unknown: Annotated[
        bool, typer.Option("--show-unknown", help="List the calls about which nothing is known.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings make it exit 1 too.")] = False,
) -> int:
    """Check every call and import in your code against the installed packages. Runs none of your code.

    Exits 0 when nothing is wrong, 1 when something is, 2 when it is used wrongly.
    """
    from gorilla_rag.check import Checked, make_resolver
    from gorilla_rag.check.formats import make_format

    gc.set_threshold(100_000, 20, 50)  # reading makes millions of objects that stay: looking at them halves the speed
    shown = make_format(format_, root=Path.cwd(), show_unknown=show_unknown)
    resolver = make_resolver(python, inspect or ())
    parts = []
    try:
        for part in _checked(paths, resolver):
            parts.append(part)
            _write(shown.part(part))
    finally:
        resolver.close()
    whole = Checked.together(parts)
    _write(shown.end(whole))
    return FOUND if whole.errors or (strict and whole.warnings) else 0


def _checked(paths: list[str], resolver: Resolver) -> Iterator[Checked]:
    from gorilla_rag.check import check_code, check_files

    files = [path for path in paths if path != "-"]
    yield from check_files(files, resolver=resolver)
    if len(files) < len(paths):
        yield check_code(sys.stdin.buffer.read(), file="<stdin>", resolver=resolver)


def _write(text: str) -> None:
    if text:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
