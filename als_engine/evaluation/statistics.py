"""Statistics of a few returns: means, their confidence intervals, profiles and ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Band",
    "Interval",
    "curve_band",
    "interquartile_interval",
    "interquartile_mean",
    "mean_interval",
    "optimality_gap",
    "performance_profile",
    "probability_of_improvement",
    "tied_ranks",
]

RESAMPLES = 2_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value and its confidence interval.

    Attributes:
        value: the mean.
        low, high: of the 95 percent interval; the value itself when there is nothing to resample.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """A curve and its pointwise confidence band.

    Attributes:
        value, low, high: (n,), of the 95 percent band.
    """

    value: Floats
    low: Floats
    high: Floats


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean with a bias-corrected and accelerated bootstrap interval (Efron 1987).

    Always the same for the same values: the resampling is seeded.

    Args:
        values: (n,), of independent episodes; NaN for none.
        confidence: of the interval.
    """
    data = np.asarray(values, np.float64).ravel()
    mean = float(data.mean()) if data.size else math.nan
    if data.size < 2 or np.ptp(data) == 0 or not np.isfinite(data).all():
        return Interval(mean, mean, mean)
    rng = np.random.default_rng(0)
    drawn = data[rng.integers(data.size, size=(RESAMPLES, data.size))].mean(1)
    low, high = np.quantile(drawn, _corrected(data, drawn, confidence))
    return Interval(mean, float(low), float(high))


