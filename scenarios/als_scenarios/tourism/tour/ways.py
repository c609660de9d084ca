"""Where things are in the museum, for kernels: rooms, the way through the doors, and its length.

Lengths are metres.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import FloatArray, IntArray
from als_engine.world.state import Quantity, WorldState
from als_scenarios.tourism.tour.floor import ROOMS
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.taste import NUM_ATTRIBUTES

THROUGH: Final = 0.5
"""How far behind a door one walks to who stands before it."""


class Museum(NamedTuple):
    """What a level lays out, one row for each world.

    Attributes:
        strengths: (worlds, 12, 6) of each attribute in each exhibit.
        place, out, stand: (worlds, 12, 2) its middle, the unit vector to who looks at it, and
            where its guide stands.
        room_of: (worlds, 12).
        rooms: (worlds, 4, 4) least x and y, greatest x and y.
        next_room, door: (worlds, 4, 4) and (worlds, 4, 4, 2), from a room on the way to another.
        exit: (worlds, 2).
    """

    strengths: FloatArray
    place: FloatArray
    out: FloatArray
    stand: FloatArray
    room_of: IntArray
    rooms: FloatArray
    next_room: IntArray
    door: FloatArray
    exit: FloatArray

    @staticmethod
    def quantities() -> dict[str, Quantity]:
        """Declares them."""
        return {
            "strengths": Quantity((EXHIBITS, NUM_ATTRIBUTES)),
            "place": Quantity((EXHIBITS, 2)),
            "out": Quantity((EXHIBITS, 2)),
            "stand": Quantity((EXHIBITS, 2)),
            "room_of": Quantity((EXHIBITS,), np.int32),
            "rooms": Quantity((ROOMS, 4)),
            "next_room": Quantity((ROOMS, ROOMS), np.int32),
            "door": Quantity((ROOMS, ROOMS, 2)),
            "exit": Quantity((2,)),
        }

    @classmethod
    def of(cls, state: WorldState) -> tuple[NDArray[Any], ...]:
        """The arrays, as a plain tuple for kernels."""
        return tuple(state[name] for name in cls._fields)


@inner
def room_at(x, y, rooms):  # type: ignore[no-untyped-def]
    """The room that a point is in; in a doorway the nearest."""
    best, least = 0, np.inf
    for r in range(rooms.shape[0]):
        dx = max(0.0, rooms[r, 0] - x, x - rooms[r, 2])
        dy = max(0.0, rooms[r, 1] - y, y - rooms[r, 3])
        if dx + dy < least:
            best, least = r, dx + dy
    return best


@inner
def away(x, y, tx, ty):  # type: ignore[no-untyped-def]
    """The distance between two points."""
    return pmath.hypot(tx - x, ty - y)


@inner
def way(w, x, y, room, tx, ty, target, museum):  # type: ignore[no-untyped-def]
    """The length of the way from a point in a room to one in another, from door to door."""
    length, hops = 0.0, 0
    while room != target and hops < 4:
        u, v = museum.door[w, room, target, 0], museum.door[w, room, target, 1]
        length += away(x, y, u, v)
        x, y, room, hops = u, v, museum.next_room[w, room, target], hops + 1
    return length + away(x, y, tx, ty)


@inner
def next_point(w, x, y, room, tx, ty, target, museum):  # type: ignore[no-untyped-def]
    """Where to walk straight to: the target in the same room, else to or through the next door."""
    if room == target:
        return tx, ty
    u, v = museum.door[w, room, target, 0], museum.door[w, room, target, 1]
    if away(x, y, u, v) > THROUGH:
        return u, v
    after = museum.next_room[w, room, target]
    mx = 0.5 * (museum.rooms[w, after, 0] + museum.rooms[w, after, 2])
    my = 0.5 * (museum.rooms[w, after, 1] + museum.rooms[w, after, 3])
    # Through the door at a right angle: doors lie beside the middle of the wall.
    if abs(mx - u) > abs(my - v):
        return u + (THROUGH if mx > u else -THROUGH), v
    return u, v + (THROUGH if my > v else -THROUGH)


@kernel
def way_lengths(position, museum, out):  # type: ignore[no-untyped-def]
    """Writes how far the guide is from where it presents each exhibit, (worlds, 12)."""
    museum = Museum(*museum)
    for w in range(out.shape[0]):
        x, y = position[w, 0, 0], position[w, 0, 1]
        room = room_at(x, y, museum.rooms[w])
        for e in range(out.shape[1]):
            tx, ty = museum.stand[w, e, 0], museum.stand[w, e, 1]
            out[w, e] = way(w, x, y, room, tx, ty, museum.room_of[w, e], museum)
