"""Fusion of several retrievers' scores by a convex combination."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gorilla_rag.errors import UsageError

# How much each retriever counts, and the least score that it can give. The shares were chosen on training corpora, each
# searched by an encoder that hadn't seen it; docs/results/retriever.md has what they were chosen over.
SHARES = {"bm25": 0.15, "dense": 0.85}
_LEAST = {"bm25": 0.0, "dense": -1.0}


def convex_combination(
    rankings: Mapping[str, Mapping[int, float]], weights: Mapping[str, float] | None = None
) -> list[tuple[int, float]]:
    """Fuses rankings by the weighted mean of their scores, each put between 0, the least possible, and 1, the best.

    An item that only other retrievers found counts as the last that `dense` found, as every document has a cosine, and
    as the least possible of `bm25`. The order of the retrievers doesn't matter, and one of weight zero might as well
    not be there. Equal scores are ordered by item. Source: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for
    Hybrid Retrieval", ACM TOIS 2023 (arXiv 2210.11934), there TM2C2.

    Args:
        rankings: scores by item, by retriever (`bm25`, `dense`).
        weights: by retriever, times its share; 1 where not given.

    Returns:
        `(item, score)`, best first; scores are from 0 to 1.

    Raises:
        UsageError: a weight for a retriever that isn't there, or one that is negative or not finite.
    """
    weights = weights or {}
    if unknown := sorted(set(weights) - set(rankings)):
        raise UsageError(f"weights for {unknown}", hint=f"the retrievers are {', '.join(sorted(rankings))}")
    if wrong := {name: weight for name, weight in weights.items() if not 0 <= weight < math.inf}:
        raise UsageError(f"weights are {wrong}", hint="use finite numbers from zero up")
    shares = {name: SHARES[name] * weights.get(name, 1.0) for name in rankings}
    total = math.fsum(shares.values())
    counted = {name: ranking for name, ranking in rankings.items() if shares[name] and ranking}
    items = {item for ranking in counted.values() for item in ranking}
    scaled = {name: _scaled(ranking, items, name) for name, ranking in counted.items()}
    scores = {item: math.fsum(shares[name] * of[item] for name, of in scaled.items()) / total for item in items}
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _scaled(ranking: Mapping[int, float], items: set[int], name: str) -> dict[int, float]:
    """Each item's score from 0 to 1."""
    least, best = _LEAST[name], max(ranking.values())
    missing = min(ranking.values()) if name == "dense" else least
    width = best - least
    return {item: (ranking.get(item, missing) - least) / width if width > 0 else 1.0 for item in items}
