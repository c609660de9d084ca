"""The block of `ALS/World-v0`: five places along a street, laid out anew by every level.

Six cells lie in two rows along a street that runs from west to east. A place has one cell, the yard
two. A point in a place is told by its depth, from the street's wall inwards, and by how far it is
aside, from the middle of the place. Lengths are metres; posts are what can be used: four in each
place, counted place by place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine.world.layout import Box, Cylinder, Prop, Sign, Sphere
from als_scenarios.town.world.items import (
    MUSEUM,
    OFFICE,
    PATIENT,
    PLACES,
    SCHOOL,
    WARD,
    YARD,
)

CELL: Final = 3.5
DEPTH: Final = 3.1
WALL: Final = 0.15
STREET_HALF: Final = 1.2
"""Half the width of the street."""

HEIGHT, FENCE = 1.9, 0.7
DOOR, GATEWAY = 1.6, 2.6
"""The width of a door, and of the way into the yard."""

OUTSIDE: Final = len(PLACES)
"""The number of the street, after those of the places."""

POSTS: Final = 4
BED: Final = POSTS * len(PLACES)
"""The index of the pillow on the bed among the props; the posts come before it."""

SPOTS: Final = 9
"""Where people stand in a place, one for each inhabitant."""

_PITCH: Final = CELL + WALL
_FRONT: Final = STREET_HALF + WALL
_SHIFT: Final = 0.5
_ACROSS: Final = (-1.2, -0.4, 0.4, 1.2)
_YARD_ACROSS: Final = (-2.1, -0.7, 0.7, 2.1)
_FLOORS: Final = (
    (196, 178, 140), (206, 222, 226), (176, 170, 186), (178, 150, 132), (128, 168, 104),
)  # fmt: skip
_PAVEMENT: Final = (150, 148, 144)
_INSIDE: Final = (226, 216, 196)
_WOOD, _STONE = (150, 108, 70), (236, 232, 224)
WALLS_OF: Final = (
    (226, 204, 150), (204, 226, 232), (202, 196, 220), (224, 196, 180), (136, 104, 72),
)  # fmt: skip
"""The colour of each place's back wall."""


class Post(NamedTuple):
    """Where a post is in its place.

    Attributes:
        depth, z: of its middle.
        stand: the depth at which one stands before it.
        label: depth and height of its label.
    """

    depth: float
    z: float
    stand: float
    label: tuple[float, float]


POST: Final = (
    Post(DEPTH - 0.05, 1.1, DEPTH - 0.85, (DEPTH - 0.1, 1.1)),
    Post(DEPTH - 0.2, 0.55, DEPTH - 1.0, (DEPTH - 0.37, 0.75)),
    Post(DEPTH - 0.24, 0.68, DEPTH - 1.0, (DEPTH - 0.46, 0.3)),
    Post(DEPTH - 0.35, 0.95, DEPTH - 1.2, (DEPTH - 0.6, 0.42)),
    Post(2.2, 0.03, 1.55, (2.6, 0.28)),
)
_BED_AT: Final = (1.45, -0.85)
_PILLOW: Final = -0.25
BED_STAND: Final = (1.45, 0.45)
"""Depth and aside of the place beside the bed."""


