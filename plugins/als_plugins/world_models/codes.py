"""Observations and actions as a world model reads them: rows of numbers of about the same size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.learners.flat_numbers import FlatNumbers

__all__ = ["ActionCode", "ObservationCode"]

Floats = NDArray[np.float32]

_STEADY = 1e-4
"""Numbers that deviate less than this, in their scale, are taken for constants."""


class ObservationCode:
    """The flat, scaled numbers of an observation, of which those that change are standardised.

    Attributes:
        numbers: reads an observation.
        kept: (numbers,) bool, which of them change in the data.
        mean, deviation: (numbers,), over the data; of what does not change the mean is its value.
        size: how many change.
    """

    def __init__(self, space: gymnasium.spaces.Dict) -> None:
        """Knows nothing of the data yet: everything changes.

        Raises:
            ArgumentError: a sensor is a picture or not made of numbers.
        """
        self.space, self.numbers = space, FlatNumbers("a world model", space)
        self.put(
            np.ones(self.numbers.size, np.bool_),
            np.zeros(self.numbers.size, np.float32),
            np.ones(self.numbers.size, np.float32),
        )

    def fit(self, numbers: Floats) -> None:
        """Looks at data, (rows, numbers).

        Raises:
            ArgumentError: nothing in it ever changes.
        """
        mean, deviation = numbers.mean(axis=0), numbers.std(axis=0)
        kept = deviation > _STEADY
        if not kept.any():
            raise ArgumentError("no number of these observations ever changes: collect others")
        self.put(kept, mean, np.where(kept, deviation, 1.0).astype(np.float32))

    def put(self, kept: NDArray[np.bool_], mean: Floats, deviation: Floats) -> None:
        """Takes over what `fit` has found elsewhere."""
        self.kept, self.mean, self.deviation = kept, mean, deviation
        self.size = int(kept.sum())

    def standardised(self, numbers: Floats) -> Floats:
        """What the model reads, (..., size), of flat, scaled numbers (..., numbers)."""
        found: Floats = ((numbers - self.mean) / self.deviation)[..., self.kept]
        return found

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> Floats:
        """What the model reads, (rows, size), of (rows, ...) by key."""
        return self.standardised(self.numbers(observation))

    def back(self, code: Floats) -> dict[str, NDArray[Any]]:
        """The observation, key to (rows, ...), of what the model says, (rows, size).

        Whole numbers are rounded, and nothing leaves the bounds of its space.
        """
        every = np.broadcast_to(self.mean, (len(code), len(self.mean))).copy()
        every[:, self.kept] += code * self.deviation[self.kept]
        every = self.numbers.back(every)
        found = {}
        for key, where in self.numbers.slices.items():
            space = self.space[key]
            values = every[:, where].reshape(len(code), *(space.shape or ()))
            whole = space.dtype is not None and np.dtype(space.dtype).kind != "f"
            values = np.rint(values) if whole else values
            if isinstance(space, Box):
                values = np.clip(values, space.low, space.high)
            found[key] = values.astype(space.dtype)
        return found


class ActionCode:
    """Choices as ones among zeros; numbers between -1 and 1.

    Attributes:
        size: how many numbers.
    """

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        """Lays the numbers out.

        Raises:
            ArgumentError: the space is neither of choices nor of numbers within bounds.
        """
        self.space = space
        if isinstance(space, Discrete):
            self.choices = [int(space.n)]
        elif isinstance(space, MultiDiscrete):
            self.choices = [int(n) for n in space.nvec.ravel()]
        elif isinstance(space, Box) and space.is_bounded():
            self.choices = []
        else:
            raise ArgumentError(f"a world model cannot read actions of {space}")
        self.size = sum(self.choices) or math.prod(space.shape or ())

    def __call__(self, actions: NDArray[Any]) -> Floats:
        """The numbers of actions, (rows, size) of (rows, ...)."""
        if isinstance(self.space, Box):
            low, high = np.ravel(self.space.low), np.ravel(self.space.high)
            flat = actions.reshape(len(actions), -1)
            middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
            found: Floats = ((flat - middle) / half).astype(np.float32)
            return found
        start = np.ravel(getattr(self.space, "start", 0))
        columns = actions.reshape(len(actions), len(self.choices)).astype(np.int64) - start
        code = np.zeros((len(actions), self.size), np.float32)
        first = np.cumsum([0, *self.choices[:-1]])
        np.put_along_axis(code, columns + first, 1.0, axis=1)
        return code

    def back(self, code: Floats) -> NDArray[Any]:
        """The actions, (rows, ...), of numbers, (rows, size): of choices the largest."""
        action: NDArray[Any]
        if isinstance(self.space, Box):
            low, high = np.ravel(self.space.low), np.ravel(self.space.high)
            values = (low + high) / 2 + np.clip(code, -1.0, 1.0) * (high - low) / 2
            action = np.clip(values, low, high).astype(self.space.dtype)
            return action.reshape(-1, *self.space.shape)
        parts = np.split(code, np.cumsum(self.choices)[:-1], axis=1)
        action = np.stack([part.argmax(axis=1) for part in parts], axis=1)
        action += np.ravel(getattr(self.space, "start", 0))
        return action.reshape(-1, *(self.space.shape or ())).astype(self.space.dtype)
