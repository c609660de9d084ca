"""What people in the reading room do: colleagues, rules of reading, and the expert's walking."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import face
from als_engine.world.arrays import NOTHING
from als_scenarios.medical.imaging.reading_room import (
    DEPTH,
    PHONE,
    READER,
    READING_PLACE,
    usable_places,
)
from als_scenarios.medical.imaging.view import stands_to_read

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

LEG_STEPS: Final = 75
"""After so many steps people go on to the next place."""

LOOK: Final = NOTHING
"""The wish to read the lightbox; others are the index of the prop to use."""

_BESIDE_TRAYS = np.array([(-1.65, 0.45), (1.65, 0.45), (0.85, -0.75)])
_AT_SHELVES = np.array([(-1.4, DEPTH / 2 - 0.65), (1.4, DEPTH / 2 - 0.65)])
_SHELVES = np.array([(-2.0, DEPTH / 2), (2.0, DEPTH / 2)])
_ACROSS = np.array([(-1.6, -1.4), (1.6, -1.4)])
_BEFORE_LIGHTBOX = np.array([(-1.0, DEPTH / 2 - 0.42), (1.0, DEPTH / 2 - 0.42)])
_SHOULDER = np.array([0.75, -0.65])
_CLOSE = REACH - 0.1  # So near to a prop one stops and turns, metres.

Walk: TypeAlias = "Callable[[WorldState, BoolArray, Commands, Navigator], None]"
"""A behaviour that finds its way with a navigator."""


def _leg(state: WorldState) -> IntArray:
    """Which part of their way people are on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + state["errand"]) // LEG_STEPS)


def restocks(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A technician who goes from tray to tray, and stays beside each for a while."""
    navigator.walk(_BESIDE_TRAYS[_leg(state) % len(_BESIDE_TRAYS)], commands, who, speed=0.6)


def reads(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A colleague who stands before the labelled cases, now on one side, now on the other."""
    side = _leg(state) // 2 % 2
    goals = _AT_SHELVES[side]
    directions = navigator.walk(goals, commands, who, speed=0.5)
    there = who & (directions == 0).all(-1)
    if there.any():
        face(state, _SHELVES[side], commands, there)


def paces(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A colleague who walks up and down behind the reader."""
    navigator.walk(_ACROSS[_leg(state) % 2], commands, who, speed=0.5)


def watches(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A student who stays at the reader's shoulder, and looks at the lightbox."""
    goals = state.avatars.position[:, None, READER, :2] + _SHOULDER
    goals = np.broadcast_to(goals, (*who.shape, 2))
    directions = navigator.walk(goals, commands, who, speed=0.7)
    there = who & (directions == 0).all(-1)
    if there.any():
        face(state, state.screens.position[:, 0, :2], commands, there)


def passes(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A porter who goes to and fro close before the lightbox, and hides a part of it."""
    navigator.walk(_BEFORE_LIGHTBOX[_leg(state) % 2], commands, who, speed=0.5)


# -- who reads ------------------------------------------------------------------------------------


def in_hand(state: WorldState) -> NDArray[np.intp]:
    """The tray or phone that the reader would use now, (worlds,), or NOTHING."""
    away = _usable(state) - state.avatars.position[:, READER, None, :2]
    gap = pmath.hypot(away[..., 0], away[..., 1]) - state.bodies.radius[READER]
    gap -= state.props.half[:, : PHONE + 1, :2].max(-1)
    aside = pmath.atan2(away[..., 1], away[..., 0]) - state.avatars.heading[:, READER, None]
    aside = np.abs((aside + math.pi) % (2 * math.pi) - math.pi)
    gap = np.where((gap < REACH) & ((aside <= REACH_ANGLE) | (gap < 0)), gap, np.inf)
    return np.where(np.isfinite(gap.min(-1)), gap.argmin(-1), NOTHING)


def carry_out(
    state: WorldState,
    who: BoolArray,
    commands: Commands,
    navigator: Navigator,
    wish: NDArray[np.integer],
) -> None:
    """Lets the readers in `who` do what they wish: look, file or phone; colleagues stand still.

    Args:
        state: the worlds.
        who: (worlds, avatars).
        commands: are written.
        navigator: finds ways around furniture.
        wish: (worlds,), `LOOK` or the index of the prop to use.
    """
    reader = np.zeros_like(who)
    reader[:, READER] = who[:, READER]
    looks_up = wish == LOOK
    use = reader[:, READER] & ~looks_up & (in_hand(state) == wish)
    commands.hand[use, READER] = HAND_USE
    reader[:, READER] &= ~use
    rows, prop = np.arange(state.num_worlds), np.maximum(wish, 0)
    position = _usable(state)
    places = np.where(
        looks_up[:, None], np.array(READING_PLACE), usable_places(position)[rows, prop]
    )
    targets = np.where(looks_up[:, None], state.screens.position[:, 0, :2], position[rows, prop])
    away = targets - state.avatars.position[:, READER, :2]
    gap = pmath.hypot(away[:, 0], away[:, 1]) - state.bodies.radius[READER]
    gap -= state.props.half[rows, prop, :2].max(-1)
    stops = np.where(looks_up, stands_to_read(state)[:, READER], gap < _CLOSE)
    turns = reader & stops[:, None]
    navigator.walk(places, commands, reader & ~turns)
    if turns.any():
        face(state, targets, commands, turns)


def _usable(state: WorldState) -> FloatArray:
    return state.props.position[:, : PHONE + 1, :2]
