"""How visitors behave: they follow, linger, stray, look, speak up and leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, steer
from als_engine.system.compiling import inner, kernel
from als_engine.task import Split
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState
from als_scenarios.tourism.tour.visit import HEARING, VIEW, Party, Show
from als_scenarios.tourism.tour.ways import Museum, away, room_at

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

_EVERYWHERE: Final[tuple[Split, ...]] = ("train", "validation", "test")
_CLOSE: Final = 1.45
"""How far before an exhibit visitors stand, metres."""

_APART: Final = 0.42
"""Radians between two who stand side by side around it."""

_ARRIVED: Final = 0.3
_WAY: Final = 1.0
"""Who stands nearer to the guide than this between shows steps back, metres."""

_BACK: Final = 0.7
_BORED: Final = -0.2
"""Who has rated what is on show lower than this turns its back on it."""


class Manner(NamedTuple):
    """A way to take part in a tour.

    Attributes:
        linger: steps that one stays at what one liked.
        stray: the chance in a step, between shows, to go to another exhibit of the room.
        errand: for how many steps.
        drift: 1 for who goes to what it likes best itself, 0 for any.
        gap: how far behind the guide one walks, metres.
        speed: as a part of full speed.
        splits: where it is met.
    """

    linger: float = 0.0
    stray: float = 0.0
    errand: float = 0.0
    drift: float = 0.0
    gap: float = 1.15
    speed: float = 0.85
    splits: tuple[Split, ...] = _EVERYWHERE


MANNERS: Final[Mapping[str, Manner]] = {
    "follows": Manner(),
    "lingers": Manner(linger=40),
    "strays": Manner(stray=0.012, errand=45),
    "trails": Manner(gap=2.3, speed=0.6, splits=("validation",)),
    "drifts": Manner(stray=0.03, errand=60, drift=1.0, splits=("test",)),
}
"""What visitors do, by name; the first four columns are what `visit.advance` reads."""

TABLE: Final[FloatArray] = np.array([manner[:4] for manner in MANNERS.values()])


def follow(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, manner: Manner
) -> None:
    """Drives visitors of one manner; whoever is no visitor is left alone."""
    avatars, shape = state.avatars, (state.num_worlds, state.num_avatars)
    goals: FloatArray = np.full((*shape, 2), np.nan)
    facing: FloatArray = np.zeros((*shape, 2))
    speed: FloatArray = np.zeros(shape)
    walks: BoolArray = np.zeros(shape, np.bool_)
    tables = Museum.of(state), Party.of(state), Show.of(state)
    limits = manner.gap, manner.speed
    _decide(who, avatars.position, tables, limits, (goals, facing, speed, walks), commands.say)
    facing += navigator.direction(goals, walks)
    steer(state, facing, commands, who, speed, 0.3)
    _make_way(who, avatars.position, avatars.heading, speed, tables[2], commands.move)


@kernel
def _decide(who, position, tables, limits, out, say):  # type: ignore[no-untyped-def]
    museum, party, show = Museum(*tables[0]), Party(*tables[1]), Show(*tables[2])
    for w in range(who.shape[0]):
        for a in range(1, who.shape[1]):
            if who[w, a]:
                if party.voice[w, a - 1] >= 0:
                    say[w, a] = party.voice[w, a - 1]
                _go(w, a, position[w], museum, party, show, limits, out)


@kernel
def _make_way(who, position, heading, speed, show, move):  # type: ignore[no-untyped-def]
    """Who stands in the guide's way between shows steps back, without turning round."""
    show = Show(*show)
    for w in range(who.shape[0]):
        for a in range(1, who.shape[1]):
            if not who[w, a] or speed[w, a] > 0.0 or show.on_show[w] >= 0:
                continue
            dx, dy = position[w, a, 0] - position[w, 0, 0], position[w, a, 1] - position[w, 0, 1]
            length = max(1e-6, pmath.hypot(dx, dy))
            if length < _WAY:
                dx, dy = _BACK * dx / length, _BACK * dy / length
                cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
                move[w, a, 0], move[w, a, 1] = cos * dx + sin * dy, cos * dy - sin * dx


@inner
def _go(w, a, position, museum, party, show, limits, out):  # type: ignore[no-untyped-def]
    """Where a visitor goes, or what it turns to."""
    gap, pace = limits
    v, x, y = a - 1, position[a, 0], position[a, 1]
    guide_x, guide_y = position[0, 0], position[0, 1]
    e = show.on_show[w]
    near = away(x, y, guide_x, guide_y)
    if party.leaving[w, v] > 0:
        _walk(w, a, museum.exit[w, 0], museum.exit[w, 1], pace, out)
        return
    if party.errand[w, v] >= 0:
        e = party.errand[w, v]
    elif e >= 0 and near > HEARING:
        e = NOTHING
    if e < 0:
        room = room_at(x, y, museum.rooms[w])
        together = room == room_at(guide_x, guide_y, museum.rooms[w])
        if near > gap or not together:
            _walk(w, a, guide_x, guide_y, pace, out)
        else:
            _face(w, a, x, y, guide_x, guide_y, out)
        return
    goal_x, goal_y = _place(w, e, v, party.errand.shape[1], museum)
    there = away(x, y, goal_x, goal_y) < _ARRIVED
    place_x, place_y = museum.place[w, e, 0], museum.place[w, e, 1]
    # Others may stand there already: whoever sees the exhibit and gets no nearer stays.
    if there or (party.watched[w, v] > 4 and away(x, y, place_x, place_y) < VIEW - 0.2):
        if show.rated[w, v, e] and show.rating[w, v, e] < _BORED:
            place_x, place_y = 2.0 * x - place_x, 2.0 * y - place_y
        _face(w, a, x, y, place_x, place_y, out)
    else:
        _walk(w, a, goal_x, goal_y, pace, out)


@inner
def _walk(w, a, x, y, pace, out):  # type: ignore[no-untyped-def]
    goals, _, speed, walks = out
    goals[w, a, 0], goals[w, a, 1], speed[w, a], walks[w, a] = x, y, pace, True


@inner
def _face(w, a, x, y, tx, ty, out):  # type: ignore[no-untyped-def]
    facing = out[1]
    length = max(1e-6, away(x, y, tx, ty))
    facing[w, a, 0], facing[w, a, 1] = (tx - x) / length, (ty - y) / length


@inner
def _place(w, e, v, visitors, museum):  # type: ignore[no-untyped-def]
    """Where a visitor stands before an exhibit: in an arc with the others."""
    turn = (v - 0.5 * (visitors - 1)) * _APART
    cos, sin = pmath.cos(turn), pmath.sin(turn)
    u, v_ = museum.out[w, e, 0], museum.out[w, e, 1]
    x = museum.place[w, e, 0] + _CLOSE * (cos * u - sin * v_)
    y = museum.place[w, e, 1] + _CLOSE * (sin * u + cos * v_)
    room = museum.rooms[w, museum.room_of[w, e]]
    x = min(max(x, room[0] + 0.4), room[2] - 0.4)
    y = min(max(y, room[1] + 0.4), room[3] - 0.4)
    return x, y
