"""The hypervolume of points in the plane: the area that they dominate above a reference point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from als_engine.evaluation.statistics import RESAMPLES, Interval

__all__ = ["hypervolume", "hypervolume_interval", "resampled_means"]

Floats = NDArray[np.float64]


def hypervolume(points: Floats, reference: Floats) -> Floats:
    """The area between a reference point and what is dominated by points (Zitzler, Thiele 1999).

    Args:
        points: (..., points, 2), more is better; dominated ones make no difference, and neither do
            those that are not above the reference in both.
        reference: (2,).

    Returns:
        (...), in the product of the two units.
    """
    above = np.maximum(points - reference, 0.0)
    order = np.argsort(-above[..., 0], axis=-1, kind="stable")
    x = np.take_along_axis(above[..., 0], order, axis=-1)
    y = np.take_along_axis(above[..., 1], order, axis=-1)
    # From one point to the next one to the left, the highest of those to the right counts.
    widths = x - np.concatenate([x[..., 1:], np.zeros_like(x[..., :1])], axis=-1)
    area: Floats = (widths * np.maximum.accumulate(y, axis=-1)).sum(axis=-1)
    return area


def resampled_means(returns: Floats) -> Floats:
    """The means of bootstrap resamples of episodes, (resamples, points, 2).

    All points have played the same episodes, which are drawn together. Always the same for the same
    number of episodes: the resampling is seeded.

    Args:
        returns: (points, episodes, 2).
    """
    episodes = returns.shape[1]
    rng = np.random.default_rng(0)
    times = rng.multinomial(episodes, np.full(episodes, 1.0 / episodes), RESAMPLES) / episodes
    means: Floats = np.einsum("re,pek->rpk", times, returns, optimize=True)
    return means


def hypervolume_interval(returns: Floats, drawn: Floats, reference: Floats) -> Interval:
    """The hypervolume of the mean returns with its 95 percent percentile bootstrap interval.

    Args:
        returns: (points, episodes, 2).
        drawn: what `resampled_means` makes of them.
        reference: (2,).
    """
    value = float(hypervolume(returns.mean(axis=1), reference))
    low, high = np.quantile(hypervolume(drawn, reference), [0.025, 0.975])
    return Interval(value, float(low), float(high))
