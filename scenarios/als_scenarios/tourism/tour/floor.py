"""The floor of the museum of `ALS/Tour-v0`: four rooms, the doors between them, and the ways.

Rooms are equal squares that meet along doors; how they lie is a floor plan, which a level turns
and mirrors. Lengths are metres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.task import Split, split_of
from als_engine.world.arrays import FloatArray
from als_engine.world.layout import Prop
from als_engine.world.room import SIDES, Room, straight_wall

ROOMS: Final = 4
SIDE: Final = 4.4
"""Edge of a room's floor."""

WALL: Final = 0.15
DOOR: Final = 1.4
HEIGHT: Final = 2.3

Pairs = tuple[tuple[int, int], ...]

PLANS: Final[Mapping[str, tuple[Split, Pairs, Pairs]]] = {
    "ring": ("train", ((0, 0), (1, 0), (1, 1), (0, 1)), ((0, 1), (1, 2), (2, 3), (3, 0))),
    "corner": ("train", ((0, 0), (1, 0), (2, 0), (2, 1)), ((0, 1), (1, 2), (2, 3))),
    "star": ("train", ((0, 0), (1, 0), (2, 0), (1, 1)), ((0, 1), (1, 2), (1, 3))),
    "zigzag": ("validation", ((0, 0), (1, 0), (1, 1), (2, 1)), ((0, 1), (1, 2), (2, 3))),
    "row": ("test", ((0, 0), (1, 0), (2, 0), (3, 0)), ((0, 1), (1, 2), (2, 3))),
    "horseshoe": ("test", ((0, 0), (1, 0), (1, 1), (0, 1)), ((0, 1), (1, 2), (2, 3))),
}
"""Floor plans: the split that has it, each room's column and row, and which rooms have a door
between them. The tour starts in room 0. No two splits share one."""

_SIDEWAYS: Final = {(1, 0): "east", (-1, 0): "west", (0, 1): "north", (0, -1): "south"}
_WALLS: Final = ((196, 168, 160), (170, 190, 172), (168, 184, 206), (222, 208, 172))
_BETWEEN: Final = (232, 228, 218)
_DOOR_SHIFT: Final = 0.6


class Spot(NamedTuple):
    """The place of an exhibit.

    Attributes:
        room: its room.
        place: (x, y) of the middle.
        out: unit vector from there to who looks at it.
        aside: unit vector to the side on which the guide stands.
    """

    room: int
    place: tuple[float, float]
    out: tuple[float, float]
    aside: tuple[float, float]

    def at(self, out: float, aside: float = 0.0) -> tuple[float, float]:
        """A point so far before and beside it."""
        return (
            self.place[0] + out * self.out[0] + aside * self.aside[0],
            self.place[1] + out * self.out[1] + aside * self.aside[1],
        )

    @property
    def heading(self) -> float:
        """The direction that it faces, radians."""
        return pmath.atan2(self.out[1], self.out[0])


