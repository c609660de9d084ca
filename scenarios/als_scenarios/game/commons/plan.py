"""What a forager does next, given its manner: a kernel that all scripted players share.

It keeps nothing between two steps: the same yard gives the same decision.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_scenarios.game.commons.growth import (
    ENOUGH,
    REGROWTH,
    fertility,
    share_of,
    stock_of,
)
from als_scenarios.game.commons.rules import Bodies, People, faced
from als_scenarios.game.commons.yard import (
    FRUIT_RADIUS,
    FRUITS,
    PATCHES,
    PUMP_RADIUS,
    PUMPS,
    SPOTS,
    STAND_OFF,
)

REST, WALK, FACE = 0, 1, 2
"""What feet do: nothing, walk to the goal, turn to it."""

_SPEAK: Final = 2.6
_SHIFT: Final = 30
"""After so many strokes more than another one has made somebody is relieved."""

_FAIR: Final = 0.15
"""Those who clean from a smaller share on relieve each other."""

_AT_WORK: Final = 30
"""Steps since the last stroke for which somebody counts as cleaning."""

_STOP: Final = 0.01
"""The dirty share of the river at which cleaning ends."""

_FOUL: Final = 0.25
"""The dirty share of the river from which it is more urgent than who takes too much."""

_MORE: Final = 0.1
"""Each time that the dirty share is higher by this, one more is needed."""

_CAMP: Final = 0.55
"""How far from a tree one waits for its fruit, metres."""

_CAMPING: Final = 1.7
"""How near to a tree somebody is who picks there, metres."""

_INSIDE: Final = 1.0
"""How near to a claimed tree nobody else may come, metres."""

_AT_HAND: Final = 1.2
"""How near fruit is that one only has to turn to, metres."""

_SOON: Final = 60.0
"""What grows in so many steps is worth going to."""

_WAY: Final = 0.35
"""Fruits that a metre of the way is worth."""

_TAKEN: Final = 1.1
"""How near somebody stands to a pump that is taken, metres."""

_BEHIND: Final = 1.5
"""What somebody at a pump counts, metres."""


class Manner(NamedTuple):
    """How everybody behaves, (worlds, avatars).

    Attributes:
        keep: fruit is left alone in a patch that has no more than this.
        cleans_from: the dirty share of the river from which one goes to clean; above 1 never.
        sends_from: how near somebody bad has to be to be followed and sent away, metres; 0 never.
        bad: who is to be sent away.
        claim: the patch that one keeps to and sends others away from, or NOTHING.
    """

    keep: NDArray[np.int64]
    cleans_from: FloatArray
    sends_from: FloatArray
    bad: BoolArray
    claim: NDArray[np.int64]


class Decision(NamedTuple):
    """What everybody does, (worlds, avatars, ...): goal in metres, feet, hand and voice."""

    goal: FloatArray
    feet: NDArray[np.int64]
    hand: BoolArray
    voice: BoolArray


class Yard(NamedTuple):
    """What stands where, and how it is, (worlds, ...)."""

    places: FloatArray
    planted: BoolArray
    ripe: BoolArray
    dirt: NDArray[np.int32]


@kernel
def decide(who, manner, bodies, radius, yard, everybody, out):  # type: ignore[no-untyped-def]
    """Decides for everybody in `who`, (worlds, avatars); the arrays of `Decision` are written.

    Args:
        who: of whom those decide who are not away.
        manner: `Manner`.
        bodies: `Bodies`.
        radius: (avatars,), metres.
        yard: `Yard`.
        everybody: `People`.
        out: `Decision`.
    """
    manner, bodies, yard = Manner(*manner), Bodies(*bodies), Yard(*yard)
    all_, out = People(*everybody), Decision(*out)
    for w in range(who.shape[0]):
        for a in range(who.shape[1]):
            out.feet[w, a], out.hand[w, a], out.voice[w, a] = REST, False, False
            if not who[w, a] or all_.away[w, a] > 0:
                continue
            held = in_reach(w, a, bodies, radius[a], yard)
            picks = 0 <= held < FRUITS and _may_pick(w, a, held // SPOTS, manner, yard)
            if picks and all_.busy[w, a] <= 1:
                out.hand[w, a] = True
                continue
            needed = _is_needed(w, a, who, manner, bodies, yard, all_)
            if all_.hoarse[w, a] <= 1:
                heard = faced(w, a, bodies, all_.away)
                if heard != NOTHING and _is_bad(w, a, heard, manner, bodies, yard):
                    out.voice[w, a] = True
                    continue
                b = _offender(w, a, manner, bodies, yard, all_)
                # Where hardly anything grows the river comes first.
                if b != NOTHING and not (needed and share_of(yard.dirt[w]) > _FOUL):
                    _approach(w, a, b, bodies, out)
                    continue
            if needed:
                _clean(w, a, held, bodies, yard, all_, out)
            else:
                _forage(w, a, manner, bodies, yard, all_, out)


@inner
def _gap(w, a, x, y, bodies):  # type: ignore[no-untyped-def]
    dx, dy = x - bodies.position[w, a, 0], y - bodies.position[w, a, 1]
    return math.sqrt(dx * dx + dy * dy)


@inner
def _aside(w, a, x, y, bodies):  # type: ignore[no-untyped-def]
    """How far from its heading an avatar sees a place, radians."""
    dx, dy = x - bodies.position[w, a, 0], y - bodies.position[w, a, 1]
    return abs(wrap(pmath.atan2(dy, dx) - bodies.heading[w, a]))


@inner
def in_reach(w, a, bodies, radius, yard):  # type: ignore[no-untyped-def]
    """The fruit or pump that a hand would use now, as the engine has it, or NOTHING."""
    best, nearest = NOTHING, REACH
    for i in range(FRUITS + PUMPS):
        if i < FRUITS and not yard.ripe[w, i]:
            continue
        x, y = yard.places[w, i, 0], yard.places[w, i, 1]
        gap = _gap(w, a, x, y, bodies) - radius - (FRUIT_RADIUS if i < FRUITS else PUMP_RADIUS)
        if gap < nearest and (gap < 0.0 or _aside(w, a, x, y, bodies) <= REACH_ANGLE):
            best, nearest = i, gap
    return best


# -- sending away ----------------------------------------------------------------------------------


@inner
def _offender(w, a, manner, bodies, yard, all_):  # type: ignore[no-untyped-def]
    """The nearest whom this one would send away now, or NOTHING."""
    best, nearest = NOTHING, math.inf
    for b in range(all_.away.shape[1]):
        if b == a or all_.away[w, b] > 0 or not _is_bad(w, a, b, manner, bodies, yard):
            continue
        x, y = bodies.position[w, b, 0], bodies.position[w, b, 1]
        price = _gap(w, a, x, y, bodies) + _aside(w, a, x, y, bodies)
        if price < nearest:
            best, nearest = b, price
    return best


@inner
def _is_bad(w, a, b, manner, bodies, yard):  # type: ignore[no-untyped-def]
    x, y = bodies.position[w, b, 0], bodies.position[w, b, 1]
    bad, claim = manner.bad[w, b], manner.claim[w, a]
    bad = bad and _gap(w, a, x, y, bodies) < manner.sends_from[w, a]
    if claim != NOTHING:
        tree_x, tree_y = _tree(w, claim, yard)
        dx, dy = x - tree_x, y - tree_y
        bad |= dx * dx + dy * dy < _INSIDE * _INSIDE
    return bad


@inner
def _approach(w, a, b, bodies, out):  # type: ignore[no-untyped-def]
    x, y = bodies.position[w, b, 0], bodies.position[w, b, 1]
    out.goal[w, a, 0], out.goal[w, a, 1] = x, y
    if _gap(w, a, x, y, bodies) > _SPEAK:
        out.feet[w, a] = WALK
    else:
        out.feet[w, a] = FACE


# -- cleaning --------------------------------------------------------------------------------------


@inner
def _is_needed(w, a, who, manner, bodies, yard, all_):  # type: ignore[no-untyped-def]
    """Whether it is this one's part to clean now: those who have cleaned least go first."""
    share, start = share_of(yard.dirt[w]), manner.cleans_from[w, a]
    if start > 1.0 or share < _STOP:
        return False
    working = all_.since_washed[w, a] < _AT_WORK
    needed = 1 + int((share - min(start, share)) / _MORE)
    due, at_work, before = 0, 0, 0
    for b in range(who.shape[1]):
        if b == a or all_.away[w, b] > 0:
            continue
        if all_.since_washed[w, b] < _AT_WORK:
            tired = all_.strokes[w, b] > all_.strokes[w, a] + _SHIFT
            due += tired
            at_work += not tired
            before += _goes_first(w, b, a, bodies, all_)
        elif not working and who[w, b] and manner.cleans_from[w, b] <= max(share, _FAIR):
            before += _goes_first(w, b, a, bodies, all_)
    if working:
        return needed > before
    # Somebody new goes where it is dirty, or to relieve who has cleaned for long.
    goes = share >= start or (due > 0 and start <= _FAIR)
    return goes and needed > at_work + before


