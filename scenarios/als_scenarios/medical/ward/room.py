"""The ward of `ALS/Ward-v0` as a place: beds, monitors, the counter, and people who walk about."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import NOTHING, FloatArray
from als_engine.world.layout import (
    Box,
    Color,
    Cylinder,
    Layout,
    Prop,
    Sign,
    SoundSource,
    Spawn,
    Sphere,
)
from als_engine.world.room import Room
from als_engine.world.state import WorldState
from als_scenarios.medical.ward.monitors import monitor_text
from als_scenarios.medical.ward.plans import group_of

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, IntArray

TRAYS: Final = ("sugar", "small doses", "large doses")
"""The trays on the counter; props have their indices after the beds, in this order."""

SUGAR, SMALL, LARGE = range(3)

LAMP_COLORS: Final[tuple[Color, ...]] = ("green", "red", "yellow")
PAPERS: Final[tuple[Color, ...]] = ((34, 52, 60), (176, 40, 36), (196, 124, 28))
"""The colours of lamps and of monitors without an alarm, with a low one, with a high one."""

_PITCH, _EDGE = 1.9, 0.3
_BED: Final = Box(0.9, 2.0, 0.55)
_AISLE: Final = 1.4
_COUNTER: Final = Box(1.45, 0.46, 0.86)
_DEPTH: Final = _COUNTER.depth + 2 * _AISLE + 2 * _BED.depth
_TRAY: Final = Box(0.3, 0.3, 0.14)
TRAY_COLORS: Final[tuple[Color, ...]] = ("pink", (130, 200, 236), "blue")
"""The colours of the trays, and of what a nurse carries."""

_DOSE: Final = Cylinder(0.08, 0.2)
_SLOTS: Final = (-0.5, 0.0, 0.5)
_WALL_COLORS: Final = ("white", (214, 228, 222), (226, 222, 206), (206, 220, 232))
_BLANKETS: Final = {"child": (238, 204, 72), "adolescent": (54, 156, 156), "adult": (58, 110, 196)}
_TALL: Final = {"child": 0.95, "adolescent": 1.2, "adult": 1.35}
_SKINS: Final = ((226, 178, 146), (170, 116, 82), (242, 206, 178), (112, 76, 54))
_LOW_ALARM: Final = (0.0, 0.0, 0.1, 0.4, 1.2, 1.6, 0.8, 0.2)
_VOICE: Final = (0.2, 0.6, 1.0, 1.0, 0.6, 0.3, 0.1, 0.05)

STAND_OFF: Final = 0.42
"""How far from the foot of a bed one stands to treat its patient, metres."""

_TRAY_OFF: Final = 0.62
_LEG_STEPS = 60
_HEELS = 1.2


def bed_places(num_beds: int) -> list[tuple[float, float]]:
    """The middles of the beds: the first half along the north wall, the others along the south."""
    north = (num_beds + 1) // 2
    y = (_DEPTH - _BED.depth) / 2
    places = [((i - (north - 1) / 2) * _PITCH, y) for i in range(north)]
    south = num_beds - north
    return places + [((i - (south - 1) / 2) * _PITCH, -y) for i in range(south)]


def ward(rng: np.random.Generator, patients: Sequence[int], num_avatars: int) -> Layout:
    """Draws a ward for these patients, one for each bed: walls, trays in any order, nurses."""
    num_beds, color = len(patients), _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))]
    width = (num_beds + 1) // 2 * _PITCH + 2 * _EDGE + 1.0
    room = Room(width, _DEPTH, height=2.3, color=color)
    props, lamps, signs, sounds = {}, {}, {}, {}
    walls = [*room.walls(), Prop(_COUNTER, (0.0, 0.0), color=(236, 236, 230))]
    room.add(walls[-1])
    for i, (x, y) in enumerate(bed_places(num_beds)):
        side, name = "north" if y > 0 else "south", f"bed {i + 1}"
        heading = 0.0 if y > 0 else math.pi
        props[name] = room.add(Prop(_BED, (x, y), heading, color="white", usable=True))
        walls += _lying(rng, x, y, group_of(patients[i]))
        where, facing = room.on_wall(side, x, z=1.5, out=0.03)
        signs[f"monitor {i + 1}"] = Sign(
            monitor_text(i, 0.0, 0.0, NOTHING, (0.0, 0), 0.0),
            where,
            facing,
            1.25,
            0.68,
            PAPERS[0],
            "white",
        )
        above = (where[0], where[1] - math.copysign(0.08, y), 2.05)
        lamps[f"lamp {i + 1}"] = Prop(Sphere(0.13), above, color=LAMP_COLORS[0], solid=False)
        sounds[f"alarm {i + 1}"] = SoundSource(above, _LOW_ALARM, on=False)
    order = rng.permutation(len(TRAYS)).tolist()
    for name, slot, paint in zip(TRAYS, order, TRAY_COLORS, strict=True):
        at = (_SLOTS[slot], 0.0, _COUNTER.height + _TRAY.height / 2)
        props[name] = Prop(_TRAY, at, color=paint, usable=True)
    sounds["kitchen"] = SoundSource((width / 2 - 0.1, 0.0, 1.8), _VOICE, on=False)
    return Layout(
        walls=[*walls, *_decoration(width)],
        props={**props, **lamps, **_doses(num_avatars)},
        signs=signs,
        sounds=sounds,
        spawns=_spawns(rng, room, num_avatars),
        instruction="keep everybody's glucose between 70 and 180",
        quantities={"errand": rng.integers(60 * _LEG_STEPS, size=num_avatars)},
    )


def first_dose(num_beds: int) -> int:
    """The index of the prop that is the first nurse's doses, after beds, trays and lamps."""
    return 2 * num_beds + len(TRAYS)


