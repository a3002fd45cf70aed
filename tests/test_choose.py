"""Who chooses among the candidates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.answer import CHOOSERS, MODES, Candidate, Chooser, Hit, Mode
from gorilla_rag.choose import FITS, TEMPERATURES, Choice, choose, fit, softmax
from tests.conftest import make_doc

LOGITS = st.lists(st.floats(-1000, 1000), min_size=1, max_size=12)
SCORES = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=9)


def candidates(*scores: float) -> list[Candidate]:
    """Candidates with those retrieval scores."""
    return [Candidate((Hit(make_doc(n), score, n + 1),)) for n, score in enumerate(scores)]


def chosen(
    chooser: Chooser, scores: list[float], labels: list[float] | None = None, weight: float = 0, mode: Mode = "dense"
) -> Choice:
    """What is chosen among candidates with those scores and label log-probabilities."""
    return choose(candidates(*scores), mode=mode, chooser=chooser, log_probabilities=labels, weight=weight)


@settings(deadline=None)
@given(LOGITS)
def test_softmax_adds_up_to_one_and_keeps_the_order(logits: list[float]) -> None:
    found = softmax(logits)
    assert math.isclose(math.fsum(found), 1)
    assert all(found[a] <= found[b] for a in range(len(found)) for b in range(len(found)) if logits[a] <= logits[b])


def test_softmax_is_in_proportion_to_exponentials_however_large() -> None:
    assert softmax([0.0, math.log(3)]) == pytest.approx((0.25, 0.75))
    assert softmax([10_000.0, 10_000.0]) == (0.5, 0.5)
    assert softmax([0.0, -math.inf]) == (1.0, 0.0)


def test_the_retriever_takes_the_best_score_whatever_the_model_says() -> None:
    assert chosen("retriever", [0.1, 0.9, 0.5], [0.0, -9.0, -9.0], weight=100).number == 1


def test_the_model_takes_the_best_label_whatever_the_retriever_says() -> None:
    found = chosen("model", [0.9, 0.5, 0.1], [math.log(0.2), math.log(0.3), math.log(0.5)])
    assert found.number == 2
    assert found.probabilities == pytest.approx((0.2, 0.3, 0.5))
    assert found.confidence == pytest.approx(0.5)


@settings(deadline=None)
@given(SCORES, st.sampled_from(MODES))
def test_joint_without_weight_is_the_retrievers_choice(scores: list[tuple[int, int]], mode: Mode) -> None:
    retrieval, labels = [s / 50 for s, _ in scores], [float(label) for _, label in scores]
    assert chosen("joint", retrieval, labels, 0, mode) == chosen("retriever", retrieval, mode=mode)


@settings(deadline=None)
@given(SCORES, st.sampled_from(MODES))
def test_joint_with_a_large_weight_is_the_models_choice(scores: list[tuple[int, int]], mode: Mode) -> None:
    retrieval = [s / 50 for s, _ in scores]
    # Labels that differ: among equal ones the retriever decides.
    labels = [label + n / 100 for n, (_, label) in enumerate(scores)]
    assert chosen("joint", retrieval, labels, 1e6, mode).number == chosen("model", retrieval, labels).number


def test_joint_adds_the_weighted_label_to_the_score() -> None:
    unit = TEMPERATURES["dense"]
    scores, labels = [3 * unit, 2 * unit], [-2.0, 0.0]
    assert [chosen("joint", scores, labels, weight).number for weight in (0.0, 0.4, 0.6, 1.0)] == [0, 0, 1, 1]
    assert chosen("joint", scores, labels, 1.0).probabilities == pytest.approx(softmax([1.0, 2.0]))


@pytest.mark.parametrize("chooser", CHOOSERS)
def test_ties_go_to_the_earlier(chooser: Chooser) -> None:
    found = chosen(chooser, [0.2, 0.5, 0.5], [-2.0, -1.0, -1.0], weight=0.5)
    assert found.number == 1
    assert found.probabilities[1] == found.probabilities[2]


@pytest.mark.parametrize("chooser", CHOOSERS)
def test_a_single_candidate_is_certain(chooser: Chooser) -> None:
    assert chosen(chooser, [0.3], [-4.0], weight=1).confidence == 1


@settings(deadline=None)
@given(SCORES, st.sampled_from(CHOOSERS), st.sampled_from(MODES), st.floats(0, 5))
def test_the_chosen_one_is_the_most_probable(
    scores: list[tuple[int, int]], chooser: Chooser, mode: Mode, weight: float
) -> None:
    found = chosen(chooser, [s / 50 for s, _ in scores], [float(label) for _, label in scores], weight, mode)
    assert found.confidence == max(found.probabilities)
    assert math.isclose(math.fsum(found.probabilities), 1)


@pytest.mark.parametrize("mode", TEMPERATURES)
def test_scores_are_weighed_by_the_temperature_of_their_mode(mode: Mode) -> None:
    apart = TEMPERATURES[mode] * math.log(3)
    assert chosen("retriever", [apart, 0.0], mode=mode).probabilities == pytest.approx((0.75, 0.25))


def test_labels_that_are_not_as_many_as_the_candidates_are_an_error_in_joint() -> None:
    with pytest.raises(ValueError, match="zip"):
        chosen("joint", [0.1, 0.2], [-1.0], 1)


@pytest.mark.parametrize("mode", FITS)
def test_fit_is_the_curve_of_its_mode(mode: Mode) -> None:
    slope, middle = FITS[mode]
    assert fit(middle, mode) == 0.5
    assert fit(middle + math.log(3) / slope, mode) == pytest.approx(0.75)


@settings(deadline=None)
@given(st.sampled_from(MODES), st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_fit_is_a_probability_that_grows_with_the_score(mode: Mode, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= fit(low, mode) <= fit(high, mode) <= 1


@pytest.mark.parametrize("mode", ["zero-shot", "oracle"])
def test_where_no_retriever_scores_everything_fits(mode: Mode) -> None:
    assert fit(-5.0, mode) == 1


def test_fit_is_that_of_the_chosen_one() -> None:
    found = chosen("model", [0.9, 0.3], [-9.0, 0.0])
    assert found.number == 1
    assert found.fit == fit(0.3, "dense") < fit(0.9, "dense")
