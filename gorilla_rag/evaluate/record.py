"""What a report records beside its figures: the benchmark, what answered it and with what, questions, times."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.metrics import latency
from gorilla_rag.evaluate.outcome import Case
from gorilla_rag.evaluate.rankings import Ranking, Rankings
from gorilla_rag.evaluate.rows import Row
from gorilla_rag.evaluate.score import Scored
from gorilla_rag.generate.base import identity
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.text import TEXT_VERSION

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


def benchmark(asked: Benchmark) -> dict[str, Any]:
    """What was asked."""
    return {
        "name": asked.name,
        "questions": len(asked.questions),
        "of": asked.size,
        "gold_calls": len(asked.gold_calls),
        "documents": len(asked.docs),
        "calls": len(asked.catalogue),
        "answerable": len(asked.in_index),
        "raw_gold": sum(question.document.call.raw is not None for question in asked.questions),
        "judged": sum(bool(question.grades) for question in asked.questions),
        "sha256": dict(asked.hashes),
        "documents_sha256": _documents_hash(asked),
        "notes": list(asked.notes),
    }


def run(gorilla: Gorilla, asked: Benchmark, planned: Sequence[Row], fields: str) -> dict[str, Any]:
    """What answered."""
    model = any(_needs_model(asked, row, fields) for row in planned)
    return {
        "encoder": dict(gorilla.index.manifest.encoder),
        "generator": identity(gorilla.generator) if model else None,
        "prompt": PROMPT_VERSION,
        "text": TEXT_VERSION,
        "versions": _versions(),
    }


def dependencies(gorilla: Gorilla, whole: Benchmark, row: Row, how: dict[str, Any], seed: int) -> dict[str, Any]:
    """Everything that a row's outcomes depend on; `whole` is the benchmark before a sample is taken."""
    return {
        "benchmark": [whole.name, _questions_hash(whole)],
        "documents": _documents_hash(whole),
        "row": asdict(row),
        "how": how,
        "seed": seed if row.negatives else 0,
        "encoder": dict(gorilla.index.manifest.encoder),
        "generator": identity(gorilla.generator) if _needs_model(whole, row, how["fields"]) else None,
        "versions": [version("gorilla-rag"), PROMPT_VERSION, TEXT_VERSION],
    }


def questions(asked: Benchmark, scored: Sequence[Scored], rankings: Rankings) -> list[dict[str, Any]]:
    """By question, what each retriever and each row made of it."""
    cases = {row.name: {case.question.id: case for case in row.cases} for row in scored}
    return [
        {
            "id": question.id,
            "gold": question.document.api_call,
            "key": question.gold,
            "rank": {name: _rank(ranked[question.id], question) for name, ranked in rankings.items()},
            "rows": {name: _answer(found[question.id]) for name, found in cases.items() if question.id in found},
        }
        for question in asked.questions
    ]


def timings(scored: Sequence[Scored], peaks: Mapping[str, int]) -> dict[str, Any]:
    """Seconds by row and stage, bytes of memory: all that differs between two runs."""
    modes = [row for row in scored if row.kind == "mode"]
    of_rows = {row.name: latency.seconds([case.outcome for case in row.cases]) for row in modes}
    return {
        "peak_memory": dict(peaks),
        "rows": {name: {stage: asdict(one) for stage, one in stages.items()} for name, stages in of_rows.items()},
    }


def peak_memory() -> int:
    """Bytes, of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _answer(case: Case) -> dict[str, Any]:
    failed = {"error": case.outcome.error} if case.outcome.error else {}
    return {"call": case.outcome.api_call, "right": case.matches} | failed


def _rank(ranking: Ranking, question: Question) -> int | None:
    return next((place for place, doc in enumerate(ranking.calls, start=1) if doc.call_key in question.relevant), None)


def _needs_model(asked: Benchmark, row: Row, fields: str) -> bool:
    """Whether the model may be asked: for the call, its arguments or its explanation."""
    return row.asks_model or fields == "all" or any(doc.parameters.get("properties") for doc in asked.docs)


def _documents_hash(asked: Benchmark) -> str:
    hashes = sorted(f"{doc.id} {doc.content_hash}" for doc in asked.docs)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _questions_hash(asked: Benchmark) -> str:
    lines = [json.dumps([q.id, q.text, q.document.content_hash, sorted(q.relevant)]) for q in asked.questions]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
