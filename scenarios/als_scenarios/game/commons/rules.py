"""What hands and words do in the yard: pick fruit, clean the river, send somebody away.

Everything here is a kernel over worlds. Who was sent away is `away` for a number of steps; whoever
is away picks nothing, cleans nothing, and neither sends nor is sent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_scenarios.game.commons.growth import ENOUGH, stock_of
from als_scenarios.game.commons.yard import FRUITS, PUMPS, SPOTS

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

GO_AWAY: Final = 0
"""The sentence "go away"."""

PICKING: Final = 8
"""Steps that a hand is busy with a fruit."""

WASHING: Final = 3
"""Steps that a hand is busy with a stroke of a pump."""

WASHED: Final = 3
"""Cells that a stroke cleans at most: a beam of Melting Pot's `clean_up` is three cells wide."""

VOICE: Final = 3.0
"""How near somebody has to be to be sent away, metres (a beam is three cells long)."""

AIM: Final = 0.35
"""How far to the side of the speaker's heading, radians."""

AWAY: Final = 50
"""Steps that somebody stays away (`framesTillRespawn` of `clean_up`)."""

HOARSE: Final = 50
"""Steps until somebody who sent another one away can do so again."""

ELBOW: Final = 0.65
"""How much room somebody who comes back needs, metres between the middles of two bodies."""

LONG_AGO: Final = 999
"""At which counters of steps since something happened stop."""


class People(NamedTuple):
    """What is kept of everybody, (worlds, avatars); see `Commons.quantities`."""

    meals: IntArray
    meal_time: NDArray[np.int64]
    busy: IntArray
    hoarse: IntArray
    away: IntArray
    since_taken: IntArray
    since_washed: IntArray
    since_sent: IntArray
    times_sent: IntArray
    strokes: IntArray
    ate: BoolArray
    sent: BoolArray
    back: IntArray


class Bodies(NamedTuple):
    """Where everybody is: (worlds, avatars, 3), metres, and (worlds, avatars), radians."""

    position: FloatArray
    heading: FloatArray


def people(state: WorldState) -> tuple[NDArray[np.generic], ...]:
    """The arrays of `People`, as kernels take them."""
    return tuple(state[name] for name in People._fields)


@kernel
def act(step, used, said, bodies, places, ripe, dirt, everybody):  # type: ignore[no-untyped-def]
    """Carries out what everybody's hand and voice did in this step.

    Args:
        step: (worlds,).
        used: (worlds, avatars), the prop that a hand used, or NOTHING.
        said: (worlds, avatars), the sentence, or NOTHING.
        bodies: `Bodies`.
        places: (worlds, props, 3), of the props.
        ripe: (worlds, spots), written: what is picked is no longer there.
        dirt: (worlds, stretches), written.
        everybody: `People`, written.

    Returns:
        Whether somebody was sent away, or is due to come back.
    """
    some = False
    bodies, all_ = Bodies(*bodies), People(*everybody)
    for w in range(step.size):
        for a in range(used.shape[1]):
            all_.ate[w, a] = all_.sent[w, a] = False
            all_.back[w, a] = NOTHING
            all_.busy[w, a] = max(0, all_.busy[w, a] - 1)
            all_.hoarse[w, a] = max(0, all_.hoarse[w, a] - 1)
            all_.since_taken[w, a] = min(LONG_AGO, all_.since_taken[w, a] + 1)
            all_.since_washed[w, a] = min(LONG_AGO, all_.since_washed[w, a] + 1)
            all_.since_sent[w, a] = min(LONG_AGO, all_.since_sent[w, a] + 1)
        for a in range(used.shape[1]):
            if used[w, a] == NOTHING or all_.busy[w, a] > 0 or all_.away[w, a] > 0:
                continue
            if used[w, a] < FRUITS:
                _pick(w, a, used[w, a], step[w], used, bodies, places, ripe, all_)
            elif used[w, a] < FRUITS + PUMPS:
                _wash(w, a, dirt, all_)
        for a in range(used.shape[1]):
            if said[w, a] == GO_AWAY and all_.hoarse[w, a] == 0 and all_.away[w, a] == 0:
                b = faced(w, a, bodies, all_.away)
                if b != NOTHING:
                    all_.hoarse[w, a], all_.sent[w, b] = HOARSE, True
        for a in range(used.shape[1]):
            if all_.sent[w, a]:
                all_.away[w, a], all_.since_sent[w, a] = AWAY, 0
                all_.times_sent[w, a] += 1
                some = True
            elif all_.away[w, a] > 0:
                # Who finds no room at the fence waits another step.
                all_.away[w, a] = max(1, all_.away[w, a] - 1)
                some |= all_.away[w, a] == 1
    return some


