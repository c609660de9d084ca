"""Demonstrated steps in memory, in arrays that are made once, and what followed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.limits import check_memory
from als_plugins.learners.student import Batch, Student

__all__ = ["Kept", "Sequences", "Trails", "returns_to_go", "sequences_for", "step_bytes"]

_BESIDE: Final = 24
"""Bytes of what is kept of a step beside observation and action."""


class Sequences:
    """Which steps make a batch for who remembers: some that follow one another, in several rows.

    A sequence is twice as long as what is learnt from. Its first half only leads up to the second,
    unless an episode begins in it: nothing is to be remembered of what was before that.
    """

    def __init__(self, together: int, rows: int) -> None:
        """Takes the numbers of steps as they come in, one of each row and then the next of each.

        Args:
            together: steps of a row that are learnt from.
            rows: in which they come in.
        """
        self.together, self.rows = together, rows

    @property
    def least(self) -> int:
        """How many steps there have to be for a sequence of each row."""
        return 2 * self.together * self.rows

    def drawn(self, rng: np.random.Generator, first: int, end: int, size: int) -> NDArray[np.int64]:
        """Draws sequences.

        Args:
            rng: what draws.
            first: the number of the first step that there is; all rows have it.
            end: the number after the last one.
            size: how many steps are to be learnt from.

        Returns:
            Numbers, (steps, sequences).
        """
        steps = (end - first) // self.rows
        length = min(2 * self.together, steps)
        count = max(1, size // self.together)
        start = first // self.rows + rng.integers(steps - length + 1, size=count)
        row = rng.integers(self.rows, size=count)
        return (start + np.arange(length)[:, None]) * self.rows + row

    def counted(self, begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which steps are learnt from, one after the other, from (steps, sequences)."""
        counted = np.logical_or.accumulate(begins, axis=0)
        counted[self.together :] = True
        return counted.ravel()


def sequences_for(student: Student, rows: int) -> Sequences | None:
    """What a batch is made of for a student that remembers; None for single steps."""
    return Sequences(student.together, rows) if student.together > 1 else None


def step_bytes(sensors: gymnasium.spaces.Dict, actions: gymnasium.Space[Any]) -> int:
    """How much memory a demonstrated step takes."""
    spaces = [*sensors.spaces.values(), actions]
    return _BESIDE + sum(_items(space) * _dtype(space).itemsize for space in spaces)


class Kept:
    """Demonstrated steps; when there is no more room, new ones replace others at random.

    For who remembers, steps lie in their order, and new ones replace the oldest.

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
        sequences: Sequences | None = None,
    ) -> None:
        """Makes the arrays.

        Args:
            sensors: of a row.
            actions: of a row.
            room: how many steps are kept at most.
            rng: draws which ones are replaced, and which ones make a batch.
            sequences: which steps make a batch, for who remembers; there is room for one of each
                row in any case.

        Raises:
            ArgumentError: there is not memory enough.
        """
        if sequences is not None:
            room = max(sequences.least, room - room % sequences.rows)
        check_memory(f"{room} demonstrated steps", room * step_bytes(sensors, actions))
        self._observations = {
            key: np.zeros((room, *(space.shape or ())), space.dtype)
            for key, space in sensors.spaces.items()
        }
        self._actions = np.zeros((room, *(actions.shape or ())), _dtype(actions))
        self._returns = np.zeros(room, np.float32)
        # Which step a place holds, counted from the first one.
        self._numbers = np.zeros(room, np.int64)
        self._begins = np.zeros(room, np.bool_)
        self.room, self.rng, self.added = room, rng, 0
        self._sequences = sequences

    def __len__(self) -> int:
        return min(self.added, self.room)

    def add(
        self,
        observation: Mapping[str, NDArray[Any]],
        actions: NDArray[Any],
        begins: NDArray[np.bool_] | bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Copies a step of every row.

        Args:
            observation: key to (rows, ...); other keys than the sensors' are left out.
            actions: (rows, ...).
            begins: (rows,), where an episode begins with it; who remembers has to know.

        Returns:
            Their places, and their numbers, (rows,) each.
        """
        rows = len(actions)
        numbers = np.arange(self.added, self.added + rows)
        places = numbers.copy()
        if self._sequences is not None:
            places %= self.room
        elif self.added + rows > self.room:
            over = numbers >= self.room
            places[over] = self.rng.integers(self.room, size=int(over.sum()))
        for key, kept in self._observations.items():
            kept[places] = observation[key]
        self._actions[places], self._returns[places] = actions, np.nan
        self._numbers[places], self._begins[places] = numbers, begins
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
        begins = counted = None
        if self._sequences is None:
            chosen = self.rng.integers(len(self), size=size)
        else:
            first = self.added - len(self)
            places = self._sequences.drawn(self.rng, first, self.added, size) % self.room
            begins, chosen = self._begins[places], places.ravel()
            counted = self._sequences.counted(begins)
        observation = {key: kept[chosen] for key, kept in self._observations.items()}
        return Batch(observation, self._actions[chosen], self._returns[chosen], begins, counted)


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
