"""How inhabitants move about: by the hour, by what they need, and each in its own manner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, steer
from als_engine.system.compiling import inner, kernel
from als_engine.task import Split
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState
from als_scenarios.town.world.block import SPOTS
from als_scenarios.town.world.day import RHYTHM, part_of
from als_scenarios.town.world.errands import (
    FIRST,
    FOLLOWS,
    OPEN,
    SENT,
    SICK,
    STATUS,
    TASK,
    moment,
    of_world,
)
from als_scenarios.town.world.items import CHILD, FIND, WARD
from als_scenarios.town.world.life import CALM, TIRED
from als_scenarios.town.world.requests import ERRANDS
from als_scenarios.town.world.ways import DOOR_X, SIDE, X_HIGH, X_LOW, Y_HIGH, Y_LOW, away

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

_EVERYWHERE: Final[tuple[Split, ...]] = ("train", "validation", "test")

_GAP: Final = 1.0
"""How far behind a helper one walks, metres."""

_ARRIVED: Final = 0.25
_SEES: Final = 2.6
"""How near a helper is when the child runs away, metres."""

_STROLL: Final = 110
"""Steps for which one stays at a spot who strolls."""

TIRES, CALMS = 0.35, 0.55
"""The part of its speed that somebody tired to death loses, and the child when it is calm."""

_PACE, _RUNS = 0.8, 0.85
_CORNER: Final = 0.5
_WAY, _BACK = 0.62, 0.7
"""Who has a helper nearer than this steps back, metres, and how fast."""

_ROUND: Final = 240
_APART: Final = 12
"""Steps from one who sets out in a new part of the day to the next, so that doors are not full."""


class Manner(NamedTuple):
    """A way to spend the day.

    Attributes:
        pace: as a part of full speed.
        late: steps after which one sets out when the part of the day changes.
        strolls: 1 for who changes its spot in a place now and then.
        roams: steps of each 240 that one spends in the street.
        splits: where it is met.
    """

    pace: float = _PACE
    late: float = 0.0
    strolls: float = 0.0
    roams: float = 0.0
    splits: tuple[Split, ...] = _EVERYWHERE


MANNERS: Final[Mapping[str, Manner]] = {
    "keeps_hours": Manner(),
    "strolls": Manner(strolls=1.0),
    "hurries": Manner(pace=1.0),
    "dawdles": Manner(pace=0.5, late=30.0, splits=("validation",)),
    "roams": Manner(roams=80.0, splits=("test",)),
}
"""Manners by name."""


def live_on(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, manner: Manner
) -> None:
    """Drives inhabitants of one manner; helpers are left alone."""
    shape, helpers = who.shape, state["hand"].shape[1]
    lives = who.copy()
    lives[:, :helpers] = False
    goals: FloatArray = np.full((*shape, 2), np.nan)
    facing: FloatArray = np.zeros((*shape, 2))
    speed: FloatArray = np.zeros(shape)
    walks: BoolArray = np.zeros(shape, np.bool_)
    _decide(
        lives, state.step, moment(state), state["spot"], RHYTHM, manner[:4],
        (goals, facing, speed, walks),
    )  # fmt: skip
    facing += navigator.direction(goals, walks)
    steer(state, facing, commands, lives, speed, 0.1)
    _make_way(lives, moment(state), state.avatars.heading, commands.move)


@kernel
def _decide(who, step, tables, spots, rhythm, manner, out):  # type: ignore[no-untyped-def]
    goals, facing, speed, walks = out
    for w in range(who.shape[0]):
        now = of_world(w, tables)
        hidden = _hiding_place(now)
        for n in range(now.folk.shape[0]):
            a = now.hand.shape[0] + n
            if not who[w, a]:
                continue
            x, y = now.position[a, 0], now.position[a, 1]
            if now.folk[n, FOLLOWS] >= 0:
                tx, ty, pace, gap = _follow(n, a, now)
            else:
                place = _wants(n, step[w] - _APART * n - int(manner[1]), rhythm, now)
                if n == CHILD and hidden >= 0:
                    place = hidden
                k = n
                if manner[2] > 0.0 and now.folk[n, SICK] == 0:
                    k = (n + step[w] // _STROLL) % SPOTS
                tx, ty, gap = spots[w, place, k, 0], spots[w, place, k, 1], _ARRIVED
                pace = manner[0] * (1.0 - TIRES * now.body[n, TIRED])
                if n == CHILD and hidden >= 0:
                    if now.where[a] == hidden:
                        tx, ty = _flee(a, tx, ty, now)
                        pace = _RUNS * (1.0 - CALMS * now.body[n, CALM])
                elif now.folk[n, SICK] == 0 and (step[w] + 53 * n) % _ROUND < manner[3]:
                    tx, ty = now.places[place, DOOR_X], -0.5 * now.places[place, SIDE]
            if away(x, y, tx, ty) > gap:
                goals[w, a, 0], goals[w, a, 1], walks[w, a], speed[w, a] = tx, ty, True, pace
            else:
                _look_at_helper(a, facing[w, a], now)


@kernel
def _make_way(who, tables, heading, move):  # type: ignore[no-untyped-def]
    """Who has a helper close by steps back without turning round, also out of a door."""
    for w in range(who.shape[0]):
        now = of_world(w, tables)
        for n in range(now.folk.shape[0]):
            a = now.hand.shape[0] + n
            if not who[w, a]:
                continue
            for h in range(now.hand.shape[0]):
                dx = now.position[a, 0] - now.position[h, 0]
                dy = now.position[a, 1] - now.position[h, 1]
                gap = away(0.0, 0.0, dx, dy)
                if 1e-6 < gap < _WAY:
                    dx, dy = _BACK * dx / gap, _BACK * dy / gap
                    cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
                    move[w, a, 0], move[w, a, 1] = cos * dx + sin * dy, cos * dy - sin * dx


@inner
def _follow(n, a, now):  # type: ignore[no-untyped-def]
    """Where, how fast and how far behind one follows a helper."""
    leader = now.folk[n, FOLLOWS]
    gap = _GAP if now.where[a] == now.where[leader] else _WAY
    return now.position[leader, 0], now.position[leader, 1], 1.0, gap


@inner
def _hiding_place(now):  # type: ignore[no-untyped-def]
    """Where the child hides, or -1: from the request on until it is found."""
    for e in range(ERRANDS):
        if now.book[e, TASK] == FIND and now.book[e, STATUS] == OPEN:
            return now.book[e, FIRST]
    return -1


@inner
def _wants(n, step, rhythm, now):  # type: ignore[no-untyped-def]
    """The place that somebody goes to."""
    if now.folk[n, SICK]:
        return WARD
    if now.folk[n, SENT] >= 0:
        return now.folk[n, SENT]
    return rhythm[n, part_of(max(0, step))]


@inner
def _flee(a, tx, ty, now):  # type: ignore[no-untyped-def]
    """The corner of its place that is farthest from the nearest helper, if one is near."""
    x, y = now.position[a, 0], now.position[a, 1]
    place, near, by = now.where[a], _SEES, -1
    for h in range(now.hand.shape[0]):
        gap = away(x, y, now.position[h, 0], now.position[h, 1])
        if gap < near and now.where[h] == place:
            near, by = gap, h
    if by < 0:
        return tx, ty
    floor, most = now.places[place], -np.inf
    for k in range(4):
        u = floor[X_LOW] + _CORNER if k % 2 == 0 else floor[X_HIGH] - _CORNER
        v = floor[Y_LOW] + _CORNER if k < 2 else floor[Y_HIGH] - _CORNER
        gain = away(u, v, now.position[by, 0], now.position[by, 1]) - 0.5 * away(u, v, x, y)
        if gain > most:
            most, tx, ty = gain, u, v
    return tx, ty


@inner
def _look_at_helper(a, facing, now):  # type: ignore[no-untyped-def]
    """Turns somebody to the nearest helper."""
    x, y = now.position[a, 0], now.position[a, 1]
    best, least = 0, np.inf
    for h in range(now.hand.shape[0]):
        gap = away(x, y, now.position[h, 0], now.position[h, 1])
        if gap < least:
            best, least = h, gap
    if least > 1e-6:
        facing[0] = (now.position[best, 0] - x) / least
        facing[1] = (now.position[best, 1] - y) / least
