"""What helpers do for errands of `ALS/World-v0`: use things, speak to people, lead them."""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import inner
from als_engine.world.arrays import NOTHING
from als_scenarios.town.world.block import BED, POSTS
from als_scenarios.town.world.day import in_hours
from als_scenarios.town.world.errands import (
    DONE,
    FIRST,
    FOLLOWS,
    GIVER,
    RIGHT,
    SECOND,
    SENT,
    SENT_UNTIL,
    STAGE,
    blunder,
    close,
    nearest,
    of_task,
    waits,
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
    TELL,
    TREAT,
    WARD,
    YARD,
)
from als_scenarios.town.world.requests import ERRANDS
from als_scenarios.town.world.ways import away

COME_ALONG, HERE_YOU_ARE, GO_TO = range(3)
"""What a helper says, by `Speech.verbs`."""

_ADDRESSEES: Final = np.array(ADDRESSEES)

CATCHES: Final = 0.9
"""How near the child is caught, metres."""

TOGETHER: Final = 2.5
"""How near whoever is led counts as there, metres."""

SENT_FOR: Final = 150
"""Steps for which somebody stays where it was told to go."""


@inner
def judge(e, right, now):  # type: ignore[no-untyped-def]
    """What was done for an errand was right, or a mistake."""
    if right:
        close(e, DONE, now)
    else:
        blunder(e, now)


@inner
def use(h, prop, step, now):  # type: ignore[no-untyped-def]
    """What using a post, or the bed, does."""
    place = prop // POSTS
    post, here = prop - POSTS * place, now.where[h]
    if prop == BED and here == WARD:
        _give_medicine(h, now)
    elif prop >= BED or place != here or not in_hours(place, step):
        return
    elif place == WARD:
        now.hand[h, 0], now.hand[h, 1] = TREAT, post
    elif place == OFFICE:
        now.hand[h, 0], now.hand[h, 1] = DELIVER, post
    elif place == SCHOOL:
        _answer(h, post, now)
    elif place == MUSEUM:
        _present(h, post, now)
    elif place == YARD:
        _build(h, post, now)


@inner
def _answer(h, post, now):  # type: ignore[no-untyped-def]
    e = of_task(h, ANSWER, post, now)
    if e >= 0:
        judge(e, now.book[e, RIGHT] == post, now)


@inner
def _give_medicine(h, now):  # type: ignore[no-untyped-def]
    if now.hand[h, 0] == TREAT:
        post = now.hand[h, 1]
        e = of_task(h, TREAT, post, now)
        if e >= 0:
            judge(e, now.book[e, RIGHT] == post, now)
        now.hand[h] = NOTHING


@inner
def _present(h, post, now):  # type: ignore[no-untyped-def]
    """Shows an exhibit to a visitor who has come along."""
    helpers = now.hand.shape[0]
    for e in range(ERRANDS):
        if not waits(e, h, GUIDE, now):
            continue
        n = now.book[e, GIVER]
        guest = now.position[helpers + n]
        near = away(guest[0], guest[1], now.position[h, 0], now.position[h, 1]) < TOGETHER
        if now.folk[n, FOLLOWS] == h and near and now.where[helpers + n] == MUSEUM:
            judge(e, now.book[e, RIGHT] == post, now)
            return


@inner
def _build(h, post, now):  # type: ignore[no-untyped-def]
    e = of_task(h, BUILD, NOTHING, now)
    if e >= 0:
        begun = now.book[e, STAGE] == 1 and post == now.book[e, RIGHT + 1]
        if post == now.book[e, RIGHT]:
            now.book[e, STAGE] = 1
        else:
            now.book[e, STAGE] = int(begun)
            judge(e, begun, now)


@inner
def speak(h, verb, slot, step, now):  # type: ignore[no-untyped-def]
    """What a sentence does, said to the nearest."""
    n = nearest(h, now)
    if n < 0:
        return
    if verb == COME_ALONG:
        for e in range(ERRANDS):
            if waits(e, h, GUIDE, now) and now.book[e, GIVER] == n:
                now.folk[n, FOLLOWS] = h
    elif verb == HERE_YOU_ARE and now.hand[h, 0] == DELIVER:
        _hand_over(h, n, now)
    elif verb == GO_TO:
        _send(h, n, slot, step, now)


@inner
def _send(h, n, place, step, now):  # type: ignore[no-untyped-def]
    """Tells somebody to go somewhere."""
    told, right = NOTHING, False
    for e in range(ERRANDS):
        if waits(e, h, TELL, now) and not right:
            right = now.book[e, FIRST] == place and _ADDRESSEES[now.book[e, SECOND]] == n
            told = e
    if told >= 0:
        judge(told, right, now)
        if right:
            now.folk[n, SENT], now.folk[n, SENT_UNTIL] = place, step + SENT_FOR


@inner
def _hand_over(h, n, now):  # type: ignore[no-untyped-def]
    """Gives somebody a parcel, for good if it is the right one."""
    given, right = NOTHING, False
    for e in range(ERRANDS):
        if waits(e, h, DELIVER, now) and not right:
            mine = _ADDRESSEES[now.book[e, SECOND]] == n
            right = mine and now.book[e, RIGHT] == now.hand[h, 1]
            given = e
    if given >= 0:
        judge(given, right, now)
        if right:
            now.hand[h] = NOTHING


@inner
def lead(now):  # type: ignore[no-untyped-def]
    """The child is caught, and is where it has to be."""
    helpers = now.hand.shape[0]
    child = helpers + CHILD
    for h in range(helpers):
        e = of_task(h, FIND, NOTHING, now)
        if e < 0:
            continue
        gap = away(
            now.position[h, 0], now.position[h, 1], now.position[child, 0], now.position[child, 1]
        )
        here = now.where[h] == now.where[child]
        if now.folk[CHILD, FOLLOWS] < 0 and here and gap < CATCHES:
            now.folk[CHILD, FOLLOWS] = h
        target = now.book[e, SECOND]
        led = now.folk[CHILD, FOLLOWS] == h and here and gap < TOGETHER
        if led and now.where[h] == target:
            close(e, DONE, now)
