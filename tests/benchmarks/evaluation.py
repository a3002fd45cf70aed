"""How long measuring takes, over published data: `make bench ARGS="evaluation modes" DATA=FOLDER` (with apibench/)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from gorilla_rag import Gorilla
from gorilla_rag.evaluate import Benchmark, apibench, evaluate, responses
from gorilla_rag.evaluate.metrics import METRICS
from gorilla_rag.evaluate.outcome import Case
from tests.benchmarks.measure import Row


def rows() -> Iterator[Row]:
    """Scoring the published answers by every metric, and retrieval alone on every hub."""
    data = _data()
    if data is None:
        return
    begun = time.perf_counter()
    answers = sum(_score(apibench.load(name, data), data / "responses" / hub) for name, hub in apibench.NAMES.items())
    yield Row("24 files of answers, every metric", time.perf_counter() - begun, "s", "< 60", f"{answers} answers")
    begun = time.perf_counter()
    questions = 0
    for name in apibench.NAMES:
        benchmark = apibench.load(name, data)
        gorilla = Gorilla.from_docs(benchmark.docs)
        evaluate(gorilla, benchmark, fields="retrieval")
        gorilla.index.close()
        questions += len(benchmark.questions)
    note = f"{questions} questions, three retrievers, indexes built, baselines and intervals"
    yield Row("retrieval of three hubs", time.perf_counter() - begun, "s", "< 60", note)


def modes() -> Iterator[Row]:
    """One hub, 150 questions, five modes, the call alone, with the embedded model; most of twenty minutes."""
    data = _data()
    if data is None:
        return
    benchmark = apibench.load("apibench/torchhub", data)
    with TemporaryDirectory() as folder:
        begun = time.perf_counter()
        gorilla = Gorilla.from_docs(benchmark.docs)
        report = evaluate(gorilla, benchmark, fields="call", sample=150, out=folder)
        seconds = time.perf_counter() - begun
        gorilla.index.close()
    peak = max(report.data["timings"]["peak_memory"].values())
    yield Row("five modes, 150 questions, call alone", seconds / 60, "min", "< 20", "nine rows, TorchHub")
    yield Row("peak memory of it", peak / 1e9, "GB")


def _score(benchmark: Benchmark, folder: Path) -> int:
    questions = {question.id: question for question in benchmark.questions}
    count = 0
    for file in sorted(folder.glob("*.jsonl")):
        for outcome in responses.load(file, benchmark):
            case = Case(questions[outcome.question], outcome, benchmark.catalogue, benchmark.scorer)
            for metric in METRICS:
                metric.score(case)
            count += 1
    return count


def _data() -> Path | None:
    folder = os.environ.get("DATA", "")
    return Path(folder) / "apibench" if folder else None
