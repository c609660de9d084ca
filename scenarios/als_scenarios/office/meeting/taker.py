"""Plays the note-taker: the expert, who knows who speaks next, and two rules that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, face
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.office.meeting.boardroom import MIDDLE, SEAT
from als_scenarios.office.meeting.hearing import LISTEN, NEAR, REPEAT, TAKER, understood
from als_scenarios.office.meeting.talk import END, SPEAKER, START, agreed, decisive
from als_scenarios.office.meeting.words import ITEMS

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

OWNER, TASK, DATE, WRITE, STRIKE, PARDON, DONE = range(7)
"""What the note-taker can say, by `Speech.verbs`."""

_CLOSE: Final = NEAR - 0.12
"""So near the note-taker comes to somebody, metres."""

_RING: Final = SEAT + 0.75
"""How far from the middle of the table it walks around behind the speakers, metres."""
_AHEAD: Final = 0.9
"""How far around the table it looks ahead, radians."""

_STEP: Final = 0.11
"""How far it comes in a step, on average, metres,"""
_TURN: Final = 8
"""and how many steps it takes to set out, and to face somebody."""
_SLACK: Final = 6


class Around(NamedTuple):
    """Where the speakers are, (worlds, speakers), as the note-taker has them.

    Attributes:
        place: (worlds, speakers, 2), metres.
        angle: around the table, from where the note-taker is, radians.
        distance: metres.
        travel: steps until it can listen to them.
    """

    place: FloatArray
    angle: FloatArray
    distance: FloatArray
    travel: FloatArray

    @classmethod
    def of(cls, state: WorldState) -> Around:
        """Measures the worlds as they are now."""
        avatars = state.avatars
        place = avatars.position[:, 1:, :2]
        away = place - avatars.position[:, :1, :2]
        distance = pmath.hypot(away[..., 0], away[..., 1])
        around = avatars.position[..., :2] - np.array(MIDDLE)
        angle = pmath.atan2(around[..., 1], around[..., 0])
        angle = (angle[:, 1:] - angle[:, :1] + np.pi) % (2 * np.pi) - np.pi
        way = np.maximum(_RING * np.abs(angle), distance) - _CLOSE
        travel = np.where(state["faced"], 0.0, _TURN + np.maximum(way, 0.0) / _STEP)
        return cls(place, angle, distance, travel)


def expert(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Goes to whoever speaks next, asks back what it missed, and writes what was agreed upon.

    It knows when each speaker begins and ends, but not what they say before it has heard it.
    """
    takes = who[:, TAKER]
    around = Around.of(state)
    target, asks = _appointment(state, around)
    _approach(state, around, target, takes, commands, navigator)
    _write(state, agreed(state["noted"]), takes, commands)
    silent = commands.say[:, TAKER] == NOTHING
    there = _picked(state["faced"] & (state["saying"] == NOTHING), target)
    _say(commands, takes & silent & asks & there, state.speech.sentence[PARDON, 0])
    _close(state, takes & ~(asks & (target != NOTHING)), commands)


def _appointment(state: WorldState, around: Around) -> tuple[IntArray, BoolArray]:
    """Whom the expert attends to, (worlds,) or NOTHING, and whether to ask what was missed."""
    script, now = state["script"], state.step[:, None]
    speaker = np.maximum(script[..., SPEAKER], 0)
    wanted = decisive(script) & ~understood(state)
    travel = np.take_along_axis(around.travel, speaker, axis=1)
    starts = np.maximum(now + travel, script[..., START])
    feasible = wanted & (starts + LISTEN - state["heard"] <= script[..., END])
    until = np.where(feasible, script[..., END], np.inf)
    first = until.argmin(1)
    rows = np.arange(len(first))
    target = np.where(feasible.any(1), speaker[rows, first], NOTHING)

    # What has been said and was not understood: the nearest who can say it again.
    missed = wanted & (script[..., END] <= now)
    distance = np.take_along_axis(around.distance, speaker, axis=1)
    nearest = np.where(missed, distance, np.inf).argmin(1)
    again = np.where(missed.any(1), speaker[rows, nearest], NOTHING)
    due = script[rows, first, START]
    spare = np.where(feasible.any(1), due - state.step - travel[rows, first], np.inf)
    needs = REPEAT + _SLACK + np.take_along_axis(
        around.travel, np.maximum(again, 0)[:, None], axis=1
    )[:, 0]  # fmt: skip
    repeats = (state["repeats_until"] > now) & state["faced"]
    repeats &= ~np.take_along_axis(understood(state), np.maximum(state["repeats"], 0), axis=1)
    repeating = repeats.any(1)
    again = np.where(repeating, repeats.argmax(1), again)
    goes = (again != NOTHING) & (repeating | (spare >= needs))
    return np.where(goes, again, target).astype(np.int32), goes


