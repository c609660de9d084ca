"""The private door of `ALS/Gathering-v0`: who waits, who is let in, who is turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.social.gathering.house import WAIT, WALL, WIDTH

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

PARTY, WAITING, ADMITTED, INSIDE, REFUSED, GAVE_UP = range(6)
"""Where a guest stands with the door; ADMITTED is on its way in."""

AT_DOOR: Final = 0.6
"""How near to the place before the door a guest is heard as one who wants to enter, metres."""
ANSWER_REACH: Final = 2.4
"""How near a guest who waits the host has to be to admit or refuse it, metres."""
PATIENCE: Final = 110
"""Steps that a guest waits for an answer."""
BEYOND: Final = 0.45
"""How far behind the wall a guest is inside, metres."""


def distance(state: WorldState, place: int) -> FloatArray:
    """How far guests are from one of the level's places, (worlds, guests), metres."""
    away = state.avatars.position[:, 1:, :2] - state["places"][:, place, None]
    gap: FloatArray = pmath.hypot(away[..., 0], away[..., 1])
    return gap


def from_host(state: WorldState) -> FloatArray:
    """How far guests are from the host, (worlds, guests), metres."""
    away = state.avatars.position[:, 1:, :2] - state.avatars.position[:, :1, :2]
    return pmath.hypot(away[..., 0], away[..., 1])


def is_genuine(state: WorldState) -> BoolArray:
    """Whether guests are whom they claim to be, (worlds, guests)."""
    name = np.take_along_axis(state["invited"], np.maximum(state["claimed"], 0), axis=1)
    return np.asarray((state["claimed"] >= 0) & (name == state["person"]))


def hear_claims(state: WorldState, said: BoolArray) -> None:
    """Notes who says the name of somebody invited before the door, once for each guest.

    Args:
        state: the worlds.
        said: (worlds, guests), who has just said a name.
    """
    if not said.any():
        return
    named = state.said_slot[:, 1:, None] == state["invited"][:, None]  # (worlds, guests, invited)
    claims = said & named.any(-1) & (state["stage"] == PARTY) & (distance(state, WAIT) < AT_DOOR)
    if claims.any():
        worlds = np.nonzero(claims)[0]
        state["claimed"][claims] = named.argmax(-1)[claims]
        state["stage"][claims] = WAITING
        state["since"][claims] = state.step[worlds]


def answer(state: WorldState, admit: BoolArray, refuse: BoolArray) -> None:
    """Carries out what the host says at the door; to nobody it is an idle remark.

    Args:
        state: the worlds.
        admit: (worlds,), where the host has just said so.
        refuse: likewise.
    """
    asked = admit | refuse
    if not asked.any():
        return
    away = np.where(state["stage"] == WAITING, from_host(state), np.inf)
    nearest = away.argmin(1)
    rows = np.arange(state.num_worlds)
    heard = asked & (away[rows, nearest] < ANSWER_REACH)
    state["admitted_now"][rows, nearest] = heard & admit
    state["refused_now"][rows, nearest] = heard & refuse
    state["stage"][state["admitted_now"]] = ADMITTED
    state["stage"][state["refused_now"]] = REFUSED
    if (heard & admit).any():
        state.open("private door", heard & admit)
    state["idle_now"][:] |= asked & ~heard


def pass_on(state: WorldState) -> None:
    """Lets guests go in and lose patience, and shuts the door behind them."""
    stage = state["stage"]
    x = state.avatars.position[:, 1:, 0] * state["side"][:, None]
    goes_in = stage == ADMITTED
    enters = goes_in & (x > WIDTH / 2 + WALL + BEYOND)
    if enters.any():
        stage[enters] = INSIDE
        shut = enters.any(1) & ~(stage == ADMITTED).any(1)
        if shut.any():
            state.open("private door", shut, False)
    state["gave_up_now"][:] = (stage == WAITING) & (
        state.step[:, None] - state["since"] >= PATIENCE
    )
    stage[state["gave_up_now"]] = GAVE_UP


def is_open(state: WorldState) -> BoolArray:
    """Whether the door is open far enough to go through, (worlds,)."""
    door = state.prop("private door")
    return np.asarray(
        np.abs(state.hinges.angle[:, door]) > 0.85 * np.abs(state.hinges.limit[:, door])
    )
