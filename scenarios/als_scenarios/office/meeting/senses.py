"""The sensors of the meeting: what is said and by whom, what is known so far, and the minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.world.arrays import NOTHING
from als_scenarios.office.meeting.hearing import LISTEN, TAKER, taken_in
from als_scenarios.office.meeting.talk import (
    ACT,
    DATE,
    ITEM,
    NOTED_ACT,
    NOTED_DATE,
    NOTED_OWNER,
    OWNER,
    START,
)
from als_scenarios.office.meeting.words import ACTS, CHAT, DAYS, ITEMS, NAMES

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

REACH: Final = 8.0
"""The distance that reads as 1, metres."""

AGO: Final = 300.0
"""So many steps ago reads as 1."""

_PEOPLE, _KINDS, _DATES = len(NAMES), len(ACTS), len(DAYS)
_VOICE: Final = 6
_VOICES: Final = 4 + 2 * _PEOPLE + _KINDS + ITEMS + _DATES
TALK: Final = _VOICES + _VOICE * _PEOPLE
NOTES: Final = ITEMS * (CHAT + _PEOPLE + _DATES)
LINE: Final = 1 + _PEOPLE + _DATES
MINUTES: Final = _PEOPLE + ITEMS + _DATES + ITEMS * LINE


def _one_hot(out: NDArray[Any], values: NDArray[Any]) -> None:
    """Writes 1 at each value along the last axis, and 0 elsewhere; nothing for NOTHING."""
    np.equal(values[..., None], np.arange(out.shape[-1]), out=out, casting="unsafe")


class Talk(Sensor):
    """What is said now, float32 (69,): its content where it is understood, and all directions.

    The first 33 columns are the note-taker's alone; 0 for the others.

    | column | is | range |
    | --- | --- | --- |
    | 0 | 1 once the sentence that is listened to is understood | 0, 1 |
    | 1 | how long it has been listened to, over what it takes to understand it | 0 to 1 |
    | 2 | when that was said first, steps ago over 300 | 0 to 1 |
    | 3 | 1 when the meeting is over | 0, 1 |
    | 4 to 9 | who says it: one of six | 0, 1 |
    | 10 to 15 | to propose, object, amend, withdraw, agree, or small talk | 0, 1 |
    | 16 to 21 | the owner whom it names | 0, 1 |
    | 22 to 27 | the item that it is about | 0, 1 |
    | 28 to 32 | the date that it names, Monday first | 0, 1 |
    | 33 to 68 | for each of six speakers: 1 if there is one; 1 while it speaks; where it is, \
