"""Dense search with FAISS over segments of unit vectors: flat, or HNSW or IVF where there are many.

Johnson, Douze, Jégou, "Billion-scale similarity search with GPUs", 2017; Malkov, Yashunin, "Efficient and robust
approximate nearest neighbor search using HNSW graphs", 2016. Scores are inner products of unit vectors: cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# FAISS's factory text by the number of vectors from which it is used; below the first row every vector is compared.
# The memory of its graph makes HNSW give way to inverted lists.
ANN_CHOICES = ((200_000, "HNSW32,Flat"), (5_000_000, "IVF16384,Flat"))
HNSW_SEARCH = 128
IVF_SEARCH = 64
# A filter that leaves less than this share is searched exactly: near a question there may be nothing that passes it.
NARROW = 0.05
BLOCK = 65_536


def ann_choice(count: int) -> str | None:
    """Which approximate index a segment of `count` vectors gets; `None` for exact search."""
    return next((factory for least, factory in reversed(ANN_CHOICES) if count >= least), None)


class DenseSearch(Protocol):
    """What an index asks of whatever searches its vectors."""

    def nearest(self, query: Vectors, limit: int, allowed: Mask | None = None) -> tuple[npt.NDArray[np.int64], Vectors]:
        """Vector numbers and cosines of the nearest, best first, as `DenseIndex.nearest` gives them."""
        ...

    def nearest_many(
        self, queries: Vectors, limit: int, allowed: Mask | None = None
    ) -> list[tuple[npt.NDArray[np.int64], Vectors]]:
        """`nearest` of each query (shape [queries, dimension]), one after the other where nothing else is said."""
        return [self.nearest(query, limit, allowed) for query in queries]


OpenDense = Callable[[Sequence[Path], Path | None, Mask], DenseSearch]
"""Opens a search over an index's vectors, with the arguments of `DenseIndex`."""


class DenseIndex(DenseSearch):
    """Nearest vectors by cosine.

    Args:
        segments: vector files of shape [m, dimension], float32, in order; vector numbers run through them.
        ann: an approximate index over the first segment, or `None`.
        used: which vectors belong to a document (shape [total]).
    """

    def __init__(self, segments: Sequence[Path], ann: Path | None, used: npt.NDArray[np.bool_]) -> None:
        self._paths, self._ann_path, self._used = tuple(segments), ann, used

    @cached_property
    def vectors(self) -> list[Vectors]:
        """The segments, memory-mapped."""
        return [np.load(path, mmap_mode="r", allow_pickle=False) for path in self._paths]

    @cached_property
    def _indexes(self) -> list[tuple[int, Any]]:
        """A FAISS index for each segment, with the number of its first vector."""
        import faiss

        made, start = [], 0
        for number, vectors in enumerate(self.vectors):
            if number == 0 and self._ann_path:
                index = faiss.read_index(str(self._ann_path))
            else:
                index = faiss.IndexFlatIP(vectors.shape[1])
                index.add(np.ascontiguousarray(vectors))
            made.append((start, index))
            start += len(vectors)
        return made

    def nearest(
        self, query: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], Vectors]:
        """Vector numbers and cosines of the nearest, best first.

        Args:
            query: one unit vector, shape [dimension].
            limit: how many at most.
            allowed: which vectors may be found, shape [total]; those of no document never are.
        """
        mask = self._used if allowed is None else self._used & allowed
        numbers: list[npt.NDArray[np.int64]] = []
        scores: list[Vectors] = []
        for (start, index), vectors in zip(self._indexes, self.vectors, strict=True):
            part = mask[start : start + index.ntotal]
            wanted = min(limit, int(part.sum()))
            if wanted and _is_approximate(index) and part.sum() < NARROW * len(part):
                found, cosines = _exact(vectors, query, np.flatnonzero(part), wanted)
                numbers.append(found + start)
                scores.append(cosines)
            elif wanted:
                cosines, found = index.search(query[None, :], wanted, params=_parameters(index, part, wanted))
                keep = found[0] >= 0
                numbers.append(found[0][keep] + start)
                scores.append(cosines[0][keep])
        if not numbers:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        joined, values = np.concatenate(numbers), np.concatenate(scores)
        order = np.lexsort((joined, -values))[:limit]
        return joined[order], values[order]


def write_ann(vectors: Vectors, path: Path) -> bool:
    """Writes an approximate index over a segment, if it is large enough for one; says whether it did."""
    factory = ann_choice(len(vectors))
    if factory is None:
        return False
    import faiss

    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    with path.open("wb") as file:  # FAISS's own writer doesn't see when a full disk refuses the last bytes
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    return True


def _is_approximate(index: Any) -> bool:
    import faiss

    return isinstance(index, faiss.IndexHNSW | faiss.IndexIVF)


def _exact(
    vectors: Vectors, query: Vectors, rows: npt.NDArray[np.int64], wanted: int
) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The nearest among some rows, and their cosines, every one compared."""
    blocks = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
    cosines = np.concatenate([vectors[block] @ query for block in blocks])
    best = np.argsort(-cosines, kind="stable")[:wanted]
    return rows[best], cosines[best]


def _parameters(index: Any, mask: npt.NDArray[np.bool_], wanted: int) -> Any:
    """How an index is searched: which of its vectors count, and how far an approximate one looks."""
    import faiss

    selector = None if mask.all() else faiss.IDSelectorBatch(np.flatnonzero(mask).astype(np.int64))
    if isinstance(index, faiss.IndexHNSW):
        passing = max(int(mask.sum()), 1) / len(mask)
        return faiss.SearchParametersHNSW(sel=selector, efSearch=int(max(HNSW_SEARCH, wanted) / passing))
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=selector, nprobe=IVF_SEARCH)
    return faiss.SearchParameters(sel=selector) if selector else None
