"""Lays out the office of `ALS/Delivery-v0`, and draws its orders.

The floor has three rooms. The mail room takes the west, with the couriers and, on its counter, the
parcels. A wide doorway leads to the front office in the south, a narrow one to the back office in
the north, and in the narrow one stands the crate. Seen so, the place is in *plan coordinates*; a
level mirrors it east-west, north-south, both or not at all. Lengths are metres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine import Box, Layout, Prop, Sign, SoundSource, Spawn
from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import kernel
from als_engine.task import LEVELS, Split, split_of
from als_engine.world.furniture import desk, parcel, plant, shelf

PARCEL_COLORS: Final = ("red", "orange", "yellow", "green", "blue", "purple")
DESK_WORDS: Final = ("one", "two", "three", "four", "five", "six")
DESKS: Final = len(DESK_WORDS)
PARCELS: Final = len(PARCEL_COLORS)
ORDERS: Final = 3
"""The most parcels that are ordered in one level; the crate can be an order on top."""

NO_ORDER: Final = -1

# The floor in plan coordinates.
HALF_WIDTH, HALF_DEPTH = 4.5, 3.3
DIVIDER_X: Final = -1.2
FRONT_DOOR_Y, FRONT_DOOR_WIDTH = -1.7, 2.0
BACK_DOOR_Y, BACK_DOOR_WIDTH = 1.2, 1.4
WALL: Final = 0.15
_HEIGHT: Final = 2.4
_LOW: Final = 1.1

CRATE_SIZE, CRATE_HEIGHT = 1.1, 0.8
CRATE_MASS, CRATE_FRICTION = 160.0, 0.5
"""785 N to move it: more than one avatar's 480 N, less than the 960 N of two."""

CRATE_X: Final = DIVIDER_X - 0.15
ZONE_X: Final = 1.0
ZONE_SIZE: Final = 1.6
CLEAR_X: Final = 0.4
"""From here on, in plan coordinates, the crate's middle leaves room to walk past it."""

_COUNTER_X, _COUNTER_TOP = -4.2, 0.6
_SLOT: Final = 0.72
_WOOD, _CRATE_COLOR = (206, 176, 132), (126, 78, 42)
_ARCHIVE: Final = (-0.87, 2.95)

# Middle (x, y) of each desk, the direction it faces, and along which axis it may be shifted.
_PLACES: Final = (
    (0.5, -2.95, math.pi / 2, 0),
    (2.6, -2.95, math.pi / 2, 0),
    (4.15, -1.2, math.pi, 1),
    (2.6, 2.95, -math.pi / 2, 0),
    (4.15, 1.7, math.pi, 1),
    (2.8, 0.43, math.pi / 2, 0),
)
_FRONT, _BACK = (0, 1, 2), (3, 4, 5)

PROPS: Final = (
    *(f"desk_{n}" for n in range(1, DESKS + 1)),
    *(f"parcel_{color}" for color in PARCEL_COLORS),
    "crate",
    "red_zone",
    "counter",
    "archive",
    "shelf",
    "plant_1",
    "plant_2",
)
"""The names of the props, in their order: desks first, then parcels, then the crate."""

FIRST_PARCEL: Final = DESKS
CRATE: Final = DESKS + PARCELS
ZONE: Final = CRATE + 1


def ordered_in(color: int, number: int) -> Split:
    """The only split in which a parcel colour goes to a desk; both count from 0.

    In the test split every colour has two desks and every desk two colours, in the validation split
    one each: what is new there is how they go together.
    """
    if (color + number) % 3 == 0:
        return "test"
    return "validation" if (color + number) % 6 == 1 else "train"


def describe(color: int, number: int) -> str:
    """An order in words: "blue parcel to desk three"."""
    return f"{PARCEL_COLORS[color]} parcel to desk {DESK_WORDS[number]}"


PAIRS: Final[Mapping[str, tuple[tuple[int, int], ...]]] = {
    split: tuple(
        (color, number)
        for color in range(PARCELS)
        for number in range(DESKS)
        if ordered_in(color, number) == split
    )
    for split in LEVELS
}
"""The (colour, desk) pairs that each split orders; no pair is in two of them."""


