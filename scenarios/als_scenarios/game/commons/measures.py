"""How well a community uses what is common to it, as Perolat et al. 2017 and Leibo et al. 2021 do.

Perolat et al. define, of N people in T steps: equality, one minus the Gini coefficient of what they
got; sustainability, the mean time at which they got it; peace, the mean number of those who are not
sent away. Here time is a share of the longest episode, and peace a share of the people.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from als_engine.world.arrays import FloatArray


def equality(meals: NDArray[np.int32]) -> FloatArray:
    """One minus the Gini coefficient of what everybody has eaten, (worlds,); 1 before any meal."""
    each = meals.astype(np.float64)
    apart = np.abs(each[:, :, None] - each[:, None]).sum((1, 2))
    total = 2.0 * meals.shape[1] * each.sum(1)
    found: FloatArray = 1.0 - apart / np.maximum(total, 1.0)
    return found


def sustainability(
    meals: NDArray[np.int32], meal_time: NDArray[np.int64], longest: int
) -> FloatArray:
    """The mean over people of the mean time of their meals, as a share of the longest episode.

    Args:
        meals: (worlds, avatars), how many.
        meal_time: (worlds, avatars), the steps of all of them added up.
        longest: the time limit, steps.

    Returns:
        (worlds,): about 0.5 where as much is eaten late as early; who never ate counts as 0.
    """
    mean = meal_time / np.maximum(meals, 1)
    return np.asarray(mean.sum(1) / (meals.shape[1] * longest))


def peace(away_time: NDArray[np.int64], step: NDArray[np.int64], avatars: int) -> FloatArray:
    """The share of everybody's time that nobody spent away, (worlds,); 1 at first."""
    return 1.0 - away_time / np.maximum(avatars * step, 1)
