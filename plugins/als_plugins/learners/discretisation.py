"""Turns a Dict observation into the number of a state, for learners with a table.

A state says, for each kind of thing that was asked for, where the nearest one in sight is: in which
sector around the body and in which ring of distance; and, for each column of `proprioception` that
was asked for, in which interval its value lies. Every combination has a number of its own (mixed
radix, no hashing), so the size of the table is known before it is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from als_engine.errors import ArgumentError, unknown
from als_engine.sensors.columns import ENTITIES as ENTITY
from als_engine.sensors.columns import PROPRIOCEPTION as BODY
from als_engine.sensors.columns import SIGHT

__all__ = ["MAX_CELLS", "Discretisation", "Tiles"]

MAX_CELLS: Final = 1 << 24
"""The largest table, states times actions: 64 MiB."""

SELECTORS: Final = (
    "present", "fixed", "movable", "portable", "avatar", "sign", "sound", "round", "usable",
    "holding",
)  # fmt: skip
"""Columns of `entities` that are 0 or 1, and so say which things are meant."""

Border = Annotated[float, Field(ge=-SIGHT, le=SIGHT)]
Borders = Annotated[list[Border], Field(min_length=1, max_length=50)]
Integers = NDArray[np.int64]


class Tiles(BaseModel):
    """The tiles by which the place of a thing is told.

    Attributes:
        sectors: equal parts of the circle around the body; the first has its middle straight
            ahead, the others follow to the left.
        rings: outer borders of the rings of distance, metres, rising; what is farther away than
            the last one counts as not there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sectors: Annotated[int, Field(ge=1, le=64)] = 8
    rings: Annotated[list[Annotated[float, Field(gt=0.0, le=SIGHT)]], Field(max_length=20)] = [
        0.7, 1.5, 3.0, SIGHT
    ]  # fmt: skip

    @model_validator(mode="after")
    def _rising(self) -> Tiles:
        if not self.rings or sorted(set(self.rings)) != self.rings:
            raise ValueError("rings must be one or more rising distances")
        return self

    @property
    def count(self) -> int:
        """The number of places; 0 stands for nothing in sight."""
        return 1 + self.sectors * len(self.rings)


class Discretisation:
    """Numbers the states of an observation space.

    Attributes:
        states: how many there are.
    """

    def __init__(
        self,
        space: gymnasium.spaces.Dict,
        things: Mapping[str, Tiles],
        body: Mapping[str, list[float]],
    ) -> None:
        """Checks that the sensors are there.

        Args:
            space: the observation space.
            things: column of `entities` that selects things (see `SELECTORS`), to its tiles.
            body: column of `proprioception` to the rising borders between its intervals.

        Raises:
            ArgumentError: a sensor is missing, a column is unknown, or nothing is asked for.
        """
        for column in things:
            if column not in SELECTORS:
                raise ArgumentError(unknown("kind of thing", column, SELECTORS))
        for column, borders in body.items():
            if column not in BODY:
                raise ArgumentError(unknown("column of proprioception", column, BODY))
            if sorted(set(borders)) != list(borders):
                raise ArgumentError(f'the borders of "{column}" must rise, got {borders}')
        for sensor, asked in (("entities", things), ("proprioception", body)):
            if asked and sensor not in space.spaces:
                raise ArgumentError(
                    f'a table over {", ".join(asked)} needs the sensor "{sensor}": '
                    f"use sensors={','.join(dict.fromkeys(['proprioception', sensor]))}"
                )
        if not things and not body:
            raise ArgumentError("a table needs things or columns of the body to tell states by")
        self._things = dict(things)
        self._body = {column: np.array(borders) for column, borders in body.items()}
        sizes = [tiles.count for tiles in self._things.values()]
        sizes += [len(borders) + 1 for borders in self._body.values()]
        self.states = math.prod(sizes)

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> Integers:
        """The state of every row, (rows,), from 0 to `states - 1`."""
        rows = len(next(iter(observation.values())))
        state: Integers = np.zeros(rows, np.int64)
        for column, tiles in self._things.items():
            state = state * tiles.count + _place(observation["entities"], column, tiles)
        for column, borders in self._body.items():
            values = observation["proprioception"][:, BODY.index(column)]
            state = state * (len(borders) + 1) + np.searchsorted(borders, values, side="right")
        return state


def _place(entities: NDArray[Any], column: str, tiles: Tiles) -> Integers:
    """Where the nearest such thing is: 0, or 1 + ring * sectors + sector."""
    # Rows go from the nearest thing to the farthest.
    such = entities[:, :, ENTITY.index(column)] > 0.5
    nearest = entities[np.arange(len(entities)), such.argmax(axis=1)]
    forward, left = nearest[:, ENTITY.index("forward")], nearest[:, ENTITY.index("left")]
    # In single precision 10 m may read as a little more.
    distance = np.minimum(nearest[:, ENTITY.index("distance")].astype(np.float64), 1.0) * SIGHT
    turn = np.arctan2(left.astype(np.float64), forward) / (2 * np.pi) * tiles.sectors
    sector = np.floor(turn + 0.5).astype(np.int64) % tiles.sectors
    ring = np.searchsorted(tiles.rings, distance, side="left")
    there = such.any(axis=1) & (ring < len(tiles.rings))
    return np.where(there, 1 + ring * tiles.sectors + sector, 0)
