"""Ways of fusing a ranking by words with one by vectors, over calls; what each gives is the business of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gorilla_rag.answer import Candidate
from gorilla_rag.index.fusion import SHARES, linear_combination

Ranking = Mapping[str, float]
"""Scores by call, best first."""
Fuse = Callable[[Ranking, Ranking, float], Mapping[str, float]]
"""Scores by call, from those by words and those by vectors, and the most that one word adds to the former."""


def reciprocal(k: float, dense: float) -> Fuse:
    """Reciprocal rank fusion, vectors counting `dense` times as much as words.

    Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009 (which has k = 60).
    """

    def fuse(words: Ranking, vectors: Ranking, _: float) -> Mapping[str, float]:
        made: dict[str, float] = {}
        for ranking, weight in ((words, 1.0), (vectors, dense)):
            for rank, key in enumerate(ranking, start=1):
                made[key] = made.get(key, 0.0) + weight / (k + rank)
        return made

    return fuse


def linear(share: float) -> Fuse:
    """The sum that the index makes, with so much for the rarest word in common."""

    weights = {"bm25": share / SHARES["bm25"]}

    def fuse(words: Ranking, vectors: Ranking, rarest: float) -> Mapping[str, float]:
        number = {key: place for place, key in enumerate(dict.fromkeys((*vectors, *words)))}
        numbered = {
            name: {number[key]: score for key, score in ranking.items()}
            for name, ranking in (("bm25", words), ("dense", vectors))
        }
        keys = list(number)
        return {keys[item]: score for item, score in linear_combination(numbered, weights, rarest=rarest)}

    return fuse


def convex(share: float) -> Fuse:
    """A convex combination of scores, each between its least possible value and the question's best.

    Source: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023 (TM2C2).
    """

    def fuse(words: Ranking, vectors: Ranking, _: float) -> Mapping[str, float]:
        most = max(words.values(), default=1.0)
        best, least = max(vectors.values(), default=1.0), -1.0
        low = min(vectors.values(), default=0.0)
        keys = dict.fromkeys((*vectors, *words))
        return {
            key: share * (vectors.get(key, low) - least) / (best - least) + (1 - share) * words.get(key, 0.0) / most
            for key in keys
        }

    return fuse


def stretched(share: float) -> Fuse:
    """A convex combination of scores, each stretched to 0 to 1 over the pool."""

    def fuse(words: Ranking, vectors: Ranking, _: float) -> Mapping[str, float]:
        return {
            key: share * _stretch(vectors, key) + (1 - share) * _stretch(words, key)
            for key in dict.fromkeys((*vectors, *words))
        }

    return fuse


def _stretch(ranking: Ranking, key: str) -> float:
    if key not in ranking:
        return 0.0
    values = list(ranking.values())
    return (ranking[key] - values[-1]) / (values[0] - values[-1]) if values[0] > values[-1] else 1.0


WAYS: Mapping[str, Fuse] = {
    "words alone": lambda words, *_: words,
    "vectors alone": lambda _words, vectors, _rarest: vectors,
    **{f"linear {share}": linear(share) for share in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)},
    **{f"reciprocal k={k} dense={d}": reciprocal(k, d) for k in (5, 10, 30, 60) for d in (1, 1.5, 2, 3, 5)},
    **{f"convex {share}": convex(share) for share in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975)},
    **{f"stretched {share}": stretched(share) for share in (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)},
}


def ordered(scores: Mapping[str, float]) -> list[str]:
    """Calls, best first; equal ones by name."""
    return sorted(scores, key=lambda key: (-scores[key], key))


def ranking(candidates: Sequence[Candidate]) -> Ranking:
    """What one retriever found."""
    return {candidate.doc.call_key: candidate.score for candidate in candidates}
