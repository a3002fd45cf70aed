"""Fusion of scores: what it promises for any rankings."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.errors import UsageError
from gorilla_rag.index import bm25
from gorilla_rag.index.fusion import SHARES, linear_combination

fused_of = partial(linear_combination, rarest=5.0)
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
    assert fused_of(rankings, weights) == fused_of(backwards, weights)


@given(rankings_of_items, st.sampled_from(NAMES))
def test_a_weight_of_zero_equals_leaving_the_retriever_out(rankings: Rankings, name: str) -> None:
    without = {other: ranking for other, ranking in rankings.items() if other != name}
    weighted = fused_of({**rankings, name: rankings.get(name, {1: 0.9, 2: 0.1})}, {name: 0})
    assert weighted == fused_of(without)


@given(COSINES, WORDS, st.floats(0.01, 10))
def test_words_and_their_unit_may_be_in_any_scale(
    dense: dict[int, float], words: dict[int, float], unit: float
) -> None:
    fused = dict(linear_combination({"bm25": words, "dense": dense}, rarest=5.0))
    others = {item: unit * score for item, score in words.items()}
    assert dict(linear_combination({"bm25": others, "dense": dense}, rarest=5.0 * unit)) == pytest.approx(fused)


@given(rankings_of_items, st.floats(1e-3, 1e3))
def test_weights_of_one_ratio_give_the_same_scores(rankings: Rankings, factor: float) -> None:
    weighted = dict(fused_of(rankings, dict.fromkeys(rankings, factor)))
    assert weighted == pytest.approx(dict(fused_of(rankings)))


@given(rankings_of_items, st.sets(ITEMS))
def test_a_score_depends_on_others_by_the_least_cosine_alone(rankings: Rankings, left_out: set[int]) -> None:
    least = {"dense": {99: -1.0}} if "dense" in rankings else {}
    whole = {name: ranking | least.get(name, {}) for name, ranking in rankings.items()}
    fewer = {name: {i: s for i, s in ranking.items() if i not in left_out} for name, ranking in whole.items()}
    before = dict(fused_of(whole))
    assert all(score == before[item] for item, score in fused_of(fewer))


def test_what_vectors_did_not_find_counts_as_the_last_that_they_did() -> None:
    words = {1: 5.0}
    assert dict(fused_of({"bm25": words, "dense": {2: 0.5}}))[1] == pytest.approx(0.5 + SHARES["bm25"])
    assert dict(fused_of({"bm25": words, "dense": {2: 0.5, 3: -0.1}}))[1] == pytest.approx(-0.1 + SHARES["bm25"])


@given(rankings_of_items, st.lists(weight_values, min_size=2, max_size=2))
def test_every_item_stands_once_best_first_and_ties_by_item(rankings: Rankings, values: list[float]) -> None:
    weights = {name: value for name, value in zip(NAMES, values, strict=True) if name in rankings}
    fused = fused_of(rankings, weights)
    counted = [ranking for name, ranking in rankings.items() if weights[name]]
    assert sorted(item for item, _ in fused) == sorted({item for ranking in counted for item in ranking})
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


@given(COSINES.filter(bool))
def test_one_retriever_alone_keeps_its_order(ranking: dict[int, float]) -> None:
    fused = fused_of({"dense": ranking})
    cosines = [ranking[item] for item, _ in fused]
    assert cosines == pytest.approx(sorted(ranking.values(), reverse=True), abs=1e-12)


def test_a_weight_that_is_not_given_is_one() -> None:
    rankings = {"bm25": {1: 9.0, 2: 5.0}, "dense": {2: 0.9, 3: 0.8}}
    assert fused_of(rankings) == fused_of(rankings, {"bm25": 1.0})


def test_the_formula_on_a_worked_example() -> None:
    rankings = {"bm25": {7: 8.0, 8: 2.0}, "dense": {8: 0.6, 9: 0.2}}
    words = SHARES["bm25"] / 4
    assert dict(linear_combination(rankings, rarest=4.0)) == pytest.approx(
        {8: 0.6 + 2 * words, 7: 0.2 + 8 * words, 9: 0.2}
    )


def test_few_words_in_common_leave_the_order_to_vectors() -> None:
    dense = {1: 0.6, 2: 0.55, 3: 0.5}
    assert [item for item, _ in fused_of({"bm25": {3: 0.4}, "dense": dense})] == [1, 2, 3]
    assert [item for item, _ in fused_of({"bm25": {3: 9.0}, "dense": dense})] == [3, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_no_word_adds_more_than_the_rarest_can(tmp_path: Path, count: int) -> None:
    documents = [["rare"] * 500, *([["other"]] * (count - 1))]
    names = [path.rename(tmp_path / f"bm25-0.{path.name}").name for path in bm25.write(tmp_path, documents)]
    scores = bm25.BM25(bm25.load(tmp_path, names), count).scores("rare")
    assert 0.4 * bm25.rarest(count) < scores[0] <= bm25.rarest(count)


def test_an_index_of_nothing_has_a_unit_too() -> None:
    assert bm25.rarest(0) > 0


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 1.0])
def test_cosines_alone_stay_as_they_are(cosine: float) -> None:
    assert fused_of({"dense": {3: cosine}}) == [(3, cosine)]


@pytest.mark.parametrize("rankings", [{}, {"bm25": {}}, {"bm25": {}, "dense": {}}])
def test_nothing_found_fuses_to_nothing(rankings: Rankings) -> None:
    assert fused_of(rankings) == []


def test_no_weight_at_all_finds_nothing() -> None:
    assert fused_of({"bm25": {1: 2.0}, "dense": {1: 0.5}}, {"bm25": 0, "dense": 0}) == []


@pytest.mark.parametrize(
    "weights", [{"other": 1.0}, {"bm25": -0.1}, {"bm25": math.nan}, {"dense": math.inf}, {"dense": -math.inf}]
)
def test_a_weight_that_means_nothing_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="weights"):
        fused_of({"bm25": {1: 1.0}, "dense": {2: 1.0}}, weights)


def test_a_changed_weight_changes_the_order() -> None:
    rankings = {"bm25": {1: 4.0, 2: 1.0}, "dense": {2: 0.6, 1: 0.3}}
    assert [item for item, _ in fused_of(rankings, {"bm25": 20})] == [1, 2]
    assert [item for item, _ in fused_of(rankings, {"dense": 20})] == [2, 1]
