"""The people of the yard: helpers in the background, and what all who carry blocks share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import face
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.creative.building.blocks import BLOCKS, CUBES
from als_scenarios.creative.building.yard import SITE_Y, lying

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator

Act: TypeAlias = "Callable[[WorldState, BoolArray, Commands, Navigator], None]"
"""A behaviour or a rule that finds its way with a navigator."""

LEG_STEPS: Final = 60
_PACE: Final = 0.6
_NEAR_Y, _FAR_Y, _CLEAR = -0.6, -1.3, 0.7
"""Blocks south of the first are fetched, blocks north of the second are tidied away."""

_DROPS: Final = np.array([(-0.9, -0.4), (0.9, -0.4), (-1.9, 0.3), (1.9, 0.3)])
_SHELVES: Final = np.array([(-2.0, -1.6), (-0.4, -1.6), (0.4, -1.6), (2.0, -1.6)])
_SEATS: Final = np.array([(-2.8, 1.9), (2.8, 1.9), (-2.6, 1.3), (2.6, 1.3)])
_ROUND: Final = np.array(
    [(-2.2, -0.5), (-0.9, -1.5), (0.3, -0.4), (1.6, -1.5), (2.2, 0.0), (0.0, -0.1), (-1.8, 0.2)]
)
_FRONT_X, _FRONT_Y = 1.5, 0.15


def at_hand(state: WorldState) -> IntArray:
    """The block that each avatar would pick up now, (worlds, avatars), or NOTHING."""
    props, avatars = state.props, state.avatars
    away = props.position[:, None, :BLOCKS, :2] - avatars.position[:, :, None, :2]
    gap = pmath.hypot(away[..., 0], away[..., 1]) - state.bodies.radius[:, None]
    gap -= props.half[:, None, :BLOCKS, :2].max(-1)
    angle = pmath.atan2(away[..., 1], away[..., 0]) - avatars.heading[..., None]
    angle = np.abs((angle + math.pi) % (2 * math.pi) - math.pi)
    within = (gap < REACH) & ((angle <= REACH_ANGLE) | (gap < 0))
    gap = np.where(within & lying(state)[:, None], gap, np.inf)
    nearest = gap.argmin(-1)
    return np.where(np.isfinite(gap.min(-1)), nearest, NOTHING).astype(np.int32)


def _errand(state: WorldState) -> IntArray:
    """Which part of their way people are on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + state["errand"]) // LEG_STEPS)


def _carry(
    state: WorldState,
    who: BoolArray,
    commands: Commands,
    navigator: Navigator,
    wanted: BoolArray,
    drops: FloatArray,
) -> None:
    """Carries wanted blocks, (worlds, avatars, 10), to places, (worlds, avatars, 2)."""
    full = state.avatars.held != NOTHING
    away = state.props.position[:, None, :BLOCKS, :2] - state.avatars.position[:, :, None, :2]
    length = np.where(wanted, pmath.hypot(away[..., 0], away[..., 1]), np.inf)
    nearest = length.argmin(-1)
    some = np.isfinite(length.min(-1))
    blocks = np.take_along_axis(state.props.position[:, :BLOCKS, :2], nearest[..., None], axis=1)
    seats = _SEATS[state["errand"] % len(_SEATS)]
    goals = np.where(full[..., None], drops, np.where(some[..., None], blocks, seats))
    gap = goals - state.avatars.position[..., :2]
    there = full & (pmath.hypot(gap[..., 0], gap[..., 1]) < 0.3)
    commands.hand[who & there] = HAND_PUT_DOWN
    picks = who & ~full & some & (at_hand(state) == nearest)
    commands.hand[picks] = HAND_PICK_UP
    navigator.walk(goals, commands, who & ~there & ~picks, _PACE)


def fetches(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A helper who brings far blocks nearer to the site, one after the other has been used."""
    drops = np.broadcast_to(_DROPS[np.arange(state.num_avatars)], (*who.shape, 2))
    blocks, here = state.props.position[:, None, :BLOCKS, :2], lying(state)
    away = blocks - drops[:, :, None]
    taken = (here[:, None] & (pmath.hypot(away[..., 0], away[..., 1]) < _CLEAR)).any(-1)
    far = here & (state.props.position[:, :BLOCKS, 1] < _NEAR_Y)
    _carry(state, who, commands, navigator, far[:, None] & ~taken[..., None], drops)


def tidies(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """A helper who takes cubes that lie about in the yard to the south wall."""
    near = lying(state) & (state.props.position[:, :BLOCKS, 1] > _FAR_Y)
    near[:, CUBES:] = False  # Beams have their places beside the site.
    shelves = _SHELVES[state["errand"] % len(_SHELVES)]
    _carry(state, who, commands, navigator, np.repeat(near[:, None], who.shape[1], 1), shelves)


def watches(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Somebody who takes a place at the side and looks at the site."""
    seats = _SEATS[state["errand"] % len(_SEATS)]
    away = seats - state.avatars.position[..., :2]
    there = who & (pmath.hypot(away[..., 0], away[..., 1]) < 0.25)
    navigator.walk(seats, commands, who & ~there, _PACE)
    middle = np.zeros((state.num_worlds, 2))
    middle[:, 1] = SITE_Y
    face(state, middle, commands, there)


def wanders(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Somebody who walks about the yard, from place to place."""
    leg = _errand(state) * 3 + state["errand"]
    navigator.walk(_ROUND[leg % len(_ROUND)], commands, who, _PACE)


def inspects(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Somebody who walks up and down before the site, where builders have to pass."""
    goals = np.empty((state.num_worlds, state.num_avatars, 2))
    goals[..., 0] = np.where(_errand(state) % 2 == 0, -_FRONT_X, _FRONT_X)
    goals[..., 1] = _FRONT_Y
    navigator.walk(goals, commands, who, 0.5 * _PACE + 0.2)
