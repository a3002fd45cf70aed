"""`Index`: opens, searches and changes an index on disk. Ties documents, BM25, dense vectors and fusion together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gorilla_rag import devices
from gorilla_rag.answer import Candidate, Hit, one_of
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import IndexCorrupt, IndexMismatch, UsageError
from gorilla_rag.index import bm25, manifest
from gorilla_rag.index.bm25 import Found
from gorilla_rag.index.dense import DenseIndex, DenseSearch, OpenDense
from gorilla_rag.index.fusion import linear_combination
from gorilla_rag.index.store import DocumentStore
from gorilla_rag.text import TEXT_VERSION, query_text

if TYPE_CHECKING:
    from gorilla_rag.index.device import TorchBM25

Retrieval = Literal["bm25", "dense", "hybrid"]
RETRIEVALS: tuple[Retrieval, ...] = get_args(Retrieval)
Filters = Mapping[str, str | Sequence[str]]
Prefer = Callable[[str, Sequence[str]], str]
POOL = 100
# Questions encoded and searched together: few enough that an encoder treats them as questions, not as a bulk of
# documents, which it may compute in less than float32.
BATCH = 256
Ordered = Sequence[tuple[int, float]]
"""Items with their scores, best first."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One retriever's ranking: items (calls or positions), each with its best position and score."""

    items: tuple[int, ...]
    positions: tuple[int, ...]
    scores: tuple[float, ...]


