"""What the guests of `ALS/Gathering-v0` feel: valence and arousal, and how both change.

A feeling is a point in the plane of core affect (Russell 1980, "A circumplex model of affect",
JPSP 39(6)); a mood is one of its quadrants. Each guest i is drawn back to a home base h_i, moved by
chance, and caught by the feelings of those around:

    dq_i = beta (h_i - q_i) dt + sum_j g_ji (q_j - q_i) dt + sigma dW_i
    g_ji = rate * openness_i * exp(-(d_ij / reach)^2) * vividness_j

The first and the last term are the DynAffect model, an Ornstein-Uhlenbeck process around a home
base (Kuppens, Oravecz and Tuerlinckx 2010, "Feelings change", JPSP 99(6), 10.1037/a0020962). The
second is the absorption model of contagion, with openness of the receiver, strength of the channel
and expressiveness of the sender (Bosse, Duell, Memon, Treur and van der Wal 2009, "A multi-agent
model for emotion contagion spirals", PRIMA, LNAI 5925; 2015, Cognitive Computation 7(1), doi
10.1007/s12559-014-9277-9); the channel here falls with distance and does not pass a wall. The home
base is the guest's temper, plus a burden while something weighs on it, less loneliness, which ends
with the second acquaintance (Baumeister and Leary 1995, "The need to belong", Psychological
Bulletin 117(3): a few ties satisfy). Rates are this scenario's own: half a minute is an evening.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray

MOODS: Final = ("happy", "angry", "sad", "calm")
"""The quadrants of valence and arousal, counter-clockwise from (+, +)."""
HAPPY, ANGRY, SAD, CALM = range(4)

RETURN: Final = 0.3
"""beta: how fast a guest goes back to its home base, per second."""
CONTAGION: Final = 0.15
"""rate: how fast the most open catches the feeling of the most vivid beside it, per second."""
REACH: Final = 1.5
"""reach: how far feelings are caught, metres."""
CHANCE: Final = 0.06
"""sigma: per square root of a second."""
LONELY: Final = 0.5
"""How much lower the valence of a home base is for a guest who knows nobody."""
ENOUGH: Final = 2
"""With so many acquaintances nobody is lonely."""
MARGIN: Final = 0.08
"""How far beyond an axis a feeling has to go to become another mood."""


def homes(temper: FloatArray, burden: FloatArray, knows: BoolArray) -> FloatArray:
    """The home bases, (worlds, guests, 2); `knows` is (worlds, guests, guests)."""
    base = temper + burden
    missing = np.maximum(ENOUGH - np.count_nonzero(knows, axis=-1), 0)
    base[..., 0] -= (LONELY / ENOUGH) * missing
    return np.clip(base, -1.0, 1.0)


def drift(
    feeling: FloatArray,
    home: FloatArray,
    openness: FloatArray,
    vividness: FloatArray,
    place: FloatArray,
    inside: BoolArray,
    draws: FloatArray,
    time_step: float,
) -> None:
    """Moves feelings, (worlds, guests, 2), by one step of the Euler-Maruyama scheme, in place.

    Args:
        feeling: valence and arousal, kept within -1 and 1.
        home: (worlds, guests, 2).
        openness: (worlds, guests), 0 to 1, of who receives.
        vividness: (worlds, guests), 0 to 1, of who sends.
        place: (worlds, guests, 2 or 3), metres.
        inside: (worlds, guests), who is behind the wall.
        draws: (worlds, guests, 2) in [0, 1), taken as noise of variance 1.
        time_step: seconds.
    """
    _drift(feeling, home, openness, vividness, place, inside, draws, time_step)


@kernel
def _drift(feeling, home, openness, vividness, place, inside, draws, dt):  # type: ignore[no-untyped-def]
    worlds, guests, _ = feeling.shape
    before = np.empty((guests, 2))
    shake = CHANCE * math.sqrt(dt) * math.sqrt(12.0)
    for w in range(worlds):
        before[:] = feeling[w]
        for i in range(guests):
            valence = RETURN * (home[w, i, 0] - before[i, 0])
            arousal = RETURN * (home[w, i, 1] - before[i, 1])
            for j in range(guests):
                if j == i or inside[w, i] != inside[w, j]:
                    continue
                x, y = place[w, i, 0] - place[w, j, 0], place[w, i, 1] - place[w, j, 1]
                channel = pmath.exp(-(x * x + y * y) / (REACH * REACH))
                gain = CONTAGION * openness[w, i] * channel * vividness[w, j]
                valence += gain * (before[j, 0] - before[i, 0])
                arousal += gain * (before[j, 1] - before[i, 1])
            new = before[i, 0] + dt * valence + shake * (draws[w, i, 0] - 0.5)
            feeling[w, i, 0] = max(-1.0, min(1.0, new))
            new = before[i, 1] + dt * arousal + shake * (draws[w, i, 1] - 0.5)
            feeling[w, i, 1] = max(-1.0, min(1.0, new))


@inner
def mood_of(valence, arousal):  # type: ignore[no-untyped-def]
    """The quadrant of one feeling."""
    if valence >= 0.0:
        return HAPPY if arousal >= 0.0 else CALM
    return ANGRY if arousal >= 0.0 else SAD


def quadrant(feeling: FloatArray) -> NDArray[np.int8]:
    """The mood of each feeling, (..., 2) to (...)."""
    pleased, roused = feeling[..., 0] >= 0.0, feeling[..., 1] >= 0.0
    mood = np.where(pleased, np.where(roused, HAPPY, CALM), np.where(roused, ANGRY, SAD))
    return np.asarray(mood, np.int8)


def rename(feeling: FloatArray, mood: NDArray[np.int8]) -> None:
    """Changes moods, in place, where a feeling has gone `MARGIN` beyond an axis."""
    _rename(feeling, mood)


@kernel
def _rename(feeling, mood):  # type: ignore[no-untyped-def]
    for w in range(mood.shape[0]):
        for i in range(mood.shape[1]):
            old, valence, arousal = mood[w, i], feeling[w, i, 0], feeling[w, i, 1]
            if abs(valence) < MARGIN:
                valence = 1.0 if old in (HAPPY, CALM) else -1.0
            if abs(arousal) < MARGIN:
                arousal = 1.0 if old in (HAPPY, ANGRY) else -1.0
            mood[w, i] = mood_of(valence, arousal)


def well_being(feeling: FloatArray) -> FloatArray:
    """(worlds, guests): valence on a scale from 0 to 1."""
    return np.asarray((feeling[..., 0] + 1.0) / 2.0)
