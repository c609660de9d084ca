"""What a host sees and hears of its guests as numbers, and the portraits of the invited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.world.layout import SOUND_BANDS
from als_scenarios.social.gathering.cues import LONGEST, talking
from als_scenarios.social.gathering.door import GAVE_UP, INSIDE, REFUSED, WAITING, from_host
from als_scenarios.social.gathering.evening import INVITED
from als_scenarios.social.gathering.people import GAITS, VOICES
from als_scenarios.social.gathering.words import LISTENS_AGAIN, partner, unmet

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
        out["company"][:] = 0.0
        rows = out["company"][:, 0, : state.num_avatars - 1]
        _fill_places(state, rows)
        _fill_cues(state, rows)
        _fill_standing(state, rows)
        _fill_portraits(state, rows)
        np.clip(rows, -_BOUND, _BOUND, out=rows)


def _fill_places(state: WorldState, rows: NDArray[Any]) -> None:
    avatars = state.avatars
    away = avatars.position[:, 1:, :2] - avatars.position[:, :1, :2]
    heading = avatars.heading
    cos, sin = pmath.cos(heading[:, :1]), pmath.sin(heading[:, :1])
    turned = heading[:, 1:] - heading[:, :1]
    rows[..., 0] = avatars.present[:, 1:]
    rows[..., 1] = (away[..., 0] * cos + away[..., 1] * sin) / SCALE
    rows[..., 2] = (away[..., 1] * cos - away[..., 0] * sin) / SCALE
    rows[..., 3] = from_host(state) / SCALE
    rows[..., 4], rows[..., 5] = pmath.cos(turned), pmath.sin(turned)
    rows[..., 6] = np.arange(rows.shape[1]) == partner(state)[:, None]


def _fill_cues(state: WorldState, rows: NDArray[Any]) -> None:
    rows[..., 7:9] = state["face"]
    rows[..., 9] = state["seen"][..., 0] / TOP_SPEED
    rows[..., 10] = state["seen"][..., 1] / TOP_SWAY
    rows[..., 11] = talking(state)
    rows[..., 12] = np.minimum(state["heard_for"] / LONGEST, 1.0)
    rows[..., VOICE : VOICE + SOUND_BANDS] = state["heard"] / DECIBELS


def _fill_standing(state: WorldState, rows: NDArray[Any]) -> None:
    tail = rows[..., VOICE + SOUND_BANDS : PORTRAIT]
    others = max(1, state.num_avatars - 2)
    stage = state["stage"]
    tail[..., 0] = np.count_nonzero(state["knows"], axis=-1) / others
    tail[..., 1] = np.count_nonzero(unmet(state), axis=-1) / others
    left = (state["listens_at"] - state.step[:, None]) / LISTENS_AGAIN
    tail[..., 2] = np.clip(left, 0.0, 1.0)
    tail[..., 3] = stage == WAITING
    tail[..., 4] = (stage == REFUSED) | (stage == GAVE_UP)
    tail[..., 5] = stage == INSIDE


def _fill_portraits(state: WorldState, rows: NDArray[Any]) -> None:
    claimed = state["claimed"]
    person = np.take_along_axis(state["invited"], np.maximum(claimed, 0), axis=1)
    known = (claimed >= 0)[..., None]
    rows[..., PORTRAIT : PORTRAIT + SOUND_BANDS] = known * VOICES[person] / DECIBELS
    rows[..., -2:] = known * GAITS[person] / (TOP_SPEED, TOP_SWAY)


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
