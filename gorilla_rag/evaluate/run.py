"""`evaluate`: modes side by side on one benchmark, as a `Report`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from gorilla_rag.answer import MODES, one_of
from gorilla_rag.ask import Ask
from gorilla_rag.errors import ExtraMissing, UsageError
from gorilla_rag.evaluate import record
from gorilla_rag.evaluate import responses as others
from gorilla_rag.evaluate.answering import answer_all
from gorilla_rag.evaluate.baselines import baseline_names, baselines
from gorilla_rag.evaluate.benchmark import Benchmark
from gorilla_rag.evaluate.noise import noise
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.rankings import Rankings, Tell, rank
from gorilla_rag.evaluate.report import FORMAT, Report
from gorilla_rag.evaluate.rows import Row, rows
from gorilla_rag.evaluate.score import Kind, Scored, compare_with, line
from gorilla_rag.evaluate.score import retrieval_table as retrieval
from gorilla_rag.evaluate.statistics import Grouped
from gorilla_rag.evaluate.store import OutcomeStore
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import RETRIEVALS

EvaluatedFields = Literal["all", "call", "retrieval"]
FIELDS: tuple[EvaluatedFields, ...] = ("all", "call", "retrieval")
CHOOSING = ("retriever", "model")
_NEEDED = ("matplotlib", "pytrec_eval", "scipy", "tree_sitter", "tree_sitter_python")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is measured, once it is checked.

    Attributes:
        gorilla: answers.
        whole: the benchmark.
        asked: its questions that are asked.
        rows: the ways in which they are.
        how: what is the same in all of them.
        against: the row that the others are tested against.
        seed: of all that is drawn.
        tell: is told of progress.
    """

    gorilla: Gorilla
    whole: Benchmark
    asked: Benchmark
    rows: Sequence[Row]
    how: dict[str, Any]
    against: str
    seed: int
    tell: Tell


def evaluate(
    gorilla: Gorilla,
    benchmark: Benchmark,
    *,
    modes: Sequence[str] = MODES,
    choosers: Sequence[str] = CHOOSING,
    fields: EvaluatedFields = "all",
    sample: int | None = None,
    k: int = 5,
    threshold: float = 0.0,
    responses: Mapping[str, str | Path] | None = None,
    against: str = "hybrid",
    seed: int = 0,
    out: str | Path | None = None,
    command: str = "",
    tell: Tell | None = None,
) -> Report:
    """Asks every question of a benchmark in every mode and scores the answers, beside baselines and others' answers.

    Args:
        gorilla: over an index of the benchmark's documents.
        benchmark: the questions.
        modes: of `zero-shot`, `bm25`, `dense`, `hybrid`, `oracle`.
        choosers: of `retriever`, `model`, `joint`; each retrieval mode is measured with each.
        fields: `all`; `call` leaves explanations out; `retrieval` asks no model and answers nothing.
        sample: how many questions; all by default.
        k: how many candidates.
        threshold: refuse below this confidence.
        responses: files in Gorilla's format, by the name that the report gives them.
        against: the row that the others are tested against; a retriever that isn't one of the rows stands for the
            copy of its first candidate.
        seed: of resampling, shuffles and the random baseline.
        out: where outcomes are kept as they are made; a run with the same settings goes on from them.
        command: what was typed, for the report.
        tell: is told of progress: the row, how many questions are done, of how many.

    Raises:
        UsageError: an unknown mode, chooser, field or row; an index of other documents.
        BenchmarkError: a response file that can't be used.
        ExtraMissing: a package of the extra `evaluate` isn't installed.
    """
    begun = time.perf_counter()
    _check_extra()
    one_of(fields, FIELDS, "fields")
    planned = [] if fields == "retrieval" else rows(modes, choosers)
    Ask(k=k, threshold=threshold).checked()
    _same_documents(gorilla, benchmark)
    asked = benchmark if sample is None else benchmark.sample(sample)
    given = {name: others.load(file, asked) for name, file in (responses or {}).items()}
    against = _reference(against, planned, [*given, *baseline_names(asked.questions)])
    how = {"k": k, "threshold": threshold, "fields": fields}
    plan = _Plan(gorilla, benchmark, asked, planned, how, against, seed, tell or _silent)
    rankings = rank(gorilla.index, asked.questions, benchmark.docs, plan.tell)
    scored, peaks = _measured(plan, rankings, given, out)
    settings = {**how, "modes": list(modes), "choosers": list(choosers), "against": against}
    content = _content(plan, {"command": command, "seed": seed, "settings": settings}, scored, rankings)
    timings = record.timings(scored, peaks) | {"seconds": time.perf_counter() - begun}
    return Report(content | {"timings": timings})


