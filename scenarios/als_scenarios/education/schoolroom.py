"""The place of a lesson: a room with a board, a ring of answer pads and furniture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.furniture import desk, shelf
from als_engine.world.layout import Box, Color, Cylinder, Prop, Sign, SoundSource, Spawn
from als_engine.world.room import Room

PAD_RADIUS: Final = 0.6
PAD_COLORS: Final = ("red", "yellow", "green", "blue", "purple", "orange")

_WIDTH, _DEPTH, _HEIGHT = 7.2, 7.4, 2.6
_WALL_COLORS: Final = ((222, 206, 172), (190, 206, 222), (198, 216, 190), (228, 204, 192))
_DESK_COLORS: Final = ((186, 146, 100), (170, 128, 92), (198, 164, 120))
_DARK_WOOD: Final = (122, 84, 58)
_CHALKBOARD: Final = (34, 84, 64)
_RING: Final = 1.4  # The least distance of a pad from the middle of the ring; with more pads, more.
_MORE_RING: Final = 0.12
_DEPTH_OF_RING: Final = 0.35
_APART: Final = 1.36  # Between the middles of two pads.
_PANEL: Final = 0.76  # From the middle of a pad to that of its panel.
_ASKEW: Final = 0.3  # Radians that a panel is turned from the middle of the ring, at most.
_BODY: Final = 0.35

Point = tuple[float, float]


class Schoolroom:
    """One level's room; its parts are drawn in the order of the methods below.

    Attributes:
        furniture: what stands in the room for good, with the room's own walls.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Builds the walls, the board's frame, the teacher's desk, school desks and a shelf."""
        color = _WALL_COLORS[rng.integers(len(_WALL_COLORS))]
        wood = _DESK_COLORS[rng.integers(len(_DESK_COLORS))]
        side = 1.0 if rng.random() < 0.5 else -1.0
        self._rng = rng
        self._room = room = Room(_WIDTH, _DEPTH, _HEIGHT, color=color)
        frame, _ = room.on_wall("north", z=1.75, out=0.02)
        teacher = desk((side * (_WIDTH / 2 - 1.0), _DEPTH / 2 - 0.4), color=_DARK_WOOD)
        school = Prop(Box(1.1, 0.45, 0.72), (0.0, 0.0), color=wood)
        x, y, turn = rng.uniform(-0.3, 0.3, 3).tolist()
        self._middle = (x, y - 0.1)
        x, y = rng.uniform(-0.25, 0.25, 2).tolist()
        table = Prop(
            Box(0.9, 0.6, 0.6), (self._middle[0] + x, self._middle[1] + y), turn, color=wood
        )
        self.furniture = [
            *room.walls(),
            Prop(Box(2.9, 0.04, 1.2), frame, color=_DARK_WOOD),
            room.add(teacher),
            room.add(table),
            room.place_along(rng, "south", school),
            room.place_along(rng, "south", school),
            room.place_along(rng, "east" if side < 0 else "west", shelf()),
        ]

    def board(self, text: str) -> Sign:
        """The board on the front wall."""
        position, heading = self._room.on_wall("north", z=1.75, out=0.05)
        return Sign(text, position, heading, 2.7, 1.0, _CHALKBOARD, "white")

    def voice(self, text: str) -> SoundSource:
        """The voice, from above the board."""
        return SoundSource(self._room.on_wall("north", z=2.45, out=0.1)[0], text=text)

    def pads(self, numbers: Sequence[str]) -> tuple[list[Prop], list[Sign]]:
        """Draws where the pads lie, around the table, each before a panel that bears its number.

        Each pad has an equal sector of the ring and lies anywhere in it that keeps it apart from
        its neighbours.

        Returns:
            The pads, and for each pad the sign on its panel's front, which looks inwards, then
            those on the backs in the same order.
        """
        n, rng = len(numbers), self._rng
        least = _RING + _MORE_RING * max(0, n - 4)
        sine = _APART / 2 / least
        apart = float(pmath.atan2(sine, math.sqrt(1.0 - sine * sine)))
        slack = max(0.0, math.pi / n - apart)
        start = rng.uniform(0.0, 2 * math.pi)
        pads, fronts, backs = [], [], []
        for i, (color, number, (u, v, w)) in enumerate(
            zip(PAD_COLORS, numbers, rng.random((n, 3)).tolist(), strict=False)
        ):
            angle = start + 2 * math.pi * i / n + slack * (2 * u - 1)
            away = least + _DEPTH_OF_RING * v
            x = self._middle[0] + away * pmath.cos(angle)
            y = self._middle[1] + away * pmath.sin(angle)
            self._room.occupy((x, y), PAD_RADIUS)
            pads.append(Prop(Cylinder(PAD_RADIUS, 0.03), (x, y), color=color, solid=False))
            inwards = angle + math.pi + _ASKEW * (2 * w - 1)
            panel = self._panel(x, y, inwards, color)
            fronts.append(_on_panel(panel, inwards, number))
            backs.append(_on_panel(panel, inwards + math.pi, number))
        return pads, fronts + backs

    def _panel(self, x: float, y: float, facing: float, color: Color) -> Prop:
        middle = (x - _PANEL * pmath.cos(facing), y - _PANEL * pmath.sin(facing))
        panel = Prop(Box(0.08, 1.0, 1.3), middle, facing, color=color)
        self.furniture.append(self._room.add(panel))
        return panel

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


def _on_panel(panel: Prop, facing: float, number: str) -> Sign:
    x = panel.position[0] + 0.06 * pmath.cos(facing)
    y = panel.position[1] + 0.06 * pmath.sin(facing)
    return Sign(number, (x, y, 0.92), facing, 0.86, 0.6)
