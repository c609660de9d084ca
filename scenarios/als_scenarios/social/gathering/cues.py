"""How guests of `ALS/Gathering-v0` show what they feel, and what a host hears and sees of it.

Directions of change follow the literature, their sizes are this scenario's own. Voice: arousal
raises effort, which lifts the spectrum as from "normal" to "raised" in ANSI S3.5-1997, table 4
(250 Hz to 8 kHz; below, 1 and 2.5 dB are assumed), and pitch; pleasure raises pitch a little,
displeasure the share of high frequencies (Banse and Scherer 1996, "Acoustic profiles in vocal
emotion expression", JPSP 70(3); Scherer 2003, Speech Communication 40). Gait: arousal quickens it,
displeasure lets the trunk sway more (Michalak et al. 2009, "Embodiment of sadness and depression",
Psychosomatic Medicine 71(5); Roether et al. 2009, "Critical features for the perception of emotion
from gait", Journal of Vision 9(6)). Face: valence and arousal themselves. A feigned cue is good
cheer; the other channels still leak the mood (Ekman and Friesen 1969, "Nonverbal leakage and clues
to deception", Psychiatry 32).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.social.gathering.door import ADMITTED, INSIDE, WAITING
from als_scenarios.social.gathering.people import (
    BLANK,
    FEIGNED,
    GAITS,
    PITCH,
    SHOWN,
    SPEECH,
    SPEECH_LEVEL,
    VOICES,
)

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

CHEER: Final = np.array([0.7, 0.4])
"""The feeling that a feigned cue shows."""

EFFORT: Final = np.array([1.0, 2.5, 4.23, 5.88, 8.85, 8.0, 7.45, 3.94])
"""Decibels from a normal to a raised voice, (8,)."""
HARSH: Final = np.array([0.0, 0.0, 0.0, 0.0, 0.75, 1.5, 3.0, 3.0])
"""Decibels more for a valence of -1, (8,)."""
PER_AROUSAL, SEMITONES_PER_AROUSAL, SEMITONES_PER_VALENCE = 0.6, 2.0, 1.0
"""Effort (1 is a raised voice) and pitch for an arousal, and a valence, of 1."""
WITHIN: Final = 2.0
"""Standard deviation of a voice from utterance to utterance, decibels a band."""

QUICKER, STEADIER = 0.22, 0.45
"""The share by which an arousal of 1 quickens a gait, and by which a valence of 1 lessens sway."""

EARSHOT: Final = 3.0
"""How near the host has to be to make out a voice, metres."""
LONGEST: Final = 60
"""Over how many steps what is heard, and what is seen of a gait, is averaged at most."""
WALKING: Final = 0.5
"""Metres per second from which somebody walks."""

BEGIN, BEGIN_AT_DOOR = 0.014, 0.06
"""The chance in a step that a guest who is silent begins to talk."""
SHORTEST_TALK, MORE_TALK = 12, 12
"""Steps that an utterance lasts: at least, and at most so many more."""

FACE_STREAM: Final = 5
_PER_DECIBEL: Final = 0.1 * float(pmath.log(10.0))


def shown(feeling: FloatArray, cue: NDArray[np.int8]) -> FloatArray:
    """The feeling that a cue tells of, (worlds, guests, 2); `cue` is (worlds, guests)."""
    kind = cue[..., None]
    return np.asarray(np.where(kind == SHOWN, feeling, np.where(kind == FEIGNED, CHEER, 0.0)))


def voice_of(person: NDArray[np.int16], tells: FloatArray, draws: FloatArray) -> FloatArray:
    """The spectra of utterances, (n, 8), decibels more than `SPEECH`.

    Args:
        person: (n,), who speaks.
        tells: (n, 2), the feeling that the voice tells of.
        draws: (n, 8) in [0, 1), the chance within a person.
    """
    valence, arousal = tells[..., :1], tells[..., 1:]
    pitch = SEMITONES_PER_AROUSAL * arousal + SEMITONES_PER_VALENCE * valence
    noise = WITHIN * math.sqrt(12.0) * (draws - 0.5)
    voice = VOICES[person] + PER_AROUSAL * arousal * EFFORT + pitch * PITCH - valence * HARSH
    return np.asarray(voice + noise)


def power(voice: FloatArray) -> FloatArray:
    """What a voice sends out in each band, as sound sources have it: 1 in all on average."""
    return pmath.exp(_PER_DECIBEL * (SPEECH + voice - SPEECH_LEVEL))


def gait_of(person: NDArray[np.int16], tells: FloatArray) -> FloatArray:
    """Walking speed and amplitude of sway, (worlds, guests, 2), metres per second."""
    factor = np.stack([1.0 + QUICKER * tells[..., 1], 1.0 - STEADIER * tells[..., 0]], -1)
    return np.asarray(GAITS[person] * factor)


def face_of(feeling: FloatArray, cue: NDArray[np.int8], manner: FloatArray) -> FloatArray:
    """What faces show, (worlds, guests, 2): valence and arousal, with each guest's own manner."""
    face = shown(feeling, cue) + manner * (cue != BLANK)[..., None]
    return np.asarray(np.clip(face, -1.0, 1.0))


