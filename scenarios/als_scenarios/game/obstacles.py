"""The solid things of a world seen from above, for players that look ahead: lengths in metres."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import square_outside
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import SHAPE_BOX

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState


def gather(state: WorldState, who: BoolArray) -> FloatArray:
    """The solid things of every world in which somebody asks, (worlds, things, 7).

    `who`, (worlds, avatars), says who asks; other worlds have none that is of any use.
    Of each: x, y, cosine and sine of its heading, half extents, and a radius for round things,
    whose half extents are 0. The radius of a row without a thing is -1.
    """
    props, room = state.props, state.walls.position.shape[1]
    out: FloatArray = np.empty((state.num_worlds, room + len(props.names), 7))
    stands = props.present & props.solid
    _gather(
        who,
        state.walls.rows(),
        (props.position, props.orientation, props.half, props.shape, stands),
        out,
    )
    return out


@kernel
def _gather(who, walls, props, out):  # type: ignore[no-untyped-def]
    count, wall_position, wall_half, cos, sin = walls
    position, orientation, half, shape, stands = props
    room = wall_position.shape[1]
    for w in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[w, i, :] = 0.0
            out[w, i, 6] = -1.0
        if not who[w].any():
            continue
        for i in range(count[w]):
            out[w, i, :2] = wall_position[w, i, :2]
            out[w, i, 2], out[w, i, 3] = cos[w, i], sin[w, i]
            out[w, i, 4:6] = wall_half[w, i, :2]
            out[w, i, 6] = 0.0
        for i in range(half.shape[1]):
            if not stands[w, i]:
                continue
            row = out[w, room + i]
            row[:2] = position[w, i, :2]
            row[2], row[6] = 1.0, half[w, i, 0]
            if shape[w, i] == SHAPE_BOX:
                x, y, z, s = orientation[w, i]
                angle = pmath.atan2(2.0 * (s * z + x * y), 1.0 - 2.0 * (y * y + z * z))
                row[2], row[3] = pmath.cos(angle), pmath.sin(angle)
                row[4:6] = half[w, i, :2]
                row[6] = 0.0


@inner(forceinline=True)
def _square_to(k, dx, dy, things):  # type: ignore[no-untyped-def]
    return square_outside(dx, dy, things[k, 2], things[k, 3], things[k, 4], things[k, 5])


@inner
def gap(x, y, things):  # type: ignore[no-untyped-def]
    """How far a point is from the nearest thing; 0, or less in a round one, inside of it."""
    least = math.inf
    for k in range(things.shape[0]):
        if things[k, 6] < 0.0:
            continue
        dx, dy = x - things[k, 0], y - things[k, 1]
        least = min(least, math.sqrt(_square_to(k, dx, dy, things)) - things[k, 6])
    return least


@inner
def run(x, y, dx, dy, reach, limit, things):  # type: ignore[no-untyped-def]
    """How far a disc of radius `reach` gets from a point along a unit vector, up to about `limit`.

    It marches in steps of its distance from the nearest thing. A disc that is too close to
    something already may leave it.
    """
    room = gap(x, y, things)
    reach = min(reach, room)
    gone = 0.0
    for _ in range(12):
        step = max(room - reach, 0.0)
        gone += step
        if gone >= limit:
            return limit
        if step < 0.03:
            # It touches: it gets on only if a little further on there is more room again.
            if gap(x + (gone + 0.1) * dx, y + (gone + 0.1) * dy, things) < reach:
                return gone
            gone += 0.1
        room = gap(x + gone * dx, y + gone * dy, things)
    return gone


@kernel
def hidden(x, y, tx, ty, things):  # type: ignore[no-untyped-def]
    """Whether a thing, high or low, stands between two points."""
    away = math.sqrt((tx - x) ** 2 + (ty - y) ** 2)
    if away < 1e-6:
        return False
    dx, dy = (tx - x) / away, (ty - y) / away
    gone = 0.0
    for _ in range(16):
        room = gap(x + gone * dx, y + gone * dy, things)
        if room < 0.02:
            return True
        gone += room
        if gone >= away:
            return False
    return True


@inner
def near(x, y, within, things, out):  # type: ignore[no-untyped-def]
    """Copies the things that are at most so far from a point to `out`; returns how many."""
    count = 0
    for k in range(things.shape[0]):
        if things[k, 6] < 0.0:
            continue
        dx, dy = x - things[k, 0], y - things[k, 1]
        if math.sqrt(_square_to(k, dx, dy, things)) - things[k, 6] <= within:
            out[count] = things[k]
            count += 1
    return count


@inner
def free_step(x, y, nx, ny, radius, things):  # type: ignore[no-untyped-def]
    """Whether a disc can move a little: it enters nothing, or comes out of what it is in."""
    for k in range(things.shape[0]):
        reach = (radius + things[k, 6]) ** 2
        now = _square_to(k, nx - things[k, 0], ny - things[k, 1], things)
        if now < reach and now <= _square_to(k, x - things[k, 0], y - things[k, 1], things):
            return False
    return True
