"""`evaluate`: modes side by side on one benchmark, as a `Report`."""

from __future__ import annotations

import hashlib
import platform
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from gorilla_rag.answer import MODES, one_of
from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate import responses as others
from gorilla_rag.evaluate.answering import answer_all
from gorilla_rag.evaluate.baselines import baselines
from gorilla_rag.evaluate.benchmark import Benchmark
from gorilla_rag.evaluate.metrics import latency
from gorilla_rag.evaluate.noise import noise
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.rankings import Rankings, Tell, rank
from gorilla_rag.evaluate.report import FORMAT, Report
from gorilla_rag.evaluate.rows import Row, rows
from gorilla_rag.evaluate.score import Scored, compare_with, line, retrieval_table
from gorilla_rag.evaluate.statistics import Grouped
from gorilla_rag.evaluate.store import OutcomeStore
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import RETRIEVALS
from gorilla_rag.text import TEXT_VERSION

EvaluatedFields = Literal["all", "call", "retrieval"]
FIELDS: tuple[EvaluatedFields, ...] = ("all", "call", "retrieval")
CHOOSING = ("retriever", "model")
_PACKAGES = (
    "gorilla-rag",
    "bm25s",
    "faiss-cpu",
    "llguidance",
    "numpy",
    "onnxruntime",
    "pytrec-eval-terrier",
    "scipy",
    "tokenizers",
    "tree-sitter",
    "tree-sitter-python",
    "xllamacpp",
)


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
        against: the row that the others are tested against.
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
    one_of(fields, FIELDS, "fields")
    _same_documents(gorilla, benchmark)
    tell = tell or _silent
    asked = benchmark.sample(sample) if sample else benchmark
    given = {name: others.load(file, asked) for name, file in (responses or {}).items()}
    rankings = rank(gorilla.index, asked.questions, benchmark.docs, tell)
    found = [] if fields == "retrieval" else rows(modes, choosers)
    how: dict[str, Any] = {"k": k, "threshold": threshold, "fields": fields}
    scored: list[Scored] = []
    peaks: dict[str, int] = {}
    with TemporaryDirectory(prefix="gorilla_rag-") as temporary:
        folder = Path(out or temporary) / "answers"
        for row in found:
            settings = _settings(gorilla, benchmark, row, how, seed)
            store = OutcomeStore(folder, row.name, settings)
            made = answer_all(gorilla, row, asked.questions, rankings, store, how, seed, tell)
            scored.append(_scored(row.name, "mode", asked, made, ranked=row.mode in RETRIEVALS))
            peaks[row.name] = _peak_memory()
    scored += [_scored(name, "responses", asked, made) for name, made in given.items()]
    basic = baselines(asked, rankings, k=k, seed=seed)
    scored += [_scored(name, "baseline", asked, made) for name, made in basic.items()]
    if fields == "retrieval" and against not in {row.name for row in scored}:
        against = f"copy of {against}'s first"
    _known_row(against, scored)
    grouped = Grouped([question.gold for question in asked.questions], seed=seed)
    lines = [line(row, grouped) for row in scored]
    for one, test in zip(lines, compare_with(scored, against, grouped), strict=True):
        one["test"] = test
    return Report(
        {
            "format": FORMAT,
            "benchmark": _about(asked),
            "run": {
                "command": command,
                "seed": seed,
                "settings": {**how, "modes": list(modes), "choosers": list(choosers), "against": against},
                "encoder": dict(gorilla.index.manifest.encoder),
                "generator": _generator(gorilla) if any(_needs_model(row, fields) for row in found) else None,
                "prompt": PROMPT_VERSION,
                "text": TEXT_VERSION,
                "versions": _versions(),
            },
            "rows": lines,
            "retrieval": retrieval_table(asked, rankings, grouped),
            "noise": noise(asked),
            "questions": _questions(asked, scored, rankings),
            "timings": {
                "seconds": time.perf_counter() - begun,
                "peak_memory": peaks,
                "rows": {
                    row.name: {
                        stage: asdict(one)
                        for stage, one in latency.seconds([case.outcome for case in row.cases]).items()
                    }
                    for row in scored
                    if row.kind == "mode"
                },
                "retrieval": {
                    name: asdict(latency.percentiles([ranking.seconds for ranking in ranked.values()]))
                    for name, ranked in rankings.items()
                },
            },
        }
    )


