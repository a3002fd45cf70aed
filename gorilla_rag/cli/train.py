"""`gorilla-rag train retriever`, `gorilla-rag train generator` and `gorilla-rag train merge`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gorilla_rag.answer import one_of
from gorilla_rag.cli import show
from gorilla_rag.errors import UsageError
from gorilla_rag.models import registry
from gorilla_rag.train.settings import AdapterSettings, Settings

if TYPE_CHECKING:
    from gorilla_rag.train.generator import Learnt
    from gorilla_rag.train.run import Outcome

app = typer.Typer(help="Train on your own documents.", no_args_is_help=True, rich_markup_mode=None)
_DEFAULT, _ADAPTER = Settings(), AdapterSettings()
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


@app.command()
def generator(
    index: Annotated[Path | None, typer.Option(help="The index whose documents are asked about.")] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Questions with what is right, JSON Lines: relevant_ids or api_call, calls, explanation."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder for the adapter and all that goes with it.")] = None,
    base: Annotated[
        str | None,
        typer.Option(help="The model: a name of `models list`, a folder, a GGUF file; by default the embedded one."),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="An adapter's folder: go on from it, with its base.")] = None,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Questions, JSON Lines, that none of training may resemble; repeatable.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML with any of these options and of the settings; what is given beside it counts more."),
    ] = None,
    epochs: Annotated[float | None, typer.Option(help=f"Passes over the turns.  [default: {_ADAPTER.epochs}]")] = None,
    rank: Annotated[int | None, typer.Option(help=f"Of the matrices.  [default: {_ADAPTER.rank}]")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"The highest one.  [default: {_ADAPTER.learning_rate}]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help=f"Of all that is drawn.  [default: {_ADAPTER.seed}]")] = None,
    device: Annotated[str | None, typer.Option(help="A torch device; a GPU where there is one by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that stopped.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Train an adapter of a generator to choose, fill in and explain as `ask` puts it, from examples of yours.

    Writes the adapter for transformers and, where llama.cpp can load it, as GGUF; ask with `--adapter`.
    """
    from gorilla_rag.train.generator import train_on_examples

    given = {"index": index, "questions": questions, "out": out, "base": base, "start": start, "evaluation": evaluation}
    settings = {"epochs": epochs, "rank": rank, "learning_rate": learning_rate, "seed": seed, "device": device}
    options, chosen = recipe(config, given, settings)
    with show.steps() as tell:
        found = train_on_examples(**options, settings=chosen, resume=resume, progress=tell)
    if json_:
        show.print_json(_learnt(found))
    else:
        _print_learnt(found)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="The adapter's folder.")],
    out: Annotated[Path, typer.Option(help="A new folder for the model.")],
    base: Annotated[
        str,
        typer.Option(help="The model that the adapter is for: a name of `models list`, a folder, a GGUF file."),
    ] = registry.GENERATOR,
    dtype: Annotated[str, typer.Option(help="Of the weights: float32, bfloat16 or float16.")] = "bfloat16",
) -> None:
    """Write a model with an adapter's changes in its own weights, as safetensors; ask with transformers:OUT."""
    from gorilla_rag.train.merge import merge_adapter

    one_of(dtype, ("float32", "bfloat16", "float16"), "dtype")
    show.console().print(f"model      {merge_adapter(base, adapter, out, dtype=dtype)}", markup=False)  # type: ignore[arg-type]


def recipe(
    config: Path | None, given: dict[str, Any], settings: dict[str, Any]
) -> tuple[dict[str, Any], AdapterSettings]:
    """The options and settings of a file, with those given in their place.

    Raises:
        UsageError: a file that can't be read, a key that is no option, or one that is needed and nowhere.
    """
    import yaml

    try:
        said = yaml.safe_load(config.read_text(encoding="utf-8")) if config else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{config} can't be read: {error}", hint="write YAML, one option a line") from error
    names = {*given, *AdapterSettings.__dataclass_fields__}
    if not isinstance(said, dict) or (unknown := sorted(map(str, said.keys() - names))):
        found = f"has {', '.join(unknown)}" if isinstance(said, dict) else "is no mapping"
        raise UsageError(f"{config} {found}", hint=f"its keys may be {', '.join(sorted(names))}")
    said = _there(said)
    if isinstance(said.get("evaluation"), str):
        said["evaluation"] = [said["evaluation"]]
    options = {name: value for name, value in {**said, **_there(given)}.items() if name in given}
    if missing := [f"--{name}" for name in ("index", "questions", "out") if name not in options]:
        raise UsageError(f"{', '.join(missing)} isn't given", hint="give it, or write it into the file of --config")
    numbers = {name: value for name, value in {**said, **_there(settings)}.items() if name not in given}
    return options, AdapterSettings(**numbers)


def _there(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _learnt(found: Learnt) -> dict[str, Any]:
    made = found.adapter
    return {
        "adapter": str(made.folder),
        "turns": dict(found.steps),
        "held_out": found.held,
        "too_long": made.too_long,
        "unwritable": dict(found.unwritable),
        "duplicates": found.duplicates,
        "leaks": [
            {"question": one.question, "resembles": one.resembles, "overlap": one.overlap} for one in found.leaks
        ],
        "unknown": dict(found.read.unknown),
        "skipped": list(map(str, found.read.problems)),
        "steps": made.steps,
        "losses": list(made.losses),
        "checks": {step: dict(figures) for step, figures in made.checks.items()},
        "seconds": round(made.seconds, 1),
    }


def _print_learnt(found: Learnt) -> None:
    made, out, notes = found.adapter, show.console(), show.notes()
    for reason, count in Counter(found.unwritable).most_common(_NAMED):
        notes.print(f"not learnt from: {reason} ({count})", markup=False)
    for problem in found.read.problems[:_NAMED]:
        notes.print(f"skipped: {problem}", markup=False)
    if found.read.unknown:
        notes.print(f"unknown ids: {sum(found.read.unknown.values())}", markup=False)
    steps = ", ".join(f"{count} {step}" for step, count in found.steps.items())
    out.print(f"turns      {steps}; {made.too_long} too long", markup=False)
    out.print(f"removed    {found.duplicates} duplicates, {len(found.leaks)} leaks")
    out.print(
        f"trained    {made.steps} steps in {made.seconds:.0f} s, loss {made.losses[0]:.3f} to {made.losses[-1]:.3f}"
    )
    if made.checks:
        measured = list(made.checks.values())
        first, last = measured[0], measured[-1]
        for name, value in last.items():
            out.print(f"held out   {name}: {first.get(name, float('nan')):.3f} before, {value:.3f} after", markup=False)
    out.print(f"adapter    {made.folder}", markup=False)


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
