"""Chooses how rankings are fused, on corpora by encoders that weren't trained on them: `… retriever fuse`.

Each way of fusing gets the mean over corpora of nDCG@10, of the first candidate and of five: the training corpora, and
`other-packages`, whose questions share few words with the documents. Nothing else that is only measured is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gorilla_rag.encoders.load import SentenceTransformersEncoder
from gorilla_rag.index import bm25
from gorilla_rag.train import retriever
from tests.benchmarks.retriever import data
from tests.benchmarks.retriever.measuring import METRICS, POOL, judged
from tests.benchmarks.retriever.training import opened
from tests.benchmarks.retriever.ways import WAYS, Ranking, ordered, ranking

CHOSEN_ON = (*data.LEFT_OUT, "other-packages")


def table(folder: Path, work: Path, names: Sequence[str]) -> Iterator[str]:
    """Each way of fusing, the best first."""
    pools = {name: _pools(name, folder, work) for name in names}
    rows = []
    for title, fuse in WAYS.items():
        each = []
        for asked, found in pools.values():
            rarest = bm25.rarest(len(asked.docs))
            ranked = [ordered(fuse(words, vectors, rarest)) for words, vectors in found]
            values = judged(ranked, asked.right)
            each.append([float(np.mean(values[metric])) for metric in METRICS])
        rows.append((title, np.mean(each, axis=0), [one[0] for one in each]))
    yield f"| Fusion | {' | '.join(METRICS)} | " + " | ".join(names) + " |"
    yield "|---|" + "--:|" * (len(METRICS) + len(names))
    for title, means, each_ in sorted(rows, key=lambda row: -row[1][0]):
        yield f"| {title} | " + " | ".join(f"{value:.3f}" for value in (*means, *each_)) + " |"


def _pools(name: str, folder: Path, work: Path) -> tuple[data.Asked, list[tuple[Ranking, Ranking]]]:
    left_out = name in data.LEFT_OUT
    asked = data.LEFT_OUT[name](folder) if left_out else data.measured(name, folder)
    label = f"without-{name}" if left_out else "shipped"
    encoder = SentenceTransformersEncoder(work / label / retriever.MODEL, name=label, dtype="bfloat16")
    index = opened(asked.docs, f"asked-{name}", encoder, work)
    words = index.candidates_many(asked.questions, mode="bm25", k=POOL)
    vectors = index.candidates_many(asked.questions, mode="dense", k=POOL)
    index.close()
    return asked, [(ranking(a), ranking(b)) for a, b in zip(words, vectors, strict=True)]
