"""Intervals and paired tests over questions that come in groups: questions of one gold call aren't independent.

Knows numbers alone. Every interval is at 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
RESAMPLES = 5000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, over how many questions."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One row's macro average against another's, over the questions that both have.

    Attributes:
        difference: of the macro averages, with its interval.
        p: two-sided, of a sign-flip permutation test over the groups.
        better, worse: how many questions one has right and the other hasn't.
    """

    difference: Estimate
    p: float
    better: int
    worse: int


class Grouped:
    """Averages over questions in groups, with intervals from resampling whole groups.

    The percentile bootstrap over groups (Field and Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007), with
    the same draws for every figure. A figure that is the same in every group gets the exact binomial interval over
    groups (Clopper and Pearson, Biometrika 26, 1934) instead: resampling would call it certain.

    Args:
        groups: the group of each question.
        seed: of the draws.
    """

    def __init__(self, groups: Sequence[str], *, seed: int = 0) -> None:
        names, self._group = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        self.count = len(names)
        self._seed = seed

    def macro(self, values: Sequence[float | None]) -> Estimate | None:
        """The mean over groups of the mean in each; `None` values don't apply and are left out."""
        sums, counts = self._by_group(values)
        there = counts > 0
        if not there.any():
            return None
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=there)
        drawn = self._ratio(means, there.astype(np.float64))
        return _estimate(means[there], float(means[there].mean()), drawn, int(counts.sum()))

    def micro(self, values: Sequence[float | None]) -> Estimate | None:
        """The mean over questions; `None` values don't apply and are left out."""
        sums, counts = self._by_group(values)
        if not counts.any():
            return None
        there = counts > 0
        drawn = self._ratio(sums, counts)
        return _estimate(sums[there] / counts[there], float(sums.sum() / counts.sum()), drawn, int(counts.sum()))

    def paired(self, ours: Sequence[float | None], theirs: Sequence[float | None]) -> PairedTest | None:
        """`ours` against `theirs`, over the questions where both apply."""
        both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
        apart = [None if a is None or b is None else a - b for a, b in zip(ours, theirs, strict=True)]
        difference = self.macro(apart)
        if difference is None:
            return None
        sums, counts = self._by_group(apart)
        there = counts > 0
        means = sums[there] / counts[there]
        if not means.any():  # none of so many groups moved: a share of at most `high` might, either way
            difference = replace(difference, low=-difference.high)
        better, worse = sum(a > b for a, b in both), sum(a < b for a, b in both)
        return PairedTest(difference, sign_flip_test(means, seed=self._seed), better, worse)

    def _by_group(self, values: Sequence[float | None]) -> tuple[Numbers, Numbers]:
        given = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        there = ~np.isnan(given)
        groups = self._group[there]
        sums = np.bincount(groups, weights=given[there], minlength=self.count).astype(np.float64)
        return sums, np.bincount(groups, minlength=self.count).astype(np.float64)

    def _ratio(self, sums: Numbers, counts: Numbers) -> Numbers:
        totals = self._draws @ counts
        return (self._draws @ sums)[totals > 0] / totals[totals > 0]

    @cached_property
    def _draws(self) -> Numbers:
        """How often each group is drawn in each resample."""
        even = np.full(self.count, 1 / self.count)
        return np.random.default_rng(self._seed).multinomial(self.count, even, size=RESAMPLES).astype(np.float64)


def sign_flip_test(differences: Numbers, *, seed: int = 0) -> float:
    """Two-sided p that paired differences are symmetric about 0: exact for few, else by 9,999 random sign flips.

    Fisher's randomisation test, as recommended for comparing retrieval systems by Smucker, Allan and Carterette (CIKM
    2007).
    """
    from scipy.stats import permutation_test

    moved = differences[differences != 0]
    if len(moved) < 2:
        return 1.0  # a single difference is as likely to have either sign
    result = permutation_test(
        (moved, np.zeros_like(moved)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        batch=500,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def sign_test(better: int, worse: int) -> float:
    """Two-sided exact p that an item is as likely to get better as worse (McNemar's test, exact)."""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def proportion(right: int, of: int) -> Estimate:
    """A share of independent questions, with Wilson's interval (JASA 22, 1927)."""
    from scipy.stats import binomtest

    if not of:
        return Estimate(float("nan"), 0.0, 1.0, 0)
    bounds = binomtest(right, of).proportion_ci(_LEVEL, method="wilson")
    return Estimate(right / of, float(bounds.low), float(bounds.high), of)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected


def _estimate(means: Numbers, value: float, drawn: Numbers, count: int) -> Estimate:
    if np.all(means == means[0]):
        size = abs(value)
        low, high = _exact(round(size * len(means)), len(means))
        low, high = min(low, size), max(high, size)
        low, high = (-high, -low) if value < 0 else (low, high)
    else:
        low, high = (float(bound) for bound in np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
    return Estimate(value, low, high, count)


def _exact(right: int, of: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    bounds = binomtest(right, of).proportion_ci(_LEVEL, method="exact")
    return float(bounds.low), float(bounds.high)