@inner
def _goes_first(w, b, a, bodies, all_):  # type: ignore[no-untyped-def]
    """Whether it is rather b's turn to clean than a's: it has cleaned less, or is nearer."""
    if all_.strokes[w, b] != all_.strokes[w, a]:
        return all_.strokes[w, b] < all_.strokes[w, a]
    return bodies.position[w, b, 0] < bodies.position[w, a, 0]


@inner
def _pump(w, k, yard):  # type: ignore[no-untyped-def]
    return yard.places[w, FRUITS + k, 0], yard.places[w, FRUITS + k, 1]


@inner
def _clean(w, a, held, bodies, yard, all_, out):  # type: ignore[no-untyped-def]
    """Goes to the nearest pump, rather one where nobody stands, and uses it."""
    if held >= FRUITS:
        out.hand[w, a] = all_.busy[w, a] <= 1
        return
    best, least = 0, math.inf
    for k in range(PUMPS):
        x, y = _pump(w, k, yard)
        gap = price = _gap(w, a, x, y, bodies)
        for b in range(all_.away.shape[1]):
            there = b != a and all_.away[w, b] == 0 and _gap(w, b, x, y, bodies) < _TAKEN
            price += _BEHIND * (there and gap > _TAKEN)
        if price < least:
            best, least = k, price
    x, y = _pump(w, best, yard)
    if _gap(w, a, x, y, bodies) < STAND_OFF + 0.3:
        out.goal[w, a, 0], out.goal[w, a, 1], out.feet[w, a] = x, y, FACE
    else:
        out.goal[w, a, 0], out.goal[w, a, 1], out.feet[w, a] = x + STAND_OFF, y, WALK