def express(state: WorldState, draws: FloatArray) -> None:
    """Lets guests show what they feel in this step: faces, gaits and voices.

    Args:
        state: `face`, `gait`, `voice` and `talks_until` are written.
        draws: (worlds, guests, 10) in [0, 1).
    """
    feeling, cues = state["feeling"], state["cues"]
    state["face"][:] = face_of(feeling, cues[..., 0], state["manner"])
    state["gait"][:] = gait_of(state["person"], shown(feeling, cues[..., 1]))
    _talk(state, draws)


def _talk(state: WorldState, draws: FloatArray) -> None:
    stage, until = state["stage"], state["talks_until"]
    now = state.step[:, None]
    waits = stage == WAITING
    chance = np.where(waits, BEGIN_AT_DOOR, BEGIN)
    begins = (draws[..., 0] < chance) & (now >= until) & (stage != INSIDE) & (stage != ADMITTED)
    begins |= waits & (state["since"] == now)
    if begins.any():
        worlds, guests = np.nonzero(begins)
        lasts = SHORTEST_TALK + (draws[worlds, guests, 1] * MORE_TALK).astype(np.int32)
        until[worlds, guests] = state.step[worlds] + lasts
        tells = shown(state["feeling"][begins], state["cues"][begins][:, 2])
        voice = voice_of(state["person"][begins], tells, draws[worlds, guests, 2:])
        state["voice"][begins] = voice
        state.sounds.bands[begins] = power(voice)
    state.sounds.on[:] = now < until


def talking(state: WorldState) -> BoolArray:
    """Who talks now, (worlds, guests)."""
    return np.asarray(state.step[:, None] < state["talks_until"])


def perceive(state: WorldState) -> None:
    """Lets the host hear the voices near it, and look at how everybody walks.

    Writes `heard`, the mean spectrum of a voice so far, and `seen`, mean speed and sway while
    walking so far; both forget slowly after `LONGEST` steps.
    """
    avatars = state.avatars
    away = avatars.position[:, 1:, :2] - avatars.position[:, :1, :2]
    near = away[..., 0] ** 2 + away[..., 1] ** 2 < EARSHOT * EARSHOT
    hears = near & talking(state) & (state["stage"] != INSIDE)
    steps = state["heard_for"]
    steps += hears
    part = hears / np.clip(steps, 1, LONGEST)
    heard = state["heard"]
    heard += part[..., None] * (state["voice"] - heard)
    _watch_gait(state)


def _watch_gait(state: WorldState) -> None:
    avatars = state.avatars
    velocity, heading = avatars.velocity[:, 1:], avatars.heading[:, 1:]
    cos, sin = pmath.cos(heading), pmath.sin(heading)
    ahead = velocity[..., 0] * cos + velocity[..., 1] * sin
    aside = velocity[..., 1] * cos - velocity[..., 0] * sin
    walks = ahead > WALKING
    walked = state["walked_for"]
    walked += walks
    part = walks / np.clip(walked, 1, LONGEST)
    # The mean of a sine's absolute value is 2 / pi of its amplitude.
    seen, rates = state["seen"], np.stack([ahead, (math.pi / 2) * np.abs(aside)], -1)
    seen += part[..., None] * (rates - seen)
    _turn_faces(state, slice(None), cos, sin)


HEAD_HEIGHT, HEAD_FRONT = 1.53, 0.19
"""Where a face is: its middle over the feet and before the middle of the head, metres."""


def _turn_faces(
    state: WorldState, worlds: NDArray[np.intp] | slice, cos: FloatArray, sin: FloatArray
) -> None:
    """Puts every guest's face on the front of its head, and its voice into it."""
    screens, feet = state.screens, state.avatars.position[worlds, 1:]
    front = np.stack([HEAD_FRONT * cos, HEAD_FRONT * sin, np.full_like(cos, HEAD_HEIGHT)], -1)
    screens.position[worlds] = feet + front
    screens.heading[worlds] = state.avatars.heading[worlds, 1:]
    state.sounds.position[worlds] = screens.position[worlds]


def first_look(state: WorldState, worlds: NDArray[np.intp]) -> None:
    """Puts the faces and voices of some worlds where their guests start."""
    heading = state.avatars.heading[worlds, 1:]
    _turn_faces(state, worlds, pmath.cos(heading), pmath.sin(heading))
