"""Scores of an encoder, question by question: kept as JSON, so that rows are compared in pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gorilla_rag.answer import Candidate
from gorilla_rag.encoders import Encoder
from gorilla_rag.evaluate.statistics import Estimate, Grouped, PairedTest
from gorilla_rag.files import write_text
from gorilla_rag.index.index import RETRIEVALS, Retrieval
from tests.benchmarks.retriever.data import Asked
from tests.benchmarks.retriever.training import opened

DEPTH = 10
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


def measure(asked: Asked, encoder: Encoder | None, label: str, work: Path) -> dict[Retrieval, Scores]:
    """Scores by retriever, from a file where they were measured before."""
    file = work / "scores" / label / f"{asked.name.replace('/', '-')}.json"
    if not file.is_file():
        assert encoder is not None
        write_text(file, json.dumps(measured_anew(asked, encoder, work)))
    read = json.loads(file.read_text(encoding="utf-8"))
    return {mode: Scores(asked.groups, read[mode]) for mode in RETRIEVALS}


def measured_anew(asked: Asked, encoder: Encoder, work: Path) -> dict[Retrieval, dict[str, list[float]]]:
    """Each retriever's metrics, question by question."""
    index = opened(asked.docs, f"asked-{asked.name}", encoder, work)
    made = {mode: _scores(index.candidates_many(asked.questions, mode=mode, k=DEPTH), asked) for mode in RETRIEVALS}
    index.close()
    return made


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


def _scores(found: Sequence[Sequence[Candidate]], asked: Asked) -> dict[str, list[float]]:
    return judged([[candidate.doc.call_key for candidate in row] for row in found], asked.right)
