"""Who speaks now, and what of it the note-taker understands: all worlds at once.

Only one who is near and faced is understood. Near is up to the end of Hall's close social distance,
at which people work together: 4 to 7 feet (Hall 1966, "The hidden dimension", Doubleday).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.office.meeting.talk import ACT, END, SPEAKER, START, decisive
from als_scenarios.office.meeting.words import CHAT

TAKER: Final = 0
"""The avatar that takes the minutes; the speakers are those behind it."""

NEAR: Final = 2.1
"""How far away, from middle to middle, one can be understood, metres."""

FACED: Final = math.radians(40)
"""How far aside of where the note-taker looks a speaker is still faced."""

LISTEN: Final = 10
"""For so many steps one has to listen to a sentence to understand it."""

REPEAT: Final = 16
"""So many steps it takes to say a sentence again."""

_COSINE: Final = float(pmath.cos(FACED))
_AWAY: Final = -2.0


def faced(state: WorldState) -> FloatArray:
    """How straight the note-taker faces each speaker, (worlds, speakers).

    The cosine of the angle for one who is near and faced, and -2 for the others.
    """
    avatars = state.avatars
    away = avatars.position[:, 1:, :2] - avatars.position[:, :1, :2]
    distance = pmath.hypot(away[..., 0], away[..., 1])
    heading = avatars.heading[:, :1]
    ahead = away[..., 0] * pmath.cos(heading) + away[..., 1] * pmath.sin(heading)
    cosine = ahead / np.maximum(distance, 1e-9)
    return np.where((distance <= NEAR) & (cosine >= _COSINE), cosine, _AWAY)


def straightest(cosine: FloatArray, who: BoolArray) -> IntArray:
    """Of some speakers the one who is faced most directly, (worlds,), NOTHING where none is."""
    among = np.where(who, cosine, _AWAY)
    best = among.argmax(1).astype(np.int32)
    return np.where(among.max(1) > _AWAY, best, NOTHING)


def speak(state: WorldState) -> None:
    """Lets everybody say what the script has now, or what they were asked to say again."""
    script, saying = state["script"], state["saying"]
    now = state.step[:, None]
    active = (script[..., START] <= now) & (now < script[..., END])
    repeats = now < state["repeats_until"]
    saying[:] = np.where(repeats, state["repeats"], NOTHING)
    world, act = np.nonzero(active)
    saying[world, script[world, act, SPEAKER]] = act


def ask(state: WorldState, who: BoolArray, cosine: FloatArray) -> None:
    """Asks who is faced, and has been missed, to say again what of theirs was missed last.

    Args:
        state: whose `questions` and repetitions change.
        who: (worlds,) where the note-taker asks.
        cosine: of `faced`.
    """
    state["asked"].fill(False)
    if not who.any():
        return
    acts = missed(state)
    speaker = straightest(cosine, (state["saying"] == NOTHING) & (acts != NOTHING))
    worlds = np.flatnonzero(who & (speaker != NOTHING))
    state["asked"][worlds] = True
    state["questions"][worlds] += 1
    state["repeats"][worlds, speaker[worlds]] = acts[worlds, speaker[worlds]]
    state["repeats_until"][worlds, speaker[worlds]] = state.step[worlds] + REPEAT


def missed(state: WorldState) -> IntArray:
    """The last decisive act of each speaker that was missed, (worlds, speakers), or NOTHING."""
    script = state["script"]
    over = decisive(script) & (script[..., END] <= state.step[:, None]) & ~understood(state)
    speakers = state["saying"].shape[1]
    by = over[..., None] & (script[..., SPEAKER, None] == np.arange(speakers))
    last = script.shape[1] - 1 - by[:, ::-1].argmax(1)
    return np.where(by.any(1), last, NOTHING).astype(np.int32)


def understood(state: WorldState) -> BoolArray:
    """The acts that the note-taker has understood, (worlds, 16)."""
    return np.asarray(state["heard"] >= LISTEN)


def listen(state: WorldState, cosine: FloatArray) -> BoolArray:
    """Hears the one of those who speak who is faced most directly.

    Writes who that is into `listening`, and what was heard of decisive acts into `attention`.

    Returns:
        (worlds,): a decisive act has been understood just now.
    """
    saying, heard = state["saying"], state["heard"]
    speaker = straightest(cosine, saying != NOTHING)
    state["listening"][:] = speaker
    state["attention"].fill(0.0)
    new = np.zeros(state.num_worlds, np.bool_)
    worlds = np.flatnonzero(speaker != NOTHING)
    if worlds.size:
        act = saying[worlds, speaker[worlds]]
        before = heard[worlds, act]
        heard[worlds, act] = np.minimum(before + 1, LISTEN)
        counts = (before < LISTEN) & (state["script"][worlds, act, ACT] != CHAT)
        state["attention"][worlds] = counts / LISTEN
        new[worlds] = counts & (before == LISTEN - 1)
    return new


def taken_in(state: WorldState) -> IntArray:
    """The act that each speaker says now and that is understood, (worlds, speakers), or NOTHING."""
    saying, speaker = state["saying"], state["listening"]
    act = np.where(np.arange(saying.shape[1]) == speaker[:, None], saying, NOTHING)
    clear = np.take_along_axis(state["heard"], np.maximum(act, 0), axis=1) >= LISTEN
    return np.where(clear, act, NOTHING).astype(np.int32)
