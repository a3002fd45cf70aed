"""Averages over grouped questions, their intervals, and the paired tests."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gorilla_rag.evaluate.statistics import (
    Estimate,
    Grouped,
    PairedTest,
    holm,
    proportion,
    sign_flip_test,
    sign_test,
)

Values: TypeAlias = list[float | None]
Z = 1.959963984540054  # the 97.5th percentile of the normal distribution, from a table
MAYBE = st.sampled_from([0.0, 1.0, None])
GROUP = st.sampled_from("abcdef")
PROBABILITIES = st.lists(st.floats(0, 1), max_size=10)


def there(found: Estimate | None) -> Estimate:
    """An estimate that has to be there."""
    assert found is not None
    return found


def bounds(found: Estimate | None) -> tuple[float, float, float]:
    """The lower bound, the figure and the upper bound."""
    return there(found).low, there(found).value, there(found).high


def compared(found: PairedTest | None) -> PairedTest:
    """A paired test that has to be there."""
    assert found is not None
    return found


def exact_upper(groups: int) -> float:
    """Clopper and Pearson's upper bound for none of so many, in closed form."""
    return float(1 - 0.025 ** (1 / groups))


def binomial(count: int, at_most: int) -> float:
    """Probability of at most so many heads in `count` tosses of a fair coin."""
    return float(sum(math.comb(count, heads) for heads in range(at_most + 1)) / 2**count)


def enumerated(differences: Sequence[float]) -> float:
    """The sign-flip test's p by going through every choice of signs; whole numbers, so sums are exact."""
    observed = abs(sum(differences))
    flips = list(itertools.product((1, -1), repeat=len(differences)))
    as_far = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= observed for signs in flips]
    return sum(as_far) / len(flips)


def test_macro_averages_over_groups_and_micro_over_questions() -> None:
    grouped, values = Grouped(["a", "a", "a", "b"]), [1.0, 0.0, 0.0, 1.0]
    assert there(grouped.macro(values)).value == pytest.approx((1 / 3 + 1) / 2)
    assert there(grouped.micro(values)).value == pytest.approx(2 / 4)
    assert there(grouped.macro(values)).count == there(grouped.micro(values)).count == 4


def test_values_that_do_not_apply_are_left_out() -> None:
    grouped = Grouped(["a", "a", "a", "b", "b", "c"])
    values: Values = [1.0, None, 0.5, 0.25, None, None]
    assert there(grouped.macro(values)).value == pytest.approx((0.75 + 0.25) / 2)
    assert there(grouped.micro(values)).value == pytest.approx(1.75 / 3)
    assert there(grouped.macro(values)).count == there(grouped.micro(values)).count == 3


@pytest.mark.parametrize("groups", [[], ["a", "a", "b"]])
def test_there_is_no_figure_where_nothing_applies(groups: list[str]) -> None:
    grouped, nothing = Grouped(groups), [None] * len(groups)
    assert grouped.macro(nothing) is None
    assert grouped.micro(nothing) is None
    assert grouped.paired(nothing, nothing) is None


@settings(deadline=None, max_examples=50)
@example([(group, None if group in "abc" else group in "def") for group in "abcdefghij"])
@given(st.lists(st.tuples(GROUP, MAYBE), min_size=1, max_size=30))
def test_an_interval_holds_its_figure_and_stays_between_zero_and_one(answers: list[tuple[str, float | None]]) -> None:
    grouped, values = Grouped([group for group, _ in answers]), [value for _, value in answers]
    for found in (grouped.macro(values), grouped.micro(values)):
        if found is None:
            assert set(values) == {None}
            continue
        assert -1e-12 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1 + 1e-12


@pytest.mark.parametrize("groups", [1, 2, 10, 94])
def test_a_figure_that_is_zero_or_one_throughout_has_the_exact_interval_over_groups(groups: int) -> None:
    # Clopper and Pearson, where none or all of n are right: 1 - .025^(1/n) on the open side. Two questions a group.
    grouped, count = Grouped([str(n % groups) for n in range(2 * groups)]), 2 * groups
    upper = exact_upper(groups)
    for average in (grouped.macro, grouped.micro):
        assert bounds(average([0.0] * count)) == pytest.approx((0, 0, upper))
        assert bounds(average([1.0] * count)) == pytest.approx((1 - upper, 1, 1))


def test_a_group_where_nothing_applies_does_not_count_for_the_exact_interval() -> None:
    found = there(Grouped(["a", "b", "c"]).macro([0.0, 0.0, None]))
    assert found.high == pytest.approx(exact_upper(2))


def test_the_interval_is_made_of_percentiles_over_resampled_groups() -> None:
    # Of 10 groups 4 are right, so a resample's mean is binomial(10, .4) / 10. Its 2.5th percentile is .1 and its 97.5th
    # .7, with room for the 5,000 draws' noise (cumulated: 0 .006, 1 .046; 6 .945, 7 .988).
    found = Grouped([str(n) for n in range(10)]).macro([1.0] * 4 + [0.0] * 6)
    assert bounds(found) == pytest.approx((0.1, 0.4, 0.7))