class Block:
    """Which place is where.

    Attributes:
        x: (5,) of the middle of each place. side: (5,) 1 north of the street, -1 south.
        door: (5,) x of the middle of each door.
        half: (5,) half the width of each place.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Draws the plan of a level."""
        turn, flip, *shifts = rng.random(2 + len(PLACES)).tolist()
        order = rng.permutation(4).tolist()
        north = 1.0 if flip < 0.5 else -1.0
        west = -1.0 if turn < 0.5 else 1.0
        cells = [(west * _PITCH * -1.0, north)]  # Beside the yard.
        cells += [(column * _PITCH, -north) for column in (-1, 0, 1)]
        places = [cells[k] for k in order]
        self.x: list[float] = [place[0] for place in places] + [west * _PITCH / 2]
        self.side: list[float] = [place[1] for place in places] + [north]
        self.half = [CELL / 2] * 4 + [CELL + WALL / 2]
        self.door = [
            x + (_SHIFT if u < 0.5 else -_SHIFT) * (1.0 if k < YARD else 2.0)
            for k, (x, u) in enumerate(zip(self.x, shifts, strict=True))
        ]

    def at(self, place: int, depth: float, aside: float = 0.0) -> tuple[float, float]:
        """A point in a place."""
        return self.x[place] + aside, self.side[place] * (_FRONT + depth)

    def inwards(self, place: int) -> float:
        """The heading of who looks from the street into a place."""
        return self.side[place] * math.pi / 2

    def rectangle(self, place: int) -> tuple[float, float, float, float]:
        """Least x and y, greatest x and y of a place's floor."""
        ys = sorted((self.side[place] * _FRONT, self.side[place] * (_FRONT + DEPTH)))
        return (self.x[place] - self.half[place], ys[0], self.x[place] + self.half[place], ys[1])

    def doorway(self, place: int) -> tuple[float, float]:
        """The middle of a place's door."""
        return self.door[place], self.side[place] * (STREET_HALF + WALL / 2)

    def across(self, place: int) -> tuple[float, ...]:
        """How far aside the posts of a place are."""
        return _YARD_ACROSS if place == YARD else _ACROSS

    def stands(self) -> list[tuple[float, float]]:
        """Where one stands before each post, (20, 2), and last beside the bed."""
        every = [
            self.at(p, POST[p].stand, aside) for p in range(len(PLACES)) for aside in self.across(p)
        ]
        return [*every, self.at(WARD, *BED_STAND)]

    def spots(self) -> list[list[tuple[float, float]]]:
        """Where each inhabitant stands in each place, (5, 9, 2): along the sides."""
        every = []
        for place in range(len(PLACES)):
            wide = self.half[place] - 0.38
            here = []
            for n in range(SPOTS):
                side = 1.0 if n % 2 == 0 or place == WARD else -1.0
                row = n // 2 if place != WARD else n % 5
                aside = side * (wide - (0.75 if place == WARD and n > 4 else 0.0))
                here.append(self.at(place, 0.4 + 0.5 * row, aside))
            every.append(here)
        every[WARD][PATIENT] = self.at(WARD, 0.7, -1.1)  # Beside the bed.
        return every

    # -- walls ------------------------------------------------------------------------------------

    def walls(self) -> list[Prop]:
        """Every wall once, with the doors, and what is built in."""
        pieces = [self._across_street(end) for end in (-1.0, 1.0)]
        for place in range(len(PLACES)):
            pieces += self._front(place)
            x, y = self.at(place, DEPTH + WALL / 2)
            size = 2 * self.half[place] + WALL, WALL
            pieces.append(_wall(x, y, *size, place))
        pieces += self._partitions()
        for aside in _ACROSS:
            plinth = Box(0.46, 0.46, 0.6)
            spot = self.at(MUSEUM, POST[MUSEUM].depth, aside)
            pieces.append(Prop(plinth, spot, color=_STONE))
        pieces.append(Prop(Box(1.7, 0.75, 0.5), self.at(WARD, *_BED_AT), color="white"))
        counter = Box(3.1, 0.42, 0.5)
        pieces.append(Prop(counter, self.at(OFFICE, POST[OFFICE].depth), color=_WOOD))
        return pieces

    def _across_street(self, end: float) -> Prop:
        size = Box(WALL, 2 * STREET_HALF, HEIGHT)
        return Prop(size, (end * (1.5 * _PITCH), 0.0), color=_INSIDE)

    def _front(self, place: int) -> list[Prop]:
        """The wall to the street, left and right of the door."""
        half = self.half[place] + WALL / 2
        gap = GATEWAY if place == YARD else DOOR
        x, door, y = self.x[place], self.door[place], self.doorway(place)[1]
        pieces = []
        for low, high in ((x - half, door - gap / 2), (door + gap / 2, x + half)):
            pieces.append(_wall((low + high) / 2, y, high - low, WALL, place, front=True))
        return pieces

    def _partitions(self) -> list[Prop]:
        """The walls between neighbours, and those at the ends of both rows."""
        pieces = []
        middle = _FRONT + DEPTH / 2
        for side in (1.0, -1.0):
            for column in (-1.5, -0.5, 0.5, 1.5):
                x = column * _PITCH
                beside = [
                    p
                    for p in range(len(PLACES))
                    if self.side[p] == side and abs(abs(x - self.x[p]) - self.half[p]) < 0.2
                ]
                if beside:
                    place = min(beside)  # The yard's fence gives way to a house.
                    pieces.append(_wall(x, side * middle, WALL, DEPTH + 2 * WALL, place, True))
        return pieces

    # -- what stands there ------------------------------------------------------------------------

    def floors(self) -> dict[str, Prop]:
        """Coloured floors: nobody meets them."""
        floors = {"pavement": Prop(
            Box(3 * _PITCH, 2 * STREET_HALF, 0.006), (0.0, 0.0), color=_PAVEMENT, solid=False
        )}  # fmt: skip
        for place, name in enumerate(PLACES):
            size = Box(2 * self.half[place], DEPTH, 0.008)
            at = self.at(place, DEPTH / 2)
            floors[f"{name} floor"] = Prop(size, at, color=_FLOORS[place], solid=False)
        return floors

    def pillow(self) -> Prop:
        """What is used to give the patient a medicine."""
        pillow = Box(0.42, 0.6, 0.12)
        where = (*self.at(WARD, _BED_AT[0], _PILLOW), 0.56)
        return Prop(pillow, where, color=(244, 236, 214), usable=True, solid=False)

    def furniture(self) -> dict[str, Prop]:
        """What only stands about: two desks, a tree, the table in the yard, lamps over doors."""
        things = {
            f"desk {k + 1}": Prop(
                Box(0.8, 0.4, 0.5), self.at(SCHOOL, 1.45, aside), color=_WOOD, solid=False
            )
            for k, aside in enumerate((-0.6, 0.6))
        }
        things["trunk"] = Prop(Cylinder(0.14, 1.3), self.at(YARD, 2.6, 3.0), color="brown")
        crown = (*self.at(YARD, 2.6, 3.0), 1.75)
        things["crown"] = Prop(Sphere(0.62), crown, color=(70, 138, 76), solid=False)
        table = Box(1.5, 0.6, 0.55)
        things["table"] = Prop(table, self.at(YARD, 0.8, -2.3), color=_WOOD)
        for place, name in enumerate(PLACES):
            x, y = self.doorway(place)
            gap = (GATEWAY if place == YARD else DOOR) / 2 + 0.12
            top = FENCE if place == YARD else HEIGHT
            lamp = Sphere(0.13)
            things[f"{name} lamp"] = Prop(lamp, (x - gap, y, top + 0.1), color="green", solid=False)
        return things

    def gate(self) -> tuple[Prop, tuple[float, float, float]]:
        """The barrier before the museum, closed, and where it is when it is open."""
        x, y = self.doorway(MUSEUM)
        beside = x + math.copysign(DOOR, self.x[MUSEUM] - x)
        y_open = y - self.side[MUSEUM] * (WALL / 2 + 0.05)
        bar = Box(DOOR - 0.06, 0.08, 0.9)
        return Prop(bar, (x, y), color="red"), (beside, y_open, 0.45)

    def signs(self, labels: Sequence[Sequence[str]]) -> dict[str, Sign]:
        """Names over doors, labels of posts, the chart, the clock and the board."""
        signs = {}
        for place, name in enumerate(PLACES):
            x, y = self.doorway(place)
            gap = (GATEWAY if place == YARD else DOOR) / 2 + 0.62
            x += math.copysign(gap, self.x[place] - x)
            out = self.side[place] * (WALL / 2 + 0.01)
            z = 0.45 if place == YARD else 1.45
            facing = -self.inwards(place)
            signs[name] = Sign(name.upper(), (x, y - out, z), facing, 0.95, 0.3, WALLS_OF[place])
            for k, aside in enumerate(self.across(place)):
                depth, height = POST[place].label
                where = (*self.at(place, depth, aside), height)
                text = labels[place][k]
                big = (0.5, 0.34) if place == SCHOOL else (0.44, 0.24)
                signs[f"{name} {k + 1}"] = Sign(text, where, facing, *big)
        end = 1.5 * _PITCH - WALL / 2 - 0.01
        chart = (*self.at(WARD, _BED_AT[0] - 0.39, _BED_AT[1]), 0.3)
        signs["chart"] = Sign("CHART", chart, -self.inwards(WARD), 0.6, 0.36)
        signs["clock"] = Sign("08:00", (-end, 0.0, 1.3), 0.0, 1.1, 0.5, "black", "white")
        signs["board"] = Sign("NO REQUESTS", (end, 0.0, 1.2), math.pi, 1.5, 0.6)
        return signs


BOARD_AT: Final = (1.5 * _PITCH - WALL / 2 - 0.6, 0.0)
"""Where one stands to read the board."""


def _wall(x: float, y: float, width: float, depth: float, place: int, front: bool = False) -> Prop:
    """A piece of wall, or of the yard's fence; fronts and partitions are of one colour."""
    height = FENCE if place == YARD else HEIGHT
    color = WALLS_OF[place] if place == YARD or not front else _INSIDE
    return Prop(Box(width, depth, height), (x, y), color=color)