class Plan(NamedTuple):
    """The random draws of a level, before anything has a place.

    Attributes:
        orders: (colour, desk) pairs, colours and desks all different.
        crate_ordered: the crate's way to the red zone is an order too.
        stored: the colour of the parcel that lies behind the crate, or `NO_ORDER`.
        others: colours of parcels that nobody ordered.
        place: of each desk, the index of where it stands; 3 and above is the back office.
        free: the crate stands in the red zone from the beginning, and both doorways are free.
    """

    orders: tuple[tuple[int, int], ...]
    crate_ordered: bool
    stored: int
    others: tuple[int, ...]
    place: tuple[int, ...]
    free: bool = False


def draw_plan(rng: np.random.Generator, level: int, most: int = ORDERS) -> Plan:
    """Draws a level's orders so that one of them needs the back office and one does not.

    Args:
        rng: of the level.
        level: its number.
        most: parcels that are ordered; with one alone the crate is out of the way.
    """
    orders = _draw_orders(rng, 2 + int(rng.random() < 0.5), PAIRS[split_of(level)])
    crate_ordered, stored = bool(rng.random() < 0.5), NO_ORDER
    numbers = rng.permutation(DESKS).tolist()
    places = [*rng.permutation(_FRONT).tolist(), *rng.permutation(_BACK).tolist()]
    # The first order crosses the crate's doorway, the second stays in front of it.
    first, second = orders[0][1], orders[1][1]
    if rng.random() < 0.5:
        stored = orders[0][0]
        behind = int(rng.integers(1, len(places)))
    else:
        behind = len(places) - 1
    numbers.remove(first), numbers.remove(second)
    numbers.insert(0, second), numbers.insert(behind, first)
    place = [0] * DESKS
    for number, where in zip(numbers, places, strict=True):
        place[number] = where
    ordered = {color for color, _ in orders}
    rest = [color for color in rng.permutation(PARCELS).tolist() if color not in ordered]
    shuffled = [orders[i] for i in rng.permutation(len(orders)).tolist()]
    asked = shuffled[:1] if most == 1 else [each for each in shuffled if each in orders[:most]]
    # Whatever is not asked for lies there all the same.
    others = [*rest[:2], *(color for color, _ in shuffled if color not in dict(asked))]
    free = most == 1
    return Plan(tuple(asked), crate_ordered and not free, stored, tuple(others), tuple(place), free)


