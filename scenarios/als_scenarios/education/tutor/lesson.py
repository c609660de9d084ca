"""A step of a lesson, in one kernel: who is spoken to, who works, who answers."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.education.tutor.curriculum import NUM_SKILLS, SKILLS
from als_scenarios.education.tutor.knowledge import (
    LEAST_REST,
    PRAISE,
    REMINDER,
    REST,
    TRAITS,
    TYPICAL,
    WEAR,
    answered,
    is_ready,
    listened,
    time_passes,
)

TEACHER: Final = 0
"""The avatar that teaches; pupil p is avatar p + 1."""

TEACHER_SAYS: Final = (
    Verb("practise", SKILLS), Verb("explain", SKILLS), "well done", "pay attention",
)  # fmt: skip
PRACTISE, EXPLAIN, WELL_DONE, PAY_ATTENTION = range(len(TEACHER_SAYS))
"""Verbs and phrases as `state.said_verb` counts them: the teacher's come first."""

PUPIL_SAYS: Final = ("got it", "got it wrong", "I see", "I don't understand")
GOT_IT, GOT_IT_WRONG, I_SEE, NO_IDEA = range(len(PUPIL_SAYS))
FIRST_OF_PUPILS: Final = 2 * NUM_SKILLS + 2
"""The number of the first sentence that only pupils say."""

REACH: Final = 1.6
"""How near, from middle to middle, the teacher has to be to speak to a pupil, metres."""

REACH_ANGLE: Final = math.radians(45)
"""How far off its heading it speaks to somebody."""

WORK: Final = 6
LISTEN: Final = 8
"""Steps that an exercise and an explanation take."""

IDLE, WORKING, LISTENING = range(3)
OFF, BUSY, RIGHT, WRONG, HAND = range(5)
LAMPS: Final = ((120, 122, 126), "white", "green", "red", "yellow")
"""The colours of a pupil's lamp."""

CONFUSED: Final = 0.8
"""The chance that a pupil says so when an explanation is beyond its reach."""

WAIT: Final = 120
KEEN: Final = 0.6
"""After so many idle steps a pupil with at least that attention raises its hand."""

AVERTED: Final = 1.0
"""Who faces neither its desk nor the teacher by more than this looks away, radians."""


class Minds(NamedTuple):
    """What goes on inside pupils, (worlds, pupils, ...): never observed."""

    known: BoolArray
    attention: FloatArray
    traits: FloatArray


class Desks(NamedTuple):
    """What everybody sees of pupils, (worlds, pupils)."""

    task: NDArray[np.int8]
    topic: NDArray[np.int8]
    left: NDArray[np.int16]
    lamp: NDArray[np.int8]
    voice: NDArray[np.int8]
    idle: NDArray[np.int32]
    away: BoolArray


class Book(NamedTuple):
    """What a teacher's register holds, (worlds, pupils, skills)."""

    rights: NDArray[np.int16]
    wrongs: NDArray[np.int16]
    explained: NDArray[np.int16]
    last: NDArray[np.int8]
    taught: NDArray[np.int32]
    belief: FloatArray


def quantities(pupils: int) -> dict[str, Quantity]:
    """The arrays of a lesson; `minds`, `desks` and `book` find them by these names."""
    each, pairs = (pupils,), (pupils, NUM_SKILLS)
    return {
        "known": Quantity(pairs, np.bool_),
        "attention": Quantity(each),
        "traits": Quantity((pupils, len(TRAITS))),
        "needs": Quantity((NUM_SKILLS, NUM_SKILLS), np.bool_),
        "task": Quantity(each, np.int8, IDLE),
        "topic": Quantity(each, np.int8),
        "left": Quantity(each, np.int16),
        "lamp": Quantity(each, np.int8, OFF),
        "voice": Quantity(each, np.int8, NOTHING),
        "idle": Quantity(each, np.int32),
        "away": Quantity(each, np.bool_),
        "rights": Quantity(pairs, np.int16),
        "wrongs": Quantity(pairs, np.int16),
        "explained": Quantity(pairs, np.int16),
        "last": Quantity(pairs, np.int8),
        "taught": Quantity(pairs, np.int32, NOTHING),
        "belief": Quantity(pairs, np.float64, TYPICAL.prior),
        "front": Quantity(each),  # Where a pupil's desk is, radians.
        "addressed": Quantity((), np.int32, NOTHING),
        "apart": Quantity(),  # From the teacher to the nearest pupil, metres.
        "gain": Quantity((), np.int32),  # Skills learnt less those forgotten in this step.
    }


def teach(state: WorldState, draws: FloatArray) -> None:
    """Lets one step of a lesson happen in all worlds.

    Args:
        state: the quantities of a lesson are updated.
        draws: (worlds, pupils, 3) random numbers.
    """
    quantity = state.quantities
    _teach(
        state.step,
        state.avatars.utterance,
        (state.speech.verb, state.speech.slot),
        (state.avatars.position, state.avatars.heading, quantity["front"]),
        quantity["needs"],
        tuple(map(quantity.__getitem__, Minds._fields)),
        tuple(map(quantity.__getitem__, Desks._fields)),
        tuple(map(quantity.__getitem__, Book._fields)),
        (quantity["addressed"], quantity["apart"]),
        draws,
        quantity["gain"],
    )


