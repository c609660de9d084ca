"""The schoolroom of `ALS/Tutor-v0`: a board, and desks with lamps in one of three arrangements."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import FloatArray
from als_engine.world.furniture import desk, shelf
from als_engine.world.layout import Box, Prop, Sign, Spawn, Sphere
from als_engine.world.room import Room
from als_scenarios.education.tutor.lesson import LAMPS, OFF

Place = tuple[float, float, float]
"""Where a pupil is, x and y, and where its desk is from there, radians."""

NORTH: Final = math.pi / 2
STAND_OFF: Final = 1.2
"""How far before a pupil the teacher stands, behind its desk, metres."""

ROWS: Final[tuple[Place, ...]] = tuple((x, y, NORTH) for y in (0.1, -2.3) for x in (-2.2, 0.0, 2.2))
HORSESHOE: Final[tuple[Place, ...]] = (
    (-2.7, 0.5, 0.0), (-2.7, -1.5, 0.0), (-1.0, -2.7, NORTH),
    (1.0, -2.7, NORTH), (2.7, -1.5, math.pi), (2.7, 0.5, math.pi),
)  # fmt: skip
ARC: Final[tuple[Place, ...]] = tuple(
    (3.0 * pmath.cos(a), 0.9 + 3.0 * pmath.sin(a), a + math.pi)
    for a in (math.radians(186 + 33.6 * i) for i in range(6))
)
ARRANGEMENTS: Final = (ROWS, HORSESHOE, ARC)
MAX_PUPILS: Final = len(ROWS)

_WIDTH, _DEPTH, _HEIGHT = 8.0, 7.4, 2.6
_WALL_COLORS: Final = ((222, 206, 172), (190, 206, 222), (198, 216, 190), (228, 204, 192))
_WOODS: Final = ((186, 146, 100), (170, 128, 92), (198, 164, 120))
_DARK_WOOD: Final = (122, 84, 58)
_CHALKBOARD: Final = (34, 84, 64)
_SKY: Final = (168, 206, 228)
_DESK: Final = Box(0.95, 0.42, 0.62)
_AHEAD: Final = 0.52  # Of the middle of a desk from its pupil, metres.
_LAMP: Final = 0.13
_ASIDE: Final = 0.32  # Of a lamp from the middle of its desk, metres.
_JITTER: Final = 0.1
_TURN: Final = 0.08


class Schoolroom:
    """One level's room.

    Attributes:
        walls: the room's own, and all that stands in it for good.
        lamps: one on each pupil's desk.
        spawns: the teacher's before the board, then the pupils' at their desks.
        fronts: (pupils,) where each pupil's desk is from its place, radians.
    """

    def __init__(self, rng: np.random.Generator, pupils: int) -> None:
        """Draws the arrangement of the desks, who sits where, and the colours."""
        wood = _WOODS[int(rng.integers(len(_WOODS)))]
        side = 1.0 if rng.random() < 0.5 else -1.0
        color = _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))]
        self._room = room = Room(_WIDTH, _DEPTH, _HEIGHT, color=color)
        self.walls = [*room.walls(), *_furniture(room, side)]
        self.lamps: list[Prop] = []
        x, turn = rng.uniform(-1.2, 1.2), rng.uniform(-0.4, 0.4)
        self.spawns = [Spawn((x, 2.4), turn - NORTH)]
        places = ARRANGEMENTS[int(rng.integers(len(ARRANGEMENTS)))]
        chosen = rng.permutation(MAX_PUPILS)[:pupils].tolist()
        shifts = rng.uniform(-1.0, 1.0, (pupils, 3)).tolist()
        self.fronts: list[float] = []
        for place, (u, v, w) in zip(chosen, shifts, strict=True):
            x, y, front = places[place]
            self._seat(x + _JITTER * u, y + _JITTER * v, front + _TURN * w, wood)

    def _seat(self, x: float, y: float, front: float, wood: tuple[int, int, int]) -> None:
        """Puts up a pupil's desk, with a lamp on it."""
        cos, sin = float(pmath.cos(front)), float(pmath.sin(front))

        def at(ahead: float, left: float) -> tuple[float, float]:
            return x + ahead * cos - left * sin, y + ahead * sin + left * cos

        self.walls.append(Prop(_DESK, at(_AHEAD, 0.0), front - NORTH, color=wood))
        above = (*at(_AHEAD + 0.08, _ASIDE), _DESK.height + _LAMP)
        self.lamps.append(Prop(Sphere(_LAMP), above, color=LAMPS[OFF], solid=False))
        self.spawns.append(Spawn((x, y), front))
        self.fronts.append(front)

    def board(self, text: str) -> Sign:
        """The board on the front wall."""
        position, heading = self._room.on_wall("north", z=1.7, out=0.05)
        return Sign(text, position, heading, 2.9, 1.05, _CHALKBOARD, "white")


def _furniture(room: Room, side: float) -> list[Prop]:
    """The board's frame, the teacher's desk, shelves, windows and a plant."""
    frame, _ = room.on_wall("north", z=1.7, out=0.02)
    wall, corner = side * (_WIDTH / 2 - 0.01), side * (_WIDTH / 2 - 0.35)
    return [
        Prop(Box(3.1, 0.04, 1.25), frame, color=_DARK_WOOD),
        desk((side * (_WIDTH / 2 - 0.95), _DEPTH / 2 - 0.55), color=_DARK_WOOD),
        shelf((-side * (_WIDTH / 2 - 0.25), _DEPTH / 2 - 0.8), NORTH, color=_DARK_WOOD),
        *(Prop(Box(0.03, 1.3, 1.1), (wall, y, 1.5), color=_SKY) for y in (1.2, -0.7, -2.6)),
        Prop(Box(0.4, 0.4, 0.4), (-corner, -_DEPTH / 2 + 0.35), color="orange"),
        Prop(Box(0.55, 0.55, 0.7), (-corner, -_DEPTH / 2 + 0.35, 0.75), color="green"),
    ]


def standing_places(pupils: FloatArray, fronts: FloatArray) -> FloatArray:
    """Where one stands before pupils' desks, (worlds, pupils, 2), metres.

    Args:
        pupils: (worlds, pupils, 2) their places.
        fronts: (worlds, pupils) where their desks are, radians.
    """
    ahead = np.stack([pmath.cos(fronts), pmath.sin(fronts)], -1)
    return pupils + STAND_OFF * ahead
