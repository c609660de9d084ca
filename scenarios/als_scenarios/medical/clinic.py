"""The clinic of `ALS/Diagnosis-v0` as a place: its hall, and the people who walk about in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import FloatArray
from als_engine.world.layout import Box, Layout, Prop, Sign, Spawn
from als_engine.world.room import Room
from als_engine.world.state import WorldState
from als_scenarios.medical.patients import NUM_PANELS, PANELS

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, IntArray

LENGTH, DEPTH = 6.8, 3.0
"""Of the hall, metres: the patient lies in the west, the desks stand in the east."""

DOCTOR: Final = 0
"""The avatar that decides; the others are nurses."""

DESKS: Final = ("benign desk", "malignant desk")
BENIGN, MALIGNANT = NUM_PANELS, NUM_PANELS + 1
"""The indices of the desks' props; those of the stations are the panels' own."""

STAND_OFF: Final = 0.75
"""How far from the middle of a station one stands to use it, metres."""

_SLOTS = (-1.55, -0.4, 0.75)
_JITTER = 0.05
_STATION = Box(1.0, 0.4, 1.0)
_DESK = Box(1.1, 0.7, 0.74)
_WALL_COLORS = ("white", "beige", (198, 220, 222), (214, 222, 200))
_WAITING_PLACES = ((-2.9, -1.1), (-2.3, 1.1), (-2.3, -1.1))
_ASIDE = 0.85
_BED = (-2.96, 0.5)
_LEG_STEPS = 75
_HEELS = 1.2


def clinic(rng: np.random.Generator, num_avatars: int, patient: int) -> Layout:
    """Draws a clinic for a patient: which panel is measured where, and where everyone starts."""
    color = _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))]
    room = Room(LENGTH, DEPTH, height=2.2, color=color)
    room.occupy(_BED, box=(0.9, 2.1))
    props, signs = _stations(rng, room)
    for name, text, paper, y in zip(
        DESKS, ("BENIGN", "MALIGNANT"), ("green", "red"), (_ASIDE, -_ASIDE), strict=True
    ):
        at = ((LENGTH - _DESK.depth) / 2, y)
        props[name] = room.add(Prop(_DESK, at, -math.pi / 2, color=paper, usable=True))
        where, facing = room.on_wall("east", y, z=1.5, out=0.02)
        signs[f"{name} sign"] = Sign(text, where, facing, 1.3, 0.5, paper, "white")
    return Layout(
        walls=[*room.walls(), *_furniture()],
        props=props,
        signs=signs,
        spawns=_spawns(rng, room, num_avatars),
        instruction="measure what you need to know, then sign at the benign or the malignant desk",
        quantities={"patient": patient, "errand": rng.integers(12 * _LEG_STEPS, size=num_avatars)},
    )


def _stations(rng: np.random.Generator, room: Room) -> tuple[dict[str, Prop], dict[str, Sign]]:
    """The six stations along both sides of the hall, in any order, each with its sign."""
    props, signs = {}, {}
    places = rng.permutation(NUM_PANELS).tolist()
    shifts = rng.uniform(-_JITTER, _JITTER, NUM_PANELS).tolist()
    for panel, place, shift in zip(PANELS, places, shifts, strict=True):
        x, y = _SLOTS[place // 2] + shift, (DEPTH - _STATION.depth) / 2
        side, y, heading = ("north", y, 0.0) if place % 2 == 0 else ("south", -y, math.pi)
        station = Prop(_STATION, (x, y), heading, color=panel.color, usable=True)
        props[panel.name] = room.add(station)
        where, facing = room.on_wall(side, x, z=1.52, out=0.02)
        signs[f"{panel.name} sign"] = Sign(panel.title, where, facing, 1.0, 0.56)
    return props, signs


def _furniture() -> list[Prop]:
    """The patient in bed, a window and a door: what nobody needs to tell apart."""
    x, y = _BED
    return [
        Prop(Box(0.85, 2.0, 0.5), (x, y), color="white"),
        Prop(Box(0.7, 0.45, 0.14), (x, y + 0.72, 0.57), color=(226, 232, 240)),
        Prop(Box(0.88, 1.25, 0.2), (x, y - 0.38, 0.55), color="teal"),
        Prop(Box(0.24, 0.26, 0.22), (x, y + 0.7, 0.72), color=(226, 178, 146)),
        Prop(Box(0.8, 0.03, 0.7), (x, DEPTH / 2 - 0.01, 1.5), color=(168, 206, 228)),
        Prop(Box(0.03, 0.9, 1.95), (-LENGTH / 2 + 0.01, -0.95), color="brown"),
    ]


def _spawns(rng: np.random.Generator, room: Room, num_avatars: int) -> list[Spawn]:
    """The doctor beside the bed, looking down the hall; everybody else somewhere beyond."""
    doctor = room.free_spot(rng, 0.3, near=(-2.0, -0.1), within=0.4)
    spawns = [Spawn(doctor, float(rng.uniform(-0.6, 0.6)))]
    for _ in range(num_avatars - 1):
        spot = room.free_spot(rng, 0.3, near=(0.2, 0.0), within=1.9, away_from=doctor, beyond=0.8)
        spawns.append(Spawn(spot, float(rng.uniform(-math.pi, math.pi))))
    return spawns


def standing_places(state: WorldState) -> FloatArray:
    """Where one stands to use each station and desk: (worlds, 8, 2), metres."""
    places = state.props.position[..., :2].copy()
    stations, desks = places[:, :NUM_PANELS], places[:, NUM_PANELS:]
    stations[..., 1] -= STAND_OFF * np.sign(stations[..., 1])
    desks[..., 0] -= STAND_OFF + 0.1
    return places


# -- people who are not in charge -----------------------------------------------------------------

Walk: TypeAlias = "Callable[[WorldState, BoolArray, Commands, Navigator], None]"
"""A behaviour that finds its way with a navigator."""


def _leg(state: WorldState) -> IntArray:
    """Which part of their way people are on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + state["errand"]) // _LEG_STEPS)


def waits(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A visitor who takes a place near the patient's bed and stays there."""
    goals = np.array(_WAITING_PLACES)[state["errand"] % len(_WAITING_PLACES)]
    navigator.walk(goals, commands, who, speed=0.6)


def rounds(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A nurse who goes from station to station."""
    station = _leg(state) % NUM_PANELS
    goals = np.take_along_axis(standing_places(state), station[..., None], axis=1)
    navigator.walk(goals, commands, who, speed=0.6)


def paces(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A visitor who walks up and down the middle of the hall."""
    goals = np.zeros((state.num_worlds, state.num_avatars, 2))
    goals[..., 0] = np.where(_leg(state) % 2 == 0, -1.5, 1.5)
    navigator.walk(goals, commands, who, speed=0.5)


def crosses(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """An orderly who goes from one side of the hall to the other, and on along it."""
    leg = _leg(state)
    goals = np.zeros((state.num_worlds, state.num_avatars, 2))
    goals[..., 0] = np.array(_SLOTS)[leg // 2 % len(_SLOTS)]
    goals[..., 1] = np.where(leg % 2 == 0, -0.5, 0.5)
    navigator.walk(goals, commands, who, speed=0.5)


def follows(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A relative who stays at the doctor's heels, and draws back when the doctor turns round."""
    doctor = state.avatars.position[:, None, DOCTOR, :2]
    away = state.avatars.position[..., :2] - doctor
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 0.1)[..., None]
    goals = doctor + away * (_HEELS / length)
    edge = np.array([LENGTH / 2 - 0.4, 0.6])
    navigator.walk(np.clip(goals, -edge, edge), commands, who)