def follow_the_voice(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator
) -> None:
    """Goes to the nearest of those who speak, and writes what they have agreed upon."""
    takes, around = who[:, TAKER], Around.of(state)
    speaks = state["saying"] != NOTHING
    nearest = np.where(speaks, around.distance, np.inf).argmin(1)
    target = np.where(speaks.any(1), nearest, NOTHING).astype(np.int32)
    _approach(state, around, target, takes, commands, navigator)
    _write(state, agreed(state["noted"]), takes, commands)
    _close(state, takes, commands)


def last_utterance(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator
) -> None:
    """Stays with the nearest speaker, and writes the last owner and date of every item."""
    takes, around = who[:, TAKER], Around.of(state)
    near = (state["saying"] != NOTHING) & (around.distance <= NEAR)
    place = np.where(near.any(1)[:, None] & ~near, np.inf, around.distance)
    _approach(state, around, place.argmin(1).astype(np.int32), takes, commands, navigator)
    noted = state["noted"][..., :2]
    _write(state, np.where((noted != NOTHING).all(-1)[..., None], noted, NOTHING), takes, commands)
    _close(state, takes, commands)


def _approach(
    state: WorldState,
    around: Around,
    target: IntArray,
    takes: BoolArray,
    commands: Commands,
    navigator: Navigator,
) -> None:
    """Walks around the table to a speaker, (worlds,), and turns to them; stays if there is none."""
    goes, rows = takes & (target != NOTHING), np.arange(len(target))
    place, angle = around.place[rows, target], around.angle[rows, target]
    far = around.distance[rows, target] > _CLOSE
    walks, turns = np.zeros((2, state.num_worlds, state.num_avatars), np.bool_)
    walks[:, TAKER], turns[:, TAKER] = goes & far, goes & ~far
    here = state.avatars.position[:, TAKER, :2] - np.array(MIDDLE)
    ahead = pmath.atan2(here[:, 1], here[:, 0]) + np.clip(angle, -_AHEAD, _AHEAD)
    ring = np.array(MIDDLE) + _RING * np.stack([pmath.cos(ahead), pmath.sin(ahead)], -1)
    navigator.walk(ring, commands, walks, avoid=0.15)
    face(state, place, commands, turns)


def _write(state: WorldState, wanted: IntArray, takes: BoolArray, commands: Commands) -> None:
    """Says the next of what makes the minutes as wanted, (worlds, 6, 2).

    Of a line whose owner or date is not known, nothing is written before the meeting is over; then
    the first name, or day, is as good as any.
    """
    lines, draft = state["lines"], state["draft"]
    over = (state.step >= state["over_at"])[:, None, None]
    begun = (wanted != NOTHING).any(-1, keepdims=True)
    wanted = np.where(begun & over & (wanted == NOTHING), 0, wanted)
    whole = (wanted != NOTHING).all(-1)
    has = lines[..., 0] != NOTHING
    differs = np.where(whole, (lines != wanted).any(-1), has & ~begun[..., 0])
    writes = differs.any(1) & takes
    item = differs.argmax(1)
    rows = np.arange(len(item))
    owner, date = wanted[rows, item].T
    strikes = ~whole[rows, item]
    table = state.speech.sentence
    say = np.full(len(item), table[WRITE, 0], np.int32)
    say = np.where(draft[:, 2] != date, table[DATE, np.maximum(date, 0)], say)
    say = np.where(draft[:, 0] != owner, table[OWNER, np.maximum(owner, 0)], say)
    say = np.where(strikes, table[STRIKE, 0], say)
    say = np.where(draft[:, 1] != item, table[TASK, np.minimum(item, ITEMS - 1)], say)
    _say(commands, writes, say)


def _close(state: WorldState, takes: BoolArray, commands: Commands) -> None:
    """Is done when the meeting is over and there is nothing left to write."""
    silent = commands.say[:, TAKER] == NOTHING
    over = state.step >= state["over_at"]
    _say(commands, takes & silent & over, state.speech.sentence[DONE, 0])


def _say(commands: Commands, who: BoolArray, sentence: IntArray) -> None:
    commands.say[:, TAKER] = np.where(who, sentence, commands.say[:, TAKER])


def _picked(values: BoolArray, index: IntArray) -> BoolArray:
    """The value of each world's index, (worlds,); False for NOTHING."""
    taken = np.take_along_axis(values, np.maximum(index, 0)[:, None], axis=1)[:, 0]
    return np.asarray(taken & (index != NOTHING))