def _doses(num_avatars: int) -> dict[str, Prop]:
    """What nurses will carry, until then inside the counter and not there."""
    inside = (0.0, 0.0, _COUNTER.height / 2)
    return {
        f"doses of {i + 1}": Prop(_DOSE, inside, solid=False, present=False)
        for i in range(num_avatars)
    }


def with_quantities(layout: Layout, quantities: Mapping[str, ArrayLike]) -> Layout:
    """The layout with more first values of the task's quantities."""
    return replace(layout, quantities={**layout.quantities, **quantities})


def _lying(rng: np.random.Generator, x: float, y: float, group: str) -> list[Prop]:
    """A pillow, a head and a body under a blanket, whose colour tells the age group."""
    up, tall = math.copysign(1.0, y), _TALL[group]
    skin = _SKINS[int(rng.integers(len(_SKINS)))]
    return [
        Prop(Box(0.7, 0.42, 0.14), (x, y + up * 0.74, 0.62), color=(222, 230, 240)),
        Prop(Box(0.24, 0.26, 0.22), (x, y + up * 0.7, 0.78), color=skin),
        Prop(Box(0.86, tall, 0.24), (x, y + up * (0.5 - tall / 2), 0.66), color=_BLANKETS[group]),
    ]


def _decoration(width: float) -> list[Prop]:
    """A window in the west and a door in the east: what nobody needs to tell apart."""
    return [
        Prop(Box(0.03, 1.5, 0.9), (0.01 - width / 2, 0.0, 1.45), color=(168, 206, 228)),
        Prop(Box(0.03, 1.0, 1.95), (width / 2 - 0.01, 0.0), color="brown"),
    ]


def _spawns(rng: np.random.Generator, room: Room, num_avatars: int) -> list[Spawn]:
    spots = room.spots(rng, num_avatars, 0.3)
    return [Spawn(spot, float(rng.uniform(-math.pi, math.pi))) for spot in spots]


# -- where one stands -----------------------------------------------------------------------------


def feet(state: WorldState, num_beds: int) -> FloatArray:
    """Where one stands to treat at each bed: (worlds, beds, 2), metres."""
    places = state.props.position[:, :num_beds, :2].copy()
    places[..., 1] -= np.sign(places[..., 1]) * (_BED.depth / 2 + STAND_OFF)
    return places


def standing_places(state: WorldState, num_beds: int) -> FloatArray:
    """Where each avatar would stand at each bed and tray: (worlds, avatars, beds + 3, 2).

    A tray is taken from the side of the counter that the avatar is on.
    """
    used = state.props.position[:, None, : num_beds + len(TRAYS), :2]
    me = state.avatars.position[..., None, :2]
    places = np.repeat(used, state.num_avatars, axis=1)
    beds, trays = places[:, :, :num_beds], places[:, :, num_beds:]
    beds[..., 1] -= np.sign(beds[..., 1]) * (_BED.depth / 2 + STAND_OFF)
    trays[..., 1] = np.where(me[..., 1] < 0, -_TRAY_OFF, _TRAY_OFF)
    return places


# -- people who are not in charge -----------------------------------------------------------------

Walk: TypeAlias = "Callable[[WorldState, BoolArray, Commands, Navigator, int], None]"
"""A behaviour that finds its way with a navigator, between so many beds."""


def _leg(state: WorldState) -> IntArray:
    """Which part of their way people are on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + state["errand"]) // _LEG_STEPS)


def rounds(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, beds: int
) -> None:
    """A porter who goes from bed to bed."""
    bed = _leg(state) % beds
    goals = np.take_along_axis(feet(state, beds), bed[..., None], axis=1)
    navigator.walk(goals, commands, who, speed=0.4)


def waits(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, beds: int
) -> None:
    """A visitor who stands beside a bed all day."""
    bed = state["errand"] % beds
    goals = np.take_along_axis(state.props.position[..., :2], bed[..., None], axis=1)
    goals[..., 0] += _PITCH / 2
    navigator.walk(goals, commands, who, speed=0.3)


def paces(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, beds: int
) -> None:
    """A visitor who walks up and down one of the aisles."""
    far = (beds + 1) // 2 * _PITCH / 2
    goals = np.empty((state.num_worlds, state.num_avatars, 2))
    goals[..., 0] = np.where(_leg(state) % 2 == 0, -far, far)
    goals[..., 1] = np.where(state["errand"] % 2 == 0, -1.0, 1.0)
    navigator.walk(goals, commands, who, speed=0.3)


def circles(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, beds: int
) -> None:
    """A cleaner who goes round and round the counter."""
    corner = _leg(state) % 4
    goals = np.empty((state.num_worlds, state.num_avatars, 2))
    goals[..., 0] = np.where((corner == 0) | (corner == 3), 1.4, -1.4)
    goals[..., 1] = np.where(corner < 2, 1.0, -1.0)
    navigator.walk(goals, commands, who, speed=0.4)


def follows(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, beds: int
) -> None:
    """A relative who stays at the first nurse's heels."""
    nurse = state.avatars.position[:, None, 0, :2]
    away = state.avatars.position[..., :2] - nurse
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 0.1)[..., None]
    navigator.walk(nurse + away * (_HEELS / length), commands, who)
