"""Disturbed observations: noise in sensors and frames that are dropped, for trainings and trials.

`DisturbedRows` stands between a learner and its worlds, so that no learner knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from als_engine.agents.agent import Observation
from als_engine.envs.rows import RowsWrapper
from als_engine.sensors.base import is_table

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Disturb
    from als_engine.envs.rows import Rows

__all__ = ["DisturbedRows", "SensorNoise", "frames"]

Arrays = dict[str, NDArray[Any]]
Draw = Callable[[tuple[int, ...]], NDArray[np.float32]]

_BRIGHTEST: Final = 255


class _Channel(NamedTuple):
    """How noise goes into one sensor.

    Attributes:
        space: of the sensor.
        deviation: of the noise, in the sensor's units.
        table: whether its rows are things, of which the first column says whether they are there.
    """

    space: Box
    deviation: NDArray[np.float32]
    table: bool


class SensorNoise:
    """Gaussian noise relative to each sensor's range, clipped to its bounds.

    Numbers and the brightness of pictures are disturbed. Words and kinds of things, of which no
    value lies between two others, are not; nor is whether a row of a table holds something.
    """

    def __init__(self, space: gymnasium.spaces.Dict, strength: float) -> None:
        """Takes the sensors, and the deviation as a part of their ranges, (high - low).

        A range without bounds counts as 1.
        """
        self._channels: dict[str, _Channel] = {}
        for key, each in space.spaces.items():
            if strength > 0.0 and isinstance(each, Box) and _continuous(each):
                with np.errstate(over="ignore"):
                    width = each.high.astype(np.float32) - each.low.astype(np.float32)
                deviation = strength * np.where(np.isfinite(width), width, 1.0)
                self._channels[key] = _Channel(each, deviation.astype(np.float32), is_table(each))

    def add(self, observation: Observation, draw: Draw) -> Arrays:
        """Returns the observation with noise; what is not disturbed is not copied.

        Args:
            observation: key to (rows, ...).
            draw: draws standard normal numbers of a shape, (rows, ...).
        """
        found = dict(observation)
        for key, channel in self._channels.items():
            if key in found:
                found[key] = _noisy(channel, found[key], draw(found[key].shape))
        return found


def _noisy(channel: _Channel, array: NDArray[Any], drawn: NDArray[np.float32]) -> NDArray[Any]:
    space = channel.space
    noisy = array + channel.deviation * drawn
    if array.dtype.kind == "u":
        noisy = np.rint(noisy)
    noisy = np.clip(noisy, space.low, space.high)
    if channel.table:
        noisy = np.where(array[..., :1] > 0.5, noisy, array)
        noisy[..., 0] = array[..., 0]
    found: NDArray[Any] = noisy.astype(array.dtype)
    return found


def _continuous(space: Box) -> bool:
    """Whether its values are amounts, and not words or kinds."""
    if space.dtype is None or not space.shape:
        return False
    return space.dtype.kind == "f" or (space.dtype == np.uint8 and space.high.max() == _BRIGHTEST)


def frames(fresh: Observation, shown: Observation, kept: NDArray[np.bool_]) -> Arrays:
    """What is seen where some observations are the last ones again.

    Args:
        fresh: key to (rows, ...), what there is now.
        shown: what was seen last, of the same sensors.
        kept: (rows,), where that is seen again.
    """
    return {
        key: np.where(kept.reshape(-1, *[1] * (array.ndim - 1)), shown[key], array)
        for key, array in fresh.items()
    }


class DisturbedRows(RowsWrapper):
    """Rows whose observations are disturbed; rewards and episodes are as they were.

    The first observation of an episode is never dropped.
    """

    inner: Rows

    def __init__(self, rows: Rows, settings: Disturb, seed: int) -> None:
        """Wraps rows.

        Args:
            rows: belong to this view from now on.
            settings: how much they are disturbed.
            seed: of noise and drops.
        """
        super().__init__(rows)
        self._noise = SensorNoise(rows.observation_space, settings.noise)
        self._drop = settings.drop
        self._rng = np.random.default_rng(seed)
        self._seen: Arrays = {}
        self._last: Arrays = {}

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """See `Rows.reset`."""
        self.inner.reset(levels)
        self._seen = self._disturbed(self.inner.observations, None)
        return self.observations

    def step(self, actions: ArrayLike) -> Arrays:
        """See `Rows.step`."""
        self.inner.step(actions)
        try:
            ended = self.inner.ended
            if ended.any():
                going_on = np.ones_like(ended)
                self._last = self._disturbed(self.inner.final_observations, going_on)
            self._seen = self._disturbed(self.inner.observations, ~ended)
        except BaseException:
            self.inner.spoil()
            raise
        return self.observations

    def _disturbed(self, observation: Observation, may_drop: NDArray[np.bool_] | None) -> Arrays:
        """Noise, and the last frame again in some of the rows that have one."""
        fresh = self._noise.add(
            observation, lambda shape: self._rng.standard_normal(shape, np.float32)
        )
        if may_drop is None:
            return {key: array.copy() for key, array in fresh.items()}
        drawn = self._rng.random(len(may_drop))
        return frames(fresh, self._seen, may_drop & (drawn < self._drop))

    @property
    def observations(self) -> Arrays:
        """Key to (rows, ...), disturbed; the same until the next step."""
        return dict(self._seen)

    @property
    def final_observations(self) -> Arrays:
        """Key to (rows, ...): the last ones of the episodes that the last step has ended."""
        return dict(self._last)