@kernel
def _teach(  # type: ignore[no-untyped-def]
    step, utterance, tables, places, needs, minds, desks, book, teacher, draws, gain
):
    minds, desks, book = Minds(*minds), Desks(*desks), Book(*book)
    (verbs, slots), (addressed, apart) = tables, teacher
    for w in range(step.size):
        said = utterance[w, TEACHER]
        addressed[w], apart[w] = _look_around(w, places, desks)
        gain[w] = 0
        for p in range(desks.task.shape[1]):
            mind = minds.known[w, p], book.belief[w, p]
            now = minds.attention[w, p]
            now, forgotten = time_passes(*mind, now, minds.traits[w, p], step[w], draws[w, p, 2])
            minds.attention[w, p] = now
            gain[w] -= forgotten
            gain[w] += _work(w, p, addressed[w] == p, step[w], needs[w], minds, desks, book, draws)
        if addressed[w] >= 0 and said >= 0:
            _listen_to_teacher(w, addressed[w], verbs[said], slots[said], minds, desks)


@inner
def _look_around(w, places, desks):  # type: ignore[no-untyped-def]
    """Whom the teacher faces within reach, or NOTHING, and how far the nearest pupil is.

    Notes who looks away.
    """
    position, heading, front = places
    best, least, nearest = NOTHING, REACH_ANGLE, np.inf
    for p in range(front.shape[1]):
        dx = position[w, p + 1, 0] - position[w, TEACHER, 0]
        dy = position[w, p + 1, 1] - position[w, TEACHER, 1]
        towards = pmath.atan2(dy, dx)
        off = abs(wrap(towards - heading[w, TEACHER]))
        square = dx * dx + dy * dy
        nearest = min(nearest, square)
        if off <= least and square <= REACH * REACH:
            best, least = p, off
        desk = abs(wrap(heading[w, p + 1] - front[w, p]))
        teacher = abs(wrap(heading[w, p + 1] - towards - math.pi))
        desks.away[w, p] = desk > AVERTED and teacher > AVERTED
    return best, math.sqrt(nearest)


@inner
def _work(w, p, faced, step, needs, minds, desks, book, draws):  # type: ignore[no-untyped-def]
    """Lets a pupil go on with what it does; returns how many skills it has just learnt."""
    task, skill = desks.task[w, p], desks.topic[w, p]
    desks.voice[w, p] = NOTHING
    if task == IDLE:
        desks.idle[w, p] += 1
        if desks.idle[w, p] >= WAIT and minds.attention[w, p] >= KEEN:
            desks.lamp[w, p] = HAND
        return 0
    if task == LISTENING and not faced:  # The teacher has left: nothing was explained.
        desks.task[w, p], desks.lamp[w, p] = IDLE, OFF
        return 0
    desks.left[w, p] -= 1
    if desks.left[w, p] > 0:
        return 0
    known, attention = minds.known[w, p, skill], minds.attention[w, p]
    belief, traits, draw = book.belief[w, p, skill], minds.traits[w, p], draws[w, p]
    ready = is_ready(minds.known[w, p], needs, skill)
    lost = not known and ready == 0.0
    if task == WORKING:
        right, knows, belief, attention = answered(known, belief, attention, traits, ready, draw)
        book.rights[w, p, skill] += right
        book.wrongs[w, p, skill] += not right
        book.last[w, p, skill] = 1 if right else -1
        lamp, voice = (RIGHT, GOT_IT) if right else (WRONG, GOT_IT_WRONG)
        lost = lost and not right
    else:
        knows, belief, attention = listened(known, belief, attention, traits, ready, draw[1])
        book.explained[w, p, skill] += 1
        book.last[w, p, skill] = 0
        lamp, voice = OFF, I_SEE
        lost = lost and draw[0] < CONFUSED
    if lost:
        lamp, voice = HAND, NO_IDEA
    minds.known[w, p, skill], minds.attention[w, p] = knows, attention
    book.belief[w, p, skill], book.taught[w, p, skill] = belief, step
    desks.task[w, p], desks.lamp[w, p], desks.voice[w, p] = IDLE, lamp, voice
    desks.idle[w, p] = 0
    return int(knows) - int(known)


@inner
def _listen_to_teacher(w, p, verb, skill, minds, desks):  # type: ignore[no-untyped-def]
    """Lets the pupil to whom the teacher speaks do what it is told, unless it is busy."""
    now = minds.attention[w, p]
    if verb == WELL_DONE and desks.lamp[w, p] == RIGHT:
        minds.attention[w, p], desks.lamp[w, p] = now + PRAISE * (1.0 - now), OFF
    elif verb == PAY_ATTENTION:
        rest = minds.traits[w, p, REST]
        minds.attention[w, p] = now + REMINDER * (1.0 - now)
        minds.traits[w, p, REST] = min(rest, max(LEAST_REST, rest - WEAR))
    elif verb <= EXPLAIN and desks.task[w, p] == IDLE:
        desks.task[w, p] = WORKING if verb == PRACTISE else LISTENING
        desks.left[w, p] = WORK if verb == PRACTISE else LISTEN
        desks.topic[w, p], desks.lamp[w, p], desks.idle[w, p] = skill, BUSY, 0


def share_known(state: WorldState) -> FloatArray:
    """Which part of all skills of all pupils is known, (worlds,)."""
    share: FloatArray = state["known"].mean((1, 2))
    return share