def _draw_orders(
    rng: np.random.Generator, count: int, pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """`count` pairs in which no colour and no desk occurs twice."""
    while True:
        chosen: list[tuple[int, int]] = []
        for k in rng.permutation(len(pairs)).tolist():
            color, number = pairs[k]
            if all(color != c and number != n for c, n in chosen):
                chosen.append(pairs[k])
            if len(chosen) == count:
                return chosen


def instruction(orders: Sequence[tuple[int, int]], crate: bool) -> str:
    """The couriers' instruction: every order that is still open."""
    told = [describe(color, number) for color, number in orders]
    return "; ".join([*told, *(["push the crate to the red zone"] if crate else [])])


def board_text(orders: Sequence[tuple[int, int]], crate: bool) -> str:
    """The same for the board, in figures."""
    lines = [f"{PARCEL_COLORS[color].upper()}: DESK {number + 1}" for color, number in orders]
    return "\n".join([*lines, *(["CRATE: RED ZONE"] if crate else [])]) or "ALL DONE"


class _Mirror:
    """Turns plan coordinates into a level's own."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.x, self.y = (1.0 if u < 0.5 else -1.0 for u in rng.random(2).tolist())

    def spot(self, x: float, y: float, *z: float) -> tuple[float, ...]:
        return (self.x * x, self.y * y, *z)

    def heading(self, angle: float) -> float:
        return pmath.atan2(self.y * pmath.sin(angle), self.x * pmath.cos(angle))

    def sign(
        self, text: str, x: float, y: float, z: float, angle: float, width: float, height: float
    ) -> Sign:
        position = (self.x * x, self.y * y, z)
        return Sign(text, position, self.heading(angle), width, height)

    def wall(self, x0: float, x1: float, y0: float, y1: float, color: str, high: float) -> Prop:
        middle = self.spot((x0 + x1) / 2, (y0 + y1) / 2)
        return Prop(Box(x1 - x0, y1 - y0, high), middle, color=color)


def lay_out(rng: np.random.Generator, level: int, num_avatars: int, most: int = ORDERS) -> Layout:
    """Returns one level, with so many orders of parcels at most."""
    plan, mirror = draw_plan(rng, level, most), _Mirror(rng)
    props, signs = _furnish(rng, plan, mirror)
    ordered, crate = plan.orders, plan.crate_ordered
    signs["board"] = mirror.sign(
        board_text(ordered, crate), -HALF_WIDTH + 0.02, 0.0, 1.55, 0.0, 2.4, 1.1
    )
    told = instruction(ordered, crate)
    missing = [NO_ORDER] * (ORDERS - len(ordered))
    return Layout(
        walls=_walls(mirror),
        props=props,
        signs=signs,
        sounds={"dispatcher": SoundSource(signs["board"].position, text=told)},
        spawns=_spawns(rng, mirror, num_avatars),
        instruction=told,
        quantities={
            "order_parcel": [color for color, _ in ordered] + missing,
            "order_desk": [number for _, number in ordered] + missing,
            "order_open": [True] * len(ordered) + [False] * len(missing),
            "crate_open": crate,
            "crate_moved": plan.free,
            "mirror": (mirror.x, mirror.y),
        },
    )


def _walls(mirror: _Mirror) -> list[Prop]:
    x0, x1, y0, y1 = -HALF_WIDTH, HALF_WIDTH, -HALF_DEPTH, HALF_DEPTH
    d0, d1 = DIVIDER_X - WALL / 2, DIVIDER_X + WALL / 2
    south, north = FRONT_DOOR_Y - FRONT_DOOR_WIDTH / 2, FRONT_DOOR_Y + FRONT_DOOR_WIDTH / 2
    low, high = BACK_DOOR_Y - BACK_DOOR_WIDTH / 2, BACK_DOOR_Y + BACK_DOOR_WIDTH / 2
    mail, front, back = "beige", "teal", "pink"
    return [
        mirror.wall(x0 - WALL, x0, y0 - WALL, y1 + WALL, mail, _HEIGHT),
        mirror.wall(x0, d0, y1, y1 + WALL, mail, _HEIGHT),
        mirror.wall(x0, d0, y0 - WALL, y0, mail, _HEIGHT),
        mirror.wall(d0, x1, y1, y1 + WALL, back, _HEIGHT),
        mirror.wall(d0, x1, y0 - WALL, y0, front, _HEIGHT),
        mirror.wall(x1, x1 + WALL, 0.0, y1 + WALL, back, _HEIGHT),
        mirror.wall(x1, x1 + WALL, y0 - WALL, 0.0, front, _HEIGHT),
        mirror.wall(d0, d1, y0, south, "white", _HEIGHT),
        mirror.wall(d0, d1, north, low, "white", _HEIGHT),
        mirror.wall(d0, d1, high, y1, "white", _HEIGHT),
        mirror.wall(d1, x1, -WALL / 2, WALL / 2, "white", _LOW),
    ]


def _furnish(
    rng: np.random.Generator, plan: Plan, mirror: _Mirror
) -> tuple[dict[str, Prop], dict[str, Sign]]:
    """The props, in the order of `PROPS`, and the desks' signs."""
    props: dict[str, Prop] = {}
    signs: dict[str, Sign] = {}
    in_words = rng.random() < 0.5
    shifts = (0.5 * rng.random(DESKS) - 0.25).tolist()
    for number, place in enumerate(plan.place):
        x, y, facing, axis = _PLACES[place]
        x, y = (x + shifts[number], y) if axis == 0 else (x, y + shifts[number])
        # A desk's front is its local -y.
        props[f"desk_{number + 1}"] = desk(
            mirror.spot(x, y), mirror.heading(facing) + math.pi / 2, _WOOD
        )
        out_x, out_y = pmath.cos(facing), pmath.sin(facing)
        text = DESK_WORDS[number].upper() if in_words else f"DESK {number + 1}"
        # On the wall behind the desk, or above the low partition.
        sign_at = (x - 0.33 * out_x, y - 0.33 * out_y, 1.32)
        signs[f"number_{number + 1}"] = mirror.sign(text, *sign_at, facing, 1.1, 0.4)
    props.update(_parcels(rng, plan, mirror))
    across = Box(CRATE_SIZE, CRATE_SIZE, CRATE_HEIGHT)
    props["crate"] = Prop(
        across, mirror.spot(ZONE_X if plan.free else CRATE_X, BACK_DOOR_Y), mass=CRATE_MASS,
        color=_CRATE_COLOR,
        friction=CRATE_FRICTION,
    )  # fmt: skip
    mat = Box(ZONE_SIZE, ZONE_SIZE, 0.02)
    props["red_zone"] = Prop(mat, mirror.spot(ZONE_X, BACK_DOOR_Y), color="red", solid=False)
    counter = Box(0.6, PARCELS * _SLOT, _COUNTER_TOP)
    props["counter"] = Prop(counter, mirror.spot(_COUNTER_X, 0.0), color="grey")
    props["archive"] = Prop(Box(0.5, 0.7, _COUNTER_TOP), mirror.spot(*_ARCHIVE), color="grey")
    props["shelf"] = shelf(mirror.spot(-2.9, HALF_DEPTH - 0.2))
    props["plant_1"] = plant(mirror.spot(-HALF_WIDTH + 0.35, -HALF_DEPTH + 0.35))
    props["plant_2"] = plant(mirror.spot(HALF_WIDTH - 0.35, -HALF_DEPTH + 0.35))
    return props, signs


def _parcels(rng: np.random.Generator, plan: Plan, mirror: _Mirror) -> dict[str, Prop]:
    """Parcels side by side on the counter, and perhaps one in the archive behind the crate."""
    here = {color for color, _ in plan.orders} | set(plan.others)
    slots = rng.permutation(PARCELS).tolist()
    parcels = {}
    for color, slot in enumerate(slots):
        spot = (_COUNTER_X + 0.05, (slot - (PARCELS - 1) / 2) * _SLOT)
        x, y = _ARCHIVE if color == plan.stored else spot
        thing = parcel(mirror.spot(x, y, _COUNTER_TOP + 0.125), math.pi / 2, PARCEL_COLORS[color])
        name = f"parcel_{PARCEL_COLORS[color]}"
        parcels[name] = thing if color in here else _absent(thing)
    return parcels


def _absent(thing: Prop) -> Prop:
    return Prop(
        thing.shape, thing.position, thing.heading, thing.mass, thing.color, portable=True,
        present=False,
    )  # fmt: skip


def _spawns(rng: np.random.Generator, mirror: _Mirror, num_avatars: int) -> list[Spawn]:
    """Places in the mail room, each courier's with a heading of its own."""
    draws = rng.random((num_avatars, 3)).tolist()
    rows = rng.permutation(4).tolist()
    return [
        Spawn(mirror.spot(-3.0 + 1.0 * u, -2.3 + 1.5 * row + 0.4 * v), 2.0 * math.pi * w - math.pi)
        for (u, v, w), row in zip(draws, rows, strict=False)
    ]


# -- ways between the rooms -----------------------------------------------------------------------

_THROUGH: Final = 0.6
_ALIGNED: Final = 0.4


@kernel
def way_length(ax: float, ay: float, bx: float, by: float) -> float:
    """The length of the way between two points in plan coordinates, through the doorways."""
    in_mail_a, in_mail_b = ax < DIVIDER_X, bx < DIVIDER_X
    if in_mail_a == in_mail_b and (in_mail_a or (ay < 0.0) == (by < 0.0)):
        return pmath.hypot(bx - ax, by - ay)
    door_a = FRONT_DOOR_Y if ay < 0.0 else BACK_DOOR_Y
    door_b = FRONT_DOOR_Y if by < 0.0 else BACK_DOOR_Y
    if in_mail_a:
        door_a = door_b
    if in_mail_b:
        door_b = door_a
    to_door, from_door = (
        pmath.hypot(DIVIDER_X - ax, door_a - ay),
        pmath.hypot(bx - DIVIDER_X, by - door_b),
    )
    return to_door + abs(door_b - door_a) + from_door


@kernel
def next_point(ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """Where to walk straight to on the way from a to b, in plan coordinates.

    It is b itself in the same room, else a point before the doorway or, for one who stands before
    it already, behind it.
    """
    in_mail_a, in_mail_b = ax < DIVIDER_X, bx < DIVIDER_X
    if in_mail_a == in_mail_b and (in_mail_a or (ay < 0.0) == (by < 0.0)):
        return bx, by
    door = FRONT_DOOR_Y if (by if in_mail_a else ay) < 0.0 else BACK_DOOR_Y
    onward = 1.0 if in_mail_a else -1.0
    aligned = abs(ay - door) < _ALIGNED
    return DIVIDER_X + onward * (_THROUGH if aligned else -_THROUGH), door