forward and left, over 8 m, ±1; its distance over 8 m; 1 while it is near and faced | -1 to 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("talk",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low, high = np.zeros(TALK, np.float32), np.ones(TALK, np.float32)
        voices = low[_VOICES:].reshape(_PEOPLE, _VOICE)
        voices[:, 2:4] = -1.0
        return {"talk": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `talk`, (worlds, observers, 69)."""
        talk = out["talk"]
        talk[..., :_VOICES] = 0.0
        _fill_content(state, talk[:, TAKER])
        # Splitting the last axis gives a view.
        _fill_voices(state, talk[..., _VOICES:].reshape(*talk.shape[:2], _PEOPLE, _VOICE))


def _fill_content(state: WorldState, out: NDArray[Any]) -> None:
    """Fills the note-taker's columns, (worlds, 69)."""
    out[:, 3] = state.step >= state["over_at"]
    speaker = state["listening"]
    worlds = np.flatnonzero(speaker != NOTHING)
    if not worlds.size:
        return
    act = state["saying"][worlds, speaker[worlds]]
    out[worlds, 1] = state["heard"][worlds, act] / LISTEN
    clear = taken_in(state)[worlds, speaker[worlds]] != NOTHING
    worlds, act = worlds[clear], act[clear]
    row = state["script"][worlds, act]
    out[worlds, 0] = 1.0
    out[worlds, 2] = np.minimum((state.step[worlds] - row[:, START]) / AGO, 1.0)
    content = np.zeros((len(worlds), _VOICES - 4), out.dtype)
    end = 0
    for values, size in (
        (speaker[worlds], _PEOPLE),
        (row[:, ACT], _KINDS),
        (row[:, OWNER], _PEOPLE),
        (row[:, ITEM], ITEMS),
        (row[:, DATE], _DATES),
    ):
        _one_hot(content[:, end : end + size], values)
        end += size
    out[worlds, 4:_VOICES] = content


def _fill_voices(state: WorldState, out: NDArray[Any]) -> None:
    """Fills (worlds, observers, 6, 6): every speaker, seen from each observer."""
    avatars, observers = state.avatars, out.shape[1]
    count = state.num_avatars - 1
    out[:, :, count:] = 0.0
    voices = out[:, :, :count]
    away = avatars.position[:, None, 1:, :2] - avatars.position[:, :observers, None, :2]
    cos = pmath.cos(avatars.heading[:, :observers])[..., None]
    sin = pmath.sin(avatars.heading[:, :observers])[..., None]
    distance = pmath.hypot(away[..., 0], away[..., 1])
    voices[..., 0] = 1.0
    voices[..., 1] = (state["saying"] != NOTHING)[:, None]
    voices[..., 2] = np.clip((away[..., 0] * cos + away[..., 1] * sin) / REACH, -1.0, 1.0)
    voices[..., 3] = np.clip((away[..., 1] * cos - away[..., 0] * sin) / REACH, -1.0, 1.0)
    voices[..., 4] = np.minimum(distance / REACH, 1.0)
    voices[..., 5] = 0.0
    voices[:, TAKER, :, 5] = state["faced"]


class Notes(Sensor):
    """What the note-taker remembers of all that it has understood, float32 (96,).

    It is 0 for the others. Sixteen columns for each item of the agenda, A first:

    | column | is | range |
    | --- | --- | --- |
    | 0 to 4 | the last act about it: to propose, object, amend, withdraw or agree | 0, 1 |
    | 5 to 10 | the owner who was named last | 0, 1 |
    | 11 to 15 | the date that was named last, Monday first | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("notes",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"notes": gymnasium.spaces.Box(0.0, 1.0, (NOTES,), np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `notes`, (worlds, observers, 96)."""
        notes, noted = out["notes"], state["noted"]
        notes[:, TAKER + 1 :] = 0.0
        items = notes[:, TAKER].reshape(state.num_worlds, ITEMS, -1)
        _one_hot(items[..., :CHAT], noted[..., NOTED_ACT])
        _one_hot(items[..., CHAT : CHAT + _PEOPLE], noted[..., NOTED_OWNER])
        _one_hot(items[..., CHAT + _PEOPLE :], noted[..., NOTED_DATE])


class Minutes(Sensor):
    """The minutes as they stand on the board, and the line that is being made, float32 (89,).

    Everybody in the room sees them.

    | column | is | range |
    | --- | --- | --- |
    | 0 to 5 | the owner of the line that is being made | 0, 1 |
    | 6 to 11 | its item | 0, 1 |
    | 12 to 16 | its date, Monday first | 0, 1 |
    | 17 to 88 | for each item: 1 if it has a line; the line's owner, one of six; its date, one of \
five | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("minutes",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"minutes": gymnasium.spaces.Box(0.0, 1.0, (MINUTES,), np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `minutes`, (worlds, observers, 89)."""
        page = np.zeros((state.num_worlds, MINUTES), np.float32)
        draft, lines, end = state["draft"], state["lines"], 0
        for slot, size in enumerate((_PEOPLE, ITEMS, _DATES)):
            _one_hot(page[:, end : end + size], draft[:, slot])
            end += size
        items = page[:, end:].reshape(state.num_worlds, ITEMS, LINE)
        items[..., 0] = lines[..., 0] != NOTHING
        _one_hot(items[..., 1 : 1 + _PEOPLE], lines[..., 0])
        _one_hot(items[..., 1 + _PEOPLE :], lines[..., 1])
        out["minutes"][:] = page[:, None]
