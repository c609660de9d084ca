"""Where things are in the block, for kernels: places, and the way from one to another.

Every way between two places leads out of a door, along the street, and through another door.
Lengths are metres.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel
from als_engine.world.state import Quantity, WorldState
from als_scenarios.town.world.block import OUTSIDE, POSTS, SPOTS, Block
from als_scenarios.town.world.items import PLACES

INSIDE: Final = 0.55
"""How far inside, and how far outside, of a door one walks to go straight through it."""

_BEFORE: Final = 0.4


X_LOW, Y_LOW, X_HIGH, Y_HIGH, DOOR_X, DOOR_Y, SIDE = range(7)
"""Columns of `places`, (worlds, 5, 7): a place's floor, the middle of its door, and 1 north of the
street or -1."""


def quantities() -> dict[str, Quantity]:
    """Declares what a level lays out.

    `stand`, (worlds, 21, 2), is where one stands before each post and beside the bed; `spot`,
    (worlds, 5, 9, 2), where each inhabitant stands in each place.
    """
    count = len(PLACES)
    return {
        "places": Quantity((count, SIDE + 1)),
        "stand": Quantity((count * POSTS + 1, 2)),
        "spot": Quantity((count, SPOTS, 2)),
    }


def values(block: Block) -> dict[str, Any]:
    """A level's."""
    every = range(len(PLACES))
    return {
        "places": [(*block.rectangle(p), *block.doorway(p), block.side[p]) for p in every],
        "stand": block.stands(),
        "spot": block.spots(),
    }


@inner
def place_of(x, y, places):  # type: ignore[no-untyped-def]
    """The place that a point is in, or OUTSIDE; the middle of a door's wall parts the two."""
    for p in range(places.shape[0]):
        # A wall is 0.15 thick: half of it belongs to the place.
        if (
            places[p, X_LOW] - 0.075 <= x <= places[p, X_HIGH] + 0.075
            and places[p, Y_LOW] - 0.075 <= y <= places[p, Y_HIGH] + 0.075
        ):
            return p
    return OUTSIDE


@inner
def away(x, y, tx, ty):  # type: ignore[no-untyped-def]
    """The distance between two points."""
    return math.sqrt((tx - x) * (tx - x) + (ty - y) * (ty - y))


@inner
def way(x, y, place, tx, ty, target, places):  # type: ignore[no-untyped-def]
    """The length of the way from a point in a place to one in another, from door to door."""
    if place == target:
        return away(x, y, tx, ty)
    length = 0.0
    if place != OUTSIDE:
        u, v = places[place, DOOR_X], places[place, DOOR_Y]
        length += away(x, y, u, v)
        x, y = u, v
    if target != OUTSIDE:
        u, v = places[target, DOOR_X], places[target, DOOR_Y]
        length += away(x, y, u, v)
        x, y = u, v
    return length + away(x, y, tx, ty)


@inner
def next_point(x, y, place, tx, ty, target, places):  # type: ignore[no-untyped-def]
    """Where to walk straight to: the target in the same place, else before or behind a door."""
    if place == target:
        return tx, ty
    at, out = target, -1.0
    if place != OUTSIDE:
        at, out = place, 1.0
    u, v = places[at, DOOR_X], places[at, DOOR_Y]
    # First in front of the door, on one's own side, then straight through.
    if abs(x - u) > _BEFORE:
        out = -out
    return u, v - out * places[at, SIDE] * INSIDE


@kernel
def locate(position, places, out):  # type: ignore[no-untyped-def]
    """Writes the place that every avatar is in, (worlds, avatars)."""
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            out[w, a] = place_of(position[w, a, 0], position[w, a, 1], places[w])


def places_now(state: WorldState, out: NDArray[np.int32]) -> None:
    """Writes where everybody is, (worlds, avatars)."""
    locate(state.avatars.position, state["places"], out)
