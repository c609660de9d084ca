"""Who helps: the expert, who knows what will be asked for, and rules that know what they heard.

All of them carry an errand out in the same way. They differ in which errand they take up, and in
whether they choose among four posts or take the nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.bodies.avatar import HAND_USE
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.navigation import Navigator, note, steer
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState
from als_scenarios.town.world.block import BED, POSTS
from als_scenarios.town.world.deeds import COME_ALONG, GO_TO, HERE_YOU_ARE
from als_scenarios.town.world.errands import (
    ASKS_AT,
    FIRST,
    OPEN,
    PENDING,
    RIGHT,
    STAGE,
    STATUS,
    TASK,
    hears,
    is_open,
    knows,
    moment,
    nearest,
    of_world,
)
from als_scenarios.town.world.items import BUILD, DELIVER, FIND, GUIDE, OFFICE, TREAT, WARD
from als_scenarios.town.world.requests import ERRANDS, URGENT
from als_scenarios.town.world.stops import (
    BED_SIDE,
    BEFORE,
    BOARD,
    PERSON,
    point_of,
    stop_of,
    stops_of,
    time_left,
    way_to,
)
from als_scenarios.town.world.ways import away

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

EXPERT, NEAREST, PLACE_ONLY, SHARES = range(4)
"""Who knows the plan of the day; who goes to the nearest request; who does not choose posts; who
goes to the nearest of its own share, and leaves the other helper's to it."""

_THERE: Final = 0.28
_FACES: Final = 0.5
_LATER: Final = 10_000
_NEAR, _SOON = 20.0, 150.0
"""What a metre, and urgency, weigh against a step that is left."""

_TAKES, _PER_METRE = 20.0, 7.0
"""Steps that it takes to go on with an errand, and for a metre of the way."""


def help_people(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, rule: int
) -> None:
    """Lets helpers carry errands out.

    Args:
        state: the worlds.
        who: (worlds, avatars); whoever is no helper is left alone.
        commands: written.
        navigator: finds the way.
        rule: EXPERT, NEAREST, PLACE_ONLY or SHARES.
    """
    shape, helpers = who.shape, state["hand"].shape[1]
    helps = who.copy()
    helps[:, helpers:] = False
    goals: FloatArray = np.full((*shape, 2), np.nan)
    facing: FloatArray = np.zeros((*shape, 2))
    walks: BoolArray = np.zeros(shape, np.bool_)
    _decide(
        helps, rule, state.step, state.avatars.heading, state.props.position, moment(state),
        (goals, facing, walks), (commands.hand, commands.say), state.speech.sentence,
    )  # fmt: skip
    facing += navigator.direction(goals, walks)
    note(state, goals, commands, walks)
    steer(state, facing, commands, helps, np.where(walks, 1.0, 0.0), 0.1)


@kernel
def _decide(who, rule, step, heading, props, tables, out, deeds, sentence):  # type: ignore[no-untyped-def]
    goals, facing, walks = out
    hand, say = deeds
    stops = np.empty((ERRANDS, 4))
    for w in range(who.shape[0]):
        now = of_world(w, tables)
        for h in range(now.hand.shape[0]):
            if not who[w, h]:
                continue
            e = _choose(h, rule, step[w], stops, now)
            if e < 0:
                continue
            kind, which = _stop(h, e, rule, now)
            x, y, place = point_of(kind, which, now)
            prop = NOTHING
            if kind == BEFORE:
                prop = _post(h, e, which, rule, now)
            elif kind == BED_SIDE and now.hand[h, 0] == TREAT:
                prop = BED
            if prop >= 0:
                x, y = now.stand[prop, 0], now.stand[prop, 1]
                there = way_to(h, x, y, place, now) < _THERE and now.where[h] == place
                if there:
                    off = _turn(h, w, heading[w, h], props[w, prop], facing, now)
                    if off < _FACES and is_open(place, step[w], now):
                        hand[w, h] = HAND_USE
            else:
                there = kind in (PERSON, BOARD) and _meets(h, e, which, now)
                if there and knows(h, e, now):
                    say[w, h] = _words(e, sentence, now)
            if not there:
                goals[w, h, 0], goals[w, h, 1], walks[w, h] = x, y, True


