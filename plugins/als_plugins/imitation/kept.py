"""Demonstrated steps in memory, in arrays that are made once, and what followed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.limits import check_memory

__all__ = ["Batch", "Kept", "Trails", "returns_to_go", "step_bytes"]

_BESIDE: Final = 24
"""Bytes of what is kept of a step beside observation and action."""


@dataclass(frozen=True)
class Batch:
    """Some demonstrated steps.

    Attributes:
        observation: key to (steps, ...).
        actions: (steps, ...), what was shown.
        returns: (steps,), the discounted sum of the rewards that followed; NaN where the source
            did not act itself to the end of the episode.
    """

    observation: dict[str, NDArray[Any]]
    actions: NDArray[Any]
    returns: NDArray[np.float32]


def step_bytes(sensors: gymnasium.spaces.Dict, actions: gymnasium.Space[Any]) -> int:
    """How much memory a demonstrated step takes."""
    spaces = [*sensors.spaces.values(), actions]
    return _BESIDE + sum(_items(space) * _dtype(space).itemsize for space in spaces)


class Kept:
    """Demonstrated steps; when there is no more room, new ones replace others at random.

    Attributes:
        room: how many there can be.
        added: how many there have been.
        rng: draws which ones are replaced, and which ones make a batch.
    """

    def __init__(
        self,
        sensors: gymnasium.spaces.Dict,
        actions: gymnasium.Space[Any],
        room: int,
        rng: np.random.Generator,
    ) -> None:
        """Makes the arrays.

        Args:
            sensors: of a row.
            actions: of a row.
            room: how many steps are kept at most.
            rng: draws which ones are replaced, and which ones make a batch.

        Raises:
            ArgumentError: there is not memory enough.
        """
        check_memory(f"{room} demonstrated steps", room * step_bytes(sensors, actions))
        self._observations = {
            key: np.zeros((room, *(space.shape or ())), space.dtype)
            for key, space in sensors.spaces.items()
        }
        self._actions = np.zeros((room, *(actions.shape or ())), _dtype(actions))
        self._returns = np.zeros(room, np.float32)
        # Which step a place holds, counted from the first one.
        self._numbers = np.zeros(room, np.int64)
        self.room, self.rng, self.added = room, rng, 0

    def __len__(self) -> int:
        return min(self.added, self.room)

    def add(
        self, observation: Mapping[str, NDArray[Any]], actions: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Copies a step of every row.

        Args:
            observation: key to (rows, ...); other keys than the sensors' are left out.
            actions: (rows, ...).

        Returns:
            Their places, and their numbers, (rows,) each.
        """
        rows = len(actions)
        numbers = np.arange(self.added, self.added + rows)
        places = numbers.copy()
        if self.added + rows > self.room:
            over = numbers >= self.room
            places[over] = self.rng.integers(self.room, size=int(over.sum()))
        for key, kept in self._observations.items():
            kept[places] = observation[key]
        self._actions[places], self._returns[places] = actions, np.nan
        self._numbers[places] = numbers
        self.added += rows
        return places, numbers

    def settle(
        self, places: NDArray[np.int64], numbers: NDArray[np.int64], returns: NDArray[Any]
    ) -> None:
        """Notes what followed some steps, as far as they are still kept."""
        same = self._numbers[places] == numbers
        self._returns[places[same]] = returns[same]

    def batch(self, size: int) -> Batch:
        """Some steps, drawn at random."""
        chosen = self.rng.integers(len(self), size=size)
        observation = {key: kept[chosen] for key, kept in self._observations.items()}
        return Batch(observation, self._actions[chosen], self._returns[chosen])


class Trails:
    """The episodes that are running: the rewards of each row, and where its steps are kept."""

    def __init__(self, rows: int) -> None:
        """Begins with room for 64 steps of each row; it doubles when it is full."""
        self._length = np.zeros(rows, np.int64)
        self._steps = np.zeros((2, rows, 64), np.int64)
        self._rewards = np.zeros((rows, 64))

    def add(
        self,
        places: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rewards: NDArray[np.float64],
    ) -> None:
        """Notes a step of every row."""
        if self._length.max() == self._rewards.shape[1]:
            self._steps = np.concatenate([self._steps, np.zeros_like(self._steps)], axis=2)
            self._rewards = np.concatenate([self._rewards, np.zeros_like(self._rewards)], axis=1)
        every = np.arange(len(rewards))
        self._steps[0, every, self._length] = places
        self._steps[1, every, self._length] = numbers
        self._rewards[every, self._length] = rewards
        self._length += 1

    def end(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Places, numbers and rewards of a row's episode, which ends here."""
        length = int(self._length[row])
        self._length[row] = 0
        places, numbers = self._steps[:, row, :length]
        return places, numbers, self._rewards[row, :length]


def returns_to_go(
    rewards: NDArray[np.float64], gamma: float, follows: float = 0.0
) -> NDArray[np.float64]:
    """The discounted sum of an episode's rewards from each step on, (steps,).

    Args:
        rewards: (steps,).
        gamma: the discount.
        follows: the value of what comes after the last step.
    """
    found = np.empty(len(rewards))
    for step, reward in reversed([*enumerate(rewards.tolist())]):
        found[step] = follows = reward + gamma * follows
    return found


def _dtype(space: gymnasium.Space[Any]) -> np.dtype[Any]:
    assert space.dtype is not None
    return np.dtype(space.dtype)


def _items(space: gymnasium.Space[Any]) -> int:
    return int(np.prod(space.shape or ()))
