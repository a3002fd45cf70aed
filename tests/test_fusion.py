"""Fusion of scores: what it promises for any rankings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.errors import UsageError
from gorilla_rag.index.fusion import SHARES, convex_combination

NAMES = ("bm25", "dense")
Rankings = dict[str, dict[int, float]]
ITEMS = st.integers(0, 20)
WORDS = st.dictionaries(ITEMS, st.floats(0.01, 60), max_size=12)
COSINES = st.dictionaries(ITEMS, st.floats(-1, 1), max_size=12)
rankings_of_items = st.fixed_dictionaries({}, optional={"bm25": WORDS, "dense": COSINES}).filter(bool)
weight_values = st.floats(0, 1e6).filter(lambda weight: weight == 0 or weight > 1e-6)


@given(rankings_of_items, st.dictionaries(st.sampled_from(NAMES), weight_values))
def test_the_order_of_the_retrievers_does_not_matter(rankings: Rankings, weights: dict[str, float]) -> None:
    weights = {name: weight for name, weight in weights.items() if name in rankings}
    backwards = dict(reversed(rankings.items()))
    assert convex_combination(rankings, weights) == convex_combination(backwards, weights)


@given(rankings_of_items, st.sampled_from(NAMES))
def test_a_weight_of_zero_equals_leaving_the_retriever_out(rankings: Rankings, name: str) -> None:
    without = {other: ranking for other, ranking in rankings.items() if other != name}
    weighted = convex_combination({**rankings, name: rankings.get(name, {1: 0.9, 2: 0.1})}, {name: 0})
    assert weighted == convex_combination(without)


@given(COSINES, WORDS, st.floats(0.01, 10))
def test_words_in_another_unit_change_nothing(dense: dict[int, float], words: dict[int, float], unit: float) -> None:
    fused = dict(convex_combination({"bm25": words, "dense": dense}))
    others = {item: unit * score for item, score in words.items()}
    assert dict(convex_combination({"bm25": others, "dense": dense})) == pytest.approx(fused)


@given(rankings_of_items, st.lists(weight_values, min_size=2, max_size=2))
def test_every_item_stands_once_best_first_and_ties_by_item(rankings: Rankings, values: list[float]) -> None:
    weights = {name: value for name, value in zip(NAMES, values, strict=True) if name in rankings}
    fused = convex_combination(rankings, weights)
    counted = [ranking for name, ranking in rankings.items() if weights[name]]
    assert sorted(item for item, _ in fused) == sorted({item for ranking in counted for item in ranking})
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))
    assert all(0 <= score <= 1 + 1e-12 for _, score in fused)


@given(COSINES.filter(bool))
def test_one_retriever_alone_keeps_its_order(ranking: dict[int, float]) -> None:
    fused = convex_combination({"dense": ranking})
    cosines = [ranking[item] for item, _ in fused]
    assert cosines == pytest.approx(sorted(ranking.values(), reverse=True), abs=1e-12)


def test_a_weight_that_is_not_given_is_one() -> None:
    rankings = {"bm25": {1: 9.0, 2: 5.0}, "dense": {2: 0.9, 3: 0.8}}
    assert convex_combination(rankings) == convex_combination(rankings, {"bm25": 1.0})


def test_the_formula_on_a_worked_example() -> None:
    fused = dict(convex_combination({"bm25": {7: 8.0, 8: 2.0}, "dense": {8: 0.6, 9: 0.2}}))
    words, vectors = SHARES["bm25"], SHARES["dense"]
    assert words + vectors == 1
    assert fused == pytest.approx({8: words / 4 + vectors, 7: words + vectors * 1.2 / 1.6, 9: vectors * 1.2 / 1.6})


def test_the_best_of_both_has_one() -> None:
    assert convex_combination({"bm25": {4: 3.0}, "dense": {4: 0.2, 5: 0.1}})[0] == (4, 1.0)


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 1.0])
def test_a_single_document_is_the_best_whatever_its_cosine(cosine: float) -> None:
    assert convex_combination({"dense": {3: cosine}}) == [(3, 1.0)]


@pytest.mark.parametrize("rankings", [{}, {"bm25": {}}, {"bm25": {}, "dense": {}}])
def test_nothing_found_fuses_to_nothing(rankings: Rankings) -> None:
    assert convex_combination(rankings) == []


def test_no_weight_at_all_finds_nothing() -> None:
    assert convex_combination({"bm25": {1: 2.0}, "dense": {1: 0.5}}, {"bm25": 0, "dense": 0}) == []


@pytest.mark.parametrize(
    "weights", [{"other": 1.0}, {"bm25": -0.1}, {"bm25": math.nan}, {"dense": math.inf}, {"dense": -math.inf}]
)
def test_a_weight_that_means_nothing_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="weights"):
        convex_combination({"bm25": {1: 1.0}, "dense": {2: 1.0}}, weights)


def test_a_changed_weight_changes_the_order() -> None:
    rankings = {"bm25": {1: 4.0, 2: 1.0}, "dense": {2: 0.6, 1: 0.3}}
    assert [item for item, _ in convex_combination(rankings, {"bm25": 20})] == [1, 2]
    assert [item for item, _ in convex_combination(rankings, {"dense": 20})] == [2, 1]
