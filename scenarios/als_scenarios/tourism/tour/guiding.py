"""Who guides: the expert, who knows every taste, and rules that go by what anybody can know.

All of them guide in the same way and differ in what they take an exhibit, and the words about it,
to be worth: they go where the most worth is to be had per step, present, say why, wait until those
nearby have seen it, and wave when somebody is left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.navigation import Navigator, note, steer
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.taste import NUM_ATTRIBUTES
from als_scenarios.tourism.tour.visit import SHOW, Party, Show
from als_scenarios.tourism.tour.ways import Museum, away, room_at, way_lengths
from als_scenarios.tourism.tour.words import LOOK, NOTICE
from als_scenarios.tourism.tour.yardstick import GATHER, PACE, best_words

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

POPULAR: Final[FloatArray] = np.array([-0.007, 0.078, 0.167, 0.165, -0.004, 0.082])
"""What visitors of the training split like on average, by attribute, rounded: the table of the
rule "most-popular"."""

RIDGE: Final = 1.0
"""LinUCB's weight of the prior: the identity."""

ALPHA: Final = 0.35
"""LinUCB's weight of doubt."""

_THERE: Final = 0.3
_WAIT_FOR: Final = 5.0
"""Whoever is nearer to an exhibit than this, metres, may still come and see it."""

_LEFT_BEHIND: Final = 4.0
_CALL_EVERY: Final = 15
_GUIDE_PACE: Final = 0.85


def guide(
    state: WorldState,
    who: BoolArray,
    commands: Commands,
    navigator: Navigator,
    worth: FloatArray,
    words: IntArray,
) -> None:
    """Lets the guide of the worlds in `who`, avatar 0, lead the tour.

    Args:
        state: the worlds.
        who: (worlds, avatars).
        commands: written for avatar 0.
        navigator: finds the way.
        worth: (worlds, 12) of showing each exhibit; what is not positive is not shown.
        words: (worlds, 12) the attribute to speak of there, or NOTHING.
    """
    leads = np.zeros_like(who)
    leads[:, 0] = who[:, 0]
    lengths = np.zeros(worth.shape)
    museum = Museum.of(state)
    way_lengths(state.avatars.position, museum, lengths)
    goals: FloatArray = np.full((*who.shape, 2), np.nan)
    facing: FloatArray = np.zeros((*who.shape, 2))
    speed: FloatArray = np.zeros(who.shape)
    walks, waves = np.zeros_like(who), np.zeros(len(who), np.bool_)
    _lead(
        leads, (state.avatars.position, state.avatars.present), state.step,
        (museum, Party.of(state), Show.of(state)), (worth, words, lengths),
        (goals, facing, speed, walks, waves), commands.say,
    )  # fmt: skip
    facing += navigator.direction(goals, walks)
    note(state, goals, commands, walks)
    steer(state, facing, commands, leads, speed, 0.2)
    commands.effectors["flag"][waves, 0] = 1


@kernel
def _lead(leads, avatars, step, tables, plan, out, say):  # type: ignore[no-untyped-def]
    museum, party, show = Museum(*tables[0]), Party(*tables[1]), Show(*tables[2])
    position, present = avatars
    worth, words, lengths = plan
    goals, facing, speed, walks, waves = out
    for w in range(leads.shape[0]):
        if not leads[w, 0]:
            continue
        x, y, e = position[w, 0, 0], position[w, 0, 1], show.on_show[w]
        if e >= 0 and _is_seen(w, e, position, present, museum, party):
            dx, dy = museum.place[w, e, 0] - x, museum.place[w, e, 1] - y
            length = max(1e-6, away(0.0, 0.0, dx, dy))
            facing[w, 0, 0], facing[w, 0, 1] = dx / length, dy / length
            if words[w, e] >= 0 and words[w, e] != show.noticed[w]:
                say[w, 0] = NOTICE + words[w, e]
            continue
        best, most = NOTHING, 0.0
        for k in range(EXHIBITS):
            rate = worth[w, k] / (lengths[w, k] / PACE + GATHER + SHOW)
            if show.shown[w, k] == 0 and k != e and rate > most:
                best, most = k, rate
        if best < 0:
            continue
        if step[w] % _CALL_EVERY == 0 and _someone_is_far(w, position, present, party):
            waves[w] = True
        goal = museum.stand[w, best]
        room = room_at(x, y, museum.rooms[w])
        if away(x, y, goal[0], goal[1]) < _THERE and room == museum.room_of[w, best]:
            say[w, 0], waves[w] = LOOK, False
        else:
            goals[w, 0, 0], goals[w, 0, 1] = goal[0], goal[1]
            walks[w, 0], speed[w, 0] = True, _GUIDE_PACE


@inner
def _is_seen(w, e, position, present, museum, party):  # type: ignore[no-untyped-def]
    """Whether somebody nearby has yet to see what is on show."""
    for v in range(party.looked.shape[1]):
        if not present[w, v + 1] or party.leaving[w, v] > 0 or party.looked[w, v, e] >= SHOW:
            continue
        x, y = position[w, v + 1, 0], position[w, v + 1, 1]
        if away(x, y, museum.place[w, e, 0], museum.place[w, e, 1]) < _WAIT_FOR:
            return True
    return False


@inner
def _someone_is_far(w, position, present, party):  # type: ignore[no-untyped-def]
    for v in range(party.leaving.shape[1]):
        x, y = position[w, v + 1, 0], position[w, v + 1, 1]
        far = away(x, y, position[w, 0, 0], position[w, 0, 1]) > _LEFT_BEHIND
        if far and present[w, v + 1] and party.leaving[w, v] == 0:
            return True
    return False


