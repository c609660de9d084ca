"""How guests of `ALS/Gathering-v0` move about, what they say, and when they go to the door."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import face, reached
from als_engine.world.arrays import NOTHING
from als_scenarios.social.gathering.door import (
    ADMITTED,
    AT_DOOR,
    INSIDE,
    PARTY,
    WAITING,
    distance,
    is_open,
)
from als_scenarios.social.gathering.house import (
    BUFFET,
    ENTRY,
    FIRST_AT_BUFFET,
    FIRST_SEAT,
    FIRST_SPOT,
    POST,
    SEATS,
    SPOTS,
    WAIT,
)
from als_scenarios.social.gathering.words import I_AM, THANKS

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

Manner: TypeAlias = "Callable[[WorldState], FloatArray]"
"""Where everybody would like to be, (worlds, avatars, 2), metres."""

LEG: Final = 80
"""Steps that a guest spends on one errand."""
SAYS_NAME_EVERY: Final = 30
"""Steps after which a guest before the door says again who it is."""
TOP_SPEED: Final = 2.0
"""Of everybody's body, metres per second."""
SIDEWAYS: Final = 0.7
"""The part of its speed that a body has sideways, as `bodies.avatar` has it."""

STRIDES: Final = 0.95
"""Strides in a second (about 114 steps a minute), at which a walker sways."""

_CLOSE: Final = 0.95
_RING: Final = np.array([2.5, 1.6])
_LAP: Final = 330
_HOLD: Final = 0.3


def _leg(state: WorldState) -> IntArray:
    """Which errand everybody is on, (worlds, avatars); each starts at its own time."""
    return np.asarray((state.step[:, None] + _own(state)) // LEG)


def _own(state: WorldState) -> IntArray:
    """A number of each avatar's own, (worlds, avatars); 0 for the host."""
    own = np.zeros((state.num_worlds, state.num_avatars), np.int32)
    own[:, 1:] = state["errand"]
    return own


def _place(state: WorldState, row: IntArray) -> FloatArray:
    return np.take_along_axis(state["places"], row[..., None], axis=1)


def _beside(state: WorldState, other: IntArray) -> FloatArray:
    """Places at talking distance from other avatars, on one's own side of them."""
    place = state.avatars.position[..., :2]
    there = np.take_along_axis(place, other[..., None], axis=1)
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
    """Round and round the carpet."""
    angle = (2 * math.pi / _LAP) * (state.step[:, None] + _own(state))
    return _RING * np.stack([pmath.cos(angle), pmath.sin(angle)], -1)


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
    goals = _errands(state, manner(state))
    speed = np.full((state.num_worlds, state.num_avatars), 0.6)
    speed[:, 1:] = state["gait"][..., 0] / TOP_SPEED
    navigator.walk(goals, commands, who, speed=speed)
    _sway(state, who, commands)
    stands = who & reached(state, goals, _HOLD)
    if stands.any():
        face(state, _nearest(state), commands, stands)
    _speak(state, who, commands)


def to_door(state: WorldState) -> BoolArray:
    """Who goes to the door now, (worlds, guests): one at a time."""
    stage = state["stage"]
    free = ~((stage == WAITING) | (stage == ADMITTED)).any(1)
    comes = (stage == PARTY) & (state["claims"] != NOTHING) & (state["due"] <= state.step[:, None])
    first = np.where(comes, state["due"], 1 << 30).argmin(1)
    return np.asarray(comes & free[:, None] & (np.arange(stage.shape[1]) == first[:, None]))


def _errands(state: WorldState, goals: FloatArray) -> FloatArray:
    stage, places = state["stage"], state["places"]
    goals = goals.copy()
    mine = goals[:, 1:]
    waits = to_door(state) | (stage == WAITING)
    mine[:] = np.where(waits[..., None], places[:, None, WAIT], mine)
    goes_in = stage == ADMITTED
    if goes_in.any() or (stage == INSIDE).any():
        opened = is_open(state)[:, None]
        held = np.where(opened[..., None], places[:, None, ENTRY], places[:, None, WAIT])
        mine[:] = np.where(goes_in[..., None], held, mine)
        seats = places[:, FIRST_SEAT : FIRST_SEAT + SEATS]
        rank = (np.cumsum(stage == INSIDE, axis=1) - 1) % SEATS
        seat = np.take_along_axis(seats, np.maximum(rank, 0)[..., None], axis=1)
        mine[:] = np.where((stage == INSIDE)[..., None], seat, mine)
    return goals


def _sway(state: WorldState, who: BoolArray, commands: Commands) -> None:
    """Lets walkers sway from side to side as they do."""
    walks = who & (commands.move[..., 0] > 0.2)
    walks[:, 0] = False
    turn = (2 * math.pi * STRIDES * state.time_step) * (state.step[:, None] + state["errand"] % 97)
    swing = state["gait"][..., 1] * pmath.cos(turn) / (SIDEWAYS * TOP_SPEED)
    commands.move[:, 1:, 1] += np.where(walks[:, 1:], swing, 0.0)


def _nearest(state: WorldState) -> FloatArray:
    """Where the nearest other avatar is, (worlds, avatars, 2)."""
    place = state.avatars.position[..., :2]
    away = ((place[:, :, None] - place[:, None]) ** 2).sum(-1)
    away += np.where(np.eye(state.num_avatars, dtype=np.bool_), 1e9, 0.0)
    return np.take_along_axis(place, away.argmin(-1)[..., None], axis=1)


def _speak(state: WorldState, who: BoolArray, commands: Commands) -> None:
    """Lets guests say their names before the door, and answer the host."""
    guests = who[:, 1:]
    replies = guests & (state["reply"] != NOTHING)
    if replies.any():
        sentences = state.speech.sentence[THANKS:, 0]
        commands.say[:, 1:][replies] = sentences[state["reply"][replies] - THANKS]
    names = guests & (to_door(state) | (state["stage"] == WAITING))
    if names.any():
        again = (state.step[:, None] - state["since"]) % SAYS_NAME_EVERY == 0
        now = names & (distance(state, WAIT) < 0.8 * AT_DOOR)
        now &= (state["stage"] == PARTY) | again
        worlds, who_says = np.nonzero(now)
        person = state["invited"][worlds, state["claims"][worlds, who_says]]
        commands.say[worlds, who_says + 1] = state.speech.sentence[I_AM, person]