class Floor:
    """A level's rooms and doors, and the way between any two of them.

    Attributes:
        plan: name of the floor plan.
        rooms: the four rooms.
        doors: pairs of rooms with a door, and its middle.
        next_room: (4, 4) the room to go to on the way from one to another.
        door: (4, 4, 2) the middle of the door to it.
    """

    def __init__(self, rng: np.random.Generator, level: int) -> None:
        """Draws a plan of the level's split, turned, mirrored and about the origin."""
        names = [name for name, plan in PLANS.items() if plan[0] == split_of(level)]
        pick, turn, flip, *shifts = rng.random(7).tolist()
        self.plan = names[int(pick * len(names))]
        _, cells, self.pairs = PLANS[self.plan]
        self.cells = _turned(cells, int(turn * 4), flip < 0.5)
        self.shift = [_DOOR_SHIFT if u < 0.5 else -_DOOR_SHIFT for u in shifts]
        colors = rng.permutation(ROOMS).tolist()
        pitch = SIDE + WALL
        middle_x = (min(x for x, _ in self.cells) + max(x for x, _ in self.cells)) / 2
        middle_y = (min(y for _, y in self.cells) + max(y for _, y in self.cells)) / 2
        self.colors = colors
        self.rooms = [
            Room(
                SIDE, SIDE, HEIGHT, ((x - middle_x) * pitch, (y - middle_y) * pitch), WALL,
                _WALLS[color],
            )
            for (x, y), color in zip(self.cells, colors, strict=True)
        ]  # fmt: skip
        # On each side of each room, where the middle of its door is along the wall.
        self.gaps: list[dict[str, float]] = [{} for _ in range(ROOMS)]
        self.next_room = np.tile(np.arange(ROOMS)[:, None], (1, ROOMS))
        self.door: FloatArray = np.zeros((ROOMS, ROOMS, 2))
        for (one, two), shift in zip(self.pairs, self.shift, strict=False):
            self._join(one, two, shift)
        self._find_ways()

    def _side(self, one: int, two: int) -> str | None:
        """The side of a room on which another is its neighbour."""
        (x, y), (u, v) = self.cells[one], self.cells[two]
        return _SIDEWAYS.get((u - x, v - y))

    def _join(self, one: int, two: int, shift: float) -> None:
        for a, b in ((one, two), (two, one)):
            side = self._side(a, b)
            assert side is not None
            self.gaps[a][side] = shift
            self.next_room[a, b] = b
            x, y = self.rooms[a].on_wall(side, shift, out=-WALL / 2)[0][:2]
            self.door[a, b] = x, y

    def _find_ways(self) -> None:
        """Rooms further away: over the neighbour from which it is fewest doors."""
        joined = {(a, b) for pair in self.pairs for a, b in (pair, pair[::-1])}
        doors = [[0 if a == b else 9 - 8 * ((a, b) in joined) for b in range(ROOMS)]
                 for a in range(ROOMS)]  # fmt: skip
        for _ in range(2):
            for a in range(ROOMS):
                for b in range(ROOMS):
                    over = min(range(ROOMS), key=lambda c: (doors[a][c] + doors[c][b], c))
                    doors[a][b] = min(doors[a][b], doors[a][over] + doors[over][b])
        for a in range(ROOMS):
            for b in range(ROOMS):
                if doors[a][b] > 1:
                    near = [c for c in range(ROOMS) if doors[a][c] == 1]
                    first = min(near, key=lambda c: (doors[c][b], c))
                    self.next_room[a, b] = first
                    self.door[a, b] = self.door[a, first]

    def walls(self) -> list[Prop]:
        """Every wall once, those between two rooms with their doors."""
        pieces = []
        for i, room in enumerate(self.rooms):
            for side in SIDES:
                other = next((j for j in range(ROOMS) if self._side(i, j) == side), None)
                if other is not None and other < i:
                    continue
                (x, y, _), _ = room.on_wall(side, 0.0, out=-WALL / 2)
                along_x = side in ("north", "south")
                gap = self.gaps[i].get(side)
                looks = Room(SIDE, SIDE, HEIGHT, room.center, WALL, _BETWEEN) if other else room
                length = SIDE + (2 * WALL if along_x else 0.0)
                gaps = [] if gap is None else [(gap, DOOR)]
                pieces += straight_wall((x, y), length, along_x, gaps, looks)
        return pieces

    def outer(self, room: int) -> list[str]:
        """The sides of a room without a neighbour."""
        return [s for s in SIDES if all(self._side(room, j) != s for j in range(ROOMS))]


def _turned(
    cells: Sequence[tuple[int, int]], quarters: int, mirrored: bool
) -> list[tuple[int, int]]:
    turned = [(-x, y) if mirrored else (x, y) for x, y in cells]
    for _ in range(quarters):
        turned = [(-y, x) for x, y in turned]
    return turned
