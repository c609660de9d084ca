"""The yard of `ALS/Commons-v0` as a place: its trees, the river, the pen, and who lives there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from als_engine.geometry import portable_math as pmath
from als_engine.task import Split, split_of
from als_engine.world.layout import Box, Color, Cylinder, Layout, Prop, Spawn, Sphere
from als_engine.world.room import Room

WIDTH, DEPTH = 14.0, 10.0
"""Of the yard, metres: the river runs along its west side, the pen lies behind its east fence."""

PATCHES, SPOTS = 6, 6
"""Most patches, and most spots for fruit in a patch."""

FRUITS: Final = PATCHES * SPOTS
PUMPS: Final = 3
"""Fruit and pumps are the first props: spot `k` of patch `p` is prop `SPOTS * p + k`."""

REACHES: Final = 6
"""Stretches of the river."""

RING: Final = 0.72
"""How far from its tree fruit lies, metres."""

MOST_AVATARS: Final = 8
TEMPERS: Final = ("cooperates", "free-rides", "punishes")
"""The known ways to behave, as the quantity `temper` counts them."""

_PLANS: Final[dict[Split, tuple[tuple[int, ...], ...]]] = {
    "train": (
        (6, 6, 6, 6),
        (6, 6, 6, 5),
        (6, 6, 5, 5, 4),
        (5, 5, 5, 5, 5),
        (6, 6, 6, 5, 4),
        (5, 5, 5, 5, 4, 4),
        (6, 5, 5, 5, 4, 4),
    ),
    "validation": ((6, 6, 5, 5), (6, 5, 5, 5, 4), (6, 6, 5, 4, 4, 4)),
    "test": ((6, 6, 6, 4), (6, 6, 5, 5, 5), (5, 5, 5, 5, 5, 4)),
}
"""How many spots each patch has; no plan is met in two splits."""

_CENTERS: Final = tuple((x, y) for x in (-2.1, 1.6, 5.3) for y in (-2.8, 2.8))
_ASTRAY = (0.3, 0.7)
_BANK: Final = -WIDTH / 2 + 1.6
PUMP_PLACES: Final = tuple((_BANK + 0.25, y) for y in (-DEPTH / 3, 0.0, DEPTH / 3))
STAND_OFF: Final = 0.7
"""How far east of a pump one stands to use it, metres."""

PEN: Final = tuple((WIDTH / 2 + 0.8, y - 3.5) for y in range(MOST_AVATARS))
"""Where who was sent away waits, one place for each avatar."""

GATES: Final = tuple((WIDTH / 2 - 0.45, y - 3.5) for y in range(MOST_AVATARS))
"""Where somebody who comes back may be put."""

FRUIT_RADIUS: Final = 0.16
PUMP_RADIUS: Final = 0.14

_FRUIT_COLORS: Final[tuple[Color, ...]] = (
    (214, 48, 44), (240, 150, 40), (248, 212, 64), (150, 64, 168), (236, 108, 150), (178, 28, 62),
)  # fmt: skip
_CROWN_COLORS: Final = ((62, 128, 66), (78, 146, 72), (54, 112, 70))
_FENCE: Final = (150, 108, 72)
_LAWN: Final = (158, 204, 116)
MEADOW: Final = (104, 172, 84)
DRY: Final = (206, 178, 122)
"""The ground under a tree that bears, and under one that will never bear again."""

_CLEAR, _FOUL = (78, 164, 232), (128, 88, 42)


def shades(cells: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The colour of a stretch of the river by how many of its cells are dirty: blue to brown.

    It is brown from 60 % on.
    """
    share = np.minimum(1.0, np.arange(cells + 1)[:, None] / (0.6 * cells))
    mixed = np.array(_CLEAR) * (1 - share) + np.array(_FOUL) * share
    return np.asarray(mixed.round(), np.uint8)


