"""The room of `ALS/Meeting-v0`: a round table to stand at, boards, and where everybody stands."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import FloatArray
from als_engine.world.layout import Box, Color, Cylinder, Prop, Sign, SoundSource, Spawn
from als_engine.world.room import Room
from als_scenarios.office.meeting.words import NAMES

WIDTH, DEPTH, HEIGHT = 7.0, 6.2, 2.5
TABLE: Final = 1.0
"""The radius of the table, metres."""

PLACES: Final = 6
SEAT: Final = 1.45
"""How far from the middle of the table the speakers stand, metres."""

MIDDLE: Final = (0.0, -0.15)
BOARD_Y: Final = DEPTH / 2 - 0.03

CLOTHES: Final = ("blue", "orange", "teal", "pink", "purple", "green")
"""What each of `NAMES` wears."""

_WALLS: Final = ((226, 220, 206), (206, 218, 226), (214, 224, 208), (230, 214, 206))
_RUGS: Final = ((96, 112, 136), (132, 96, 92), (98, 122, 104))
_WOOD: Final = (176, 130, 88)
_STEEL: Final = (120, 124, 130)
_DARK: Final = (62, 66, 74)
_FRAME: Final = (92, 96, 104)
_WINDOW: Final = (168, 206, 228)
_BOARD = (1.42, 0.8)
_LAPTOP: Final = Box(0.44, 0.3, 0.04)
_LEG: Final = Box(0.5, 0.5, 0.98)
_BOARD_Z: Final = 1.55
_BOARDS_X: Final = (-2.32, -0.88, 0.88, 2.32)
_BANDS: Final = (
    (0.3, 1.0, 1.0, 0.8, 0.4, 0.2, 0.1, 0.05),
    (0.1, 0.4, 1.0, 1.0, 0.8, 0.3, 0.2, 0.1),
    (0.3, 0.8, 0.6, 1.0, 0.6, 0.4, 0.1, 0.05),
    (0.1, 0.5, 0.8, 1.0, 1.0, 0.5, 0.3, 0.1),
    (0.4, 1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1),
    (0.1, 0.3, 0.7, 1.0, 1.0, 0.7, 0.2, 0.1),
)
"""The spectrum of each voice: about 0.1 kHz to 3 kHz, lower or higher."""
_MOUTH: Final = 1.5


class Seats(NamedTuple):
    """Where the speakers stand, (speakers, 2) each.

    Attributes:
        position: metres.
        along: unit vectors along the edge of the table.
    """

    position: FloatArray
    along: FloatArray


class Boardroom:
    """One level's room; its parts are drawn in the order of the methods below.

    Attributes:
        furniture: what stands in the room for good, with the room's own walls.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Builds the walls, the leg of the table, and what hangs and stands at the walls."""
        self._rng = rng
        self._color = _WALLS[int(rng.integers(len(_WALLS)))]
        self._rug = _RUGS[int(rng.integers(len(_RUGS)))]
        self._side = 1.0 if rng.random() < 0.5 else -1.0
        self._room = room = Room(WIDTH, DEPTH, HEIGHT, color=self._color)
        room.occupy(MIDDLE, TABLE)
        self.furniture = [*room.walls(), *self._fittings()]

    def _fittings(self) -> list[Prop]:
        side, east = self._side, WIDTH / 2
        counter = Prop(Box(0.45, 1.5, 0.85), (side * (east - 0.225), -1.9), color=_DARK)
        x, y = counter.position
        self._room.occupy(counter.position, box=(0.45, 1.5))
        frames = [
            Prop(Box(_BOARD[0] * 2 + 0.1, 0.03, _BOARD[1] + 0.1), (x0, BOARD_Y, _BOARD_Z),
                 color=_FRAME)
            for x0 in (-1.6, 1.6)
        ]  # fmt: skip
        return [
            Prop(_LEG, MIDDLE, color=_DARK),
            counter,
            Prop(Box(0.4, 0.42, 0.4), (x, y + 0.4, 1.05), color="red"),
            Prop(Box(0.03, 1.0, 2.0), (-side * (east - 0.015), -1.7), color="brown"),
            Prop(Box(0.06, 0.06, 0.12), (-side * (east - 0.04), -1.32, 1.0), color=_STEEL),
            Prop(Box(0.03, 1.8, 1.0), (side * (east - 0.015), 0.7, 1.5), color=_WINDOW),
            *frames,
        ]

    def props(self) -> dict[str, Prop]:
        """The table with two laptops, the rug under it, and two plants in the corners."""
        x = self._side * (WIDTH / 2 - 0.45)
        plants = ((-x, DEPTH / 2 - 0.45), (x, DEPTH / 2 - 0.45))
        turn = float(self._rng.uniform(0.0, math.pi))
        x, y = 0.5 * float(pmath.cos(turn)), 0.5 * float(pmath.sin(turn))
        laptops = ((MIDDLE[0] + x, MIDDLE[1] + y), (MIDDLE[0] - x, MIDDLE[1] - y))
        return {
            "table": Prop(Cylinder(TABLE, 0.06), (*MIDDLE, 1.01), color=_WOOD),
            "rug": Prop(Cylinder(2.3, 0.01), MIDDLE, color=self._rug, solid=False),
            **{
                f"laptop {i + 1}": Prop(_LAPTOP, (*spot, 1.06), turn + math.pi / 2, color=_DARK)
                for i, spot in enumerate(laptops)
            },
            **{
                f"plant {i + 1}": self._room.add(Prop(Cylinder(0.22, 1.2), spot, color="green"))
                for i, spot in enumerate(plants)
            },
        }

    def signs(self, texts: dict[str, str], papers: tuple[Color, Color]) -> dict[str, Sign]:
        """Hangs up four boards side by side: two of one kind, two of another."""
        signs = {}
        for i, (name, text) in enumerate(texts.items()):
            at, facing = self._room.on_wall("north", _BOARDS_X[i], _BOARD_Z, out=0.06)
            signs[name] = Sign(text, at, facing, *_BOARD, papers[i // 2], "black")
        return signs

    def seats(self, count: int) -> Seats:
        """Draws which of the six places around the table are taken, and by whom."""
        rng = self._rng
        turn = float(rng.uniform(0.0, 2 * math.pi / PLACES))
        taken = rng.permutation(PLACES)[:count]
        angle = turn + 2 * math.pi * taken / PLACES + rng.uniform(-0.08, 0.08, count)
        out = np.stack([pmath.cos(angle), pmath.sin(angle)], -1)
        position = np.array(MIDDLE) + SEAT * out
        for spot in position.tolist():
            self._room.occupy(spot, 0.3)
        return Seats(position, np.stack([-out[:, 1], out[:, 0]], -1))

    def spawns(self, seats: Seats) -> list[Spawn]:
        """The note-taker somewhere along the walls; the speakers at the table, facing it."""
        x, y = self._room.free_spot(self._rng, 0.3, away_from=MIDDLE, beyond=2.1)
        turn = float(self._rng.uniform(-0.5, 0.5))
        first = Spawn((x, y), float(pmath.atan2(MIDDLE[1] - y, MIDDLE[0] - x)) + turn)
        inwards = [
            float(pmath.atan2(MIDDLE[1] - y, MIDDLE[0] - x)) for x, y in seats.position.tolist()
        ]
        return [
            first,
            *(Spawn(at, to) for at, to in zip(seats.position.tolist(), inwards, strict=True)),
        ]


def voices(seats: Seats) -> dict[str, SoundSource]:
    """One source for each speaker, silent at first; it follows its speaker."""
    return {
        name: SoundSource((x, y, _MOUTH), bands, on=False)
        for name, bands, (x, y) in zip(NAMES, _BANDS, seats.position.tolist(), strict=False)
    }
