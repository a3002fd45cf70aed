"""Fusion of several retrievers' scores by a linear combination."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gorilla_rag.errors import UsageError

# What a cosine of 1, and the most that the index's rarest word can give, add to the sum. The second was chosen on
# corpora of which the encoder had seen no question; docs/results/retriever.md has what it was chosen over.
SHARES = {"bm25": 0.2, "dense": 1.0}


def linear_combination(
    rankings: Mapping[str, Mapping[int, float]], weights: Mapping[str, float] | None = None, *, rarest: float
) -> list[tuple[int, float]]:
    """Fuses rankings by a weighted sum of their scores.

    Cosines count as they are, BM25's scores in units of the most that the rarest word can give. Neither is stretched to
    a question's best: a question that shares few words with any document is decided by vectors, however its best BM25
    score compares with its others. An item that only BM25 found counts as the last that `dense` found, as every
    document has a cosine; one that only `dense` found has no BM25 score. The order of the retrievers doesn't matter,
    one of weight zero might as well not be there, and weights of one ratio give the same scores. Equal scores are
    ordered by item. Source: Wang, Zhuang, Zuccon, "BERT-based Dense Retrievers Require Interpolation with BM25 for
    Effective Passage Retrieval", ICTIR 2021.

    Args:
        rankings: scores by item, by retriever (`bm25`, `dense`).
        weights: by retriever, times its share; 1 where not given.
        rarest: the most that one word can add to a BM25 score, above zero.

    Returns:
        `(item, score)`, best first; without weights a score is a cosine and at most `SHARES["bm25"]` for each word of
        the question, so that it may be below zero or above one.

    Raises:
        UsageError: a weight for a retriever that isn't there, or one that is negative or not finite.
    """
    weights = weights or {}
    if unknown := sorted(set(weights) - set(rankings)):
        raise UsageError(f"weights for {unknown}", hint=f"the retrievers are {', '.join(sorted(rankings))}")
    if wrong := {name: weight for name, weight in weights.items() if not 0 <= weight < math.inf}:
        raise UsageError(f"weights are {wrong}", hint="use finite numbers from zero up")
    weighted = {name: SHARES[name] * weights.get(name, 1.0) for name in rankings}
    heavy = [name for name in rankings if weighted[name]]
    counted = {name: rankings[name] for name in heavy if rankings[name]}
    norm = math.fsum(weighted.values()) / math.fsum(SHARES[name] for name in heavy) if heavy else 1.0
    units = {"bm25": rarest, "dense": 1.0}
    shares = {name: weighted[name] / norm / units[name] for name in counted}
    missing = {name: min(ranking.values()) if name == "dense" else 0.0 for name, ranking in counted.items()}
    scores = {
        item: math.fsum(shares[name] * ranking.get(item, missing[name]) for name, ranking in counted.items())
        for item in dict.fromkeys(item for ranking in counted.values() for item in ranking)
    }
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
