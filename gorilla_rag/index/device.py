"""Dense search and BM25 on a torch device, over the files of `dense` and `bm25`, with their results.

Vectors and BM25's entries stay on the device; of a batch of questions only the best positions come back. Documents are
scored exactly, without graphs or inverted lists. BM25's sums are made in the order of a question's words, as `bm25`
makes them, and are the same to the last bit; a cosine's sum is made in the device's own order.
Importing this module imports torch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.errors import ExtraMissing
from gorilla_rag.index.bm25 import Arrays, Found
from gorilla_rag.index.dense import BLOCK, DenseSearch, Vectors

try:
    import torch
except ImportError as error:
    raise ExtraMissing("torch is not installed", hint="install the extra: pip install 'gorilla-rag[gpu]'") from error

# Scores that stand in memory at one time (4 bytes each): what bounds a batch over many documents.
CELLS = 1 << 26
# Numbers of one matrix product's operand: libraries count them in 32 bits here and there.
ELEMENTS = (1 << 31) - 1
_PRECISION = threading.Lock()


class TorchDense(DenseSearch):
    """Nearest vectors by cosine, every one compared: one matrix product in float32.

    Args:
        vectors: unit vectors on the device, shape [total, dimension], float32.
        used: which of them belong to a document, shape [total].
    """

    def __init__(self, vectors: torch.Tensor, used: npt.NDArray[np.bool_]) -> None:
        self.vectors = vectors
        self._barred = torch.from_numpy(~used).to(vectors.device)
        self._used = int(used.sum())

    @classmethod
    def load(cls, segments: Sequence[Path], used: npt.NDArray[np.bool_], device: torch.device) -> TorchDense:
        """Brings vector files (shape [m, dimension], float32, in order) to a device, block by block."""
        parts = [np.load(path, mmap_mode="r", allow_pickle=False) for path in segments]
        dimension = parts[0].shape[1] if parts else 0
        vectors = torch.empty((len(used), dimension), dtype=torch.float32, device=device)
        at = 0
        for part in parts:
            for start in range(0, len(part), BLOCK):
                block = torch.from_numpy(np.array(part[start : start + BLOCK]))
                vectors[at : at + len(block)] = block.to(device)
                at += len(block)
        return cls(vectors, used)

    def nearest(self, query: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None) -> Found:
        """`nearest_many` for one unit vector, shape [dimension]."""
        return self.nearest_many(query[None, :], limit, allowed)[0]

    def nearest_many(self, queries: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None) -> list[Found]:
        """Vector numbers and cosines of each query's nearest, best first, ties by number.

        Args:
            queries: unit vectors, shape [queries, dimension].
            limit: how many at most.
            allowed: which vectors may be found, shape [total]; those of no document never are.
        """
        barred = self._barred
        if allowed is not None:
            barred = barred | torch.from_numpy(~allowed).to(self.vectors.device)
        passing = self._used if allowed is None else len(barred) - int(barred.sum())
        wanted = min(limit, passing)
        if not wanted or not len(queries):
            return [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)) for _ in queries]
        with torch.inference_mode(), _full_float32():
            asked = torch.from_numpy(np.array(queries, dtype=np.float32)).to(self.vectors.device)
            rows = max(min(CELLS // len(queries), ELEMENTS // self.vectors.shape[1]), wanted)
            masked = barred if passing < len(barred) else None
            parts = [self._best(asked, slice(at, at + rows), wanted, masked) for at in range(0, len(barred), rows)]
            numbers, cosines = (torch.cat(columns, dim=1) for columns in zip(*parts, strict=True))
            if len(parts) > 1:  # blocks come in order and ties within them too, so that a tie's column is its order
                columns, cosines = top(cosines, wanted)
                numbers = numbers.gather(1, columns)
            return list(zip(numbers.cpu().numpy(), cosines.cpu().numpy(), strict=True))

    def _best(
        self, asked: torch.Tensor, block: slice, wanted: int, barred: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The best of one block of vectors: numbers and cosines, shape [queries, at most `wanted`]."""
        scores = asked @ self.vectors[block].T
        if barred is not None:
            scores.masked_fill_(barred[block], -torch.inf)
        numbers, cosines = top(scores, wanted)
        return numbers + block.start, cosines


