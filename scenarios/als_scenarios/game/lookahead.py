"""Moves the expert evader: it simulates short futures of its own body and takes the safest.

A future is one move for a few steps and then another one. The moves are those of discrete actions,
so that both action modes can do what was imagined; the body accelerates, turns and bumps as it does
in the simulation, and the chasers run to where it is or will be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import MotionRows
from als_scenarios.game.obstacles import free_step, near

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState

HORIZON: Final = 36
"""Steps of a future."""

MOVES: Final[NDArray[np.float64]] = np.array(
    [(1, 0, 0), (0, 1, 0), (0, -1, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1), (0, 0, 0)], np.float64
)
"""Forward, left and turn (counter-clockwise) of each move."""

LAST: Final = 4
"""How many of them, the first ones, a future can end with."""

SWITCHES: Final[NDArray[np.int64]] = np.array([2, 5, 9, 14], np.int64)
"""After how many steps a future goes over from its first move to its second."""

_SIDEWAYS: Final = 0.7
_SEEN: Final = 5.0
_LEAD: Final = 0.9
_FAR: Final = 3.0


def flee(
    state: WorldState,
    who: BoolArray,
    chasers: BoolArray,
    pace: float,
    things: FloatArray,
    commands: Commands,
) -> None:
    """Commands evaders to do the first step of the future in which they are safest.

    Args:
        state: the worlds.
        who: (worlds, avatars), the evaders to command.
        chasers: (avatars,).
        pace: how fast chasers are taken to run, as a part of their top speed.
        things: as `obstacles.gather` has them.
        commands: `move` and `turn` are written.
    """
    walkers = state.avatars.motion(state.bodies)
    _flee(
        walkers, state.time_step, who, chasers, pace, state.bounds, things,
        commands.move, commands.turn,
    )  # fmt: skip


@kernel
def _flee(runners, dt, who, chasers, pace, bounds, things, move, turn):  # type: ignore[no-untyped-def]
    runners = MotionRows(*runners)
    position, speed = runners.position, runners.speed
    worlds, avatars = who.shape
    hunters, close = np.empty((2 * avatars, 4)), np.empty(things.shape[1:])
    start, limits = np.empty(6), np.empty(5)
    for w in range(worlds):
        for a in range(avatars):
            if not who[w, a]:
                continue
            start[:2], start[2:4] = position[w, a, :2], runners.velocity[w, a, :2]
            start[4], start[5] = runners.heading[w, a], runners.turn_rate[w, a]
            limits[0], limits[1] = runners.radius[a], speed[a]
            limits[2], limits[3] = runners.acceleration[a] * dt, runners.turn_speed[a]
            limits[4] = runners.turn_acceleration[a] * dt
            count = near(start[0], start[1], _SEEN, things[w], close)
            best, first = -math.inf, 0
            for one in range(MOVES.shape[0]):
                for two in range(LAST):
                    for s in range(SWITCHES.shape[0]):
                        if one == two and s > 0:
                            continue
                        hunting = _note(chasers, position[w], pace * dt, speed, hunters)
                        merit = _safety(
                            start, limits, dt, MOVES[one], MOVES[two], SWITCHES[s],
                            hunters[:hunting], close[:count], bounds[w], best,
                        )  # fmt: skip
                        if merit > best:
                            best, first = merit, one
            move[w, a, 0], move[w, a, 1] = MOVES[first, 0], MOVES[first, 1]
            turn[w, a] = MOVES[first, 2]


@inner
def _note(chasers, position, part, speed, out):  # type: ignore[no-untyped-def]
    """Each chaser twice (x, y, metres per step, lead): one runs to where we are, one ahead."""
    count = 0
    for c in range(chasers.shape[0]):
        if chasers[c]:
            for lead in (0.0, _LEAD):
                out[count, 0], out[count, 1] = position[c, 0], position[c, 1]
                out[count, 2], out[count, 3] = part * speed[c], lead
                count += 1
    return count


@inner
def _go(body, limits, dt, move, things):  # type: ignore[no-untyped-def]
    """Advances a body (x, y, velocity, heading, turn rate) by a step, as the engine would."""
    x, y, vx, vy, heading, rate = body
    radius, speed, gain, turn_speed, turn_gain = limits
    forth, left, spin = move
    rate += max(-turn_gain, min(turn_gain, spin * turn_speed - rate))
    heading += rate * dt
    if forth < 0.0:
        forth *= _SIDEWAYS
    left *= _SIDEWAYS
    c, s = pmath.cos(heading), pmath.sin(heading)
    ax, ay = speed * (c * forth - s * left) - vx, speed * (s * forth + c * left) - vy
    need = math.sqrt(ax * ax + ay * ay)
    part = gain / need if need > gain else 1.0
    vx, vy = vx + part * ax, vy + part * ay
    nx, ny = x + vx * dt, y + vy * dt
    if free_step(x, y, nx, ny, radius, things):
        x, y = nx, ny
    elif free_step(x, y, nx, y, radius, things):
        x, vy = nx, 0.0
    elif free_step(x, y, x, ny, radius, things):
        y, vx = ny, 0.0
    else:
        vx = vy = 0.0
    return x, y, vx, vy, heading, rate


@inner
def _safety(  # type: ignore[no-untyped-def]
    start, limits, dt, one, two, switch, hunters, things, bounds, best
):
    """The merit of an evader's future: its closest call, and how open the place is at its end.

    Gives up, with -inf, on a future that cannot get any better than `best`.
    """
    body = (start[0], start[1], start[2], start[3], start[4], start[5])
    radius, closest, mean, least = limits[0], math.inf, 0.0, 0.0
    for t in range(HORIZON):
        least = math.inf
        body = _go(body, limits, dt, one if t < switch else two, things)
        for c in range(hunters.shape[0]):
            dx, dy = body[0] - hunters[c, 0], body[1] - hunters[c, 1]
            away = math.sqrt(dx * dx + dy * dy)
            least = min(least, away)
            # What is far in the future is less certain, and easier to avoid.
            closest = min(closest, away - 2.0 * radius + 0.02 * t)
            lead = min(hunters[c, 3], away * dt / hunters[c, 2])
            dx, dy = dx + lead * body[2], dy + lead * body[3]
            away = math.sqrt(dx * dx + dy * dy)
            part = min(hunters[c, 2], away) / max(away, 1e-6)
            px, py = hunters[c, 0] + part * dx, hunters[c, 1] + part * dy
            if free_step(hunters[c, 0], hunters[c, 1], px, py, 0.9 * radius, things):
                hunters[c, 0], hunters[c, 1] = px, py
        # To be far away soon is worth more than later: otherwise it would put off its escape.
        mean += min(least, _FAR) / HORIZON
        hope = 0.4 * _FAR + 0.6 * (mean + _FAR * (HORIZON - 1 - t) / HORIZON)
        if 2.0 * min(closest, 1.0) + hope <= best:
            return -math.inf
    x, y = body[0], body[1]
    # The middle of the arena leaves many ways open, its rim few, a corner none.
    u = 2.0 * (x - bounds[0]) / (bounds[2] - bounds[0]) - 1.0
    v = 2.0 * (y - bounds[1]) / (bounds[3] - bounds[1]) - 1.0
    crowded = u**4 + v**4 + 2.0 * u * u * v * v
    return 2.0 * min(closest, 1.0) + 0.4 * min(least, _FAR) + 0.6 * mean - 0.6 * crowded
