"""Scores of an encoder, question by question: kept as JSON, so that rows are compared in pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gorilla_rag.encoders import Encoder
from gorilla_rag.evaluate.statistics import Estimate, Grouped, PairedTest
from gorilla_rag.files import write_text
from gorilla_rag.index.index import RETRIEVALS, Index
from tests.benchmarks.retriever.data import Asked
from tests.benchmarks.retriever.training import opened
from tests.benchmarks.retriever.ways import ordered, ranking, reciprocal

Mode = Literal["bm25", "dense", "hybrid", "rrf"]
"""The index's retrievers, and reciprocal rank fusion (k = 60, equal weights) of the first two."""
MODES: tuple[Mode, ...] = (*RETRIEVALS, "rrf")
DEPTH = 10
POOL = 100
METRICS = ("ndcg@10", "first", "five", "recall@5")
_DISCOUNTS = 1 / np.log2(np.arange(2, DEPTH + 2))


@dataclass(frozen=True)
class Scores:
    """Of one encoder and retriever on one set: each metric, question by question."""

    groups: tuple[str, ...]
    values: dict[str, list[float]]

    def estimate(self, metric: str) -> Estimate:
        """The macro average (over questions where each is its own group), with its interval."""
        found = Grouped(self.groups).macro(self.values[metric])
        assert found is not None
        return found

    def against(self, other: Scores, metric: str) -> PairedTest:
        """What it gains over another, in pairs."""
        found = Grouped(self.groups).paired(self.values[metric], other.values[metric])
        assert found is not None
        return found


def measure(asked: Asked, encoder: Encoder | None, label: str, work: Path) -> dict[Mode, Scores]:
    """Scores by retriever, from a file as far as they were measured before; without an encoder only these."""
    file = work / "scores" / label / f"{asked.name.replace('/', '-')}.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    missing = [mode for mode in MODES if mode not in known]
    if encoder and missing:
        known |= measured_anew(asked, encoder, work, missing)
        write_text(file, json.dumps(known))
    return {mode: Scores(asked.groups, values) for mode, values in known.items()}


def measured_anew(
    asked: Asked, encoder: Encoder, work: Path, modes: Sequence[Mode] = RETRIEVALS
) -> dict[Mode, dict[str, list[float]]]:
    """Each retriever's metrics, question by question."""
    index = opened(asked.docs, f"asked-{asked.name}", encoder, work)
    made = {mode: judged(_found(index, asked.questions, mode), asked.right) for mode in modes}
    index.close()
    return made


def _found(index: Index, questions: Sequence[str], mode: Mode) -> list[list[str]]:
    """Calls that are found for each question, best first."""
    if mode != "rrf":
        return [
            [candidate.doc.call_key for candidate in row]
            for row in index.candidates_many(questions, mode=mode, k=DEPTH)
        ]
    words = index.candidates_many(questions, mode="bm25", k=POOL)
    vectors = index.candidates_many(questions, mode="dense", k=POOL)
    fuse = reciprocal(60, 1)
    return [ordered(fuse(ranking(a), ranking(b), 0.0)) for a, b in zip(words, vectors, strict=True)]


def judged(ranked: Sequence[Sequence[str]], right: Sequence[frozenset[str]]) -> dict[str, list[float]]:
    """Each metric, question by question, of rankings of calls: `first` and `five` ask for any right call."""
    made: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for calls, wanted in zip(ranked, right, strict=True):
        hits = np.array([call in wanted for call in calls[:DEPTH]], dtype=float)
        ideal = _DISCOUNTS[: max(1, len(wanted))].sum()
        made["ndcg@10"].append(float((hits * _DISCOUNTS[: len(hits)]).sum() / ideal))
        made["first"].append(float(hits[:1].any()))
        made["five"].append(float(hits[:5].any()))
        made["recall@5"].append(float(hits[:5].sum() / max(1, len(wanted))))
    return made