# -- picking ---------------------------------------------------------------------------------------


@inner
def _tree(w, p, yard):  # type: ignore[no-untyped-def]
    """Where the tree of a patch stands: the middle of its spots."""
    x = y = 0.0
    count = 0
    for k in range(SPOTS * p, SPOTS * p + SPOTS):
        if yard.planted[w, k]:
            x, y, count = x + yard.places[w, k, 0], y + yard.places[w, k, 1], count + 1
    return x / max(count, 1), y / max(count, 1)


@inner
def _may_pick(w, a, p, manner, yard):  # type: ignore[no-untyped-def]
    claim = manner.claim[w, a]
    return stock_of(yard.ripe[w], p) > manner.keep[w, a] and claim in (NOTHING, p)


@inner
def _forage(w, a, manner, bodies, yard, all_, out):  # type: ignore[no-untyped-def]
    """Goes to the patch that promises most, to its nearest fruit, or to wait beside its tree."""
    best, most = NOTHING, -math.inf
    for p in range(PATCHES):
        if manner.claim[w, a] in (NOTHING, p) and stock_of(yard.ripe[w], p) > 0:
            worth = _promise(w, a, p, manner, bodies, yard, all_)
            if worth > most:
                best, most = p, worth
    if best == NOTHING:
        return
    x, y = _tree(w, best, yard)
    gap, reach = _gap(w, a, x, y, bodies), _CAMP + 0.2
    if _may_pick(w, a, best, manner, yard):
        x, y = _nearest_fruit(w, a, best, bodies, yard)
        gap, reach = _gap(w, a, x, y, bodies), _AT_HAND
    elif gap >= reach:
        # A place on the near side of the tree.
        x += (bodies.position[w, a, 0] - x) * _CAMP / gap
        y += (bodies.position[w, a, 1] - y) * _CAMP / gap
    out.goal[w, a, 0], out.goal[w, a, 1] = x, y
    out.feet[w, a] = FACE if gap < reach else WALK


@inner
def _promise(w, a, p, manner, bodies, yard, all_):  # type: ignore[no-untyped-def]
    """How much fruit one may pick in a patch before long, less what the way costs."""
    x, y = _tree(w, p, yard)
    stock, size, sharing = stock_of(yard.ripe[w], p), 0, 1
    for k in range(SPOTS * p, SPOTS * p + SPOTS):
        size += yard.planted[w, k]
    for b in range(all_.away.shape[1]):
        sharing += b != a and all_.away[w, b] == 0 and _gap(w, b, x, y, bodies) < _CAMPING
    keep = manner.keep[w, a]
    factor = max(fertility(share_of(yard.dirt[w])), 0.1)
    grows = (size - stock) * REGROWTH[min(stock, ENOUGH)] * factor * _SOON * (size > keep)
    way = max(0.0, _gap(w, a, x, y, bodies) - _CAMPING)
    return (max(0, stock - keep) + grows) / sharing - _WAY * way


@inner
def _nearest_fruit(w, a, p, bodies, yard):  # type: ignore[no-untyped-def]
    best, least = SPOTS * p, math.inf
    for i in range(SPOTS * p, SPOTS * p + SPOTS):
        if yard.ripe[w, i]:
            x, y = yard.places[w, i, 0], yard.places[w, i, 1]
            price = _gap(w, a, x, y, bodies) + 0.2 * _aside(w, a, x, y, bodies)
            if price < least:
                best, least = i, price
    return yard.places[w, best, 0], yard.places[w, best, 1]
