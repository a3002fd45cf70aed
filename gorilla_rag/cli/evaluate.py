"""`gorilla-rag eval` and `gorilla-rag eval compare`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gorilla_rag.cli import options, show
from gorilla_rag.errors import UsageError

if TYPE_CHECKING:
    from gorilla_rag.evaluate import Benchmark, Comparison

app = typer.Typer(
    help="Measure modes side by side on a benchmark or on questions of your own.", invoke_without_command=True
)
_IDS = 12
Benchmarked = Annotated[
    str | None,
    typer.Option(
        help="apibench/torchhub, /huggingface or /tensorflowhub; bfcl/simple, /multiple, /parallel, "
        "/parallel_multiple, /irrelevance or /live_irrelevance."
    ),
]
Data = Annotated[Path | None, typer.Option(help="The benchmark's folder, with api/ and apibench/, or bfcl/, in it.")]
Questions = Annotated[Path | None, typer.Option(help="Questions of your own, JSON Lines, instead.")]
Asked = Annotated[Path | None, typer.Option(help="The index they are about; the starter index by default.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the report; a run that stopped goes on there.")]
Modes = Annotated[str, typer.Option(help="Any of these.")]
Choosers = Annotated[str, typer.Option(help="Any of retriever,model,joint.")]
Fields = Annotated[str, typer.Option(help="all, call (no explanations) or retrieval (no answers).")]
Sample = Annotated[int | None, typer.Option(help="So many questions, always the same ones.")]
Responses = Annotated[list[Path] | None, typer.Option(help="Answers of others, in Gorilla's format.")]
Names = Annotated[list[str] | None, typer.Option(help="Their names in the report, in the same order.")]
Against = Annotated[str, typer.Option(help="The row that the others are tested against.")]
K = Annotated[int, typer.Option(help="How many distinct calls to choose among.")]
Threshold = Annotated[float, typer.Option(help="Refuse below this confidence.")]
Seed = Annotated[int, typer.Option(help="Of resampling, shuffles and the random baseline.")]
Among = Annotated[str, typer.Option(help="bfcl: the functions there are, any of offered, five, a number, all.")]
Unmasked = Annotated[bool, typer.Option("--unmasked", help="bfcl: each row also with nothing masked.")]
Paraphrased = Annotated[
    bool, typer.Option("--paraphrased", help="bfcl: the questions that are in other words too, in both.")
]
Calls = Annotated[int, typer.Option(help="bfcl: how many calls an answer may have.")]
LeastFit = Annotated[float, typer.Option(help="bfcl: refuse below this probability that a function fits.")]


@app.callback()
def evaluate(
    ctx: typer.Context,
    benchmark: Benchmarked = None,
    data: Data = None,
    questions: Questions = None,
    index: Asked = None,
    out: Out = None,
    modes: Modes = "zero-shot,bm25,dense,hybrid,oracle",
    choosers: Choosers = "retriever,model",
    fields: Fields = "all",
    sample: Sample = None,
    responses: Responses = None,
    name: Names = None,
    against: Against = "hybrid",
    k: K = 5,
    threshold: Threshold = 0.0,
    seed: Seed = 0,
    among: Among = "offered,five,50,500,all",
    unmasked: Unmasked = False,
    paraphrased: Paraphrased = False,
    calls: Calls = 8,
    least_fit: LeastFit = 0.5,
    generator: options.Spec = None,
    adapter: options.Adapter = None,
    encoder: options.Encoder = None,
    device: options.Device = None,
    quantize: options.Quantize = None,
) -> int:
    """Ask every question in every mode, score the answers, and write report.json and report.html."""
    if ctx.invoked_subcommand:
        return 0
    if out is None:
        raise UsageError("no --out", hint="name a folder for the report")
    model = options.generator(generator, adapter=adapter, device=device, quantize=quantize)
    if benchmark and benchmark.startswith("bfcl/"):
        from gorilla_rag.cli import function_calling

        ways = function_calling.ways(_words(among), _words(choosers), unmasked=unmasked, paraphrased=paraphrased)
        how: dict[str, Any] = {"k": k, "calls": calls, "least_fit": least_fit, "seed": seed}
        function_calling.run(benchmark, data, out, sample, ways, how, model, encoder, device)
        return 0
    how = {"modes": _words(modes), "choosers": _words(choosers), "fields": fields, "sample": sample}
    how |= {"k": k, "threshold": threshold, "against": against, "seed": seed}
    how["responses"] = _named(responses or [], name or [])
    _measure(*_asked(benchmark, data, questions, index, out, encoder), out, how, model, encoder, device)
    return 0


def _measure(
    asked: Benchmark,
    where: Path,
    out: Path,
    how: Mapping[str, Any],
    model: Any,
    encoder: str | None,
    device: str | None,
) -> None:
    """Asks the index, writes the report and prints it."""
    from gorilla_rag.evaluate import table
    from gorilla_rag.evaluate.run import evaluate as run
    from gorilla_rag.gorilla import Gorilla

    with show.steps() as tell:
        gorilla = Gorilla.load(where, generator=model, encoder=encoder, device=device)
        report = run(gorilla, asked, **how, out=out, command=shlex.join(["gorilla-rag", *sys.argv[1:]]), tell=tell)
    page = report.save(out)
    table.show(report.data, show.console())
    show.console().print(f"\n{page}", markup=False)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report's folder.")],
    after: Annotated[Path, typer.Argument(help="Another one's, of the same benchmark.")],
    row: Annotated[str | None, typer.Option(help="Only this row.")] = None,
    fail_below: Annotated[
        float | None, typer.Option(help="Exit 21 where macro API match rose by less than this; -0.02 allows a loss.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> int:
    """Say which questions changed between two reports, in which direction, and whether it is chance."""
    from dataclasses import asdict

    from gorilla_rag.evaluate import Report
    from gorilla_rag.evaluate import compare as compared

    found = compared(Report.load(before), Report.load(after), row=row)
    below = [] if fail_below is None else [change.row for change in found.below(fail_below)]
    if json_:
        show.print_json(asdict(found) | {"below": below})
    else:
        _print(found)
    for one in below:
        show.notes().print(f"{one}: below {fail_below:+}", markup=False)
    return show.BELOW if below else 0


def _asked(
    benchmark: str | None,
    data: Path | None,
    questions: Path | None,
    index: Path | None,
    out: Path,
    encoder: str | None,
) -> tuple[Benchmark, Path]:
    """The questions, and the index to ask: a benchmark's is built inside `out`."""
    from gorilla_rag.cli import prepare
    from gorilla_rag.evaluate import apibench, own
    from gorilla_rag.evaluate.indexed import indexed
    from gorilla_rag.index.index import Index

    if (benchmark is None) == (questions is None):
        raise UsageError("expected --benchmark or --questions, one of them", hint="see gorilla-rag eval --help")
    if questions is not None:
        where = index or _starter()
        opened = Index(where, lambda: prepare.encoder_of(where, encoder))
        return own.load(questions, opened.store.documents(range(len(opened)))), where
    if data is None or index is not None:
        raise UsageError("a benchmark needs --data, and no --index", hint="name the folder with api/ and apibench/")
    found = apibench.load(str(benchmark), data)
    with show.steps() as tell:
        where = indexed(out / "index", found.docs, prepare.encoder(encoder), tell=tell)
    return found, where


