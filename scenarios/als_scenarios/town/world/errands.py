"""Errands, for all worlds at once: asked for, understood, done, missed, withdrawn.

Avatars 0 to helpers - 1 are helpers; inhabitant n is avatar helpers + n. An act counts for an
errand only if the helper who does it has understood the request.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner
from als_engine.world.arrays import NOTHING, FloatArray, IntArray
from als_engine.world.state import Quantity, WorldState
from als_scenarios.town.world.block import BOARD_AT, OUTSIDE
from als_scenarios.town.world.day import in_hours
from als_scenarios.town.world.items import MUSEUM
from als_scenarios.town.world.life import COLUMNS
from als_scenarios.town.world.requests import ERRANDS
from als_scenarios.town.world.ways import away

PENDING, OPEN, DONE, MISSED, WITHDRAWN = range(5)
"""What becomes of an errand."""

HEARS: Final = 2.3
"""How near a helper understands who asks, metres, in the same place."""

READS: Final = 1.5
"""How near one reads the board, and the chart from beside the bed, metres."""

LISTENS: Final = 6
"""Steps that it takes to understand a request."""

SPEAKS_TO: Final = 1.7
"""How near somebody is spoken to, metres, in the same place."""

MOST_MISTAKES: Final = 2
"""With so many an errand is spoilt."""


(
    TASK, FIRST, SECOND, GIVER, ASKS_AT, WITHDRAWN_AFTER, OPENS, RIGHT, RIGHT_2, WORDING,
    STATUS, STAGE, OPENED_AT, MISTAKES, TURNED, HEARD, HEARD_2,
) = range(17)  # fmt: skip
"""Columns of `book`, a row for each errand: the first ten are its plan, see `requests.draw`; then
what has become of it (PENDING and so on), how far "build" has come and whether the chart was read,
the step of the request, how many mistakes were made, what has become of it in this step or 0, and
the steps for which each helper has listened."""

FOLLOWS, SENT, SENT_UNTIL, CALLS, SICK = range(5)
"""Columns of `folk`, a row for each inhabitant: the helper that it follows, the place that it was
sent to, or NOTHING, until which step; whether it wants something that no helper has understood yet,
and whether it looks ill."""

BOARD_CALLS, LESSON, SHUT, LAID, MISTAKES_NOW = range(5)
"""What `flags` holds: whether there is something new on the board, whether a lesson is on, the
museum shut, the table laid; and how many mistakes were made in this step."""


class Now(NamedTuple):
    """One world at one moment, for kernels.

    Attributes:
        book: (5, 17) the errands. folk: (inhabitants, 5). flags: (5,).
        hand: (helpers, 2) the task that what one holds is of, and the post it is from; or NOTHING.
        where: (avatars,) the place that each is in.
        body: (inhabitants, 8) what is inside people, see `life`.
        position: (avatars, 3).
        places: (5, 7) where they are, see `ways`. stand: (21, 2) where one stands before each post,
            and beside the bed.
    """

    book: IntArray
    folk: IntArray
    flags: IntArray
    hand: IntArray
    where: IntArray
    body: FloatArray
    position: FloatArray
    places: FloatArray
    stand: FloatArray


def quantities(helpers: int, inhabitants: int) -> dict[str, Quantity]:
    """Declares them."""
    folk = np.zeros((inhabitants, 5), np.int32)
    folk[:, [FOLLOWS, SENT]] = NOTHING
    return {
        "book": Quantity((ERRANDS, HEARD_2 + 1), np.int32),
        "folk": Quantity((inhabitants, 5), np.int32, folk),
        "flags": Quantity((5,), np.int32),
        "hand": Quantity((helpers, 2), np.int32, NOTHING),
        "where": Quantity((helpers + inhabitants,), np.int32),
        "body": Quantity((inhabitants, COLUMNS)),
    }


def moment(state: WorldState) -> tuple[NDArray[Any], ...]:
    """All worlds' arrays, in the order of `Now`, as a plain tuple for kernels."""
    own = (state[name] for name in ("book", "folk", "flags", "hand", "where", "body"))
    return (*own, state.avatars.position, state["places"], state["stand"])


@inner
def of_world(w, tables):  # type: ignore[no-untyped-def]
    """A world's part of these arrays."""
    return Now(
        tables[0][w], tables[1][w], tables[2][w], tables[3][w], tables[4][w], tables[5][w],
        tables[6][w], tables[7][w], tables[8][w],
    )  # fmt: skip


@inner
def knows(h, e, now):  # type: ignore[no-untyped-def]
    """Whether a helper has understood a request."""
    return now.book[e, HEARD + h] >= LISTENS


@inner
def is_known(e, now):  # type: ignore[no-untyped-def]
    """Whether any helper has."""
    some = False
    for h in range(now.hand.shape[0]):
        some = some or knows(h, e, now)
    return some


@inner
def close(e, status, now):  # type: ignore[no-untyped-def]
    """An errand is over; `turn.settle` does what follows from that."""
    now.book[e, STATUS] = now.book[e, TURNED] = status


@inner
def blunder(e, now):  # type: ignore[no-untyped-def]
    """A mistake was made in an errand, which may be spoilt by it."""
    now.flags[MISTAKES_NOW] += 1
    now.book[e, MISTAKES] += 1
    if now.book[e, MISTAKES] >= MOST_MISTAKES:
        close(e, MISSED, now)


@inner
def waits(e, h, task, now):  # type: ignore[no-untyped-def]
    """Whether an errand is of a task, stands, and is known to a helper."""
    return now.book[e, TASK] == task and now.book[e, STATUS] == OPEN and knows(h, e, now)


@inner
def of_task(h, task, post, now):  # type: ignore[no-untyped-def]
    """The errand of a task that stands and a helper knows, or NOTHING.

    That for which a post is the right one comes first, then the first of all.
    """
    best = NOTHING
    for e in range(ERRANDS):
        if waits(e, h, task, now):
            if now.book[e, RIGHT] == post:
                return e
            if best < 0:
                best = e
    return best


@inner
def nearest(h, now):  # type: ignore[no-untyped-def]
    """The inhabitant that a helper speaks to, or NOTHING."""
    helpers, best, least = now.hand.shape[0], NOTHING, SPEAKS_TO
    for n in range(now.folk.shape[0]):
        if now.where[helpers + n] == now.where[h]:
            other = now.position[helpers + n]
            gap = away(now.position[h, 0], now.position[h, 1], other[0], other[1])
            if gap < least:
                best, least = n, gap
    return best


@inner
def hears(e, h, now):  # type: ignore[no-untyped-def]
    """Whether a helper is where a request can be understood."""
    n, helpers, place = now.book[e, GIVER], now.hand.shape[0], now.where[h]
    x, y = now.position[h, 0], now.position[h, 1]
    if n < 0:
        return place == OUTSIDE and away(x, y, BOARD_AT[0], BOARD_AT[1]) < READS
    giver = helpers + n
    near = away(x, y, now.position[giver, 0], now.position[giver, 1]) < HEARS
    return near and now.where[giver] == place


@inner
def is_open(place, step, now):  # type: ignore[no-untyped-def]
    """Whether a place can be made use of now."""
    return in_hours(place, step) and not (place == MUSEUM and now.flags[SHUT])
