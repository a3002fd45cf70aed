"""The recorded retrieval baseline: stock parts on APIBench's three hubs, every question.

`python -m tests.benchmarks.baseline DATA` writes docs/results/retrieval.json (DATA holds apibench/); `make verify`
makes the same figures again and says what moved.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gorilla_rag import Gorilla
from gorilla_rag.evaluate import apibench, evaluate
from gorilla_rag.files import write_text

RECORDED = Path(__file__).parents[2] / "docs" / "results" / "retrieval.json"
_KEPT = ("name", "questions", "gold_calls", "documents", "calls", "answerable", "raw_gold", "judged", "sha256")


def figures(data: Path) -> dict[str, Any]:
    """Of each hub: what it holds, its noise, every retriever's measures, the baselines' API match."""
    found: dict[str, Any] = {}
    for name in apibench.NAMES:
        benchmark = apibench.load(name, data / "apibench")
        gorilla = Gorilla.from_docs(benchmark.docs)
        report = evaluate(gorilla, benchmark, fields="retrieval").data
        gorilla.index.close()
        found["versions"] = report["run"]["versions"]
        found[name] = {
            "benchmark": {key: report["benchmark"][key] for key in _KEPT},
            "noise": report["noise"],
            "retrieval": report["retrieval"],
            "rows": {
                row["name"]: {metric: values for metric, values in row["metrics"].items() if metric in _METRICS}
                for row in report["rows"]
            },
        }
    return found


_METRICS = ("api_match", "graded_match", "acceptable", "gorilla_accuracy", "gorilla_hallucination")


def moved(before: Any, after: Any, path: str = "") -> list[tuple[str, float, float]]:
    """Every figure that differs, with its path, as it was and as it is."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [item for key in before for item in moved(before[key], after.get(key), f"{path}/{key}")]
    if isinstance(before, int | float) and isinstance(after, int | float):
        return [(path, before, after)] if before != after else []
    return [] if before == after else [(path, float("nan"), float("nan"))]


if __name__ == "__main__":
    write_text(RECORDED, json.dumps(figures(Path(sys.argv[1])), indent=1) + "\n")
