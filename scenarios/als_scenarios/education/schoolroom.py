"""The place of a lesson: a room with a board, answer pads before panels, desks and a shelf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from als_engine.furniture import desk, shelf
from als_engine.layout import Box, Color, Cylinder, Prop, Sign, SoundSource, Spawn
from als_engine.room import Room

PAD_RADIUS: Final = 0.6
PAD_COLORS: Final = ("red", "yellow", "green", "blue", "purple", "orange")

_WIDTH, _DEPTH, _HEIGHT = 7.8, 6.6, 2.6
_MORE_WIDTH: Final = 1.2  # for each pad beyond four
_WALL_COLORS: Final = ((222, 206, 172), (190, 206, 222), (198, 216, 190), (228, 204, 192))
_CHALKBOARD: Final = (34, 84, 64)
_DESK_COLORS: Final = ((186, 146, 100), (170, 128, 92), (198, 164, 120))
_PAD_SPACE: Final = 0.95  # A pad and its panel fit into a disc of this radius.
_PANEL: Final = 0.76  # From the middle of a pad to that of its panel.
_BODY: Final = 0.35

Point = tuple[float, float]


class Schoolroom:
    """One level's room; its parts are drawn in the order of the methods below.

    Attributes:
        furniture: what stands in the room for good, with the room's own walls.
    """

    def __init__(self, rng: np.random.Generator, num_pads: int) -> None:
        """Builds the walls, the board's frame, the teacher's desk, a shelf and school desks."""
        width = _WIDTH + _MORE_WIDTH * max(0, num_pads - 4)
        color = _WALL_COLORS[rng.integers(len(_WALL_COLORS))]
        self._rng = rng
        self._room = room = Room(width, _DEPTH, _HEIGHT, color=color)
        side = 1.0 if rng.random() < 0.5 else -1.0
        wood = _DESK_COLORS[rng.integers(len(_DESK_COLORS))]
        frame, _ = room.on_wall("north", z=1.75, out=0.02)
        teacher = desk((side * (width / 2 - 1.2), _DEPTH / 2 - 0.4), color=(122, 84, 58))
        group = Prop(Box(1.1, 0.6, 0.72), (0.0, 0.0), rng.uniform(-0.4, 0.4), color=wood)
        school = Prop(Box(1.1, 0.5, 0.72), (0.0, 0.0), color=wood)
        self.furniture = [
            *room.walls(),
            Prop(Box(2.9, 0.04, 1.2), frame, color=(132, 94, 62)),
            room.add(teacher),
            room.place_along(rng, "east" if side < 0 else "west", shelf()),
            room.place(rng, group, near=(0.0, -0.2), within=1.2),
            room.place_along(rng, "south", school, margin=0.6),
            room.place_along(rng, "south", school, margin=0.6),
        ]

    def board(self, text: str) -> Sign:
        """The board on the front wall."""
        position, heading = self._room.on_wall("north", z=1.75, out=0.05)
        return Sign(text, position, heading, 2.7, 1.0, _CHALKBOARD, "white")

    def voice(self, text: str) -> SoundSource:
        """The voice, from above the board."""
        return SoundSource(self._room.on_wall("north", z=2.45, out=0.1)[0], text=text)

    def pads(self, numbers: Sequence[str]) -> tuple[list[Prop], list[Sign]]:
        """Draws where the pads lie; their panels, with the signs, look into the room."""
        pads, signs = [], []
        for color, number in zip(PAD_COLORS, numbers, strict=False):
            x, y = self._room.free_spot(self._rng, _PAD_SPACE, 0.05)
            facing = math.atan2(-y, -x) + self._rng.uniform(-0.5, 0.5)
            pads.append(Prop(Cylinder(PAD_RADIUS, 0.03), (x, y), color=color, solid=False))
            signs.append(self._panel(x, y, facing, color, number))
        return pads, signs

    def _panel(self, x: float, y: float, facing: float, color: Color, number: str) -> Sign:
        cos, sin = math.cos(facing), math.sin(facing)
        middle = (x - _PANEL * cos, y - _PANEL * sin)
        self.furniture.append(Prop(Box(0.08, 1.0, 1.3), middle, facing, color=color))
        front = (middle[0] + 0.06 * cos, middle[1] + 0.06 * sin, 0.92)
        return Sign(number, front, facing, 0.86, 0.6)

    def spawns(self, count: int) -> list[Spawn]:
        """Draws where the students start, roughly facing the board."""
        turn = self._rng.uniform(-0.8, 0.8, count).tolist()
        return [
            Spawn(self._room.free_spot(self._rng, _BODY), math.pi / 2 + turn[i])
            for i in range(count)
        ]

    def spots(self, count: int) -> list[Point]:
        """Draws free places to walk to."""
        return self._room.spots(self._rng, count, _BODY, 0.05)
