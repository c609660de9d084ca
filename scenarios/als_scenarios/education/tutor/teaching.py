"""How to teach: the expert, who knows what pupils know, and two rules that go by the register."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, face
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.education.tutor.curriculum import NUM_SKILLS
from als_scenarios.education.tutor.knowledge import EXPLAINING, LEARN, opportunity
from als_scenarios.education.tutor.lesson import (
    EXPLAIN,
    IDLE,
    LISTEN,
    LISTENING,
    PAY_ATTENTION,
    PRACTISE,
    TEACHER,
    WORKING,
)
from als_scenarios.education.tutor.room import standing_places

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

MASTERED: Final = 0.95
"""The belief from which the rule takes a skill to be mastered, as Corbett and Anderson do."""

CLOSE: Final = 1.35
"""From how near the teacher turns to a pupil in place of walking on, metres."""

_PACE: Final = 0.1  # Metres in a step, turning and starting included.
_TURN: Final = 8.0  # Steps to turn to another pupil.
_METRE: Final = 2.0  # Mastered skills that the rule takes a metre to be worth.
_UNLOCKS: Final = 0.2  # What a skill is worth more for each skill that needs it.

_INATTENTIVE: Final = 0.5  # With less attention a pupil is reminded first.

Indices = NDArray[np.intp]
Rule: TypeAlias = "Callable[[WorldState, Navigator, BoolArray, Commands], None]"
"""A way to teach: finds its way with a navigator, and writes the teacher's commands."""


def visit(
    state: WorldState,
    navigator: Navigator,
    pupil: IntArray | Indices,
    sentence: IntArray,
    who: BoolArray,
    commands: Commands,
) -> None:
    """Lets the teacher go to a pupil, turn to it, and say something once it is not busy.

    Args:
        state: the worlds.
        navigator: that of the teacher's way.
        pupil: (worlds,) whom to visit, NOTHING for nobody.
        sentence: (worlds,) what to say; NOTHING to wait.
        who: (worlds, avatars); only the teacher is moved.
        commands: written where `who` says.
    """
    rows, goes = np.arange(state.num_worlds), who[:, TEACHER] & (pupil >= 0)
    index = np.maximum(pupil, 0)
    places = state.avatars.position[:, 1:, :2]
    there = places[rows, index]
    away = there - state.avatars.position[:, TEACHER, :2]
    near = pmath.hypot(away[:, 0], away[:, 1]) <= CLOSE
    faced = goes & (state["addressed"] == pupil)
    teacher = np.zeros_like(who)
    teacher[:, TEACHER] = goes & ~near
    stands = standing_places(places, state["front"])[rows, index]
    navigator.walk(_for_all(stands, who), commands, teacher)
    teacher[:, TEACHER] = goes & near
    face(state, there, commands, teacher)
    speaks = faced & (sentence != NOTHING) & (state["task"][rows, index] == IDLE)
    _say(sentence, speaks, commands)


def _for_all(goals: FloatArray, who: BoolArray) -> FloatArray:
    return np.repeat(goals[:, None], who.shape[1], axis=1)


def _say(sentence: IntArray, speaks: BoolArray, commands: Commands) -> None:
    commands.say[speaks, TEACHER] = sentence[speaks]
    commands.move[speaks, TEACHER] = 0.0
    commands.turn[speaks, TEACHER] = 0.0


def _distances(state: WorldState) -> FloatArray:
    """From the teacher to each pupil, (worlds, pupils), metres."""
    away = state.avatars.position[:, 1:, :2] - state.avatars.position[:, TEACHER, None, :2]
    return pmath.hypot(away[..., 0], away[..., 1])


def _sentence(state: WorldState, verb: Indices, skill: Indices) -> IntArray:
    return state.speech.sentence[verb, skill]


def _ready(state: WorldState, known: BoolArray) -> BoolArray:
    """Which skills lack no prerequisite, (worlds, pupils, skills)."""
    lacks = state["needs"][:, None] & ~known[:, :, None]
    ready: BoolArray = np.logical_not(lacks.any(-1))
    return ready


