"""How guests of `ALS/Gathering-v0` move about, what they say, and when they go to the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import face, reached
from als_engine.world.arrays import NOTHING
from als_scenarios.social.gathering.house import BUFFET, FIRST_AT_BUFFET, FIRST_SPOT, POST, SPOTS

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

Manner: TypeAlias = "Callable[[WorldState], FloatArray]"
"""Where everybody would like to be, (worlds, avatars, 2), metres."""

LEG: Final = 80
"""Steps that a guest spends on one errand."""

_CLOSE: Final = 0.95
_RING: Final = np.array([2.5, 1.6])
_AHEAD: Final = 0.6
_HOLD: Final = 0.3
_WALKS: Final = 0.2


def _leg(state: WorldState) -> IntArray:
    """Which errand everybody is on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + _own(state)) // LEG)


def _own(state: WorldState) -> IntArray:
    """A number of each avatar's own, (worlds, avatars); 0 for the host."""
    own = np.zeros((state.num_worlds, state.num_avatars), np.int32)
    own[:, 1:] = state["errand"]
    return own


def _place(state: WorldState, row: IntArray) -> FloatArray:
    return np.asarray(state["places"][np.arange(state.num_worlds)[:, None], row])


def _beside(state: WorldState, other: IntArray) -> FloatArray:
    """Places at talking distance from other avatars, on one's own side of them."""
    place = state.avatars.position[..., :2]
    there = place[np.arange(state.num_worlds)[:, None], other]
    away = place - there
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 0.1)
    return np.asarray(there + away * (_CLOSE / length)[..., None])


def mingles(state: WorldState) -> FloatArray:
    """From one free spot to another, and to another guest in between."""
    leg, guests = _leg(state), state.num_avatars - 1
    spot = _place(state, FIRST_SPOT + leg % SPOTS)
    # Never itself: between 1 and guests - 1 places further on.
    ahead = 1 + leg // 2 % max(1, guests - 1)
    other = 1 + (np.arange(state.num_avatars) - 1 + ahead) % guests
    return np.where((leg % 2 == 0)[..., None], spot, _beside(state, other))


def clings(state: WorldState) -> FloatArray:
    """At the buffet, now before one dish and now before another."""
    return _place(state, FIRST_AT_BUFFET + (_leg(state) + np.arange(state.num_avatars)) % BUFFET)


def circles(state: WorldState) -> FloatArray:
    """Round and round the carpet, at its own pace."""
    x, y = state.avatars.position[..., 0], state.avatars.position[..., 1]
    angle = pmath.atan2(y / _RING[1], x / _RING[0]) + _AHEAD
    return np.asarray(_RING * np.stack([pmath.cos(angle), pmath.sin(angle)], -1))


def keeps_apart(state: WorldState) -> FloatArray:
    """At the free spot that is farthest from whoever is nearest to it; held out for validation."""
    place = state.avatars.position[..., :2]
    spots = state["places"][:, FIRST_SPOT:]
    away = ((spots[:, None] - place[:, :, None]) ** 2).sum(-1)  # (worlds, avatars, spots)
    everybody = np.arange(state.num_avatars)
    others = np.repeat(away[:, None], state.num_avatars, axis=1)
    others[:, everybody, everybody] = np.inf
    best = others.min(2).argmax(-1)
    stays = ((_place(state, FIRST_SPOT + _leg(state) % SPOTS) - place) ** 2).sum(-1) < 1.0
    return np.where(stays[..., None], place, _place(state, FIRST_SPOT + best))


def shadows(state: WorldState) -> FloatArray:
    """At the heels of the next guest, wherever it goes; held out for the test split."""
    guests = state.num_avatars - 1
    other = 1 + np.arange(state.num_avatars) % guests
    return _beside(state, np.broadcast_to(other, (state.num_worlds, state.num_avatars)))


def stays_at_door(state: WorldState) -> FloatArray:
    """At the private door, as a host does who minds nothing else."""
    row = np.full((state.num_worlds, state.num_avatars), POST)
    return _place(state, row)


def behave(
    manner: Manner, state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator
) -> None:
    """Moves guests by their manner, unless they have something to do at the private door."""
    goals = manner(state)
    goals[:, 1:] = np.where(state["busy"][..., None], state["goal"], goals[:, 1:])
    navigator.walk(goals, commands, who, speed=state["pace"])
    guests = who[:, 1:]
    walks = guests & (commands.move[:, 1:, 0] > _WALKS)
    commands.move[:, 1:, 1] += walks * state["swing"]
    stands = who & reached(state, goals, _HOLD)
    if stands.any():
        face(state, state["neighbour"], commands, stands)
    speaks = guests & (state["says"] != NOTHING)
    if speaks.any():
        commands.say[:, 1:][speaks] = state["says"][speaks]