@inner
def _stop(h, e, rule, now):  # type: ignore[no-untyped-def]
    """Where a helper goes for an errand; who chooses goes back for what it has taken wrongly."""
    kind, which = stop_of(h, e, now)
    task, holds = now.book[e, TASK], now.hand[h, 0]
    if not knows(h, e, now):
        return kind, which
    wrong = rule != PLACE_ONLY and now.hand[h, 1] != now.book[e, RIGHT]
    if task == TREAT and (rule == EXPERT or now.book[e, STAGE] > 0):
        # The expert knows what the chart says.
        return (BED_SIDE, WARD) if holds == TREAT and not wrong else (BEFORE, WARD)
    if task == DELIVER and holds == DELIVER and wrong:
        return BEFORE, OFFICE
    return kind, which


@inner
def _turn(h, w, heading, prop, facing, now):  # type: ignore[no-untyped-def]
    """Turns a helper to what it is about to use; how far it still has to turn."""
    dx, dy = prop[0] - now.position[h, 0], prop[1] - now.position[h, 1]
    length = max(1e-6, away(0.0, 0.0, dx, dy))
    facing[w, h, 0], facing[w, h, 1] = dx / length, dy / length
    return abs(wrap(pmath.atan2(dy, dx) - heading))


@inner
def _choose(h, rule, step, stops, now):  # type: ignore[no-untyped-def]
    """The errand that a helper takes up; the expert also waits for one that is to come."""
    helpers = now.hand.shape[0]
    stops_of(h, now, stops)
    best, least = NOTHING, 0.0
    for e in range(ERRANDS):
        status = now.book[e, STATUS]
        if status != OPEN and not (status == PENDING and rule == EXPERT):
            continue
        others = 1.0 if e % helpers != h else 0.0
        if rule == SHARES and others > 0.0:
            continue
        if rule == EXPERT:
            left = 1.0 * time_left(e, step, now)
            # The near first, but not so that another is too late; what is too late last.
            cost = left + _NEAR * stops[e, 3] - (_SOON if e == URGENT else 0.0)
            if left < _TAKES + _PER_METRE * stops[e, 3]:
                cost += 1.0 * _LATER
            if status == PENDING:
                cost = 1.0 * (2 * _LATER + now.book[e, ASKS_AT])
            cost += 5.0 * _LATER * others
        else:
            # What is understood is gone on with, and helpers do not take the same.
            cost = stops[e, 3] + 20.0 * others + (0.0 if knows(h, e, now) else 5.0)
        if best < 0 or cost < least:
            best, least = e, cost
    return best


@inner
def _post(h, e, place, rule, now):  # type: ignore[no-untyped-def]
    """The post to be used: the right one, or the nearest."""
    first = POSTS * place
    if rule != PLACE_ONLY:
        second = now.book[e, TASK] == BUILD and now.book[e, STAGE] == 1
        return first + now.book[e, RIGHT + int(second)]
    best, least = first, np.inf
    for k in range(first, first + POSTS):
        x, y = now.stand[k, 0], now.stand[k, 1]
        gap = away(now.position[h, 0], now.position[h, 1], x, y)
        if gap < least:
            best, least = k, gap
    return best


@inner
def _meets(h, e, n, now):  # type: ignore[no-untyped-def]
    """Whether a helper is where it can listen to a request, or speak to somebody."""
    if not knows(h, e, now):
        return now.book[e, STATUS] == OPEN and hears(e, h, now)
    return now.book[e, TASK] != FIND and nearest(h, now) == n


@inner
def _words(e, sentence, now):  # type: ignore[no-untyped-def]
    """What is said to the one who is met."""
    task = now.book[e, TASK]
    if task == GUIDE:
        return sentence[COME_ALONG, 0]
    if task == DELIVER:
        return sentence[HERE_YOU_ARE, 0]
    return sentence[GO_TO, now.book[e, FIRST]]