@inner
def _pick(w, a, spot, step, used, bodies, places, ripe, all_):  # type: ignore[no-untyped-def]
    """Gives a fruit to the nearest of those who reach for it; of two as near, to the first."""
    if not ripe[w, spot]:
        return
    mine = _away_from(w, a, spot, bodies, places)
    for b in range(used.shape[1]):
        if b != a and used[w, b] == spot and all_.busy[w, b] == 0 and all_.away[w, b] == 0:
            theirs = _away_from(w, b, spot, bodies, places)
            if theirs < mine or (theirs == mine and b < a):
                return
    ripe[w, spot] = False
    all_.ate[w, a], all_.busy[w, a] = True, PICKING
    all_.meals[w, a] += 1
    all_.meal_time[w, a] += step
    if stock_of(ripe[w], spot // SPOTS) < ENOUGH:
        all_.since_taken[w, a] = 0


@inner
def _away_from(w, a, prop, bodies, places):  # type: ignore[no-untyped-def]
    dx = places[w, prop, 0] - bodies.position[w, a, 0]
    dy = places[w, prop, 1] - bodies.position[w, a, 1]
    return math.sqrt(dx * dx + dy * dy)


@inner
def _wash(w, a, dirt, all_):  # type: ignore[no-untyped-def]
    """A stroke of a pump: it cleans the river cell by cell where it is dirtiest."""
    all_.busy[w, a] = WASHING
    if not dirt[w].any():
        return
    all_.since_washed[w, a] = 0
    all_.strokes[w, a] += 1
    for _ in range(WASHED):
        s = dirt[w].argmax()
        if dirt[w, s] > 0:
            dirt[w, s] -= 1


@inner
def faced(w, a, bodies, away):  # type: ignore[no-untyped-def]
    """Whom "go away" is said to: the nearest in front, or NOTHING."""
    best, nearest = NOTHING, VOICE
    for b in range(away.shape[1]):
        if b == a or away[w, b] > 0:
            continue
        dx = bodies.position[w, b, 0] - bodies.position[w, a, 0]
        dy = bodies.position[w, b, 1] - bodies.position[w, a, 1]
        gap = math.sqrt(dx * dx + dy * dy)
        if gap <= nearest and abs(wrap(pmath.atan2(dy, dx) - bodies.heading[w, a])) <= AIM:
            best, nearest = b, gap
    return best


@kernel
def find_room(gates, position, everybody):  # type: ignore[no-untyped-def]
    """Writes into `back` at which gate each comes in whose time is up, and lets it be back.

    Args:
        gates: (gates, 2), metres. An avatar takes the first that is free, from its own number on.
        position: (worlds, avatars, 3).
        everybody: `People`, written.
    """
    all_ = People(*everybody)
    avatars = all_.away.shape[1]
    for w in range(all_.away.shape[0]):
        taken = np.zeros(len(gates), np.bool_)
        for a in range(avatars):
            if all_.away[w, a] != 1:
                continue
            for i in range(len(gates)):
                g = (a + i) % len(gates)
                free = not taken[g]
                for b in range(avatars):
                    dx = gates[g, 0] - position[w, b, 0]
                    dy = gates[g, 1] - position[w, b, 1]
                    free = free and (b == a or dx * dx + dy * dy >= ELBOW * ELBOW)
                if free:
                    taken[g] = True
                    all_.back[w, a], all_.away[w, a] = g, 0
                    break
