"""The engines of a torch device beside those without, in one run on the processor: times as ratios.

What they take on a GPU is measured by `gorilla-rag bench --device cuda`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gorilla_rag.bench import words
from gorilla_rag.bench.search import unit_vectors
from gorilla_rag.index.bm25 import BM25
from gorilla_rag.index.dense import DenseIndex
from gorilla_rag.index.device import TorchBM25, TorchDense
from tests.benchmarks.measure import Row, median_seconds

COUNT = 50_000
VOCABULARY = 20_000
LIMIT = 10
BATCHES = (1, 64)
_RUNS = 7
_CPU = torch.device("cpu")
_CONSONANTS = str.maketrans("0123456789ABCDEFGHI", "bcdfghjklmnpqrtvwxz")


def rows() -> Iterator[Row]:
    """Dense search and BM25, one question and many."""
    yield from _dense()
    yield from _words()


def _dense() -> Iterator[Row]:
    vectors, used = unit_vectors(COUNT, 384, _CPU), np.ones(COUNT, dtype=np.bool_)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        np.save(path, vectors.numpy())
        faiss, ours = DenseIndex([path], None, used), TorchDense(vectors, used)
        for batch in BATCHES:
            queries = unit_vectors(batch, 384, _CPU, seed=1).numpy()
            work = (
                lambda _, engine=engine, asked=queries: engine.nearest_many(asked, LIMIT) for engine in (faiss, ours)
            )
            yield _ratio(f"dense search of {COUNT:,} vectors, FAISS / torch, {batch} at once", batch, *work)


def _words() -> Iterator[Row]:
    """Words are numbers in consonants, which no stemmer cuts."""
    made = words.arrays(COUNT, VOCABULARY, _CPU)
    names = [np.base_repr(number, 19).translate(_CONSONANTS) for number in range(VOCABULARY)]
    arrays = replace(made, vocabulary={name: number for number, name in enumerate(names)})
    numpys, ours = BM25(arrays, COUNT), TorchBM25(arrays, COUNT, _CPU)
    for batch in BATCHES:
        asked = [" ".join(names[number] for number in numbers) for numbers in words.questions(batch, VOCABULARY)]
        work = (lambda _, engine=engine, asked=asked: engine.ranking_many(asked, LIMIT) for engine in (numpys, ours))
        yield _ratio(f"BM25 over {COUNT:,} documents, numpy / torch, {batch} at once", batch, *work)


def _ratio(name: str, batch: int, theirs: Callable[[int], Any], ours: Callable[[int], Any]) -> Row:
    """In turn, so that both meet the same machine."""
    slow, fast = (median_seconds(work, _RUNS) for work in (theirs, ours))
    note = f"{slow / batch * 1e3:.3g} ms against {fast / batch * 1e3:.3g} ms a question"
    return Row(name, slow / fast, "×", note=note)
