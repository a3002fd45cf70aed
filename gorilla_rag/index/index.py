"""`Index`: opens, searches and changes an index on disk. Ties documents, BM25, dense vectors and fusion together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gorilla_rag.answer import Candidate, Hit, one_of
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import IndexCorrupt, IndexMismatch, UsageError
from gorilla_rag.index import bm25, manifest
from gorilla_rag.index.dense import DenseIndex
from gorilla_rag.index.fusion import reciprocal_rank_fusion
from gorilla_rag.index.store import DocumentStore
from gorilla_rag.text import TEXT_VERSION, query_text

Retrieval = Literal["bm25", "dense", "hybrid"]
RETRIEVALS: tuple[Retrieval, ...] = get_args(Retrieval)
Filters = Mapping[str, str | Sequence[str]]
POOL = 100


@dataclass(frozen=True, slots=True)
class Ranking:
    """One retriever's ranking: items (calls or positions), each with its best position and score."""

    items: tuple[int, ...]
    positions: tuple[int, ...]
    scores: tuple[float, ...]


class Index:
    """A read-only view of an index; a change on disk is seen by opening it again.

    Raises:
        IndexMissing, IndexCorrupt, IndexMismatch: from the constructor and from the first use of a damaged file.
    """

    def __init__(self, folder: str | Path, encoder: Callable[[], Encoder] | Encoder) -> None:
        self.folder = Path(folder)
        self.manifest, self.store = _open(self.folder)
        self._encoder = encoder
        check_layout(self.folder, self.manifest)

    def __len__(self) -> int:
        return len(self.store.ids)

    def close(self) -> None:
        """Lets go of the files."""
        self.store.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, checked against the one that made the vectors.

        Raises:
            IndexMismatch: another encoder.
        """
        encoder = self._encoder() if callable(self._encoder) else self._encoder
        check_encoder(self.folder, self.manifest, encoder)
        return encoder

    @cached_property
    def bm25(self) -> bm25.BM25:
        """BM25 over the documents, its files verified."""
        for name in self.manifest.bm25_files:
            manifest.verify(self.folder, name, self.manifest.files[name])
        return bm25.BM25(self.folder, self.manifest.bm25_files, len(self))

    @cached_property
    def dense(self) -> DenseIndex:
        """The vectors, their files verified."""
        names = [*self.manifest.segments, *([self.manifest.ann] if self.manifest.ann else [])]
        for name in names:
            manifest.verify(self.folder, name, self.manifest.files[name])
        used = np.zeros(self.manifest.counts["vectors"], dtype=np.bool_)
        used[self.store.layout.vectors] = True
        ann = self.folder / self.manifest.ann if self.manifest.ann else None
        return DenseIndex([self.folder / name for name in self.manifest.segments], ann, used)

    def candidates(
        self,
        question: str,
        *,
        mode: Retrieval = "hybrid",
        k: int = 5,
        filters: Filters | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Candidate]:
        """The best distinct calls, best first.

        Every retriever ranks distinct calls, each by its best document, and the ranks are fused: a call that is
        documented often neither gains by it nor pushes others out.

        Args:
            question: in plain words.
            mode: which retriever, or both fused.
            k: how many calls; more than there are gives all that were found.
            filters: by `provider`, `domain`, `kind`, `package`, `version`; a value or several.
            weights: of `bm25` and `dense` in the fusion; 1 by default.

        Raises:
            UsageError: an empty question, `k` below one, an unknown mode or filter, a wrong weight.
        """
        found = self._search(question, mode, k, filters or {}, weights, distinct=True)
        return [Candidate((hit,)) for hit in found]

    def search(
        self,
        question: str,
        *,
        mode: Retrieval = "hybrid",
        k: int = 5,
        filters: Filters | None = None,
        weights: Mapping[str, float] | None = None,
        distinct: bool = True,
    ) -> list[Hit]:
        """The best documents, best first: one of each call, or (`distinct=False`) all of them by themselves.

        Arguments and errors are those of `candidates`.
        """
        return self._search(question, mode, k, filters or {}, weights, distinct=distinct)

    def ids(self, question: str, *, mode: Retrieval = "hybrid", k: int = 5, distinct: bool = True) -> list[str]:
        """Ids of the documents that `search` finds, best first, without reading the documents. Raises what it does."""
        ordered, rankings = self._ranked(question, mode, k, {}, None, distinct=distinct)
        return [self.store.ids[position] for position, _ in _places(ordered, rankings)]

    def _search(
        self,
        question: str,
        mode: Retrieval,
        k: int,
        filters: Filters,
        weights: Mapping[str, float] | None,
        *,
        distinct: bool,
    ) -> list[Hit]:
        ordered, rankings = self._ranked(question, mode, k, filters, weights, distinct=distinct)
        places = _places(ordered, rankings)
        docs = self.store.documents([position for position, _ in places])
        rows = zip(docs, ordered, places, strict=True)
        return [Hit(doc, score, rank, found) for rank, (doc, (_, score), (_, found)) in enumerate(rows, start=1)]

    def _ranked(
        self,
        question: str,
        mode: Retrieval,
        k: int,
        filters: Filters,
        weights: Mapping[str, float] | None,
        *,
        distinct: bool,
    ) -> tuple[Sequence[tuple[int, float]], Mapping[str, Ranking]]:
        """The items found, each with its score, best first; and each retriever's ranking."""
        one_of(mode, RETRIEVALS, "mode")
        text = query_text(question)
        if not text:
            raise UsageError("the question is empty", hint="ask in plain words what you need")
        if k < 1:
            raise UsageError(f"k is {k}", hint="ask for one or more")
        if weights and mode != "hybrid":
            raise UsageError(f"weights given for mode {mode!r}", hint="weights only change the fused mode, hybrid")
        allowed = self.store.mask(filters)
        names = ("bm25", "dense") if mode == "hybrid" else (mode,)
        rankings = {name: self._ranking(name, text, max(k, POOL), allowed, distinct) for name in names}
        if mode == "hybrid":
            ordered = reciprocal_rank_fusion({n: r.items for n, r in rankings.items()}, weights)[:k]
            rankings = {name: ranking for name, ranking in rankings.items() if (weights or {}).get(name, 1)}
        else:
            ordered = list(zip(rankings[mode].items, rankings[mode].scores, strict=True))[:k]
        return ordered, rankings

    def _ranking(
        self, name: str, text: str, wanted: int, allowed: npt.NDArray[np.bool_] | None, distinct: bool
    ) -> Ranking:
        """One retriever's ranking, deep enough for `wanted` items, or all there are."""
        search = self._by_words if name == "bm25" else self._by_vectors
        limit = 2 * wanted
        while True:
            positions, scores = search(text, limit, allowed)
            items = self.store.layout.calls[positions] if distinct else positions
            _, first = np.unique(items, return_index=True)
            if len(first) >= wanted or len(positions) < limit:
                kept = np.sort(first)[:wanted]
                columns = items[kept].tolist(), positions[kept].tolist(), scores[kept].tolist()
                return Ranking(*map(tuple, columns))
            limit *= 4

    def _by_words(
        self, text: str, limit: int, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        return self.bm25.ranking(text, limit, allowed)

    def _by_vectors(
        self, text: str, limit: int, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Positions by cosine; documents of one text share a vector, so there may be more than `limit`."""
        if not len(self):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        query = self._encoded(text)
        vectors = self.store.layout.vectors
        mask = None
        if allowed is not None:
            mask = np.zeros(self.manifest.counts["vectors"], dtype=np.bool_)
            mask[vectors[allowed]] = True
        numbers, cosines = self.dense.nearest(query, limit, mask)
        score = np.full(self.manifest.counts["vectors"], -np.inf, dtype=np.float32)
        score[numbers] = np.round(cosines, 6)
        by_position = score[vectors]
        if allowed is not None:
            by_position[~allowed] = -np.inf
        return bm25.best(by_position, len(by_position))

    def _encoded(self, text: str) -> npt.NDArray[np.float32]:
        if self._last[0] != text:
            self._last = (text, self.encoder.encode([text])[0])
        return self._last[1]

    _last: tuple[str, npt.NDArray[np.float32]] = ("", np.empty(0, dtype=np.float32))


def _places(
    ordered: Sequence[tuple[int, float]], rankings: Mapping[str, Ranking]
) -> list[tuple[int, dict[str, tuple[int, float]]]]:
    """Of each item, the position of its document, and each retriever's rank and score.

    The document is the one that its best-ranking retriever put first.
    """
    places = {name: {item: rank for rank, item in enumerate(r.items)} for name, r in rankings.items()}
    made = []
    for item, _ in ordered:
        at = {name: place[item] for name, place in places.items() if item in place}
        best = min(at, key=lambda name: (at[name], name))
        found = {name: (rank + 1, rankings[name].scores[rank]) for name, rank in at.items()}
        made.append((rankings[best].positions[at[best]], found))
    return made


def check_layout(folder: Path, found: manifest.Manifest) -> None:
    """Raises `IndexMismatch` unless the index was made from the texts and with the BM25 of this version."""
    if found.text != TEXT_VERSION or dict(found.bm25) != bm25.PARAMETERS:
        raise IndexMismatch(
            f"{folder} was made with text layout {found.text} and BM25 {dict(found.bm25)}; "
            f"this version uses {TEXT_VERSION} and {bm25.PARAMETERS}",
            hint="build it again with `gorilla-rag index build`",
        )


def check_encoder(folder: Path, found: manifest.Manifest, encoder: Encoder) -> None:
    """Raises `IndexMismatch` unless `encoder` is the one that made the index's vectors."""
    wanted = dict(found.encoder)
    given = identity(encoder)
    if wanted != given:
        raise IndexMismatch(
            f"{folder} was made with encoder {_named(wanted)}, this one is {_named(given)}",
            hint="use that encoder, or build the index again with `gorilla-rag index build`",
        )


def _named(encoder: Mapping[str, Any]) -> str:
    return f"{encoder['id']} ({encoder['sha256'][:12]}, {encoder['dimension']} dimensions)"


def identity(encoder: Encoder) -> dict[str, Any]:
    """What a manifest records of an encoder."""
    return {"id": encoder.id, "sha256": encoder.sha256, "dimension": encoder.dimension}


def _open(folder: Path) -> tuple[manifest.Manifest, DocumentStore]:
    """The manifest with its documents; once more when a writer replaced both in between."""
    found = manifest.read(folder)
    try:
        manifest.verify(folder, found.documents, found.files[found.documents])
    except IndexCorrupt:
        again = manifest.read(folder)
        if again == found:
            raise
        found = again
        manifest.verify(folder, found.documents, found.files[found.documents])
    return found, DocumentStore(folder / found.documents)
