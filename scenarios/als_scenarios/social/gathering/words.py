"""What a host says in `ALS/Gathering-v0`, and what it does to the guests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.speech import Verb
from als_scenarios.social.gathering.door import (
    ADMITTED,
    INSIDE,
    answer,
    from_host,
    hear_claims,
    is_genuine,
    pass_on,
)
from als_scenarios.social.gathering.feelings import MOODS
from als_scenarios.social.gathering.people import NAMES

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

HOST_SAYS: Final = ("admit", "refuse", "introduce", Verb("you seem", MOODS))
REPLIES: Final = ("thank you", "that hurts", "hello")
GUEST_SAYS: Final = (Verb("i am", NAMES), *REPLIES)
SAYS: Final = (*HOST_SAYS, *GUEST_SAYS)

ADMIT, REFUSE, INTRODUCE, YOU_SEEM, I_AM, THANKS, HURT, HELLO = range(len(SAYS))
"""The numbers of phrases and verbs."""

TALK_REACH, TALK_ANGLE = 1.8, math.radians(60)
"""How far away, and how far aside, whom the host speaks to may be, metres and radians."""
INTRODUCE_REACH: Final = 1.7
"""Whom the host introduces to each other is so near, metres."""
LISTENS_AGAIN: Final = 75
"""Steps until a guest likes to hear about its mood again."""

UNDERSTOOD, MISUNDERSTOOD = 0.1, -0.3
"""What the right and the wrong mood add to the valence of whom it is said to. Being understood
soothes, and being told a wrong feeling hurts (Shenk and Fruzzetti 2011, "The impact of validating
and invalidating responses on emotional reactivity", J. of Social and Clinical Psychology 30(2))."""
RIGHT_AT_DOOR, FALSE_ACCEPT, FALSE_REJECT, LEFT_WAITING = 1.0, -2.0, -2.0, -1.0
"""What it is worth to let an invited person in or turn an impostor away, to let an impostor in, to
turn an invited person away, and to leave one waiting."""
SPURNED: Final = -0.4
"""What it adds to the valence of somebody invited to be refused, or left waiting."""


def partner(state: WorldState) -> IntArray:
    """Whom the host speaks to, (worlds,): the nearest guest ahead of it, or NOTHING."""
    found = np.empty(state.num_worlds, np.int32)
    _partner(state.avatars.position, state.avatars.heading, state["stage"], found)
    return found


@kernel
def _partner(position, heading, stage, out):  # type: ignore[no-untyped-def]
    for w in range(out.size):
        out[w], nearest = NOTHING, TALK_REACH
        for i in range(stage.shape[1]):
            x = position[w, i + 1, 0] - position[w, 0, 0]
            y = position[w, i + 1, 1] - position[w, 0, 1]
            gap = math.sqrt(x * x + y * y)
            if gap >= nearest or stage[w, i] == INSIDE or stage[w, i] == ADMITTED:
                continue
            if abs(wrap(pmath.atan2(y, x) - heading[w, 0])) < TALK_ANGLE:
                out[w], nearest = i, gap


def _in_company(state: WorldState) -> BoolArray:
    return np.asarray((state["stage"] != INSIDE) & (state["stage"] != ADMITTED))


def around(state: WorldState) -> BoolArray:
    """Who is near enough to the host to be introduced, (worlds, guests)."""
    return np.asarray((from_host(state) < INTRODUCE_REACH) & _in_company(state))


def unmet(state: WorldState) -> BoolArray:
    """(worlds, guests, guests): who would get to know whom if the host introduced them now."""
    near = around(state)
    new = near[:, :, None] & near[:, None] & ~state["knows"]
    return np.asarray(new & ~np.eye(near.shape[1], dtype=np.bool_))


def listen(state: WorldState) -> None:
    """Carries out everything that was said in this step."""
    said, verbs = state.avatars.utterance, state.said_verb
    verb = verbs[:, 0]
    for name in ("idle_now", "wrong_now", "admitted_now", "refused_now"):
        state[name].fill(False)
    state["reply"].fill(NOTHING)
    if (said[:, 1:] >= 0).any():
        hear_claims(state, verbs[:, 1:] == I_AM)
    if (verb >= 0).any():
        answer(state, verb == ADMIT, verb == REFUSE)
        if (verb == INTRODUCE).any():
            _introduce(state, verb == INTRODUCE)
        if (verb == YOU_SEEM).any():
            _tell_mood(state, verb == YOU_SEEM)
    pass_on(state)
    _count(state)


def _introduce(state: WorldState, asked: BoolArray) -> None:
    new: BoolArray = unmet(state) & asked[:, None, None]
    knows = state["knows"]
    knows |= new
    met: BoolArray = np.any(new, axis=-1)
    state["reply"][met] = HELLO
    state["introductions"][:] += new.sum((1, 2), dtype=np.int32) // 2
    state["idle_now"][:] |= asked & ~met.any(1)


def _tell_mood(state: WorldState, asked: BoolArray) -> None:
    """A guest who is told its mood rightly lays down its burden; a wrong one hurts it."""
    to, rows = partner(state), np.arange(state.num_worlds)
    heard = asked & (to != NOTHING) & (state["listens_at"][rows, to] <= state.step)
    state["idle_now"][:] |= asked & ~heard
    right = heard & (state.said_slot[:, 0] == state["mood"][rows, to])
    wrong = heard & ~right
    state["wrong_now"][:] = wrong
    state["moods_told"][:] += heard
    state["moods_right"][:] += right
    state["listens_at"][rows[heard], to[heard]] = state.step[heard] + LISTENS_AGAIN
    state["reply"][rows[right], to[right]] = THANKS
    state["reply"][rows[wrong], to[wrong]] = HURT
    eased = right & (state["burden"][rows, to, 0] < 0)
    state["eased"][:] += eased
    state["burden"][rows[right], to[right]] = 0.0
    state["feeling"][rows[right], to[right], 0] += UNDERSTOOD
    state["feeling"][rows[wrong], to[wrong], 0] += MISUNDERSTOOD


def _worth_at_door(
    admitted: BoolArray, refused: BoolArray, left: BoolArray, genuine: BoolArray
) -> FloatArray:
    """What this step was worth at the door, (worlds,)."""
    right = (admitted & genuine) | (refused & ~genuine)
    worth = RIGHT_AT_DOOR * right + FALSE_ACCEPT * (admitted & ~genuine)
    worth += FALSE_REJECT * (refused & genuine) + LEFT_WAITING * (left & genuine)
    return np.asarray(worth.sum(1))


def _count(state: WorldState) -> None:
    """Keeps the books of the door, and lets people feel what happened to them there."""
    admitted, refused, left = state["admitted_now"], state["refused_now"], state["gave_up_now"]
    state["door_now"][:] = 0.0
    if not (admitted | refused | left).any():
        return
    genuine = is_genuine(state)
    for name, whom in (
        ("right_entries", admitted & genuine),
        ("false_accepts", admitted & ~genuine),
        ("false_rejects", refused & genuine),
        ("right_refusals", refused & ~genuine),
        ("left_waiting", left & genuine),
    ):
        state[name][:] += whom.sum(1, dtype=np.int32)
    state["door_now"][:] = _worth_at_door(admitted, refused, left, genuine)
    spurned = (refused | left) & genuine
    state["feeling"][spurned, 0] += SPURNED
    state["reply"][spurned] = HURT
    state["reply"][admitted] = THANKS