def _check_extra() -> None:
    """Raises `ExtraMissing` before anything is asked, rather than when the figures are due."""
    if missing := [name for name in _NEEDED if not _is_there(name)]:
        raise ExtraMissing(f"measuring needs {', '.join(missing)}", hint="pip install 'gorilla-rag[evaluate]'")


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


def _measured(
    plan: _Plan, rankings: Rankings, given: Mapping[str, Sequence[Outcome]], out: str | Path | None
) -> tuple[list[Scored], dict[str, int]]:
    """Every row, the answers of others and the baselines, in this order; and the peak memory after each row."""
    basic = baselines(plan.asked, rankings, k=plan.how["k"], seed=plan.seed)
    with TemporaryDirectory(prefix="gorilla_rag-") as temporary:
        scored, peaks = _answered(plan, rankings, Path(out or temporary))
    scored += [_scored(name, "responses", plan.asked, made) for name, made in given.items()]
    scored += [_scored(name, "baseline", plan.asked, made) for name, made in basic.items()]
    return scored, peaks


def _answered(plan: _Plan, rankings: Rankings, out: Path) -> tuple[list[Scored], dict[str, int]]:
    """Every row's outcomes, and the process's peak memory after each."""
    scored, peaks = [], {}
    for row in plan.rows:
        settings = record.dependencies(plan.gorilla, plan.whole, row, plan.how, plan.seed)
        store = OutcomeStore(out / "answers", row.name, settings)
        made = answer_all(plan.gorilla, row, plan.asked.questions, rankings, store, plan.how, plan.seed, plan.tell)
        scored.append(_scored(row.name, "mode", plan.asked, made, ranked=row.mode in RETRIEVALS))
        peaks[row.name] = record.peak_memory()
    return scored, peaks


def _content(plan: _Plan, asking: dict[str, Any], scored: Sequence[Scored], rankings: Rankings) -> dict[str, Any]:
    """The report but for its timings: what was asked and how, and all that is computed from outcomes and rankings."""
    asked = plan.asked
    grouped = Grouped([question.gold for question in asked.questions], seed=plan.seed)
    tests = compare_with(scored, plan.against, grouped)
    return {
        "format": FORMAT,
        "benchmark": record.benchmark(asked),
        "run": record.run(plan.gorilla, asked, plan.rows, plan.how["fields"]) | asking,
        "rows": [line(row, grouped) | {"test": test} for row, test in zip(scored, tests, strict=True)],
        "retrieval": retrieval(asked, rankings, grouped),
        "noise": noise(asked),
        "questions": record.questions(asked, scored, rankings),
    }


def _scored(
    name: str, kind: Kind, benchmark: Benchmark, outcomes: Sequence[Outcome], *, ranked: bool = False
) -> Scored:
    return Scored(name, kind, benchmark, {outcome.question: outcome for outcome in outcomes}, ranked)


def _same_documents(gorilla: Gorilla, benchmark: Benchmark) -> None:
    held = gorilla.index.store.documents(range(len(gorilla.index)))
    indexed, wanted = {(d.id, d.content_hash) for d in held}, {(d.id, d.content_hash) for d in benchmark.docs}
    if indexed != wanted:
        raise UsageError(
            f"the index has {len(indexed)} documents, {len(indexed & wanted)} of the benchmark's {len(wanted)}",
            hint="evaluate over an index of the benchmark's documents, such as Gorilla.from_docs(benchmark.docs)",
        )


def _reference(against: str, planned: Sequence[Row], further: Sequence[str]) -> str:
    """The row that the others are tested against; raises `UsageError` unless it is one, and no two have one name."""
    names = [row.name for row in planned]
    if against in RETRIEVALS and against not in names:
        against = f"copy of {against}'s first"
    names += further
    one_of(against, names, "against")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two rows have the name {twice[0]!r}", hint="name the answers of others differently")
    return against


def _silent(step: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
