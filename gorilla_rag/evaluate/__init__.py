"""Measuring what retrieval does: benchmarks, metrics, modes side by side, and the report.

from gorilla_rag import Gorilla
from gorilla_rag.evaluate import apibench, evaluate

benchmark = apibench.load("apibench/torchhub", "data")
report = evaluate(Gorilla.from_docs(benchmark.docs), benchmark, fields="call", sample=150)
report.plot("accuracy")
"""

from gorilla_rag.evaluate import responses
from gorilla_rag.evaluate.benchmark import Benchmark, Question, folds
from gorilla_rag.evaluate.benchmarks import apibench, own
from gorilla_rag.evaluate.compare import Comparison, compare
from gorilla_rag.evaluate.report import Report
from gorilla_rag.evaluate.run import evaluate

__all__ = [
    "Benchmark",
    "Comparison",
    "Question",
    "Report",
    "apibench",
    "compare",
    "evaluate",
    "folds",
    "own",
    "responses",
]