def mixtures(split: Split, others: int) -> list[tuple[int, int]]:
    """How many of the others are free riders and punishers, in every mixture of a split.

    All who are neither cooperate. A mixture is met in one split only.
    """
    kinds: tuple[Split, ...] = ("train", "train", "test", "validation")
    every = [(f, p) for f in range((others - 1) // 2 + 1) for p in range(3)]
    return [(f, p) for f, p in every if kinds[(3 * f + p) % 4] == split]


def yard(rng: np.random.Generator, level: int, num_avatars: int) -> Layout:
    """Draws a yard: which trees stand where, and who the others are."""
    split = split_of(level)
    plans, mixed = _PLANS[split], mixtures(split, num_avatars - 1)
    plan = plans[int(rng.integers(len(plans)))]
    free_riders, punishers = mixed[int(rng.integers(len(mixed)))]
    planted, places, centers = _patches(rng, plan)
    temper = np.zeros(num_avatars, np.int8)
    temper[1 : 1 + free_riders] = TEMPERS.index("free-rides")
    temper[1 + free_riders : 1 + free_riders + punishers] = TEMPERS.index("punishes")
    temper[1:] = temper[1:][rng.permutation(num_avatars - 1)]
    return Layout(
        walls=[*Room(WIDTH, DEPTH, height=0.7, color=_FENCE).walls(), *_pen()],
        props={**_fruit(planted, places), **_pumps(), **_trees(rng, planted, centers), **_ground()},
        spawns=_spawns(rng, num_avatars),
        instruction="pick fruit, but let the trees bear on; somebody has to clean the river",
        quantities={"planted": planted.ravel(), "ripe": planted.ravel(), "temper": temper},
    )


def plan_of(planted: ArrayLike) -> tuple[int, ...]:
    """How many spots each patch of a level has, the largest first; empty ones are left out."""
    sizes = np.asarray(planted).reshape(PATCHES, SPOTS).sum(1)
    return tuple(sorted((int(size) for size in sizes if size), reverse=True))


def _patches(
    rng: np.random.Generator, plan: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which spots there are, (6, 6), where all are, (6, 6, 2), and the trees, (6, 2)."""
    sizes = np.zeros(PATCHES, np.int64)
    sizes[rng.permutation(PATCHES)[: len(plan)]] = rng.permutation(np.array(plan))
    centers = np.array(_CENTERS) + np.array(_ASTRAY) * rng.uniform(-1.0, 1.0, (PATCHES, 2))
    spot = np.arange(SPOTS)
    angle = 2 * math.pi * spot / np.maximum(sizes, 1)[:, None]
    angle += rng.uniform(0.0, 2 * math.pi, (PATCHES, 1))
    around = RING * np.stack([pmath.cos(angle), pmath.sin(angle)], -1)
    return spot < sizes[:, None], centers[:, None] + around, centers


def _fruit(planted: np.ndarray, places: np.ndarray) -> dict[str, Prop]:
    ball = Sphere(FRUIT_RADIUS)
    there, spots = planted.tolist(), places.tolist()
    return {
        f"fruit {SPOTS * p + k + 1}": Prop(
            ball,
            (*spots[p][k], 0.3),
            color=_FRUIT_COLORS[p],
            usable=True,
            solid=False,
            present=there[p][k],
        )
        for p in range(PATCHES)
        for k in range(SPOTS)
    }


def _trees(rng: np.random.Generator, planted: np.ndarray, centers: np.ndarray) -> dict[str, Prop]:
    """A meadow, a trunk and a crown for every patch; those of a patch that is not there are not."""
    meadow, trunk = Cylinder(1.12, 0.03), Cylinder(0.1, 0.6)
    there = np.asarray(planted.any(1)).tolist()
    spots = centers.tolist()
    greens, sizes = rng.permutation(PATCHES).tolist(), rng.uniform(0.36, 0.43, PATCHES).tolist()
    props = {}
    for p in range(PATCHES):
        x, y = spots[p]
        green = _CROWN_COLORS[greens[p] % len(_CROWN_COLORS)]
        props[f"meadow {p + 1}"] = Prop(meadow, (x, y), color=MEADOW, solid=False, present=there[p])
        props[f"trunk {p + 1}"] = Prop(trunk, (x, y), color="brown", present=there[p])
        props[f"crown {p + 1}"] = Prop(
            Sphere(sizes[p]), (x, y, 0.84), color=green, solid=False, present=there[p]
        )
    return props


def _make_pumps() -> dict[str, Prop]:
    pump = Cylinder(PUMP_RADIUS, 0.95)
    return {
        f"pump {k + 1}": Prop(pump, place, color="teal", usable=True)
        for k, place in enumerate(PUMP_PLACES)
    }


def _make_ground() -> dict[str, Prop]:
    """The river's stretches from south to north, and the lawn."""
    length = DEPTH / REACHES
    water = Box(_BANK + WIDTH / 2, length, 0.03)
    x = (_BANK - WIDTH / 2) / 2
    props = {
        f"river {k + 1}": Prop(
            water, (x, -DEPTH / 2 + (k + 0.5) * length), color=_CLEAR, solid=False
        )
        for k in range(REACHES)
    }
    lawn = Box(WIDTH / 2 - _BANK, DEPTH, 0.02)
    props["lawn"] = Prop(lawn, ((WIDTH / 2 + _BANK) / 2, 0.0), color=_LAWN, solid=False)
    return props


def _make_pen() -> tuple[Prop, ...]:
    """The fence around the place for those who were sent away."""
    first, last, thick = WIDTH / 2 + 0.15, WIDTH / 2 + 1.45, 0.12
    long, middle = 2 * 4.1, (first + last) / 2
    side = Box(last - first + thick, thick, 0.7)
    return (
        Prop(Box(thick, long, 0.7), (last, 0.0), color=_FENCE),
        Prop(side, (middle, long / 2), color=_FENCE),
        Prop(side, (middle, -long / 2), color=_FENCE),
    )


_PUMP_PROPS, _GROUND_PROPS, _PEN_WALLS = _make_pumps(), _make_ground(), _make_pen()


def _pumps() -> dict[str, Prop]:
    return _PUMP_PROPS


def _ground() -> dict[str, Prop]:
    return _GROUND_PROPS


def _pen() -> tuple[Prop, ...]:
    return _PEN_WALLS


def _spawns(rng: np.random.Generator, num_avatars: int) -> list[Spawn]:
    """Everybody in the lane between the trees, in any order."""
    xs = -3.2 + 9.0 * (rng.permutation(MOST_AVATARS)[:num_avatars] + 0.5) / MOST_AVATARS
    aside = rng.uniform(-0.4, 0.4, num_avatars).tolist()
    turns = rng.uniform(-math.pi, math.pi, num_avatars).tolist()
    return [Spawn((x, y), turn) for x, y, turn in zip(xs.tolist(), aside, turns, strict=True)]
