"""Lets hinged doors swing: opened by a hand, pushed by who walks against them, or by the task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import square_outside
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING
from als_engine.world.hinges import BY_PUSH, BY_USE, HingeRows, LeafRows, pose

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

__all__ = ["swing"]

_GAP: Final = 0.02
"""How far a moving door keeps from who or what stands in its way, metres."""


class _Things(NamedTuple):
    """Avatars, (worlds, avatars, ...), and what of the props a door waits for or moves."""

    feet: FloatArray
    present: BoolArray
    radius: FloatArray
    touches_prop: BoolArray
    used: IntArray
    holder: IntArray
    solid: BoolArray
    mass: FloatArray
    moved: BoolArray


def swing(state: WorldState) -> None:
    """Moves the doors of all worlds by one step.

    A door waits where it would come nearer than 2 cm to an avatar, or to the circle around a prop
    that can be moved. One that is pushed turns away from the avatar that touches it, and stays.
    """
    avatars, props = state.avatars, state.props
    turned = np.zeros(state.num_worlds, np.bool_)
    _swing(
        state.time_step,
        state.hinges.rows(),
        LeafRows.of(state.walls, props),
        (
            avatars.position, avatars.present, state.bodies.radius, avatars.touches_prop,
            state.events.used, props.holder, props.solid, props.mass, state.moved,
        ),
        turned,
    )  # fmt: skip
    if turned.any():
        state.hang(np.flatnonzero(turned))


@kernel
def _swing(dt, hinges, leaves, things, turned):  # type: ignore[no-untyped-def]
    hinges, leaves, things = HingeRows(*hinges), LeafRows(*leaves), _Things(*things)
    for w in range(turned.size):
        for i in range(hinges.hinged.shape[1]):
            if not (hinges.hinged[w, i] and leaves.present[w, i]):
                continue
            _listen(w, i, dt, hinges, leaves, things)
            angle, most = hinges.angle[w, i], hinges.speed[w, i] * dt
            angle += min(max(hinges.target[w, i] - angle, -most), most)
            if angle == hinges.angle[w, i]:
                continue
            if _is_free(w, i, angle, hinges, leaves, things):
                hinges.angle[w, i] = angle
                things.moved[w, i] = turned[w] = True
            elif hinges.opens[w, i] == BY_PUSH:
                hinges.target[w, i] = hinges.angle[w, i]


@inner
def _listen(w, i, dt, hinges, leaves, things):  # type: ignore[no-untyped-def]
    """Sets where a door is to swing to, by who uses it or pushes it."""
    for a in range(things.radius.size):
        if hinges.opens[w, i] == BY_USE and things.used[w, a] == i:
            is_open = hinges.target[w, i] != 0.0
            hinges.target[w, i] = 0.0 if is_open else hinges.limit[w, i]
        elif hinges.opens[w, i] == BY_PUSH and things.touches_prop[w, a, i]:
            heading = hinges.closed[w, i] + hinges.angle[w, i]
            dx = things.feet[w, a, 0] - leaves.position[w, i, 0]
            dy = things.feet[w, a, 1] - leaves.position[w, i, 1]
            side = pmath.cos(heading) * dy - pmath.sin(heading) * dx
            away = -math.copysign(hinges.speed[w, i] * dt, side * hinges.arm[w, i])
            most = abs(hinges.limit[w, i])
            hinges.target[w, i] = min(max(hinges.angle[w, i] + away, -most), most)


@inner
def _is_free(w, i, angle, hinges, leaves, things):  # type: ignore[no-untyped-def]
    """Whether a door comes no nearer to anything that is too near already or would be."""
    for a in range(things.radius.size):
        if not things.present[w, a]:
            continue
        x, y = things.feet[w, a, 0], things.feet[w, a, 1]
        if _meets(w, i, angle, x, y, things.radius[a] + _GAP, hinges, leaves):
            return False
    for j in range(things.mass.shape[1]):
        stands = things.solid[w, j] and leaves.present[w, j] and things.holder[w, j] == NOTHING
        if j != i and stands and things.mass[w, j] > 0.0:
            x, y = leaves.position[w, j, 0], leaves.position[w, j, 1]
            half = leaves.half[w, j]
            reach = math.sqrt(half[0] * half[0] + half[1] * half[1]) + _GAP
            if _meets(w, i, angle, x, y, reach, hinges, leaves):
                return False
    return True


@inner
def _meets(w, i, angle, x, y, reach, hinges, leaves):  # type: ignore[no-untyped-def]
    """Whether a door at an angle is within reach of a point, and nearer to it than now."""
    there = _square_to(w, i, angle, x, y, hinges, leaves)
    return there < reach * reach and there < _square_to(
        w, i, hinges.angle[w, i], x, y, hinges, leaves
    )


@inner
def _square_to(w, i, angle, x, y, hinges, leaves):  # type: ignore[no-untyped-def]
    at_x, at_y, heading = pose(w, i, angle, hinges)
    half = leaves.half[w, i]
    cos, sin = pmath.cos(heading), pmath.sin(heading)
    return square_outside(x - at_x, y - at_y, cos, sin, half[0], half[1])
