"""Reads an observation as one flat row of numbers of about the same size, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_engine.sensors.base import is_table
from als_engine.sensors.flat import FlatObservations

__all__ = ["FlatNumbers", "Table"]

_BOUNDED: Final = 1e6
_FARTHEST: Final = 30.0
"""Pressed numbers beyond this are nobody's; float32 ends at 88."""

Floats = NDArray[np.float32]


class Table(NamedTuple):
    """A set of things among the numbers of a row, such as `entities`.

    Attributes:
        where: its place among the numbers.
        things, columns: its shape; the first column is 1 where there is a thing.
    """

    where: slice
    things: int
    columns: int


class FlatNumbers:
    """The engine's flat observation, scaled.

    Numbers with bounds are divided by the larger one, so that 0 stays 0; others are pressed
    together far out.

    Attributes:
        size: how many numbers.
        slices: observation key to its place among them.
        tables: the tables, such as `entities`, among them.
        scale: (size,), what each is divided by.
    """

    def __init__(self, reader: str, space: gymnasium.spaces.Dict) -> None:
        """Lays the numbers out.

        Args:
            reader: who reads them, for messages.
            space: of one avatar.

        Raises:
            ArgumentError: there is no sensor, or one is a picture or not made of numbers.
        """
        if not space.spaces:
            raise ArgumentError(f"{reader} needs at least one sensor to learn from")
        for key, part in space.items():
            if len(part.shape or ()) == 3:
                raise ArgumentError(
                    f'{reader} reads numbers, and "{key}" is a picture: name other sensors, '
                    "such as --sensors entities,proprioception"
                )
        self._flat = FlatObservations(space)
        self.slices, bounds = self._flat.slices, self._flat.space
        self.tables = [
            Table(where, *part.shape)
            for key, where in self.slices.items()
            if isinstance(part := space[key], Box) and is_table(part)
        ]
        largest = np.maximum(np.abs(bounds.low), np.abs(bounds.high))
        self._bounded = np.isfinite(largest) & (largest < _BOUNDED)
        self.size = len(largest)
        self.scale: Floats = np.where(self._bounded & (largest > 0), largest, 1.0).astype(
            np.float32
        )

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> Floats:
        """The numbers of each row, (rows, size), from (rows, ...) by key."""
        rows = len(next(iter(observation.values())))
        found = np.empty((rows, 1, self.size), np.float32)
        self._flat.join({k: a[:, None] for k, a in observation.items()}, found)
        return self.scaled(found[:, 0])

    def scaled(self, numbers: Floats) -> Floats:
        """Flat observations in the scale that is read, (..., size)."""
        found: Floats = numbers / self.scale
        if not self._bounded.all():
            pressed = np.sign(found) * np.log1p(np.abs(found))
            found = np.where(self._bounded, found, pressed)
        return found

    def back(self, scaled: Floats) -> Floats:
        """Flat observations, (..., size), of what `scaled` has made of them."""
        found = scaled
        if not self._bounded.all():
            far = np.sign(found) * np.expm1(np.minimum(np.abs(found), _FARTHEST))
            found = np.where(self._bounded, found, far)
        flat: Floats = (found * self.scale).astype(np.float32)
        return flat
