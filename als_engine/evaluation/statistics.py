"""What can be said from a few returns: means with intervals that admit how little is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Interval", "interquartile_interval", "interquartile_mean", "mean_interval"]

RESAMPLES = 2_000


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


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean with a bias-corrected and accelerated bootstrap interval (Efron 1987).

    Always the same for the same values: the resampling is seeded.

    Args:
        values: (n,), of independent episodes; NaN for none.
        confidence: of the interval.
    """
    from scipy.stats import bootstrap

    data = np.asarray(values, np.float64).ravel()
    mean = float(data.mean()) if data.size else math.nan
    if data.size < 2 or np.ptp(data) == 0 or not np.isfinite(data).all():
        return Interval(mean, mean, mean)
    result = bootstrap(
        (data,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    low, high = result.confidence_interval
    if not math.isfinite(low) or not math.isfinite(high):
        # So skewed, one success in a hundred say, that the correction has nothing to hold on to.
        low, high = np.quantile(
            result.bootstrap_distribution, [(1 - confidence) / 2, (1 + confidence) / 2]
        )
    return Interval(mean, float(low), float(high))


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
    arrays = [np.asarray(group, np.float64).ravel() for group in groups]
    value = interquartile_mean(np.concatenate(arrays)) if arrays else math.nan
    if not arrays or any(array.size == 0 for array in arrays) or not math.isfinite(value):
        return Interval(value, value, value)
    rng = np.random.default_rng(0)
    drawn = [array[rng.integers(array.size, size=(RESAMPLES, array.size))] for array in arrays]
    data = np.sort(np.concatenate(drawn, axis=1), axis=1)
    cut = data.shape[1] // 4
    means = data[:, cut : data.shape[1] - cut].mean(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
