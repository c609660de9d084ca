"""What a host sees and hears of its guests as numbers, and the portraits of the invited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import inner, kernel
from als_engine.world.layout import SOUND_BANDS
from als_scenarios.social.gathering.cues import LONGEST
from als_scenarios.social.gathering.door import ADMITTED, GAVE_UP, INSIDE, REFUSED, WAITING
from als_scenarios.social.gathering.evening import INVITED
from als_scenarios.social.gathering.people import GAITS, VOICES
from als_scenarios.social.gathering.words import INTRODUCE_REACH, LISTENS_AGAIN, partner

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

ROWS: Final = 6
SCALE: Final = 8.0
"""Metres that read as 1."""
DECIBELS: Final = 20.0
"""Decibels that read as 1."""
TOP_SPEED, TOP_SWAY = 2.0, 0.5
"""Metres per second that read as 1."""

HEAD: Final = (
    "present", "forward", "left", "distance", "facing_cos", "facing_sin", "addressed",
    "face_valence", "face_arousal", "speed", "sway", "talks", "heard_for",
)  # fmt: skip
TAIL: Final = ("acquainted", "unmet", "just_told", "waits", "refused", "inside")
VOICE: Final = len(HEAD)
PORTRAIT: Final = VOICE + SOUND_BANDS + len(TAIL)
COLUMNS: Final = (
    *HEAD, *(f"voice_{i}" for i in range(SOUND_BANDS)), *TAIL,
    *(f"claimed_voice_{i}" for i in range(SOUND_BANDS)), "claimed_speed", "claimed_sway",
)  # fmt: skip
"""The columns of `company`."""

_SIGNED: Final = ("forward", "left", "facing_cos", "facing_sin", "face_valence", "face_arousal")
_BOUND: Final = 1.5


class CompanySense(Sensor):
    """The guests as their host sees and hears them, float32 (6, 37); rows of guests are 0.

    | column | is | range |
    | --- | --- | --- |
    | present | 1 in a row with a guest | 0, 1 |
    | forward, left, distance | where it is, seen from the host's body, over 8 m | ±1.5, 0 to 1.5 |
    | facing_cos, facing_sin | where it looks, relative to the host's heading | ±1 |
    | addressed | 1 for the guest whom the host would speak to now | 0, 1 |
    | face_valence, face_arousal | what its face shows; 0 for a blank face | ±1 |
    | speed, sway | mean speed while walking over 2 m/s, mean sway over 0.5 m/s | 0 to 1.5 |
    | talks | 1 while it talks | 0, 1 |
    | heard_for | for how many steps its voice was heard so far, over 60 | 0 to 1 |
    | voice_0 to voice_7 | its voice as heard so far: decibels over the average in each octave, \
over 20 | ±1.5 |
    | acquainted | the share of the other guests whom it knows | 0 to 1 |
    | unmet | the share of them whom it would get to know by an introduction now | 0 to 1 |
    | just_told | 1 when it was told its mood, falling to 0 when it listens again | 0 to 1 |
    | waits, refused, inside | where it stands with the private door | 0, 1 |
    | claimed_voice_0 to claimed_voice_7 | the voice of whom it claims to be; 0 without \
a claim | ±1.5 |
    | claimed_speed, claimed_sway | likewise the usual gait | 0 to 1.5 |

    Distances are known, so voices are as at 1 m. Nothing here tells a mood or an identity.
    """

    provides: ClassVar[tuple[str, ...]] = ("company",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros((ROWS, len(COLUMNS)), np.float32)
        high = np.ones_like(low)
        for name in ("forward", "left", "distance", "speed", "sway"):
            high[:, COLUMNS.index(name)] = _BOUND
        high[:, PORTRAIT:] = _BOUND
        high[:, VOICE : VOICE + SOUND_BANDS] = _BOUND
        for column in (*range(VOICE, VOICE + SOUND_BANDS), *range(PORTRAIT, len(COLUMNS) - 2)):
            low[:, column] = -_BOUND
        for name in _SIGNED:
            low[:, COLUMNS.index(name)] = -high[:, COLUMNS.index(name)]
        return {"company": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `company`, (worlds, observers, 6, 37)."""
        avatars = state.avatars
        _fill(
            (avatars.position, avatars.heading, avatars.present, partner(state)),
            (state["face"], state["seen"], state["heard"], state["heard_for"]),
            (state.step, state["talks_until"], state["listens_at"], state["knows"]),
            (state["stage"], state["claimed"], state["invited"]),
            (VOICES, GAITS),
            out["company"],
        )


