"""`gorilla-rag bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gorilla_rag.cli import show
from gorilla_rag.errors import ExtraMissing, UsageError

_FAILED = 1


def bench(
    device: Annotated[str, typer.Option(help="A torch device: cuda, cuda:1, mps or cpu.")] = "cuda",
    out: Annotated[
        Path | None, typer.Option(help="The file; a run that stopped goes on there. bench-DEVICE.json by default.")
    ] = None,
    scale: Annotated[str, typer.Option(help="full, or small for a processor.")] = "full",
    sizes: Annotated[str | None, typer.Option(help="How many vectors to search, such as 1000000,10000000.")] = None,
    seconds: Annotated[float, typer.Option(help="How long each figure is measured, at least.")] = 1.0,
    sections: Annotated[str, typer.Option(help="Any of these.")] = "bandwidth,encoding,dense,bm25,generation",
    encoder: Annotated[str, typer.Option(help="The encoder: its name, or a model's folder.")] = "minilm-l6",
) -> int:
    """Measure search, encoding and generation on a device, and write one JSON file. Exits 1 when a section failed."""
    settings = _settings(device, scale, sizes, seconds, encoder)
    from gorilla_rag.bench.report import run

    path = out or Path(f"bench-{device.replace(':', '-')}.json")
    names = [name.strip() for name in sections.split(",") if name.strip()]
    found = run(settings, path, sections=names, tell=_tell)
    failed = {name: part["reason"] for name, part in found["sections"].items() if part["status"] == "failed"}
    for name, reason in failed.items():
        show.notes().print(f"{name} failed: {reason}", markup=False)
    show.console().print(str(path), markup=False)
    return _FAILED if failed else 0


def _settings(device: str, scale: str, sizes: str | None, seconds: float, encoder: str) -> Any:
    from dataclasses import replace

    from gorilla_rag.answer import one_of

    try:
        from gorilla_rag.bench.report import Settings
        from gorilla_rag.bench.settings import SCALES, TABLE
    except ImportError as error:
        hint = "install the extra: pip install 'gorilla-rag[gpu]'"
        raise ExtraMissing(f"{error.name} is not installed", hint=hint) from error
    one_of(scale, SCALES, "scale")
    chosen = TABLE[scale]  # type: ignore[index]
    if sizes is not None:
        chosen = replace(chosen, vectors=_numbers(sizes))
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"seconds is {seconds}", hint="give a number from zero up")
    return Settings(device, chosen, seconds, encoder)


def _numbers(given: str) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in given.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise UsageError(f"sizes are {given!r}", hint="give numbers from 1 up, such as 1000000,10000000")
    return found


def _tell(section: str, row: dict[str, Any]) -> None:
    """One line for a row, on stderr."""
    shown = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    show.notes().print(f"{section}: {', '.join(shown)}", markup=False)
