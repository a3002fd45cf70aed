"""Reciprocal rank fusion of several retrievers' rankings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gorilla_rag.errors import UsageError

# 60 in the paper, for fusing many systems. With two retrievers, 10 puts the right document among the first five more
# often on MetaTool, API Zoo and Seal-Tools alike (.830 against .814 on average).
RRF_K = 10


def reciprocal_rank_fusion(
    rankings: Mapping[str, Sequence[int]], weights: Mapping[str, float] | None = None, *, k: int = RRF_K
) -> list[tuple[int, float]]:
    """Fuses rankings by the sum of `weight / (k + rank)`, ranks counted from 1.

    The order of the retrievers doesn't matter, and one of weight zero might as well not be there. Equal scores are
    ordered by item. Source: Cormack, Clarke, Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods", SIGIR 2009.

    Args:
        rankings: items by retriever, best first, each once.
        weights: by retriever; 1 where not given.
        k: how much the first ranks count less.

    Returns:
        `(item, score)`, best first.

    Raises:
        UsageError: a weight for a retriever that isn't there, or one that is negative or not finite.
    """
    weights = weights or {}
    if unknown := sorted(set(weights) - set(rankings)):
        raise UsageError(f"weights for {unknown}", hint=f"the retrievers are {', '.join(sorted(rankings))}")
    if wrong := {name: weight for name, weight in weights.items() if not 0 <= weight < math.inf}:
        raise UsageError(f"weights are {wrong}", hint="use finite numbers from zero up")
    parts: dict[int, list[float]] = {}
    for name, ranking in rankings.items():
        weight = weights.get(name, 1.0)
        for rank, item in enumerate(ranking, start=1) if weight else ():
            parts.setdefault(item, []).append(weight / (k + rank))
    scores = {item: math.fsum(found) for item, found in parts.items()}
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
