"""Where an errand goes on, for kernels: the sensor's compass, shaping and those who help go by it.

It is what the helper can know: the person who asks, and once the request is understood the place or
the person that it names. It never tells which post is the right one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import inner
from als_scenarios.town.world.block import BED, BOARD_AT, OUTSIDE, POSTS
from als_scenarios.town.world.errands import (
    FIRST,
    FOLLOWS,
    GIVER,
    OPEN,
    OPENED_AT,
    SECOND,
    STAGE,
    STATUS,
    TASK,
    knows,
)
from als_scenarios.town.world.items import (
    ADDRESSEES,
    ANSWER,
    BUILD,
    CHILD,
    DELIVER,
    FIND,
    GUIDE,
    MUSEUM,
    OFFICE,
    SCHOOL,
    TREAT,
    WARD,
    YARD,
)
from als_scenarios.town.world.requests import ERRANDS, URGENT, URGENT_WINDOW, WINDOW
from als_scenarios.town.world.ways import way

BEFORE: Final = 0
"""Before the posts of a place."""

BED_SIDE: Final = 1
PERSON: Final = 2
MIDDLE: Final = 3
BOARD: Final = 4
"""What kind of place a stop is."""

WHO: Final = np.array(ADDRESSEES)


@inner
def stop_of(h, e, now):  # type: ignore[no-untyped-def]
    """Where an errand goes on for a helper: the kind of stop, and which place or inhabitant."""
    task, n = now.book[e, TASK], now.book[e, GIVER]
    i, j = now.book[e, FIRST], now.book[e, SECOND]
    hand = now.hand[h, 0]
    if not knows(h, e, now):
        return (PERSON, n) if n >= 0 else (BOARD, OUTSIDE)
    if task == ANSWER:
        return BEFORE, SCHOOL
    if task == TREAT:
        beside = now.book[e, STAGE] == 0 or hand == TREAT
        return (BED_SIDE, WARD) if beside else (BEFORE, WARD)
    if task == DELIVER:
        return (PERSON, WHO[j]) if hand == DELIVER else (BEFORE, OFFICE)
    if task == GUIDE:
        return (BEFORE, MUSEUM) if now.folk[n, FOLLOWS] == h else (PERSON, n)
    if task == FIND:
        if now.folk[CHILD, FOLLOWS] == h:
            return MIDDLE, j
        helpers = now.hand.shape[0]
        near = now.where[helpers + CHILD] == now.where[h]
        return (PERSON, CHILD) if near else (MIDDLE, i)
    if task == BUILD:
        return BEFORE, YARD
    return PERSON, WHO[j]


@inner
def point_of(kind, which, now):  # type: ignore[no-untyped-def]
    """A stop as a point: x, y, and the place that it is in."""
    if kind == PERSON:
        a = now.hand.shape[0] + which
        return now.position[a, 0], now.position[a, 1], now.where[a]
    if kind == BOARD:
        return BOARD_AT[0], BOARD_AT[1], OUTSIDE
    if kind == BED_SIDE:
        return now.stand[BED, 0], now.stand[BED, 1], WARD
    if kind == MIDDLE:
        r = now.places[which]
        return 0.5 * (r[0] + r[2]), 0.5 * (r[1] + r[3]), which
    x, y = 0.0, 0.0
    for k in range(POSTS):
        x += now.stand[POSTS * which + k, 0] / POSTS
        y += now.stand[POSTS * which + k, 1] / POSTS
    return x, y, which


@inner
def time_left(e, step, now):  # type: ignore[no-untyped-def]
    """Steps until the request of an open errand expires."""
    window = URGENT_WINDOW if e == URGENT else WINDOW
    return window - (step - now.book[e, OPENED_AT])


@inner
def foremost(h, after, step, now):  # type: ignore[no-untyped-def]
    """The errand that a helper knows and that comes first, after another one; or -1.

    The urgent one comes first, then the one that expires first.
    """
    best, least = -1, 0
    for e in range(ERRANDS):
        if now.book[e, STATUS] == OPEN and knows(h, e, now) and e != after:
            left = time_left(e, step, now) - (10_000 if e == URGENT else 0)
            if best < 0 or left < least:
                best, least = e, left
    return best


@inner
def way_to(h, x, y, place, now):  # type: ignore[no-untyped-def]
    """The length of a helper's way to a point in a place."""
    return way(now.position[h, 0], now.position[h, 1], now.where[h], x, y, place, now.places)


@inner
def stops_of(h, now, out):  # type: ignore[no-untyped-def]
    """Writes where each open errand goes on for a helper: x, y, place, and the length of the way.

    Args:
        h: the helper.
        now: the world.
        out: (5, 4); the length is negative for an errand that is not open.
    """
    for e in range(ERRANDS):
        out[e, 3] = -1.0
        if now.book[e, STATUS] == OPEN:
            kind, which = stop_of(h, e, now)
            x, y, place = point_of(kind, which, now)
            out[e, 0], out[e, 1], out[e, 2] = x, y, place
            out[e, 3] = way_to(h, x, y, place, now)


@inner
def unheard(h, stops, now):  # type: ignore[no-untyped-def]
    """The request that is nearest of those that a helper has yet to understand, or -1.

    `stops` is from `stops_of`.
    """
    best, least = -1, np.inf
    for e in range(ERRANDS):
        if 0.0 <= stops[e, 3] < least and not knows(h, e, now):
            best, least = e, stops[e, 3]
    return best