class TorchBM25:
    """Scores documents by their words.

    Args:
        arrays: what the words add.
        size: how many documents there are.
        device: where they are added.
    """

    def __init__(self, arrays: Arrays, size: int, device: torch.device) -> None:
        self._arrays, self.size, self._device = arrays, size, device
        self._offsets = np.array(arrays.offsets, dtype=np.int64)
        self._scores = torch.from_numpy(np.array(arrays.scores)).to(device)
        self._rows = torch.from_numpy(np.array(arrays.rows)).to(device)

    def ranking(self, question: str, limit: int, allowed: npt.NDArray[np.bool_] | None = None) -> Found:
        """`ranking_many` for one question."""
        return self.ranking_many([question], limit, allowed)[0]

    def ranking_many(
        self, questions: Sequence[str], limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[Found]:
        """Positions and scores of each question's best documents, best first, above zero; ties by position.

        Args:
            questions: in plain words.
            limit: how many at most.
            allowed: which documents may be found, shape [n].
        """
        return self.ranking_of([self._arrays.known(question) for question in questions], limit, allowed)

    def ranking_of(
        self, words: Sequence[Sequence[int]], limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[Found]:
        """`ranking_many` for questions given as the numbers of their words."""
        if not self.size:
            return [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)) for _ in words]
        barred = None if allowed is None else torch.from_numpy(~allowed).to(self._device)
        found: list[Found] = []
        with torch.inference_mode():
            for batch in self._batches(words):
                scores = self._summed(batch)
                if barred is not None:
                    scores.masked_fill_(barred, 0)
                positions, values = (part.cpu().numpy() for part in top(scores, limit, floor=0.0))
                counts = (values > 0).sum(axis=1)
                found += [(p[:n], v[:n]) for p, v, n in zip(positions, values, counts, strict=True)]
        return found

    def _batches(self, words: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        """Questions in order, as many together as there is room for their scores and their words' entries."""
        batch: list[Sequence[int]] = []
        room = CELLS
        for numbers in words:
            at = np.array(numbers, dtype=np.int64)
            cost = self.size + int((self._offsets[at + 1] - self._offsets[at]).sum())
            if batch and cost > room:
                yield batch
                batch, room = [], CELLS
            batch.append(numbers)
            room -= cost
        if batch:
            yield batch

    def _summed(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Every document's score for every question, shape [questions, n].

        First words are added first, then second ones: within one such step no cell is met twice, so that neither the
        order of a device's threads nor the batch can change a sum.
        """
        total = torch.zeros((len(batch), self.size), dtype=torch.float32, device=self._device)
        order = sorted((step, row, number) for row, numbers in enumerate(batch) for step, number in enumerate(numbers))
        if not order:
            return total
        steps, rows, numbers = np.array(order, dtype=np.int64).T
        starts, lengths = self._offsets[numbers], self._offsets[numbers + 1] - self._offsets[numbers]
        ends = np.cumsum(lengths)
        table = torch.from_numpy(np.stack([lengths, starts - (ends - lengths), rows * self.size])).to(self._device)
        spread = torch.repeat_interleave(table[1:], table[0], dim=1, output_size=int(ends[-1]))
        entries = torch.arange(int(ends[-1]), device=self._device) + spread[0]
        cells, added = self._rows[entries] + spread[1], self._scores[entries]
        bounds = [0, *ends[np.flatnonzero(np.diff(steps))].tolist(), int(ends[-1])]
        for start, end in pairwise(bounds):
            total.view(-1).index_add_(0, cells[start:end], added[start:end])
        return total


def top(scores: torch.Tensor, limit: int, *, floor: float = -torch.inf) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and values of each row's largest scores, largest first, ties by column.

    `torch.topk` says nothing of ties. Which ones it keeps only matters where the last score kept is also the first
    one left out; those rows are looked at again.

    Args:
        scores: shape [rows, n].
        limit: how many at most.
        floor: scores up to this one may come in any order; the caller drops them.

    Returns:
        Both of shape [rows, min(limit, n)].
    """
    size = scores.shape[1]
    values, columns = scores.topk(min(limit + 1, size), dim=1)
    if limit < size:
        cut = values[:, limit - 1]
        tied = torch.nonzero((cut == values[:, limit]) & (cut > floor)).flatten()
        values, columns = values[:, :limit], columns[:, :limit]
        if len(tied):
            columns[tied] = _first_of_equals(scores[tied], values[tied], columns[tied])
    columns, order = columns.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, order), values


def _first_of_equals(scores: torch.Tensor, values: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The columns of rows whose last values are tied, with the first ones of those equals put in."""
    kept, size = values.shape[1], scores.shape[1]
    cut = values[:, -1:]
    fewer = torch.arange(size, 0, -1, dtype=torch.int32, device=scores.device)
    equals = size - (fewer * (scores == cut)).topk(kept, dim=1).values.long()
    place = torch.arange(kept, device=scores.device) - (values > cut).sum(dim=1, keepdim=True)
    return torch.where(place < 0, columns, equals.gather(1, place.clamp(min=0)))


@contextmanager
def _full_float32() -> Iterator[None]:
    """Keeps matrix products in float32 in a process that lets them round to TF32 or bf16.

    The settings are the process's own; of two threads each would otherwise put back what the other had set.
    """
    settings: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with _PRECISION:
        before = [setting.fp32_precision for setting in settings]
        try:
            for setting in settings:
                setting.fp32_precision = "ieee"
            yield
        finally:
            for setting, was in zip(settings, before, strict=True):
                setting.fp32_precision = was
