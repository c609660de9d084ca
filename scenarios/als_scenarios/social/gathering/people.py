"""The people of `ALS/Gathering-v0`: their names, voices and gaits, and who is met in which split.

A voice is a spectrum over the 8 octave bands from 62.5 Hz to 8 kHz, in decibels. It starts from the
long-term average speech spectra of men and women of Byrne et al. (1994), "An international
comparison of long-term average speech spectra", JASA 96(4), table II, whose third-octave levels
(70 dB in all) are added up to octaves here. Around it people differ in pitch, by 2.5 semitones
(typical means are 120 Hz for men, 210 Hz for women: Traunmueller and Eriksson 1995, "The frequency
range of the voice fundamental in the speech of male and female adults"), and in timbre, by 2 dB.
A higher pitch moves energy from the octave of 125 Hz to that of 250 Hz. A gait is a walking speed,
1.36 m/s on average (Bohannon and Andrews 2011, "Normal walking speed", Physiotherapy 97(3)), and a
sideways sway of the trunk, whose speed has an amplitude of 0.18 m/s on average: about 3 cm each
way, large enough to be seen at 15 steps a second. The spreads are this scenario's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import LEVELS, Split
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.layout import SOUND_BANDS

WOMEN: Final = (
    "Alice", "Anna", "Bella", "Carla", "Clara", "Diana", "Elena", "Emma", "Fiona", "Grace",
    "Hanna", "Iris", "Julia", "Karin", "Laura", "Lena", "Maria", "Mona", "Nina", "Olga",
    "Paula", "Rosa", "Sofia", "Vera",
)  # fmt: skip
MEN: Final = (
    "Adam", "Anton", "Ben", "Carl", "David", "Emil", "Felix", "Frank", "George", "Hugo",
    "Ivan", "Jacob", "Karl", "Leo", "Lukas", "Mark", "Martin", "Noah", "Oscar", "Paul",
    "Peter", "Simon", "Thomas", "Victor",
)  # fmt: skip
NAMES: Final = WOMEN + MEN
"""Of everybody there is; a person is an index into it."""

IS_WOMAN: Final[BoolArray] = np.arange(len(NAMES)) < len(WOMEN)

MALE_SPEECH: Final = np.array([44.7, 61.3, 64.1, 66.7, 59.1, 55.1, 50.7, 47.3])
FEMALE_SPEECH: Final = np.array([39.5, 53.7, 65.5, 66.1, 60.3, 54.4, 50.4, 49.8])
SPEECH: Final = (MALE_SPEECH + FEMALE_SPEECH) / 2
"""Decibels in each octave band at a normal effort: men, women, and the mean of both, (8,)."""

SPEECH_LEVEL: Final = 70.0
"""Decibels of all bands together."""

PITCH: Final = np.array([0.0, -1.2, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Decibels in each band for a semitone of pitch, (8,)."""

SEMITONES, TIMBRE = 2.5, 2.0
"""Standard deviations between people: of pitch in semitones, of timbre in decibels a band."""

SPEED, SPEED_SPREAD = 1.36, 0.17
SWAY, SWAY_SPREAD = 0.18, 0.04
"""Means and standard deviations between people of the two parts of a gait, metres per second."""

_REGISTER: Final = 20


def _normals(count: int) -> FloatArray:
    """(people, count) draws of about the standard normal distribution, at most 3.5 away.

    Sums of four uniform numbers: these have the same bits on every processor.
    """
    draws = np.random.Generator(np.random.PCG64(_REGISTER)).random((len(NAMES), count, 4))
    return np.asarray((draws.sum(-1) - 2.0) * np.sqrt(3.0))


def _voices() -> FloatArray:
    drawn = _normals(SOUND_BANDS + 3)
    voices = np.where(IS_WOMAN[:, None], FEMALE_SPEECH, MALE_SPEECH) - SPEECH
    voices = voices + SEMITONES * drawn[:, :1] * PITCH
    voices[:, 2:] += TIMBRE * drawn[:, 3:9]
    return np.asarray(voices)


def _gaits() -> FloatArray:
    drawn = _normals(SOUND_BANDS + 3)
    means, spreads = np.array([SPEED, SWAY]), np.array([SPEED_SPREAD, SWAY_SPREAD])
    return np.asarray(means + spreads * np.clip(drawn[:, 1:3], -2.0, 2.0))


VOICES: Final[FloatArray] = _voices()
"""(people, 8): each person's octave bands, in decibels more than `SPEECH`."""

GAITS: Final[FloatArray] = _gaits()
"""(people, 2): each person's walking speed and amplitude of sway, metres per second."""


def _partition() -> Mapping[str, NDArray[np.intp]]:
    """Of every four women, and of every four men, two for training and one for each other split."""
    place = np.arange(len(NAMES)) % len(WOMEN) % 4
    parts = dict(zip(LEVELS, (place < 2, place == 2, place == 3), strict=True))
    return {split: np.flatnonzero(part) for split, part in parts.items()}


PEOPLE: Final = _partition()
"""Who is met in which split: 24 people for training, 12 for validation, 12 for the test split."""

BLANK, SHOWN, FEIGNED = range(3)
"""What a cue tells of a mood: nothing, the mood, or good cheer whatever the mood."""

CUES: Final = ("face", "gait", "voice")

COMBINATIONS: Final = np.array(
    [
        (SHOWN, SHOWN, SHOWN), (SHOWN, SHOWN, BLANK), (SHOWN, BLANK, BLANK),
        (BLANK, BLANK, SHOWN), (FEIGNED, BLANK, SHOWN), (SHOWN, BLANK, FEIGNED),
        (SHOWN, BLANK, SHOWN), (BLANK, SHOWN, SHOWN),
        (FEIGNED, SHOWN, SHOWN), (SHOWN, SHOWN, FEIGNED),
    ],
    np.int8,
)  # fmt: skip
"""(10, 3): what `CUES` tell of a mood, for all combinations that are met."""

COMBINATIONS_OF: Final = {
    split: np.array(rows)
    for split, rows in zip(LEVELS, ((0, 1, 2, 3, 4, 5), (6, 7), (8, 9)), strict=True)
}
"""Which of them are met in which split."""


def pool(split: Split) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The women and the men of a split."""
    everybody = PEOPLE[split]
    return everybody[IS_WOMAN[everybody]], everybody[~IS_WOMAN[everybody]]