def _corrected(data: Floats, drawn: Floats, confidence: float) -> tuple[float, float]:
    """The quantiles of resampled means that bound a mean: Efron's, as SciPy's `bootstrap` has them.

    SciPy's statistics take longer to import than most commands to do what they are for.
    """
    plain = (1 - confidence) / 2, (1 + confidence) / 2
    below = ((drawn < data.mean()).mean() + (drawn <= data.mean()).mean()) / 2
    if not 0 < below < 1:
        # So skewed, one success in a hundred say, that the correction has nothing to hold on to.
        return plain
    normal = NormalDist()
    bias = normal.inv_cdf(below)
    apart = data - data.mean()  # In proportion to how far the mean moves without each.
    skewness = (apart**3).sum() / (apart**2).sum() ** 1.5 / 6

    def corrected(quantile: float) -> float:
        shifted = bias + normal.inv_cdf(quantile)
        return normal.cdf(bias + shifted / (1 - skewness * shifted))

    return corrected(plain[0]), corrected(plain[1])


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of the middle half (Agarwal et al. 2021): robust, and it wastes less than a median.

    Of the sorted values, a quarter of them (rounded down) is left out at each end.
    """
    data = np.sort(np.asarray(values, np.float64).ravel())
    if not data.size:
        return math.nan
    cut = data.size // 4
    return float(data[cut : data.size - cut].mean())


def interquartile_interval(groups: Sequence[ArrayLike], confidence: float = 0.95) -> Interval:
    """The interquartile mean over all groups with a stratified percentile bootstrap interval.

    Every group, such as the training seeds of one scenario, is resampled by itself (Agarwal et al.
    2021). Always the same for the same values: the resampling is seeded.

    Args:
        groups: scores of independent runs, one array for each scenario.
        confidence: of the interval.
    """
    arrays = _arrays(groups)
    if not _usable(arrays):
        return Interval(math.nan, math.nan, math.nan)
    value = interquartile_mean(np.concatenate(arrays))
    rng = np.random.default_rng(0)
    drawn = [array[rng.integers(array.size, size=(RESAMPLES, array.size))] for array in arrays]
    data = np.sort(np.concatenate(drawn, axis=1), axis=1)
    cut = data.shape[1] // 4
    means = data[:, cut : data.shape[1] - cut].mean(1)
    return _percentile(value, means, confidence)


def curve_band(
    curves: Sequence[Sequence[tuple[float, float]]], points: int = 50, confidence: float = 0.95
) -> tuple[Floats, Band]:
    """The interquartile mean of several curves, with its interval at each point.

    Args:
        curves: (x, y) points, x rising; those without points are left out.
        points: how many, where all curves have something to say.
        confidence: of the intervals.

    Returns:
        Where the points are, (points,), and the band; empty when there are no curves, or none of
        the places is in all of them.
    """
    arrays = [np.asarray(curve, np.float64) for curve in curves if len(curve)]
    start = max((array[0, 0] for array in arrays), default=0.0)
    end = min((array[-1, 0] for array in arrays), default=-1.0)
    grid = np.linspace(start, end, points if start < end else int(start == end))
    values = np.array([np.interp(grid, *array.T) for array in arrays]).reshape(-1, len(grid))
    found = [interquartile_interval([column], confidence) for column in values.T]
    columns = np.array([(i.value, i.low, i.high) for i in found]).reshape(-1, 3)
    return grid, Band(*columns.T)


def optimality_gap(
    groups: Sequence[ArrayLike], goal: float = 1.0, confidence: float = 0.95
) -> Interval:
    """Optimality gap: mean shortfall below the goal, with scores clipped at the goal.

    Agarwal et al. 2021, with the same bootstrap as `interquartile_interval`. Every group weighs the
    same.

    Args:
        groups: scores of independent runs, one array for each scenario.
        goal: the score that is good enough.
        confidence: of the interval.
    """
    arrays = _arrays(groups)
    if not _usable(arrays):
        return Interval(math.nan, math.nan, math.nan)
    missing = [goal - np.minimum(array, goal) for array in arrays]
    value = float(np.mean([array.mean() for array in missing]))
    rng = np.random.default_rng(0)
    drawn = [_times_drawn(rng, array.size) @ array / array.size for array in missing]
    return _percentile(value, np.mean(drawn, axis=0), confidence)


def performance_profile(
    groups: Sequence[ArrayLike], thresholds: ArrayLike, confidence: float = 0.95
) -> Band:
    """For each threshold the fraction of runs that score more (Dolan and Moré 2002).

    With the pointwise band of the same bootstrap as `interquartile_interval` (Agarwal et al. 2021).
    Every group weighs the same.

    Args:
        groups: scores of independent runs, one array for each scenario.
        thresholds: (n,).
        confidence: of the band.
    """
    arrays, taus = _arrays(groups), np.asarray(thresholds, np.float64).ravel()
    if not _usable(arrays):
        nothing = np.full(taus.shape, math.nan)
        return Band(nothing, nothing, nothing)
    above = [(array[:, None] > taus).astype(np.float64) for array in arrays]
    value = np.mean([each.mean(0) for each in above], axis=0)
    rng = np.random.default_rng(0)
    drawn = [_times_drawn(rng, len(each)) @ each / len(each) for each in above]
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(np.mean(drawn, axis=0), ends, axis=0)
    return Band(value, low, high)


def probability_of_improvement(
    ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], confidence: float = 0.95
) -> Interval:
    """Probability of improvement: P(X > Y), ties count one half.

    The Mann-Whitney statistic, a draw counted half, mean over scenarios, with a bootstrap interval
    that resamples both sides by themselves (Agarwal et al. 2021).

    Args:
        ours: scores of independent runs, one array for each scenario.
        theirs: the same of the other side, the scenarios in the same order.
        confidence: of the interval.
    """
    pairs = list(zip(_arrays(ours), _arrays(theirs), strict=True))
    if not all(_usable(arrays) for arrays in zip(*pairs, strict=True)) or not pairs:
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(0)
    values, drawn = [], []
    for mine, other in pairs:
        # (mine, other): 1 for a win, 0.5 for a draw. A resample only weighs its rows and columns.
        wins = (np.sign(mine[:, None] - other) + 1) / 2
        rows, columns = _times_drawn(rng, mine.size), _times_drawn(rng, other.size)
        values.append(float(wins.mean()))
        drawn.append(((rows @ wins) * columns).sum(1) / wins.size)
    return _percentile(float(np.mean(values)), np.mean(drawn, axis=0), confidence)


def tied_ranks(intervals: Sequence[Interval]) -> list[int]:
    """Ranks, 1 the best, that are shared where intervals leave open who is better.

    From the best value down, the first one leads a group. Whoever comes next and has an interval
    that reaches up to the leader's shares the leader's rank; the first one whose interval lies
    wholly below leads the next group, and its rank is one more than the number of those before it.
    A better value therefore never has a worse rank.

    Returns:
        The rank of each interval, in the order in which they were given.
    """
    ranks = [0] * len(intervals)
    leader, rank = Interval(math.inf, math.inf, math.inf), 0
    order = sorted(range(len(intervals)), key=lambda i: (-intervals[i].value, i))
    for place, i in enumerate(order, start=1):
        # Equal runs are tied even where sums in another order differ in their last bits.
        if intervals[i].high < leader.low - 1e-12:
            leader, rank = intervals[i], place
        ranks[i] = rank
    return ranks


def _arrays(groups: Sequence[ArrayLike]) -> list[Floats]:
    return [np.asarray(group, np.float64).ravel() for group in groups]


def _usable(arrays: Sequence[Floats]) -> bool:
    """Whether there is at least one group, and a finite value in place of every run."""
    return bool(arrays) and all(a.size and np.isfinite(a).all() for a in arrays)


def _times_drawn(rng: np.random.Generator, size: int) -> Floats:
    """How often each of `size` runs is in each resample, (RESAMPLES, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(np.float64)


def _percentile(value: float, drawn: Floats, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