def test_groups_where_nothing_applies_are_drawn_and_left_out() -> None:
    # Two of five groups apply. Of resamples, (4/5)^5 - (3/5)^5 = a quarter hold the first alone, as many the second.
    found = Grouped([*"abcde"]).macro([0.0, None, 1.0, None, None])
    assert bounds(found) == (0.0, 0.5, 1.0)


def test_resampling_takes_whole_groups() -> None:
    # Two groups that don't differ inside: a resample has the one, the other or both, so its mean is 0, 1/2 or 1.
    found = Grouped(["a"] * 50 + ["b"] * 50).micro([0.0] * 50 + [1.0] * 50)
    assert bounds(found) == (0.0, 0.5, 1.0)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(GROUP, st.floats(0, 1) | st.none()), min_size=1, max_size=20), st.randoms())
def test_the_order_of_the_questions_does_not_matter(
    answers: list[tuple[str, float | None]], shuffling: random.Random
) -> None:
    shuffled = shuffling.sample(answers, len(answers))
    one, other = Grouped([g for g, _ in answers]), Grouped([g for g, _ in shuffled])
    for first, second in (
        (one.macro([v for _, v in answers]), other.macro([v for _, v in shuffled])),
        (one.micro([v for _, v in answers]), other.micro([v for _, v in shuffled])),
    ):
        if first is None:
            assert second is None
        else:
            assert bounds(second) == pytest.approx(bounds(first))
            assert there(second).count == first.count


def test_the_same_seed_gives_the_same_interval_and_another_seed_a_near_one() -> None:
    groups, values = [f"{n}" for n in range(40)], [(n * 7 % 11) / 10 for n in range(40)]
    first, again, other = (there(Grouped(groups, seed=seed).macro(values)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert (first.low, first.high) == pytest.approx((other.low, other.high), abs=0.02)


def test_the_interval_covers_the_truth_about_95_times_in_100_and_ungrouped_far_less_often() -> None:
    # 60 groups of 1 to 16 questions. A group's questions are all easy or all hard, right with .9 or .1, so that the
    # truth is .5 for both averages. The share of 500 such intervals has a standard deviation of .01.
    random_numbers = np.random.default_rng(7)
    sizes = np.tile([1, 2, 4, 8, 16, 5], 10)
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    grouped, apart = Grouped(groups), Grouped([str(n) for n in range(len(groups))])
    covered = {"macro": 0, "micro": 0, "ungrouped": 0}
    times = 500
    for time in range(times):
        chances = np.where(random_numbers.random(len(sizes)) < 0.5, 0.9, 0.1)
        values = (random_numbers.random(len(groups)) < np.repeat(chances, sizes)).astype(float).tolist()
        found = {"macro": grouped.macro(values), "micro": grouped.micro(values)}
        if time < 50:
            found["ungrouped"] = apart.micro(values)
        for name, estimate in found.items():
            covered[name] += there(estimate).low <= 0.5 <= there(estimate).high
    assert 0.91 <= covered["macro"] / times <= 0.99
    assert 0.91 <= covered["micro"] / times <= 0.99
    assert covered["ungrouped"] / 50 < 0.75


def test_few_groups_of_one_mean_are_not_certain() -> None:
    # One group of two right in three: the exact interval of one in one, 1 - .975 to 1. Two groups at a half: of one in
    # two, the roots of (1 - p)**2 = .975 and p**2 = .975.
    alone = there(Grouped(["a"] * 3).macro([1.0, 1.0, 0.0]))
    assert [alone.value, alone.low, alone.high] == pytest.approx([2 / 3, 0.025, 1.0])
    even = there(Grouped(["a", "a", "b", "b"]).micro([1.0, 0.0, 1.0, 0.0]))
    low, high = 1 - math.sqrt(0.975), math.sqrt(0.975)
    assert [even.value, even.low, even.high] == pytest.approx([0.5, low, high])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-6, 6).filter(bool), min_size=1, max_size=8))
def test_the_sign_flip_test_of_few_differences_is_exact(differences: list[int]) -> None:
    assert sign_flip_test(np.array(differences, dtype=np.float64)) == pytest.approx(enumerated(differences))


def test_the_sign_flip_test_of_a_worked_example() -> None:
    # Of the 16 sums of ±1 ±2 ±3 ±4, those at least 8 away from 0 are ±10, ±8: 4.
    assert sign_flip_test(np.array([-1.0, 2.0, 3.0, 4.0])) == pytest.approx(4 / 16)


def test_the_sign_flip_test_of_many_differences_is_near_the_exact_one() -> None:
    # With differences of one size it is the sign test: 14 of 20 heads or further from 10, .1153.
    differences = np.array([1.0] * 14 + [-1.0] * 6)
    found = sign_flip_test(differences)
    assert found == pytest.approx(2 * binomial(20, 6), abs=0.015)
    assert found == sign_flip_test(differences, seed=0)


def test_differences_of_zero_leave_the_sign_flip_test_as_it_is() -> None:
    moved = [3.0, 2.0, -1.0, 2.0]
    assert sign_flip_test(np.array([0.0, *moved, 0.0, 0.0])) == sign_flip_test(np.array(moved))