# -- what they take exhibits to be worth ----------------------------------------------------------


def known(state: WorldState) -> tuple[FloatArray, IntArray]:
    """The expert's: what those still there enjoy of each exhibit, and the words that help most."""
    worth, words = _empty(state)
    _known(
        Museum.of(state), Party.of(state), state.avatars.present, worth, words,
    )  # fmt: skip
    return worth, words


@kernel
def _known(museum, party, present, worth, words):  # type: ignore[no-untyped-def]
    museum, party = Museum(*museum), Party(*party)
    visitors = party.patience.shape[1]
    taste, satiation = np.empty((visitors, NUM_ATTRIBUTES)), np.empty((visitors, NUM_ATTRIBUTES))
    for w in range(worth.shape[0]):
        count = 0
        for v in range(visitors):
            if present[w, v + 1] and party.leaving[w, v] == 0:
                taste[count], satiation[count] = party.taste[w, v], party.satiation[w, v]
                count += 1
        if count == 0:
            continue
        for e in range(EXHIBITS):
            worth[w, e], words[w, e] = best_words(
                museum.strengths[w, e], taste[:count], satiation[:count]
            )


def nearest(state: WorldState) -> tuple[FloatArray, IntArray]:
    """The rule "nearest": everything is worth the same, and nothing is said about it."""
    worth, words = _empty(state)
    worth[:] = 1.0
    return worth, words


def most_popular(state: WorldState) -> tuple[FloatArray, IntArray]:
    """The rule "most-popular": what the training split's visitors like on average, without words.

    It weighs popularity against the way, as all of them do.
    """
    _, words = _empty(state)
    return pressed((state["strengths"] * POPULAR).sum(2)), words


def pressed(score: FloatArray) -> FloatArray:
    """Scores as worth: all of them positive, and the order the same."""
    low = score.min(1, keepdims=True)
    return np.asarray(0.1 + (score - low) / np.maximum(score.max(1, keepdims=True) - low, 1e-9))


def lin_ucb(state: WorldState) -> tuple[FloatArray, IntArray]:
    """The rule "lin-ucb": a contextual bandit on what visitors have said.

    LinUCB with one linear model for the whole group (Li et al. 2010, algorithm 1, with the
    strengths of the attributes as context): ridge regression of the ratings that were heard, and
    ALPHA times their standard deviation on top. It says what the model takes for the group's
    favourite, once it has one, or what somebody has asked about.
    """
    worth, words = _empty(state)
    _lin_ucb(Museum.of(state), Show.of(state), worth, words)
    return worth, words


@kernel
def _lin_ucb(museum, show, worth, words):  # type: ignore[no-untyped-def]
    museum, show = Museum(*museum), Show(*show)
    inverse, theta = np.empty((NUM_ATTRIBUTES, NUM_ATTRIBUTES)), np.empty(NUM_ATTRIBUTES)
    for w in range(worth.shape[0]):
        ridge(museum.strengths[w], show.rating[w], show.rated[w], inverse, theta)
        for e in range(EXHIBITS):
            x = museum.strengths[w, e]
            mean, doubt, best = 0.0, 0.0, 0
            for i in range(NUM_ATTRIBUTES):
                mean += theta[i] * x[i]
                for j in range(NUM_ATTRIBUTES):
                    doubt += x[i] * inverse[i, j] * x[j]
                if theta[i] * x[i] > theta[best] * x[best]:
                    best = i
            worth[w, e] = max(1e-3, 0.3 + mean + ALPHA * np.sqrt(max(0.0, doubt)))
            if theta[best] * x[best] > 0.1:
                words[w, e] = best
        e = show.on_show[w]
        for v in range(show.asked.shape[1]):
            if e >= 0 and show.rated[w, v, e] and show.asked[w, v] >= 0:
                words[w, e] = show.asked[w, v]


@kernel
def ridge(strengths, rating, rated, inverse, theta):  # type: ignore[no-untyped-def]
    """Ridge regression of ratings on strengths, by rank-one updates of the inverse.

    Args:
        strengths: (exhibits, 6).
        rating: (visitors, exhibits).
        rated: (visitors, exhibits) which of them there are.
        inverse: (6, 6) written: of RIDGE times the identity plus the sum of x x^T.
        theta: (6,) written: the coefficients.
    """
    size = theta.shape[0]
    inverse[:], theta[:] = 0.0, 0.0
    moment, along = np.zeros(size), np.empty(size)
    for i in range(size):
        inverse[i, i] = 1.0 / RIDGE
    for e in range(strengths.shape[0]):
        x = strengths[e]
        for v in range(rating.shape[0]):
            if not rated[v, e]:
                continue
            # Sherman and Morrison 1950.
            scale = 1.0
            for i in range(size):
                along[i] = 0.0
                for j in range(size):
                    along[i] += inverse[i, j] * x[j]
                scale += x[i] * along[i]
                moment[i] += rating[v, e] * x[i]
            for i in range(size):
                for j in range(size):
                    inverse[i, j] -= along[i] * along[j] / scale
    for i in range(size):
        for j in range(size):
            theta[i] += inverse[i, j] * moment[j]


def _empty(state: WorldState) -> tuple[FloatArray, IntArray]:
    shape = (state.num_worlds, EXHIBITS)
    return np.zeros(shape), np.full(shape, NOTHING, np.int32)