class Index:
    """A read-only view of an index; a change on disk is seen by opening it again.

    Args:
        folder: where the index lies.
        encoder: what made its vectors, or what makes that encoder when it is first needed.
        dense: opens what searches the vectors; by default FAISS, or with a device that.
        device: a torch device to search on, such as `cuda`; without one torch isn't imported.
        prefer: given a package and the versions of it that are documented, the one to search when no filter says
            which; by default all.

    Raises:
        IndexMissing, IndexCorrupt, IndexMismatch: from the constructor and from the first use of a damaged file.
        DeviceMissing: the device isn't there.
        ExtraMissing: a device is named and torch isn't installed.
    """

    def __init__(
        self,
        folder: str | Path,
        encoder: Callable[[], Encoder] | Encoder,
        *,
        dense: OpenDense | None = None,
        device: str | None = None,
        prefer: Prefer | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._prefer = prefer
        self._device = None if device is None else devices.find(device)
        self.manifest, self.store = _open(self.folder)
        self._encoder = encoder
        self._open_dense = dense
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
    def versions(self) -> Mapping[str, str]:
        """Of each package that is documented at several versions, the one that is searched by default."""
        if self._prefer is None:
            return {}
        return {package: self._prefer(package, versions) for package, versions in self.store.versions().items()}

    @cached_property
    def bm25(self) -> bm25.BM25 | TorchBM25:
        """BM25 over the documents, its files verified."""
        for name in self.manifest.bm25_files:
            manifest.verify(self.folder, name, self.manifest.files[name])
        arrays = bm25.load(self.folder, self.manifest.bm25_files)
        if self._device is None:
            return bm25.BM25(arrays, len(self))
        from gorilla_rag.index.device import TorchBM25

        return TorchBM25(arrays, len(self), self._device)

    @cached_property
    def segments(self) -> tuple[Path, ...]:
        """The files of vectors, verified; vector numbers run through them in order."""
        for name in self.manifest.segments:
            manifest.verify(self.folder, name, self.manifest.files[name])
        return tuple(self.folder / name for name in self.manifest.segments)

    @cached_property
    def dense(self) -> DenseSearch:
        """Search over the vectors, their files verified."""
        if self.manifest.ann:
            manifest.verify(self.folder, self.manifest.ann, self.manifest.files[self.manifest.ann])
        used = np.zeros(self.manifest.counts["vectors"], dtype=np.bool_)
        used[self.store.layout.vectors] = True
        ann = self.folder / self.manifest.ann if self.manifest.ann else None
        if self._open_dense:
            return self._open_dense(self.segments, ann, used)
        if self._device is None:
            return DenseIndex(self.segments, ann, used)
        from gorilla_rag.index.device import TorchDense

        return TorchDense.load(self.segments, used, self._device)

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

        Every retriever ranks distinct calls, each by its best document, and their scores are fused: a call that is
        documented often neither gains by it nor pushes others out.

        Args:
            question: in plain words.
            mode: which retriever, or both fused.
            k: how many calls; more than there are gives all that were found.
            filters: by `provider`, `domain`, `kind`, `package`, `version`, `id`; a value or several.
            weights: of `bm25` and `dense` in the fusion, times their shares; 1 by default.

        Raises:
            UsageError: an empty question, `k` below one, an unknown mode or filter, a wrong weight.
        """
        return self.candidates_many([question], mode=mode, k=k, filters=filters, weights=weights)[0]

    def candidates_many(
        self,
        questions: Sequence[str],
        *,
        mode: Retrieval = "hybrid",
        k: int = 5,
        filters: Filters | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[list[Candidate]]:
        """`candidates` of each question, encoded and searched together; what a device is for."""
        found = self._ranked(questions, mode, k, filters or {}, weights, distinct=True)
        return [[Candidate((hit,)) for hit in self._hits(*ranked)] for ranked in found]

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
        (ranked,) = self._ranked([question], mode, k, filters or {}, weights, distinct=distinct)
        return self._hits(*ranked)

    def ids(self, question: str, *, mode: Retrieval = "hybrid", k: int = 5, distinct: bool = True) -> list[str]:
        """Ids of the documents that `search` finds, best first, without reading the documents. Raises what it does."""
        (ranked,) = self._ranked([question], mode, k, {}, None, distinct=distinct)
        return [self.store.ids[position] for position, _ in _places(*ranked)]

    def _hits(self, ordered: Ordered, rankings: Mapping[str, Ranking]) -> list[Hit]:
        """Ranked items as documents."""
        places = _places(ordered, rankings)
        docs = self.store.documents([position for position, _ in places])
        rows = zip(docs, ordered, places, strict=True)
        return [Hit(doc, score, rank, found) for rank, (doc, (_, score), (_, found)) in enumerate(rows, start=1)]

    def _ranked(
        self,
        questions: Sequence[str],
        mode: Retrieval,
        k: int,
        filters: Filters,
        weights: Mapping[str, float] | None,
        *,
        distinct: bool,
    ) -> list[tuple[Ordered, Mapping[str, Ranking]]]:
        """Of each question, the items found, each with its score, best first; and each retriever's ranking."""
        one_of(mode, RETRIEVALS, "mode")
        texts = [query_text(question) for question in questions]
        if not all(texts):
            raise UsageError("the question is empty", hint="ask in plain words what you need")
        if k < 1:
            raise UsageError(f"k is {k}", hint="ask for one or more")
        if weights and mode != "hybrid":
            raise UsageError(f"weights given for mode {mode!r}", hint="weights only change the fused mode, hybrid")
        allowed = self.store.mask(filters, {} if "version" in filters else self.versions)
        names = ("bm25", "dense") if mode == "hybrid" else (mode,)
        found: list[tuple[Ordered, Mapping[str, Ranking]]] = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            rankings = {name: self._rankings(name, batch, max(k, POOL), allowed, distinct) for name in names}
            each = (dict(zip(names, own, strict=True)) for own in zip(*rankings.values(), strict=True))
            found += [_fused(own, weights, k, bm25.rarest(len(self))) for own in each]
        return found

    def _rankings(
        self, name: str, texts: Sequence[str], wanted: int, allowed: npt.NDArray[np.bool_] | None, distinct: bool
    ) -> list[Ranking]:
        """One retriever's ranking for each text, deep enough for `wanted` items, or all there are."""
        search = self._by_words if name == "bm25" else self._by_vectors
        limit = 2 * wanted
        made: dict[int, Ranking] = {}
        while left := [number for number in range(len(texts)) if number not in made]:
            found = search([texts[number] for number in left], limit, allowed)
            for number, (positions, scores) in zip(left, found, strict=True):
                items = self.store.layout.calls[positions] if distinct else positions
                _, first = np.unique(items, return_index=True)
                if len(first) >= wanted or len(positions) < limit:
                    kept = np.sort(first)[:wanted]
                    columns = items[kept].tolist(), positions[kept].tolist(), scores[kept].tolist()
                    made[number] = Ranking(*map(tuple, columns))
            limit *= 4
        return [made[number] for number in range(len(texts))]

    def _by_words(self, texts: Sequence[str], limit: int, allowed: npt.NDArray[np.bool_] | None) -> list[Found]:
        return self.bm25.ranking_many(texts, limit, allowed)

    def _by_vectors(self, texts: Sequence[str], limit: int, allowed: npt.NDArray[np.bool_] | None) -> list[Found]:
        """Positions by cosine; documents of one text share a vector, so there may be more than `limit`."""
        if not len(self):
            return [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))] * len(texts)
        vectors = self.store.layout.vectors
        mask = None
        if allowed is not None:
            mask = np.zeros(self.manifest.counts["vectors"], dtype=np.bool_)
            mask[vectors[allowed]] = True
        found = self.dense.nearest_many(self._encoded(texts), limit, mask)
        return [self._positions(numbers, cosines, allowed) for numbers, cosines in found]

    def _positions(
        self, numbers: npt.NDArray[np.int64], cosines: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_] | None
    ) -> Found:
        """The documents of some vectors, best first."""
        order, begins = self._by_number
        counts = begins[numbers + 1] - begins[numbers]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        positions = order[np.repeat(begins[numbers], counts) + within]
        scores = np.repeat(np.round(cosines, 6), counts)
        if allowed is not None:
            positions, scores = positions[allowed[positions]], scores[allowed[positions]]
        ranked = np.lexsort((positions, -scores))
        return positions[ranked], scores[ranked]

    @cached_property
    def _by_number(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Positions in the order of their vectors' numbers, and where each number's begin (the last one's end too)."""
        vectors = self.store.layout.vectors
        counts = np.bincount(vectors, minlength=self.manifest.counts["vectors"])
        return np.argsort(vectors, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    def _encoded(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of texts; the last ones are kept, for the next retriever or a deeper look."""
        known, vectors = self._last
        if not set(texts) <= known.keys():
            vectors = self.encoder.encode(texts, kind="query")
            known = {text: row for row, text in enumerate(texts)}
            self._last = known, vectors
        return vectors[[known[text] for text in texts]]

    _last: tuple[dict[str, int], npt.NDArray[np.float32]] = ({}, np.empty(0, dtype=np.float32))


def _fused(
    rankings: Mapping[str, Ranking], weights: Mapping[str, float] | None, k: int, rarest: float
) -> tuple[Ordered, Mapping[str, Ranking]]:
    """The best items of one retriever, or of several fused, and the rankings that count."""
    if len(rankings) == 1:
        (only,) = rankings.values()
        return list(zip(only.items, only.scores, strict=True))[:k], rankings
    scores = {name: dict(zip(ranking.items, ranking.scores, strict=True)) for name, ranking in rankings.items()}
    ordered = linear_combination(scores, weights, rarest=rarest)[:k]
    return ordered, {name: ranking for name, ranking in rankings.items() if (weights or {}).get(name, 1)}


def _places(ordered: Ordered, rankings: Mapping[str, Ranking]) -> list[tuple[int, dict[str, tuple[int, float]]]]:
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
    """Raises `IndexMismatch` unless `encoder` is the one that made the index's vectors, whatever it is called."""
    wanted, given = dict(found.encoder), identity(encoder)
    if any(wanted[key] != given[key] for key in ("sha256", "dimension")):
        raise IndexMismatch(
            f"{folder} was made with encoder {_named(wanted)}, this one is {_named(given)}",
            hint="use that encoder, or build the index again with `gorilla-rag index build`",
        )


def _named(encoder: Mapping[str, Any]) -> str:
    place = f" from {encoder['source']}" if "source" in encoder else ""
    return f"{encoder['id']}{place} ({encoder['sha256'][:12]}, {encoder['dimension']} dimensions)"


def identity(encoder: Encoder) -> dict[str, Any]:
    """What a manifest records of an encoder; where it is found only if its name doesn't say it."""
    found = {"id": encoder.id, "sha256": encoder.sha256, "dimension": encoder.dimension}
    return found | {"source": encoder.source} if encoder.source not in ("", encoder.id) else found


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