@pytest.mark.parametrize("differences", [[], [0.0, 0.0], [0.7], [0.0, -1.0]])
def test_no_difference_or_a_single_one_shows_nothing(differences: list[float]) -> None:
    assert sign_flip_test(np.array(differences, dtype=np.float64)) == 1.0


@pytest.mark.parametrize(("better", "worse"), [(8, 2), (2, 8), (0, 5), (1, 0), (7, 6), (30, 12)])
def test_the_sign_test_is_twice_the_binomials_tail(better: int, worse: int) -> None:
    tail = 2 * binomial(better + worse, min(better, worse))
    assert sign_test(better, worse) == pytest.approx(min(1.0, tail))


def test_the_sign_test_of_a_worked_example() -> None:
    assert sign_test(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert sign_test(4, 4) == 1.0
    assert sign_test(0, 0) == 1.0


def test_holms_correction_of_a_worked_example() -> None:
    # In order: .005 times 4, .01 times 3, .03 times 2, and .04, which may not be below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@given(PROBABILITIES)
def test_holms_correction_keeps_the_order_and_lies_between_raw_and_bonferroni(raw: list[float]) -> None:
    found = holm(raw)
    assert all(p <= corrected <= min(1.0, p * len(raw)) for p, corrected in zip(raw, found, strict=True))
    pairs = sorted(zip(raw, found, strict=True))
    assert all(before[1] <= after[1] for before, after in itertools.pairwise(pairs))


@pytest.mark.parametrize(("right", "of"), [(3, 10), (0, 5), (5, 5), (50, 200), (1, 1)])
def test_a_share_has_wilsons_interval(right: int, of: int) -> None:
    # (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    share = right / of
    centre, spread = share + Z**2 / (2 * of), Z * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    low, high = (centre - spread) / (1 + Z**2 / of), (centre + spread) / (1 + Z**2 / of)
    found = proportion(right, of)
    assert (found.value, found.count) == (share, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_a_share_of_nothing_may_be_anything() -> None:
    found = proportion(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high, found.count) == (0.0, 1.0, 0)


def test_a_paired_test_looks_only_at_questions_where_both_apply() -> None:
    grouped = Grouped(["a", "a", "a", "b", "c", "d"])
    ours: Values = [1.0, 1.0, 0.0, 0.0, None, 1.0]
    theirs: Values = [0.0, 1.0, None, 1.0, 0.0, None]
    found = compared(grouped.paired(ours, theirs))
    # a: (1 + 0) / 2, b: -1; c and d have no pair.
    assert found.difference.value == pytest.approx((0.5 - 1.0) / 2)
    assert found.difference.count == 3
    assert (found.better, found.worse) == (1, 1)
    assert found.p == pytest.approx(enumerated([1, -2]))


def test_a_paired_test_compares_macro_averages() -> None:
    # Better on one question of each of six small groups, worse on all twenty of a large one.
    groups = [*"abcdef", *"g" * 20]
    found = compared(Grouped(groups).paired([1.0] * 6 + [0.0] * 20, [0.0] * 6 + [1.0] * 20))
    assert found.difference.value == pytest.approx((6 - 1) / 7)
    assert (found.better, found.worse) == (6, 20)
    # Signs as far off: all seven alike (2), or one against six (14), of 128.
    assert found.p == pytest.approx(16 / 128)


@settings(deadline=None, max_examples=50)
@example([("a", 1.0, 0.0), ("b", 1.0, 0.0)])
@example([("a", 0.0, 0.0), ("b", 1.0, 1.0)])
@given(st.lists(st.tuples(GROUP, MAYBE, MAYBE), min_size=1, max_size=20))
def test_a_paired_test_the_other_way_round_is_its_mirror_image(
    answers: list[tuple[str, float | None, float | None]],
) -> None:
    grouped = Grouped([group for group, _, _ in answers])
    ours, theirs = [a for _, a, _ in answers], [b for _, _, b in answers]
    there_and_back = grouped.paired(ours, theirs), grouped.paired(theirs, ours)
    if there_and_back[0] is None:
        assert there_and_back[1] is None
        return
    one, other = map(compared, there_and_back)
    low, value, high = bounds(one.difference)
    assert bounds(other.difference) == pytest.approx((-high, -value, -low), abs=1e-12)
    assert (other.better, other.worse) == (one.worse, one.better)
    assert other.p == pytest.approx(one.p)


def test_rows_that_never_differ_have_an_interval_on_both_sides_of_zero() -> None:
    # None of 10 groups moved: up to Clopper and Pearson's bound might, for better or worse.
    found = compared(Grouped([str(n) for n in range(10)]).paired([1.0, 0.0] * 5, [1.0, 0.0] * 5))
    assert bounds(found.difference) == pytest.approx((-exact_upper(10), 0, exact_upper(10)))
    assert (found.p, found.better, found.worse) == (1.0, 0, 0)


def test_rows_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        Grouped(["a", "b"]).paired([1.0, 0.0], [1.0])