def _scored(name: str, kind: Any, benchmark: Benchmark, outcomes: Sequence[Outcome], *, ranked: bool = False) -> Scored:
    return Scored(name, kind, benchmark, {outcome.question: outcome for outcome in outcomes}, ranked)


def _needs_model(row: Row, fields: str) -> bool:
    return row.asks_model or fields == "all"


def _settings(gorilla: Gorilla, benchmark: Benchmark, row: Row, how: dict[str, Any], seed: int) -> dict[str, Any]:
    """Everything that a row's outcomes depend on."""
    return {
        "benchmark": [benchmark.name, dict(benchmark.hashes)],
        "documents": _documents_hash(benchmark),
        "row": asdict(row),
        "how": how,
        "seed": seed if row.negatives else 0,
        "encoder": dict(gorilla.index.manifest.encoder),
        "generator": _generator(gorilla) if _needs_model(row, how["fields"]) else None,
        "versions": [version("gorilla-rag"), PROMPT_VERSION, TEXT_VERSION],
    }


def _generator(gorilla: Gorilla) -> dict[str, str]:
    return {"id": gorilla.generator.id, "sha256": gorilla.generator.sha256}


def _documents_hash(benchmark: Benchmark) -> str:
    hashes = sorted(f"{doc.id} {doc.content_hash}" for doc in benchmark.docs)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _same_documents(gorilla: Gorilla, benchmark: Benchmark) -> None:
    indexed, wanted = set(gorilla.index.store.ids), {doc.id for doc in benchmark.docs}
    if indexed != wanted:
        raise UsageError(
            f"the index has {len(indexed)} documents, {len(indexed & wanted)} of the benchmark's {len(wanted)}",
            hint="evaluate over an index of the benchmark's documents, such as Gorilla.from_docs(benchmark.docs)",
        )


def _known_row(name: str, scored: Sequence[Scored]) -> None:
    one_of(name, [row.name for row in scored], "against")


def _about(benchmark: Benchmark) -> dict[str, Any]:
    questions = benchmark.questions
    return {
        "name": benchmark.name,
        "questions": len(questions),
        "of": benchmark.size,
        "gold_calls": len(benchmark.gold_calls),
        "documents": len(benchmark.docs),
        "calls": len(benchmark.catalogue),
        "answerable": len(benchmark.in_index),
        "raw_gold": sum(question.expected.raw is not None for question in questions),
        "judged": sum(bool(question.grades) for question in questions),
        "sha256": dict(benchmark.hashes),
        "documents_sha256": _documents_hash(benchmark),
        "notes": list(benchmark.notes),
    }


def _questions(benchmark: Benchmark, scored: Sequence[Scored], rankings: Rankings) -> list[dict[str, Any]]:
    """By question, what each retriever and each row made of it."""
    cases = {row.name: {case.question.id: case for case in row.cases} for row in scored}
    found = []
    for question in benchmark.questions:
        ranks = {name: _rank(rankings, name, question) for name in RETRIEVALS}
        answers = {}
        for name, by_question in cases.items():
            if (case := by_question.get(question.id)) is not None:
                answers[name] = {"call": case.outcome.api_call, "right": case.matches}
                answers[name] |= {"error": case.outcome.error} if case.outcome.error else {}
        found.append(
            {
                "id": question.id,
                "gold": question.document.api_call,
                "key": question.gold,
                "rank": ranks,
                "rows": answers,
            }
        )
    return found


def _rank(rankings: Rankings, name: Any, question: Any) -> int | None:
    calls = rankings[name][question.id].calls
    return next((place for place, doc in enumerate(calls, start=1) if doc.call_key in question.relevant), None)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _peak_memory() -> int:
    """Bytes, of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _silent(step: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
