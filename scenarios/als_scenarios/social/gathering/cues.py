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
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.social.gathering.door import ADMITTED, INSIDE, WAITING
from als_scenarios.social.gathering.faces import NEUTRAL
from als_scenarios.social.gathering.feelings import mood_of
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
WALKING: Final = 0.7
"""Metres per second from which somebody walks, and does not just start or stop."""

HEAD_HEIGHT, HEAD_FRONT = 1.53, 0.19
"""Where a face is: its middle over the feet and before the middle of the head, metres."""

BEGIN, BEGIN_AT_DOOR = 0.014, 0.06
"""The chance in a step that a guest who is silent begins to talk."""
SHORTEST_TALK, MORE_TALK = 12, 12
"""Steps that an utterance lasts: at least, and at most so many more."""

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
    energy: FloatArray = pmath.exp(_PER_DECIBEL * (SPEECH + voice - SPEECH_LEVEL))
    return energy


def gait_of(person: NDArray[np.int16], tells: FloatArray) -> FloatArray:
    """Walking speed and amplitude of sway, (worlds, guests, 2), metres per second."""
    factor = np.stack([1.0 + QUICKER * tells[..., 1], 1.0 - STEADIER * tells[..., 0]], -1)
    return np.asarray(GAITS[person] * factor)


def face_of(feeling: FloatArray, cue: NDArray[np.int8], manner: FloatArray) -> FloatArray:
    """What faces show, (..., 2): valence and arousal, with each guest's own manner."""
    face = shown(feeling, cue) + manner * (cue != BLANK)[..., None]
    return np.asarray(np.clip(face, -1.0, 1.0))


def express(state: WorldState, draws: FloatArray) -> None:
    """Lets guests show what they feel in this step: faces, gaits and voices.

    Args:
        state: `face`, `looks`, `gait`, `voice` and `talks_until` are written.
        draws: (worlds, guests, 10) in [0, 1).
    """
    _express(
        state["feeling"], state["cues"], state["manner"], GAITS[state["person"]],
        (state["face"], state["looks"], state["gait"]),
    )  # fmt: skip
    _talk(state, draws)


@inner
def _told(cue, felt, cheer):  # type: ignore[no-untyped-def]
    """What a cue tells of one dimension of a feeling."""
    if cue == SHOWN:
        return felt
    return cheer if cue == FEIGNED else 0.0


@kernel
def _express(feeling, cues, manner, usual, out):  # type: ignore[no-untyped-def]
    """What `face_of`, `faces.looks` and `gait_of` say, for all guests, in place."""
    face, looks, gait = out
    for w in range(feeling.shape[0]):
        for i in range(feeling.shape[1]):
            for k in range(2):
                value = _told(cues[w, i, 0], feeling[w, i, k], CHEER[k])
                if cues[w, i, 0] != BLANK:
                    value += manner[w, i, k]
                face[w, i, k] = min(max(value, -1.0), 1.0)
            looks[w, i] = mood_of(face[w, i, 0], face[w, i, 1])
            if cues[w, i, 0] == BLANK:
                looks[w, i] = NEUTRAL
            valence = _told(cues[w, i, 1], feeling[w, i, 0], CHEER[0])
            arousal = _told(cues[w, i, 1], feeling[w, i, 1], CHEER[1])
            gait[w, i, 0] = usual[w, i, 0] * (1.0 + QUICKER * arousal)
            gait[w, i, 1] = usual[w, i, 1] * (1.0 - STEADIER * valence)


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
    walking so far; both forget slowly after `LONGEST` steps. Faces and voices move along.
    """
    avatars, screens = state.avatars, state.screens
    _perceive(
        (avatars.position, avatars.velocity, avatars.heading),
        (state.step, state["talks_until"], state["stage"], state["voice"]),
        (state["heard"], state["heard_for"], state["seen"], state["walked_for"]),
        (screens.position, screens.heading, state.sounds.position),
    )


@kernel
def _perceive(avatars, voices, known, faces):  # type: ignore[no-untyped-def]
    position, velocity, heading = avatars
    step, talks_until, stage, voice = voices
    heard, heard_for, seen, walked_for = known
    worlds, guests, bands = voice.shape
    for w in range(worlds):
        for i in range(guests):
            a = i + 1
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            _carry_face(w, i, position[w, a], heading[w, a], cos, sin, faces)
            x, y = position[w, a, 0] - position[w, 0, 0], position[w, a, 1] - position[w, 0, 1]
            near = x * x + y * y < EARSHOT * EARSHOT and stage[w, i] != INSIDE
            if near and step[w] < talks_until[w, i]:
                heard_for[w, i] += 1
                part = 1.0 / min(heard_for[w, i], LONGEST)
                for band in range(bands):
                    heard[w, i, band] += part * (voice[w, i, band] - heard[w, i, band])
            ahead = velocity[w, a, 0] * cos + velocity[w, a, 1] * sin
            if ahead > WALKING:
                aside = abs(velocity[w, a, 1] * cos - velocity[w, a, 0] * sin)
                walked_for[w, i] += 1
                part = 1.0 / min(walked_for[w, i], LONGEST)
                seen[w, i, 0] += part * (ahead - seen[w, i, 0])
                # The mean of a sine's absolute value is 2 / pi of its amplitude.
                seen[w, i, 1] += part * (0.5 * math.pi * aside - seen[w, i, 1])


@inner
def _carry_face(w, i, feet, heading, cos, sin, faces):  # type: ignore[no-untyped-def]
    """Puts a guest's face on the front of its head, and its voice into it."""
    screen, facing, sound = faces
    screen[w, i, 0] = feet[0] + HEAD_FRONT * cos
    screen[w, i, 1] = feet[1] + HEAD_FRONT * sin
    screen[w, i, 2] = feet[2] + HEAD_HEIGHT
    facing[w, i] = heading
    for k in range(3):
        sound[w, i, k] = screen[w, i, k]


@kernel
def _place_faces(worlds, position, heading, faces):  # type: ignore[no-untyped-def]
    for w in worlds:
        for a in range(1, position.shape[1]):
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            _carry_face(w, a - 1, position[w, a], heading[w, a], cos, sin, faces)


def first_look(state: WorldState, worlds: NDArray[np.intp]) -> None:
    """Puts the faces and voices of some worlds where their guests start."""
    screens = state.screens
    faces = (screens.position, screens.heading, state.sounds.position)
    _place_faces(worlds, state.avatars.position, state.avatars.heading, faces)