def _starter() -> Path:
    from gorilla_rag import starter
    from gorilla_rag.encoders.embedded import EmbeddedEncoder

    return starter.ensure(EmbeddedEncoder)


def _named(files: list[Path], names: list[str]) -> dict[str, Path]:
    """The response files by name; a file without a name has its own."""
    if len(names) > len(files):
        raise UsageError(f"{len(names)} names for {len(files)} files", hint="give each --responses its --name")
    titles = [*names, *(file.stem for file in files[len(names) :])]
    if len(set(titles)) < len(titles):
        raise UsageError(f"two response files have one name: {titles}", hint="give each --responses its --name")
    return dict(zip(titles, files, strict=True))


def _words(given: str) -> list[str]:
    return [word.strip() for word in given.split(",") if word.strip()]


def _print(found: Comparison) -> None:
    out = show.console()
    for warning in found.warnings:
        show.notes().print(f"note: {warning}", markup=False)
    out.print(f"{found.questions} questions")
    for change in found.changes:
        moved = change.test.difference
        line = f"{change.row}: macro API match {moved.value:+.3f} ({moved.low:+.3f} to {moved.high:+.3f})"
        out.print(f"{line}, p {change.test.p:.3f}", markup=False)
        for label, ids in (("right now", change.gained), ("wrong now", change.lost)):
            shown: Any = ", ".join(ids[:_IDS]) + (f" and {len(ids) - _IDS} more" if len(ids) > _IDS else "")
            out.print(f"    {label}: {len(ids)}" + (f" ({shown})" if ids else ""), markup=False)
