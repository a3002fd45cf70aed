"""Reciprocal rank fusion: what it promises for any rankings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.errors import UsageError
from gorilla_rag.index.fusion import reciprocal_rank_fusion

NAMES = ("bm25", "dense", "third")
rankings_of_items = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.integers(0, 20), unique=True, max_size=12), min_size=1
)
weight_values = st.floats(0, 1e6, allow_nan=False)


@given(rankings_of_items, st.dictionaries(st.sampled_from(NAMES), weight_values))
def test_the_order_of_the_retrievers_does_not_matter(rankings: dict[str, list[int]], weights: dict[str, float]) -> None:
    weights = {name: weight for name, weight in weights.items() if name in rankings}
    backwards = dict(reversed(rankings.items()))
    assert reciprocal_rank_fusion(rankings, weights) == reciprocal_rank_fusion(backwards, weights)


@given(rankings_of_items, st.sampled_from(NAMES))
def test_a_weight_of_zero_equals_leaving_the_retriever_out(rankings: dict[str, list[int]], name: str) -> None:
    without = {other: ranking for other, ranking in rankings.items() if other != name}
    weighted = reciprocal_rank_fusion({**rankings, name: rankings.get(name, [1, 2])}, {name: 0})
    assert weighted == reciprocal_rank_fusion(without)


@given(rankings_of_items, st.lists(weight_values, min_size=3, max_size=3), st.integers(1, 100))
def test_a_score_is_the_sum_of_weight_over_k_plus_rank(
    rankings: dict[str, list[int]], values: list[float], k: int
) -> None:
    weights = {name: value for name, value in zip(NAMES, values, strict=True) if name in rankings}
    for item, score in reciprocal_rank_fusion(rankings, weights, k=k):
        parts = [weights[n] / (k + r.index(item) + 1) for n, r in rankings.items() if item in r]
        assert score == pytest.approx(math.fsum(parts), rel=1e-12)


@given(rankings_of_items)
def test_every_item_stands_once_best_first_and_ties_by_item(rankings: dict[str, list[int]]) -> None:
    fused = reciprocal_rank_fusion(rankings)
    assert sorted(item for item, _ in fused) == sorted({item for ranking in rankings.values() for item in ranking})
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def test_a_weight_that_is_not_given_is_one() -> None:
    rankings = {"bm25": [1, 2], "dense": [2, 3]}
    assert reciprocal_rank_fusion(rankings) == reciprocal_rank_fusion(rankings, {"bm25": 1.0})


def test_the_formula_on_a_worked_example() -> None:
    fused = dict(reciprocal_rank_fusion({"bm25": [7, 8], "dense": [8]}, {"dense": 2}, k=10))
    assert fused == pytest.approx({8: 1 / 12 + 2 / 11, 7: 1 / 11})
    assert list(fused) == [8, 7]


@pytest.mark.parametrize("rankings", [{}, {"bm25": []}, {"bm25": [], "dense": []}])
def test_nothing_found_fuses_to_nothing(rankings: dict[str, list[int]]) -> None:
    assert reciprocal_rank_fusion(rankings) == []


@pytest.mark.parametrize(
    "weights", [{"other": 1.0}, {"bm25": -0.1}, {"bm25": math.nan}, {"dense": math.inf}, {"dense": -math.inf}]
)
def test_a_weight_that_means_nothing_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="weights"):
        reciprocal_rank_fusion({"bm25": [1], "dense": [2]}, weights)


def test_a_changed_weight_changes_the_order() -> None:
    rankings = {"bm25": [1, 2], "dense": [2, 1]}
    heavy_words = reciprocal_rank_fusion(rankings, {"bm25": 3})
    heavy_vectors = reciprocal_rank_fusion(rankings, {"dense": 3})
    assert [item for item, _ in heavy_words] == [1, 2]
    assert [item for item, _ in heavy_vectors] == [2, 1]


def test_a_changed_k_changes_the_order() -> None:
    rankings = {"bm25": [1, 3, 4, 5, 2], "dense": [6, 7, 8, 9, 2]}
    assert reciprocal_rank_fusion(rankings, k=1)[0][0] == 1
    assert reciprocal_rank_fusion(rankings, k=60)[0][0] == 2
