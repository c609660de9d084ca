"""Commands for who walks: which way to turn and how fast to go, past the others.

Nothing here is random. Lengths are metres, angles radians.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray, MotionRows
from als_engine.world.state import WorldState

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

__all__ = ["approach", "as_goals", "face", "note", "reached", "steer"]

_PASS_WEIGHT: Final = 1.5
_ON_COURSE: Final = 0.22
"""Who turns by no more, and no faster, than this walks on instead of stopping to turn."""

_SIDE_GAP: Final = 0.1
_FORESIGHT: Final = 0.35
"""How far ahead an approaching avatar is seen to come, seconds."""


def reached(state: WorldState, goals: ArrayLike, within: float = 0.3) -> BoolArray:
    """Whether avatars are at most `within` metres from their goals, (worlds, avatars, 2)."""
    away = state.avatars.position[..., :2] - as_goals(state, goals)
    return pmath.hypot(away[..., 0], away[..., 1]) <= within


def steer(
    state: WorldState,
    directions: ArrayLike,
    commands: Commands,
    who: BoolArray,
    speed: ArrayLike = 1.0,
    avoid: ArrayLike = 0.4,
) -> None:
    """Turns avatars towards a direction and moves them along it, past each other.

    The turn is as fast as still allows to stop at the right angle. An avatar faces where it goes,
    but steps aside, to its right, for one that comes straight at it; where there is no room to
    pass, the one of the higher number steps back.

    Args:
        state: the worlds.
        directions: (worlds, avatars, 2) in the world's frame, at most of length 1; zero to stop.
        commands: `move` and `turn` are written.
        who: (worlds, avatars), the avatars that are steered.
        speed: fraction of full speed, for all or (worlds, avatars).
        avoid: how near, skin to skin, another avatar is walked around, metres, for all or
            (worlds, avatars); 0 for one that wants to meet the others.
    """
    shape = commands.turn.shape
    _steer(
        _of_each(directions, (*shape, 2)),
        who,
        _of_each(speed, shape),
        _of_each(avoid, shape),
        state.avatars.motion(state.bodies),
        state.time_step,
        commands.move,
        commands.turn,
    )


def _of_each(value: Any, shape: tuple[int, ...]) -> FloatArray:
    """What is given for all or for each, as an array that kernels read and do not write."""
    if isinstance(value, float):
        return _everywhere(value, shape)
    given: NDArray[Any] = np.asarray(value)
    # An array that shares its memory, or whose rows lie apart, would be compiled for anew.
    if given.shape == shape and given.dtype == np.float64 and given.flags.carray:
        return given
    array: FloatArray = np.empty(shape)
    array[:] = given
    return array


@functools.lru_cache(64)
def _everywhere(value: float, shape: tuple[int, ...]) -> FloatArray:
    return np.full(shape, value)


def face(state: WorldState, points: ArrayLike, commands: Commands, who: BoolArray) -> FloatArray:
    """Lets avatars stand and turn towards points, (worlds, avatars, 2) or (worlds, 2).

    Returns:
        (worlds, avatars): how far they still have to turn, 0 to pi.
    """
    away = as_goals(state, points) - state.avatars.position[..., :2]
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 1e-9)[..., None]
    note(state, points, commands, who)
    steer(state, away / length, commands, who, 0.0, 0.0)
    angle = pmath.atan2(away[..., 1], away[..., 0]) - state.avatars.heading
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def note(state: WorldState, points: ArrayLike, commands: Commands, who: BoolArray) -> None:
    """Notes where avatars walk to or look at: for who steers them otherwise than `walk`, `face`.

    Args:
        state: the worlds.
        points: (worlds, avatars, 2) or (worlds, 2), metres; NaN for nowhere.
        commands: `towards` is written.
        who: (worlds, avatars), whose.
    """
    if commands.towards is not None:
        np.copyto(commands.towards, as_goals(state, points), where=who[..., None])


def approach(
    state: WorldState,
    goals: ArrayLike,
    commands: Commands,
    who: BoolArray,
    speed: ArrayLike = 1.0,
    avoid: ArrayLike = 0.4,
) -> None:
    """Lets avatars walk straight to their goals, more slowly within the last metre.

    For rooms where nothing is in the way; a `Navigator` walks around walls and props.

    Args:
        state: the worlds.
        goals: (worlds, avatars, 2), or (worlds, 2) for all avatars of a world, metres.
        commands: `move` and `turn` are written.
        who: (worlds, avatars), the avatars that walk.
        speed: see `steer`.
        avoid: see `steer`.
    """
    away = as_goals(state, goals) - state.avatars.position[..., :2]
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 1.0)[..., None]
    note(state, goals, commands, who)
    steer(state, away / length, commands, who, speed, avoid)


def as_goals(state: WorldState, goals: ArrayLike) -> FloatArray:
    """Goals for every avatar, (worlds, avatars, 2), of (worlds, 2) those of its world.

    Raises:
        ArgumentError: they have another shape.
    """
    array = np.asarray(goals, np.float64)
    shape = (state.num_worlds, state.num_avatars, 2)
    if array.shape == (state.num_worlds, 2):
        array = array[:, None]
    elif array.shape != shape:
        raise ArgumentError(f"goals have shape {array.shape}, expected {shape} or {shape[::2]}")
    return _of_each(array, shape)


# -- commands -------------------------------------------------------------------------------------


@kernel
def _steer(directions, who, speed, avoid, walkers, dt, move, turn):  # type: ignore[no-untyped-def]
    walkers = MotionRows(*walkers)
    velocity, heading = walkers.velocity, walkers.heading
    worlds, avatars = turn.shape
    for w in range(worlds):
        for a in range(avatars):
            if not who[w, a]:
                continue
            dx, dy = directions[w, a, 0], directions[w, a, 1]
            length = min(1.0, math.sqrt(dx * dx + dy * dy))
            move[w, a, 0] = move[w, a, 1] = turn[w, a] = 0.0
            if length < 1e-9:
                continue
            dx, dy = dx / length, dy / length
            angle = wrap(pmath.atan2(dy, dx) - heading[w, a])
            gain = walkers.turn_acceleration[a] * dt
            turn[w, a] = _turn(angle, walkers.turn_rate[w, a], walkers.turn_speed[a], gain, dt)
            if speed[w, a] <= 0.0:
                continue
            ahead = max(0.0, pmath.cos(angle))
            pace = length * speed[w, a] * ahead * ahead
            # Faster or slower than that by as much as the body is too slow or too fast now: so
            # discrete actions, which know only full speed, stop in time as well.
            now = (dx * velocity[w, a, 0] + dy * velocity[w, a, 1]) / walkers.speed[a]
            pace = min(1.0, max(0.0, 2.0 * pace - now)) if pace > 0.0 else 0.0
            x, y = dx * pace, dy * pace
            if avoid[w, a] > 0.0:
                x, y = _give_way(w, a, (x, y, dx, dy), avoid[w, a], who[w], directions[w], walkers)
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            move[w, a, 0], move[w, a, 1] = cos * x + sin * y, cos * y - sin * x


@inner
def _turn(angle, turn_rate, turn_speed, gain, dt):  # type: ignore[no-untyped-def]
    """The share of full turn speed with which to turn by `angle`; `gain` is what a step can change.

    The fastest rate from which braking by `gain` a step ends at the angle:
    |angle| = dt * rate * (rate + gain) / (2 * gain).
    """
    rate = 0.5 * gain * (math.sqrt(1.0 + 8.0 * abs(angle) / (gain * dt)) - 1.0)
    share = min(1.0, rate / turn_speed)
    if abs(angle) < _ON_COURSE and abs(turn_rate) < _ON_COURSE:
        share = min(share, 0.5)
    # The discrete turn, always at full speed, ends at a quarter: time to brake.
    if share < math.copysign(turn_rate, turn_rate * angle) / turn_speed - 1e-3:
        share = min(share, 0.25)
    return math.copysign(share, angle)


@inner
def _give_way(w, a, wanted, avoid, who, directions, walkers):  # type: ignore[no-untyped-def]
    """Bends a velocity (x, y) along (dx, dy), the four of `wanted`, past the avatars in the way.

    Two who come straight at each other both keep to their right; when they meet all the same,
    the one of the higher number steps back.
    """
    x, y, dx, dy = wanted
    position, velocity, radius = walkers.position[w], walkers.velocity[w], walkers.radius
    bend, back_x, back_y = 0.0, 0.0, 0.0
    for b in range(radius.shape[0]):
        if b == a or not walkers.present[w, b]:
            continue
        ox, oy = position[b, 0] - position[a, 0], position[b, 1] - position[a, 1]
        away = math.sqrt(ox * ox + oy * oy) + 1e-9
        ahead, left = dx * ox + dy * oy, dx * oy - dy * ox
        touch = radius[a] + radius[b]
        vx, vy = velocity[a, 0] - velocity[b, 0], velocity[a, 1] - velocity[b, 1]
        closing = max(0.0, (vx * ox + vy * oy) / away)
        gap = away - touch - _FORESIGHT * closing
        if gap >= avoid or ahead <= 0.0 or abs(left) > touch + _SIDE_GAP:
            continue
        near = min(1.0, 1.0 - gap / avoid)
        bend += near * (-1.0 if left >= -0.05 else 1.0)
        if b < a:
            bx, by = (directions[b] if who[b] else velocity[b])[:2]
            towards = -(bx * ox + by * oy) / away
            if towards > 0.3:
                step = min(1.0, max(0.0, 1.2 * (1.0 - (away - touch) / avoid)))
                back_x, back_y = back_x - step * ox / away, back_y - step * oy / away
            else:
                x, y = x * (1.0 - 0.5 * near), y * (1.0 - 0.5 * near)
    keep = max(0.0, 1.0 - math.sqrt(back_x * back_x + back_y * back_y))
    length = math.sqrt(x * x + y * y)
    bend *= _PASS_WEIGHT
    scale = keep * length / math.sqrt(1.0 + bend * bend)
    return scale * (dx - bend * dy) + back_x, scale * (dy + bend * dx) + back_y