# -- the expert -----------------------------------------------------------------------------------


def expert(state: WorldState, navigator: Navigator, who: BoolArray, commands: Commands) -> None:
    """Explains whatever brings most per step, on the way to others sets the pupils to work."""
    rows = np.arange(state.num_worlds)
    known, attention = state["known"], state["attention"]
    ready = _ready(state, known)
    learn = state["traits"][..., LEARN, None]
    unlocks = 1.0 + _UNLOCKS * state["needs"].sum(1)[:, None]
    worth = opportunity(learn, EXPLAINING, attention[..., None], ready) * ~known * unlocks
    skill, gain = worth.argmax(-1), worth.max(-1)
    score = gain / (LISTEN + _delay(state))
    listens = state["task"] == LISTENING
    held = listens.any(1)  # It stays with whom it explains something to.
    pupil = np.where(held, listens.argmax(1), score.argmax(1))
    idle = np.where(score.max(1) > 0, pupil, NOTHING)
    pupil = np.where(held, pupil, idle)
    index = np.maximum(pupil, 0)
    said = _sentence(state, np.full(len(rows), EXPLAIN), skill[rows, index])
    said[attention[rows, index] < _INATTENTIVE] = state.speech.sentence[PAY_ATTENTION, 0]
    said[held] = NOTHING
    visit(state, navigator, pupil, said, who, commands)
    # Whoever is passed is given something to do.
    faced = state["addressed"]
    passed = np.maximum(faced, 0)
    works = (faced != NOTHING) & (faced != pupil) & (gain[rows, passed] > 0) & ~held
    works &= (state["task"][rows, passed] == IDLE) & who[:, TEACHER]
    task = _sentence(state, np.full(len(rows), PRACTISE), skill[rows, passed])
    _say(task, works, commands)


def _delay(state: WorldState) -> FloatArray:
    """Steps until the teacher can speak to each pupil, (worlds, pupils)."""
    away = np.maximum(_distances(state) - CLOSE, 0.0) / _PACE
    pupils = np.arange(state["task"].shape[1])
    away += _TURN * (pupils != state["addressed"][:, None])
    busy = np.where(state["task"] == WORKING, state["left"], 0)
    return np.maximum(away, busy)


# -- rules that go by the register ----------------------------------------------------------------


def round_robin(
    state: WorldState, navigator: Navigator, who: BoolArray, commands: Commands
) -> None:
    """Sets each pupil in turn an exercise about each skill, in the order of the skills."""
    done = (state["rights"] + state["wrongs"]).sum(-1) + (state["task"] == WORKING)
    pupil = (done // NUM_SKILLS).argmin(1)
    skill = done[np.arange(len(pupil)), pupil] % NUM_SKILLS
    said = _sentence(state, np.full(len(pupil), PRACTISE), skill)
    visit(state, navigator, pupil, said, who, commands)


def mastery_threshold(
    state: WorldState, navigator: Navigator, who: BoolArray, commands: Commands
) -> None:
    """Teaches the first skill that is not mastered but lacks nothing, where least is mastered.

    Knowledge tracing with the parameters of a typical pupil says what is mastered: 0.95 and above.
    A skill is practised first, explained after a wrong answer, and practised again.
    """
    rows, belief = np.arange(state.num_worlds), state["belief"]
    mastered = belief >= MASTERED
    open_skills = ~mastered & _ready(state, mastered)
    # Who has mastered all of them goes over what is least sure.
    skill = np.where(open_skills.any(-1), open_skills.argmax(-1), belief.argmin(-1))
    price = mastered.sum(-1) + _METRE * _distances(state)
    price -= 2.0 * NUM_SKILLS * (state["task"] == LISTENING)
    pupil = price.argmin(1)
    chosen = skill[rows, pupil]
    wrong = state["last"][rows, pupil, chosen] < 0
    said = _sentence(state, np.where(wrong, EXPLAIN, PRACTISE), chosen)
    visit(state, navigator, pupil, said, who, commands)
