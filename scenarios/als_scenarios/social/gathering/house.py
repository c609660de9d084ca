"""The house of `ALS/Gathering-v0`: a room for the party, and a private room behind a door."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from als_engine.world.layout import (
    Box,
    Cylinder,
    Hinge,
    Prop,
    Sign,
    SoundSource,
    Spawn,
    Sphere,
)
from als_engine.world.room import Room
from als_engine.world.screens import Screen
from als_scenarios.social.gathering.faces import FACES, NIGHT

WIDTH, DEPTH, HEIGHT = 8.4, 6.4, 2.5
"""Of the room for the party, metres."""
PRIVATE_WIDTH, PRIVATE_DEPTH = 2.6, 3.4
WALL: Final = 0.15
DOOR_WIDTH: Final = 1.2

SEATS, BUFFET, SPOTS = 4, 3, 8
WAIT, ENTRY, POST, FIRST_SEAT = range(4)
FIRST_AT_BUFFET: Final = FIRST_SEAT + SEATS
FIRST_SPOT: Final = FIRST_AT_BUFFET + BUFFET
PLACES: Final = FIRST_SPOT + SPOTS
"""The rows of `places`: where a guest waits before the door, where it comes in, where the host
minds the door, seats in the private room, places at the buffet, and free spots in the party."""

FACE: Final = 0.32
"""Width and height of a face, metres."""

CLOTHES: Final = (
    (204, 62, 56), (232, 138, 48), (76, 158, 88), (54, 156, 156), (58, 110, 196), (132, 88, 176),
    (226, 134, 166), (120, 76, 52), (214, 196, 164), (92, 112, 60),
)  # fmt: skip
"""What guests may wear; it says nothing about who they are."""

_WALL_COLORS: Final = ((196, 172, 190), (186, 200, 208), (214, 190, 164), (190, 204, 180))
_GOLD, _WOOD, _CLOTH = (214, 178, 90), (116, 74, 46), (246, 240, 230)
_VELVET: Final = ((140, 40, 60), (40, 84, 110), (70, 100, 70))
_BALLOONS: Final = ((226, 86, 96), (244, 200, 84), (104, 168, 226), (150, 208, 140))

Point = tuple[float, float]


class House:
    """One level's house; its parts are drawn in the order of the methods below.

    Attributes:
        side: 1.0 where the private room lies in the east, -1.0 in the west.
        up: 1.0 where the buffet stands in the north, -1.0 in the south.
        offset: of the door from the middle of its wall, metres.
        walls: what stands for good, decorations included.
        props: the door and the other named things.
        places: (PLACES, 2), see `PLACES`.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Builds both rooms, the door between them, the buffet, the sofa and the decorations."""
        self._rng = rng
        color = _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))]
        self.side = 1.0 if rng.random() < 0.5 else -1.0
        self.offset = float(rng.uniform(-1.0, 1.0))
        wall = "east" if self.side > 0 else "west"
        self.room = room = Room(
            WIDTH, DEPTH, HEIGHT, color=color, doors=[(wall, self.offset, DOOR_WIDTH)]
        )
        middle = (self.side * (WIDTH / 2 + WALL + PRIVATE_WIDTH / 2), self.offset)
        back = "west" if self.side > 0 else "east"
        private = Room(
            PRIVATE_WIDTH, PRIVATE_DEPTH, HEIGHT, middle, color=(150, 116, 122),
            doors=[(back, 0.0, PRIVATE_DEPTH)],
        )  # fmt: skip
        self._wall = wall
        self.walls = [*room.walls(), *private.walls()]
        hinge = Hinge(angle=math.pi / 2, speed=2.5, opens="task")
        self.props = {"private door": room.hang(0, hinge, _WOOD)}
        self.places = np.zeros((PLACES, 2))
        self._find_door_places()
        self._furnish()
        self._decorate()

    def _find_door_places(self) -> None:
        side, y = self.side, self.offset
        x = side * WIDTH / 2
        toward = -1.0 if y > 0 else 1.0
        self.places[WAIT] = x - side * 0.75, y
        self.places[ENTRY] = x + side * 1.2, y - side * 0.1
        self.places[POST] = x - side * 1.75, y + 0.95 * toward
        # The door swings to the side of +y in the east, of -y in the west: seats are elsewhere.
        rows = np.array([(2.3, 0.1), (2.3, -0.75), (1.5, -1.2), (0.75, -1.2)])
        self.places[FIRST_SEAT:FIRST_AT_BUFFET] = np.stack(
            [x + side * rows[:, 0], y + side * rows[:, 1]], 1
        )
        self.room.occupy(self.places[WAIT], 0.8)
        self.room.occupy(self.places[POST], 0.3)

    def _furnish(self) -> None:
        """The buffet along one long wall, the sofa along the other, a carpet, lamps, plants."""
        rng, room = self._rng, self.room
        north = bool(rng.random() < 0.5)
        self.up = up = 1.0 if north else -1.0
        x = float(rng.uniform(-1.2, 1.2))
        y = up * (DEPTH / 2 - 0.4)
        table = Prop(Box(2.8, 0.7, 0.8), (x, y), color=_CLOTH)
        self.walls.append(room.add(table))
        dishes = rng.integers(len(_BALLOONS), size=5).tolist()
        for i, dish in enumerate(dishes):
            size = (0.3, 0.3, 0.1 + 0.07 * (i % 3))
            at = (x - 1.1 + 0.55 * i, y, 0.8 + size[2] / 2)
            self.props[f"dish {i}"] = Prop(
                Box(*size), at, 0.4 * i, color=_BALLOONS[dish], solid=False
            )
        for i in range(BUFFET):
            self.places[FIRST_AT_BUFFET + i] = x + 0.95 * (i - 1), y - up * 0.85
        velvet = _VELVET[int(rng.integers(len(_VELVET)))]
        x, y = float(rng.uniform(-1.0, 1.0)), -up * (DEPTH / 2 - 0.45)
        sofa = Prop(Box(2.2, 0.8, 0.42), (x, y), color=velvet)
        self.walls += [
            room.add(sofa),
            Prop(Box(2.2, 0.22, 0.5), (x, y - up * 0.3, 0.6), color=velvet),
        ]
        for aside in (-1.0, 1.0):
            self.walls.append(Prop(Box(0.2, 0.8, 0.24), (x + aside, y, 0.52), color=velvet))
        self.props["carpet"] = Prop(Box(4.2, 2.6, 0.02), (0.0, 0.0), color=velvet, solid=False)
        x = self.side * (WIDTH / 2 + WALL + PRIVATE_WIDTH / 2)
        self.props["rug"] = Prop(
            Box(1.7, 2.6, 0.02), (x, self.offset), color=(120, 96, 150), solid=False
        )
        far = -self.side * (WIDTH / 2 - 0.4)
        for i, aside in enumerate((-1.0, 1.0)):
            y = aside * (DEPTH / 2 - 0.4)
            self.props[f"lamp {i}"] = room.add(Prop(Cylinder(0.07, 1.6), (far, y), color=_GOLD))
            self.props[f"shade {i}"] = Prop(
                Cylinder(0.26, 0.34), (far, y, 1.75), color=(255, 236, 170), solid=False
            )
            plant = Prop(Cylinder(0.24, 1.2), (-far, y), color="green")
            self.props[f"plant {i}"] = room.add(plant)

    def _decorate(self) -> None:
        """Balloons tied to the buffet, and a golden curtain at the end of the private room."""
        x, y = self.places[FIRST_AT_BUFFET] + (-0.3, 0.85 * self.up)
        for i, (aside, z) in enumerate(((-0.2, 1.75), (0.22, 1.85), (0.02, 2.15))):
            self.props[f"balloon {i}"] = Prop(
                Sphere(0.22), (x + aside, y, z), color=_BALLOONS[i], solid=False
            )
        self.props["string"] = Prop(Cylinder(0.015, 1.1), (x, y, 1.35), color="grey", solid=False)
        x = self.side * (WIDTH / 2 + WALL + PRIVATE_WIDTH - 0.02)
        self.props["curtain"] = Prop(
            Box(0.04, 2.4, 2.0), (x, self.offset, 1.1), color=_GOLD, solid=False
        )

    def signs(self, invited: Sequence[str]) -> dict[str, Sign]:
        """What is written beside and above the door: that it is private, and for whom it is."""
        at, facing = self.room.on_wall(self._wall, self.offset, z=2.2, out=0.08)
        beside = self.offset - (1.2 if self.offset > 0 else -1.2)
        beside_at, _ = self.room.on_wall(self._wall, beside, z=1.6, out=0.02)
        return {
            "private": Sign("PRIVATE", at, facing, 1.1, 0.3, _WOOD, _GOLD),
            "guest list": Sign("\n".join(invited), beside_at, facing, 0.9, 0.9, _CLOTH, _WOOD),
        }

    def spots(self) -> None:
        """Draws the free spots of the party."""
        spots = self.room.spots(self._rng, SPOTS, 0.3, 0.05)
        self.places[FIRST_SPOT:] = spots

    def spawns(self, guests: int) -> list[Spawn]:
        """Draws where everybody starts: the host in the middle, guests at the free spots."""
        turns = self._rng.uniform(-math.pi, math.pi, guests + 1).tolist()
        order = self._rng.permutation(SPOTS)[:guests].tolist()
        where = [self.places[FIRST_SPOT + i] for i in order]
        host = self.room.free_spot(self._rng, 0.3, near=(0.0, 0.0), within=2.5)
        return [
            Spawn(host, turns[0]),
            *(Spawn(tuple(at), turn) for at, turn in zip(where, turns[1:], strict=True)),
        ]


def voices(guests: int) -> dict[str, SoundSource]:
    """The guests' voices, silent at first; the task moves them along."""
    return {f"voice {i}": SoundSource((0.0, 0.0, 1.5), (0.0,) * 8, on=False) for i in range(guests)}


def windows(house: House) -> dict[str, Screen]:
    """Two windows to the night, above the sofa."""
    found = {}
    for i, x in enumerate((-2.4, 2.4)):
        at, heading = house.room.on_wall("south" if house.up > 0 else "north", x, z=1.6, out=0.02)
        found[f"window {i}"] = Screen(NIGHT, at, heading, 1.4, 1.3)
    return found


def faces(drawn: Sequence[int]) -> dict[str, Screen]:
    """The guests' faces, of `FACES`; the task moves them along."""
    return {
        f"face {i}": Screen(FACES[which], (0.0, 0.0, 1.5), 0.0, FACE, FACE)
        for i, which in enumerate(drawn)
    }
