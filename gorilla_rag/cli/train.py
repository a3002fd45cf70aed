"""`gorilla-rag train retriever`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gorilla_rag.cli import show
from gorilla_rag.train.settings import Settings

if TYPE_CHECKING:
    from gorilla_rag.train.run import Outcome

app = typer.Typer(help="Train on your own documents.", no_args_is_help=True, rich_markup_mode=None)
_DEFAULT = Settings()
_NAMED = 5


@app.callback()
def train() -> None:
    """Train on your own documents."""


@app.command()
def retriever(
    index: Annotated[Path, typer.Option(help="The index whose documents are asked about.")],
    out: Annotated[Path, typer.Option(help="A new folder for the model and all that goes with it.")],
    questions: Annotated[
        Path | None, typer.Option(help="Questions with the ids or calls that are right, JSON Lines.")
    ] = None,
    from_docs: Annotated[bool, typer.Option("--from-docs", help="Make questions from the documents.")] = False,
    count: Annotated[int, typer.Option(help="How many of those at most.")] = 5000,
    base: Annotated[
        str | None, typer.Option(help="The encoder to begin with, a name or a folder; by default the index's own.")
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Questions that decide when to stop; by default a tenth of all is held back for that."),
    ] = None,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Questions, JSON Lines, that none of training may resemble; repeatable.")
    ] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the questions.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(help="Questions in a batch.")] = _DEFAULT.batch,
    learning_rate: Annotated[float, typer.Option(help="The highest one.")] = _DEFAULT.learning_rate,
    negatives: Annotated[int, typer.Option(help="Hard negatives of each question.")] = _DEFAULT.negatives,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = _DEFAULT.seed,
    device: Annotated[str | None, typer.Option(help="A torch device such as cuda; the processor by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that stopped.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Train the encoder that searches an index, on questions of yours or on ones made from its documents.

    Writes the model, its training data with a card, and, for an encoder of `models list`, what it differs in. An index
    has to be built again with the trained encoder.
    """
    from gorilla_rag.train.run import train_on_index

    settings = Settings(
        epochs=epochs, batch=batch, learning_rate=learning_rate, negatives=negatives, seed=seed, device=device
    )
    with show.steps() as tell:
        found = train_on_index(
            index,
            out,
            questions=questions,
            from_docs=from_docs,
            count=count,
            base=base,
            held_out=held_out,
            evaluation=evaluation or (),
            settings=settings,
            resume=resume,
            progress=tell,
        )
    if json_:
        show.print_json(_json(found, index))
    else:
        _print(found, index)


def _json(found: Outcome, index: Path) -> dict[str, Any]:
    data, trained = found.data, found.trained
    return {
        "model": str(trained.model),
        "base": found.base.name,
        "delta": str(found.delta) if found.delta else None,
        "not_exported": found.not_exported,
        "made": dict(data.made),
        "pairs": len(data.train.pairs),
        "held_out": len(data.held.pairs),
        "duplicates": data.duplicates,
        "leaks": [{"question": one.question, "resembles": one.resembles, "overlap": one.overlap} for one in data.leaks],
        "unknown": dict(data.unknown),
        "skipped": list(map(str, data.problems)),
        "ndcg@10": {"before": found.before, "after": found.after},
        "steps": trained.steps,
        "losses": list(trained.losses),
        "seconds_per_1000_pairs": round(found.seconds_per_thousand, 1),
        "next": _next(index, trained.model),
    }


def _print(found: Outcome, index: Path) -> None:
    data, out = found.data, show.console()
    _print_left_out(found)
    made = Counter[str]()
    for name, number in data.made.items():
        made[name.partition("/")[0]] += number
    ways = ", ".join(f"{number} {name}" for name, number in made.most_common())
    out.print(f"questions  {sum(made.values())}: {ways}", markup=False)
    out.print(f"removed    {data.duplicates} duplicates, {len(data.leaks)} leaks")
    out.print(f"trained    on {len(data.train.pairs)}, {found.seconds_per_thousand:.1f} s per 1,000")
    if found.before is None or found.after is None:
        out.print("held out   nothing: there are too few questions, or all are about the same documents")
    else:
        out.print(f"held out   {len(data.held.pairs)}: nDCG@10 {found.before:.3f} before, {found.after:.3f} after")
    out.print(f"model      {found.trained.model}", markup=False)
    if found.delta:
        out.print(f"delta      {found.delta}", markup=False)
    out.print(f"next       {_next(index, found.trained.model)}", markup=False)


def _print_left_out(found: Outcome) -> None:
    """What of the files wasn't used, and what to know of the model, on stderr."""
    data, notes = found.data, show.notes()
    if data.unknown:
        first = ", ".join(list(data.unknown)[:_NAMED]) + (", …" if len(data.unknown) > _NAMED else "")
        notes.print(f"unknown ids: {sum(data.unknown.values())} ({first})", markup=False)
    for problem in data.problems[:_NAMED]:
        notes.print(f"skipped: {problem}", markup=False)
    if len(data.problems) > _NAMED:
        notes.print(f"skipped: {len(data.problems) - _NAMED} more (all of them with --json)")
    for leak in data.leaks[:_NAMED]:
        notes.print(f"leak: {leak.question!r} resembles {leak.resembles!r}", markup=False)
    if len(data.leaks) > _NAMED:
        notes.print(f"leak: {len(data.leaks) - _NAMED} more (see the data card)")
    if found.not_exported:
        notes.print(f"the model stays with torch: {found.not_exported}", markup=False)


def _next(index: Path, model: Path) -> str:
    """The command that builds the index anew with the trained encoder, as far as its recipe tells."""
    from gorilla_rag.index import manifest

    recipe = manifest.read(index).recipe
    words = [str(path) for path in recipe.get("paths", [])]
    if packages := recipe.get("packages"):
        words += ["--packages", ",".join(packages)]
    for server in recipe.get("mcp", {}):
        words += ["--mcp", f"… ({server})"]
    sources = shlex.join(words) or "…"
    return f"gorilla-rag index build {sources} {shlex.join(['--out', f'{index}-trained', '--encoder', str(model)])}"