@inner
def _within(value):  # type: ignore[no-untyped-def]
    return max(-_BOUND, min(_BOUND, value))


@kernel
def _fill(avatars, cues, times, door, portraits, out):  # type: ignore[no-untyped-def]
    position, heading, present, partners = avatars
    face, seen, heard, heard_for = cues
    step, talks_until, listens_at, knows = times
    stage, claimed, invited = door
    guests = stage.shape[1]
    out[:] = 0.0
    for w in range(out.shape[0]):
        cos, sin = pmath.cos(heading[w, 0]), pmath.sin(heading[w, 0])
        for i in range(guests):
            row, a = out[w, 0, i], i + 1
            x, y = position[w, a, 0] - position[w, 0, 0], position[w, a, 1] - position[w, 0, 1]
            row[0] = present[w, a]
            row[1] = _within((x * cos + y * sin) / SCALE)
            row[2] = _within((y * cos - x * sin) / SCALE)
            row[3] = min(math.sqrt(x * x + y * y) / SCALE, _BOUND)
            turned = heading[w, a] - heading[w, 0]
            row[4], row[5] = pmath.cos(turned), pmath.sin(turned)
            row[6] = partners[w] == i
            row[7], row[8] = face[w, i, 0], face[w, i, 1]
            row[9] = min(seen[w, i, 0] / TOP_SPEED, _BOUND)
            row[10] = min(seen[w, i, 1] / TOP_SWAY, _BOUND)
            row[11] = step[w] < talks_until[w, i]
            row[12] = min(heard_for[w, i] / LONGEST, 1.0)
            for band in range(SOUND_BANDS):
                row[VOICE + band] = _within(heard[w, i, band] / DECIBELS)
            tail = row[VOICE + SOUND_BANDS :]
            tail[0], tail[1] = _acquaintances(w, i, position, stage, knows)
            left = (listens_at[w, i] - step[w]) / LISTENS_AGAIN
            tail[2] = max(0.0, min(1.0, left))
            tail[3] = stage[w, i] == WAITING
            tail[4] = stage[w, i] == REFUSED or stage[w, i] == GAVE_UP
            tail[5] = stage[w, i] == INSIDE
            if claimed[w, i] >= 0:
                _portray(invited[w, claimed[w, i]], portraits, row[PORTRAIT:])


@inner
def _acquaintances(w, i, position, stage, knows):  # type: ignore[no-untyped-def]
    """The shares of the others whom a guest knows, and would get to know by an introduction."""
    guests = stage.shape[1]
    known, new = 0, 0
    for j in range(guests):
        known += knows[w, i, j]
        if j != i and not knows[w, i, j]:
            new += _is_near(w, i, position, stage) and _is_near(w, j, position, stage)
    return known / max(1, guests - 1), new / max(1, guests - 1)


@inner
def _is_near(w, i, position, stage):  # type: ignore[no-untyped-def]
    """Whether a guest is near enough to the host to be introduced, as `words.around` has it."""
    x = position[w, i + 1, 0] - position[w, 0, 0]
    y = position[w, i + 1, 1] - position[w, 0, 1]
    near = x * x + y * y < INTRODUCE_REACH * INTRODUCE_REACH
    return near and stage[w, i] != INSIDE and stage[w, i] != ADMITTED


@inner
def _portray(person, portraits, out):  # type: ignore[no-untyped-def]
    voices, gaits = portraits
    for band in range(SOUND_BANDS):
        out[band] = _within(voices[person, band] / DECIBELS)
    out[SOUND_BANDS] = gaits[person, 0] / TOP_SPEED
    out[SOUND_BANDS + 1] = gaits[person, 1] / TOP_SWAY


class Portraits(Sensor):
    """What is known of each invited person, float32 (4, 10): usual voice and usual gait.

    Rows go in the order of the guest list beside the door. The columns are those of `company`
    from `claimed_voice_0` on; rows of guests are 0.
    """

    provides: ClassVar[tuple[str, ...]] = ("portraits",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        low = np.full((INVITED, SOUND_BANDS + 2), -_BOUND, np.float32)
        low[:, -2:] = 0.0
        return {"portraits": gymnasium.spaces.Box(low, np.full_like(low, _BOUND), dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `portraits`, (worlds, observers, 4, 10)."""
        out["portraits"][:] = 0.0
        rows = out["portraits"][:, 0]
        rows[..., :-2] = np.clip(VOICES[state["invited"]] / DECIBELS, -_BOUND, _BOUND)
        rows[..., -2:] = GAITS[state["invited"]] / (TOP_SPEED, TOP_SWAY)
