"""Moves a scripted evader: it scores 16 directions and takes the best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_scenarios.game.obstacles import near, run

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState

DIRECTIONS: Final = 16
SKIN: Final = 0.05
"""How far evaders keep their skin from obstacles, metres."""

SWERVE_STEPS: Final = 15
"""After how many steps a swerve goes to the other side."""

_LOOK: Final = 2.0
_BEHIND: Final = 0.25
_HASTE: Final = 1.5


class Style(NamedTuple):
    """An evader's preferences: weights of a direction's merits, each about 0 to 1.

    Attributes:
        away: straight away from the nearest chaser, -1 to 1.
        room: how far it is free, up to 2 metres.
        rim: how close it leads to the arena's rim.
        swerve: radians by which "away" is bent to one side and then to the other.
    """

    away: float
    room: float
    rim: float = 0.0
    swerve: float = 0.0


def escape(
    state: WorldState, who: BoolArray, chasers: BoolArray, style: Style, things: FloatArray
) -> FloatArray:
    """The direction in which each evader flees.

    Args:
        state: the worlds.
        who: (worlds, avatars), the evaders that flee.
        chasers: (avatars,).
        style: what they care for.
        things: as `obstacles.gather` has them.

    Returns:
        (worlds, avatars, 2) unit vectors, zero for others.
    """
    out: FloatArray = np.zeros((*who.shape, 2))
    _escape(
        state.avatars.position, state.bodies.radius, who, chasers, tuple(map(float, style)),
        state.bounds, state.step, things, out,
    )  # fmt: skip
    return out


def shelter(
    state: WorldState, who: BoolArray, chasers: BoolArray, things: FloatArray
) -> FloatArray:
    """The best place behind an obstacle, seen from the nearest chaser; other arguments as above.

    Returns:
        (worlds, avatars, 2), NaN for others and where there is nothing to hide behind.
    """
    out: FloatArray = np.full((*who.shape, 2), np.nan)
    _shelter(state.avatars.position, state.bodies.radius, who, chasers, state.bounds, things, out)
    return out


@kernel
def _shelter(position, radius, who, chasers, bounds, things, out):  # type: ignore[no-untyped-def]
    worlds, avatars = who.shape
    for w in range(worlds):
        for a in range(avatars):
            if not who[w, a]:
                continue
            x, y = position[w, a, 0], position[w, a, 1]
            cx, cy = _nearest_chaser(x, y, chasers, position[w])
            best, keep = -math.inf, radius[a] + _BEHIND
            for k in range(things.shape[1]):
                tx, ty, cos, sin, wide, deep, r = things[w, k]
                dx, dy = tx - cx, ty - cy
                away = math.sqrt(dx * dx + dy * dy)
                if r < 0.0 or away < 1e-6:
                    continue
                # Where the line from the chaser through the middle of the thing comes out of it.
                dx, dy = dx / away, dy / away
                u, v = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
                out_of_it = min(wide / max(u, 1e-6), deep / max(v, 1e-6)) + r + keep
                px, py = tx + out_of_it * dx, ty + out_of_it * dy
                if not (
                    bounds[w, 0] + keep < px < bounds[w, 2] - keep
                    and bounds[w, 1] + keep < py < bounds[w, 3] - keep
                ):
                    continue
                mine = math.sqrt((px - x) ** 2 + (py - y) ** 2)
                theirs = away + out_of_it
                if theirs - _HASTE * mine > best:
                    best, out[w, a, 0], out[w, a, 1] = theirs - _HASTE * mine, px, py


@kernel
def _escape(  # type: ignore[no-untyped-def]
    position, radius, who, chasers, style, bounds, step, things, out
):
    worlds, avatars = who.shape
    close, ways = np.empty(things.shape[1:]), np.empty((DIRECTIONS, 2))
    for k in range(DIRECTIONS):
        angle = 2.0 * math.pi * k / DIRECTIONS
        ways[k, 0], ways[k, 1] = pmath.cos(angle), pmath.sin(angle)
    for w in range(worlds):
        for a in range(avatars):
            if not who[w, a]:
                continue
            x, y = position[w, a, 0], position[w, a, 1]
            count = near(x, y, _LOOK + radius[a] + 0.2, things[w], close)
            cx, cy = _nearest_chaser(x, y, chasers, position[w])
            side = 1.0 if (step[w] // SWERVE_STEPS + a) % 2 == 0 else -1.0
            away = pmath.atan2(y - cy, x - cx) + side * style[3]
            k = _best_way(x, y, away, radius[a] + SKIN, style, bounds[w], ways, close[:count])
            out[w, a, 0], out[w, a, 1] = ways[k, 0], ways[k, 1]


@inner
def _best_way(x, y, away, reach, style, bounds, ways, things):  # type: ignore[no-untyped-def]
    """The number of the first of the best directions.

    Those that lead away come first: most of the others cannot get any better, however free they
    are, and how free they are need not be known.
    """
    best, found = -math.inf, 0
    middle = math.floor(away / (2.0 * math.pi) * DIRECTIONS + 0.5)
    for turn in range(DIRECTIONS):
        k = int(middle + ((turn + 1) // 2) * (1 if turn % 2 else -1)) % DIRECTIONS
        angle = 2.0 * math.pi * k / DIRECTIONS
        score = style[0] * pmath.cos(angle - away)
        if score + 1.1 * style[1] + style[2] < best:  # `run` may go a little too far.
            continue
        dx, dy = ways[k, 0], ways[k, 1]
        free = run(x, y, dx, dy, reach, _LOOK, things)
        score += style[1] * free / _LOOK
        if free < 0.3:
            score -= 2.0
        if style[2] > 0.0:
            there = min(free, 1.0)
            score += style[2] * _rim(x + there * dx, y + there * dy, bounds)
        if score > best or (score == best and k < found):
            best, found = score, k
    return found


@inner
def _nearest_chaser(x, y, chasers, position):  # type: ignore[no-untyped-def]
    cx, cy, nearest = x, y, math.inf
    for c in range(chasers.shape[0]):
        away = (position[c, 0] - x) ** 2 + (position[c, 1] - y) ** 2
        if chasers[c] and away < nearest:
            cx, cy, nearest = position[c, 0], position[c, 1], away
    return cx, cy


@inner
def _rim(x, y, bounds):  # type: ignore[no-untyped-def]
    """1 within 0.6 metres of the arena's wall, 0 from 1.6 metres inwards."""
    gap = min(min(x - bounds[0], bounds[2] - x), min(y - bounds[1], bounds[3] - y))
    return 1.0 - min(max(gap - 0.6, 0.0), 1.0)
