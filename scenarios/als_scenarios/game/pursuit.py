"""Who chases whom in tag, and how near: distances between avatars seen from above, metres."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

LEAD: Final = 0.8
"""How far ahead an intercepting chaser predicts at most, seconds."""

FLANK: Final = 1.3
"""How far beside an evader a pack and a flanking chaser aim before they close in, metres."""

TACTICS: Final = ("direct", "pack", "intercept", "flank")
"""How a chaser aims at the nearest free evader: at where it is, from all sides together with the
other chasers, at where it will be, and from one side."""

_PACK, _INTERCEPT, _FLANK = (TACTICS.index(name) for name in ("pack", "intercept", "flank"))


def hunt(
    state: WorldState, who: BoolArray, chasers: BoolArray, tactic: str, pace: float
) -> tuple[BoolArray, FloatArray] | None:
    """Where chasers run to.

    Args:
        state: the worlds; `free` says who can be caught.
        who: (worlds, avatars), of whom those run who are chasers and have somebody to catch.
        chasers: (avatars,).
        tactic: one of `TACTICS`.
        pace: at which part of their top speed they run.

    Returns:
        Who runs, (worlds, avatars), and to where, (worlds, avatars, 2), 0 for others; None where
        nobody does.
    """
    hunting: BoolArray = np.zeros(who.shape, np.bool_)
    goals: FloatArray = np.zeros((*who.shape, 2))
    avatars = state.avatars
    some = _hunt(
        TACTICS.index(tactic), pace * state.bodies.speed, who, chasers, state["free"],
        avatars.position, avatars.velocity, hunting, goals,
    )  # fmt: skip
    return (hunting, goals) if some else None


class Alarm(NamedTuple):
    """Who of some evaders minds a chaser, each (worlds, avatars).

    Attributes:
        gaps: metres to the nearest chaser, of everybody.
        calm: those from whom every chaser is far enough. alarmed: the others.
        some_calm: whether there are any. some_alarmed: likewise.
    """

    gaps: FloatArray
    calm: BoolArray
    alarmed: BoolArray
    some_calm: bool
    some_alarmed: bool


def alarm(state: WorldState, who: BoolArray, chasers: BoolArray, within: float) -> Alarm:
    """Looks whether a chaser is less than `within` metres from the free evaders among `who`."""
    gaps: FloatArray = np.empty(who.shape)
    calm: BoolArray = np.empty(who.shape, np.bool_)
    alarmed: BoolArray = np.empty(who.shape, np.bool_)
    some = _alarm(state.avatars.position, who, chasers, state["free"], within, gaps, calm, alarmed)
    return Alarm(gaps, calm, alarmed, *some)


@kernel
def _hunt(tactic, top, who, chasers, free, position, velocity, hunting, goals):  # type: ignore[no-untyped-def]
    some, count = False, 0.0
    for a in range(chasers.size):
        count += chasers[a]
    for w in range(who.shape[0]):
        number = 0.0
        for a in range(chasers.size):
            number += chasers[a]
            if not (who[w, a] and chasers[a]):
                continue
            prey, gap = nearest(w, a, free, position)
            if gap == math.inf:
                continue
            x, y = position[w, prey, 0], position[w, prey, 1]
            reach = FLANK if gap > FLANK else 0.0
            if tactic == _INTERCEPT:
                time = min(gap / top[a], LEAD)
                x, y = x + time * velocity[w, prey, 0], y + time * velocity[w, prey, 1]
            elif tactic == _PACK and count > 1.0:
                angle = 2.0 * math.pi * number / count
                x, y = x + reach * pmath.cos(angle), y + reach * pmath.sin(angle)
            elif tactic == _FLANK:
                ahead_x, ahead_y = x - position[w, a, 0], y - position[w, a, 1]
                beside = max(gap, 1e-9)
                x, y = x + reach * (-ahead_y / beside), y + reach * (ahead_x / beside)
            hunting[w, a], goals[w, a, 0], goals[w, a, 1] = True, x, y
            some = True
    return some


@inner
def nearest(w, a, those, position):  # type: ignore[no-untyped-def]
    """The nearest of those, (worlds, avatars), to an avatar, and how far; infinite without any."""
    nearest, gap = 0, math.inf
    for b in range(those.shape[1]):
        dx, dy = position[w, b, 0] - position[w, a, 0], position[w, b, 1] - position[w, a, 1]
        away = pmath.hypot(dx, dy)
        if those[w, b] and away < gap:
            nearest, gap = b, away
    return nearest, gap


@kernel
def _alarm(position, who, chasers, free, within, gaps, calm, alarmed):  # type: ignore[no-untyped-def]
    some_calm = some_alarmed = False
    for w in range(who.shape[0]):
        for a in range(who.shape[1]):
            gap = math.inf
            for c in range(chasers.size):
                if chasers[c]:
                    dx = position[w, a, 0] - position[w, c, 0]
                    dy = position[w, a, 1] - position[w, c, 1]
                    gap = min(gap, pmath.hypot(dx, dy))
            asked = who[w, a] and free[w, a]
            gaps[w, a], alarmed[w, a] = gap, asked and gap < within
            calm[w, a] = asked and not alarmed[w, a]
            some_calm |= calm[w, a]
            some_alarmed |= alarmed[w, a]
    return some_calm, some_alarmed


@kernel
def arrived(goal, position, step, within, every, out):  # type: ignore[no-untyped-def]
    """Writes who needs a new goal into `out`, (worlds, avatars); returns whether anybody does.

    Who is less than `within` metres from the old one, and `every` so many steps everybody.
    """
    some = False
    for w in range(out.shape[0]):
        due = step[w] % every == 0
        for a in range(out.shape[1]):
            dx, dy = goal[w, a, 0] - position[w, a, 0], goal[w, a, 1] - position[w, a, 1]
            out[w, a] = due or pmath.hypot(dx, dy) < within
            some |= out[w, a]
    return some


@kernel
def stirred(velocity, step, out):  # type: ignore[no-untyped-def]
    """Writes the worlds whose crates are to be looked at into `out`; returns whether there are any.

    Where something moves that is every 5 steps, elsewhere every 30.
    """
    some = False
    for w in range(out.size):
        out[w] = step[w] % 30 == 0
        if step[w] % 5 == 0 and not out[w]:
            for i in range(velocity.shape[1]):
                for k in range(velocity.shape[2]):
                    out[w] |= velocity[w, i, k] != 0.0
        some |= out[w]
    return some


@kernel
def lengthen(directions):  # type: ignore[no-untyped-def]
    """Makes directions, (worlds, avatars, 2), of length 1, but those of none."""
    for w in range(directions.shape[0]):
        for a in range(directions.shape[1]):
            x, y = directions[w, a, 0], directions[w, a, 1]
            length = max(pmath.hypot(x, y), 1e-9)
            directions[w, a, 0], directions[w, a, 1] = x / length, y / length
