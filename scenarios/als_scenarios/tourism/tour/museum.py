"""Lays out the museum of `ALS/Tour-v0`: its exhibits, their labels, the exit and who comes.

Exhibits count pictures first, then what stands on plinths, one in each room. Lengths are metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine.task import split_of
from als_engine.world.arrays import FloatArray
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Shape, Sign, Spawn
from als_engine.world.room import SIDES
from als_engine.world.screens import Screen
from als_scenarios.tourism.tour import paintings
from als_scenarios.tourism.tour.floor import PLANS, ROOMS, SIDE, Floor, Spot
from als_scenarios.tourism.tour.sculptures import Column, Skeleton, Statue, Vase
from als_scenarios.tourism.tour.taste import ATTRIBUTES, NUM_ATTRIBUTES, draw_party

PICTURES: Final = 8
THINGS: Final = ROOMS
EXHIBITS: Final = PICTURES + THINGS

STAND: Final = (0.85, 0.6)
"""How far before and beside an exhibit its guide stands."""

SPOTLIGHT: Final = THINGS + ROOMS
"""The index of the prop that marks the exhibit on show."""

_OUT: Final = {"north": (0, -1), "east": (-1, 0), "south": (0, 1), "west": (1, 0)}
_CARPETS: Final = ((150, 72, 70), (84, 128, 98), (84, 110, 152), (176, 140, 84))
_BESIDE: Final = 1.15
_CORNER: Final = 1.3
_SPREAD: Final = 1.5
_PLINTH: Final = 0.5
_PLINTH_HEIGHT: Final = 0.7
_LABEL: Final = 0.87

_TITLES: Final = (
    ("TEMPLE AT DUSK", "OLD ROME", "THE ARCADES"),
    ("GREEN VALLEY", "THE RIVER", "MAY MORNING"),
    ("PORTRAIT I", "THE SISTER", "AN OLD FRIEND"),
    ("COMPOSITION", "RED AND BLUE", "SQUARES"),
    ("STORM AT SEA", "LIGHTNING", "THE WRECK"),
    ("TAPESTRY", "ORNAMENT", "WOVEN STARS"),
)
_THINGS: Final[tuple[tuple[str, Shape, tuple[int, int, int]], ...]] = (
    ("BROKEN COLUMN", Column(), (222, 216, 200)),
    ("SKELETON", Skeleton(), (236, 228, 204)),
    ("MARBLE FIGURE", Statue(), (238, 236, 230)),
    ("BLUE VASE", Vase(), (44, 92, 188)),
    ("BRONZE WARRIOR", Statue(), (104, 76, 48)),
    ("CLAY VASE", Vase(), (190, 104, 60)),
)


def lay_out(rng: np.random.Generator, level: int, visitors: int) -> Layout:
    """Draws one level: the floor, its exhibits, and who comes to see them."""
    floor = Floor(rng, level)
    spots, exit_spot = _spots(rng, floor)
    collection = draw_exhibits(rng)
    variants = rng.integers(0, paintings.VARIANTS, EXHIBITS).tolist()
    party = draw_party(rng, split_of(level), visitors)
    screens, signs = _pictures(spots, collection, variants)
    props, plinths = _sculptures(spots, collection, signs)
    for i, (room, color) in enumerate(zip(floor.rooms, floor.colors, strict=True)):
        carpet = Box(SIDE - 0.9, SIDE - 0.9, 0.008)
        props[f"carpet_{i + 1}"] = Prop(carpet, room.center, color=_CARPETS[color], solid=False)
    disc = Cylinder(0.75, 0.02)
    props["spotlight"] = Prop(disc, (0.0, 0.0), color="yellow", solid=False, present=False)
    signs["exit"] = Sign("EXIT", (*exit_spot.at(0.03), 1.9), exit_spot.heading, 0.7, 0.24,
                         "green", "white")  # fmt: skip
    leaf = Prop(
        Box(0.95, 0.05, 1.75), exit_spot.at(0.02), exit_spot.heading + math.pi / 2, color="brown"
    )
    return Layout(
        walls=[*floor.walls(), *plinths, leaf],
        props=props,
        signs=signs,
        screens=screens,
        spawns=_spawns(rng, exit_spot, visitors),
        instruction="show the visitors what they like, and say why",
        quantities={
            "plan": list(PLANS).index(floor.plan),
            "strengths": collection.strengths,
            "place": [spot.place for spot in spots],
            "out": [spot.out for spot in spots],
            "stand": [spot.at(*STAND) for spot in spots],
            "room_of": [spot.room for spot in spots],
            "rooms": [room.bounds for room in floor.rooms],
            "next_room": floor.next_room,
            "door": floor.door,
            "exit": exit_spot.at(0.7),
            "kind": party.kind,
            "taste": party.taste,
            "patience": party.patience,
            "tiring": party.tiring,
        },
    )


class Collection(NamedTuple):
    """What a level's twelve exhibits are about.

    Attributes:
        about: of each its three attributes, the strongest first.
        stars: how strong it is in these, 1 to 3.
        strengths: (12, 6) the same in all attributes, vectors of length 1.
    """

    about: list[tuple[int, ...]]
    stars: list[tuple[int, ...]]
    strengths: FloatArray

    def label(self, exhibit: int, title: str) -> str:
        """The text of its label: the title, and a line with stars for each attribute."""
        pairs = zip(self.about[exhibit], self.stars[exhibit], strict=True)
        return "\n".join([title, *(f"{ATTRIBUTES[k]:<8}{'*' * n}" for k, n in pairs)])


def draw_exhibits(rng: np.random.Generator) -> Collection:
    """Draws what exhibits are about; each attribute is the strongest of two of them."""
    first = np.concatenate([rng.permutation(NUM_ATTRIBUTES), rng.permutation(NUM_ATTRIBUTES)])
    order = rng.random((EXHIBITS, NUM_ATTRIBUTES))
    every = np.arange(EXHIBITS)
    order[every, first] = -1.0
    about = np.argsort(order, axis=1, kind="stable")[:, :3]
    stars = np.tile([3, 2, 1], (EXHIBITS, 1))
    stars[:, 1] += rng.integers(0, 2, EXHIBITS)
    strengths = np.zeros((EXHIBITS, NUM_ATTRIBUTES))
    strengths[every[:, None], about] = stars
    strengths /= np.sqrt(np.square(strengths).sum(1))[:, None]
    rows = [[tuple(row) for row in table.tolist()] for table in (about, stars)]
    return Collection(rows[0], rows[1], strengths)


def _pictures(
    spots: Sequence[Spot], collection: Collection, variants: Sequence[int]
) -> tuple[dict[str, Screen], dict[str, Sign]]:
    """The pictures on their walls, each with its label beside it."""
    screens, signs = {}, {}
    for i, (spot, variant) in enumerate(zip(spots[:PICTURES], variants, strict=False)):
        about = collection.about[i]
        where = (*spot.at(0.03), 1.42)
        picture = paintings.paint(about, variant)
        screens[f"picture_{i + 1}"] = Screen(picture, where, spot.heading, 1.2, 0.9)
        text = collection.label(i, _TITLES[about[0]][variant])
        beside = (*spot.at(0.02, -_LABEL), 1.25)
        signs[f"label_{i + 1}"] = Sign(text, beside, spot.heading, 0.44, 0.3)
    return screens, signs


def _sculptures(
    spots: Sequence[Spot], collection: Collection, signs: dict[str, Sign]
) -> tuple[dict[str, Prop], list[Prop]]:
    """What stands on plinths, and the plinths; their labels are added to the signs."""
    props, plinths = {}, []
    for i, spot in enumerate(spots[PICTURES:], PICTURES):
        title, shape, color = _THINGS[collection.about[i][0]]
        turn = spot.heading + math.pi / 2
        box = Box(_PLINTH, _PLINTH, _PLINTH_HEIGHT)
        plinths.append(Prop(box, spot.place, turn, color=(236, 232, 224)))
        middle = _PLINTH_HEIGHT + shape.half[2]
        props[f"thing_{i - PICTURES + 1}"] = Prop(shape, (*spot.place, middle), turn, color=color)
        front = (*spot.at(_PLINTH / 2 + 0.01), _PLINTH_HEIGHT - 0.2)
        signs[f"label_{i + 1}"] = Sign(collection.label(i, title), front, spot.heading, 0.46, 0.3)
    return props, plinths


def _spots(rng: np.random.Generator, floor: Floor) -> tuple[list[Spot], Spot]:
    """Where exhibits are, in their order, and the exit on an outer wall of the first room."""
    pictures, things = [], []
    draws = rng.random((ROOMS, 8)).tolist()
    exit_spot: Spot | None = None
    for i, u in enumerate(draws):
        sides = sorted(SIDES, key=lambda side, u=u: u[SIDES.index(side)])  # type: ignore[misc]
        if i == 0:
            out_side = next(side for side in sides if side in floor.outer(0))
            sides.remove(out_side)
            exit_spot = _on_wall(floor, 0, out_side, 0.5)
        here = _apart([_on_wall(floor, i, side, u[4]) for side in sides])
        taken = [spot.at(1.0) for spot in here]
        taken += [floor.rooms[i].on_wall(side, at)[0][:2] for side, at in floor.gaps[i].items()]
        taken += [exit_spot.at(0.6)] if i == 0 and exit_spot else []
        pictures += here
        things.append(_in_corner(floor, i, taken, u[6]))
    assert exit_spot is not None
    order = rng.permutation(PICTURES).tolist()
    return [pictures[k] for k in order] + things, exit_spot


def _apart(spots: Sequence[Spot]) -> list[Spot]:
    """The first of some places on walls, and the next that is not just around the corner."""

    def square(spot: Spot) -> float:
        (x, y), (u, v) = spots[0].at(1.0), spot.at(1.0)
        return (x - u) ** 2 + (y - v) ** 2

    far = [spot for spot in spots[1:] if square(spot) > _SPREAD**2]
    return [spots[0], far[0] if far else max(spots[1:], key=square)]


def _on_wall(floor: Floor, room: int, side: str, draw: float) -> Spot:
    """A place on a wall: beside its door, or near the middle."""
    gap = floor.gaps[room].get(side)
    offset = 0.8 * (draw - 0.5) if gap is None else math.copysign(_BESIDE, -gap)
    x, y = floor.rooms[room].on_wall(side, offset)[0][:2]
    out = _OUT[side]
    along = (1.0, 0.0) if out[0] == 0 else (0.0, 1.0)
    away = -1.0 if draw < 0.5 else 1.0
    if gap is not None:
        away = math.copysign(1.0, offset)
    aside = (away * along[0], away * along[1])
    return Spot(room, (x, y), (float(out[0]), float(out[1])), aside)


def _in_corner(floor: Floor, room: int, taken: Sequence[tuple[float, ...]], draw: float) -> Spot:
    """The place of a plinth, in the corner that leaves most room to everything else."""
    x, y = floor.rooms[room].center
    corners = [(x + _CORNER * a, y + _CORNER * b) for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    first = int(4 * draw)
    corners = corners[first:] + corners[:first]

    def space(corner: tuple[float, float]) -> float:
        return min((corner[0] - u) ** 2 + (corner[1] - v) ** 2 for u, v in taken)

    best = max(corners, key=space)
    half = math.sqrt(0.5)
    out = (math.copysign(half, x - best[0]), math.copysign(half, y - best[1]))
    turn = 1.0 if draw * 8 % 1.0 < 0.5 else -1.0
    return Spot(room, best, out, (-turn * out[1], turn * out[0]))


def _spawns(rng: np.random.Generator, exit_spot: Spot, visitors: int) -> list[Spawn]:
    """The guide in the first room, and the visitors between the guide and the door."""
    away = rng.uniform(-0.25, 0.25, 2 * visitors + 3).tolist()
    facing = exit_spot.heading
    spawns = [Spawn(exit_spot.at(2.2 + away[-1], away[-2]), facing + math.pi + away[-3])]
    for v in range(visitors):
        row, column = divmod(v, 3)
        where = exit_spot.at(1.25 - 0.7 * row + 0.3 * away[v], 0.8 * (column - 1) + 0.3 * away[v])
        spawns.append(Spawn(where, facing + away[visitors + v]))
    return spawns
