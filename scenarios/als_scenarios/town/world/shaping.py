"""The potential of `ALS/World-v0` (Ng, Harada and Russell 1999): how far open errands have come.

It goes by what helpers know: which post is the right one is not in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import FloatArray
from als_engine.world.state import WorldState
from als_scenarios.town.world.errands import (
    FOLLOWS,
    GIVER,
    OPEN,
    STAGE,
    STATUS,
    TASK,
    is_known,
    knows,
    moment,
    of_world,
)
from als_scenarios.town.world.items import BUILD, CHILD, DELIVER, FIND, GUIDE, TREAT
from als_scenarios.town.world.requests import ERRANDS
from als_scenarios.town.world.stops import foremost, stops_of, unheard

UNDERSTOOD: Final = 0.4
"""Potential of an errand that is understood."""

BEGUN: Final = 0.4
"""And of one that is begun: a thing in the hand, somebody who comes along, the chart read."""

FAR: Final = 0.03
"""Potential lost for each metre of the way to where the foremost errand goes on."""


def potential(state: WorldState) -> FloatArray:
    """The potential of every world, (worlds,); 0 where the day is over."""
    out: FloatArray = np.zeros(state.num_worlds)
    _potential(state.step, moment(state), out)
    over = (state["book"][..., STATUS] > OPEN).all(1) | (state.step >= state.max_episode_steps)
    out[over] = 0.0
    return out


@kernel
def _potential(step, tables, out):  # type: ignore[no-untyped-def]
    stops = np.empty((ERRANDS, 4))
    for w in range(out.shape[0]):
        now = of_world(w, tables)
        helpers = now.hand.shape[0]
        for e in range(ERRANDS):
            if now.book[e, STATUS] == OPEN and is_known(e, now):
                most = 0.0
                for h in range(helpers):
                    if knows(h, e, now):
                        most = max(most, begun(h, e, now))
                out[w] += UNDERSTOOD + BEGUN * most
        for h in range(helpers):
            stops_of(h, now, stops)
            e = foremost(h, -1, step[w], now)
            if e < 0:
                e = unheard(h, stops, now)
            if e >= 0:
                out[w] -= FAR * stops[e, 3]


@inner
def begun(h, e, now):  # type: ignore[no-untyped-def]
    """How far a helper has come with an errand that it knows, 0 to 1, as it looks."""
    task, hand = now.book[e, TASK], now.hand[h, 0]
    if task == TREAT:
        return 0.5 * (now.book[e, STAGE] > 0) + 0.5 * (hand == TREAT)
    if task == DELIVER:
        return 1.0 * (hand == DELIVER)
    if task == GUIDE:
        return 1.0 * (now.folk[now.book[e, GIVER], FOLLOWS] == h)
    if task == FIND:
        return 1.0 * (now.folk[CHILD, FOLLOWS] == h)
    if task == BUILD:
        return 1.0 * (now.book[e, STAGE] > 0)
    return 0.0
