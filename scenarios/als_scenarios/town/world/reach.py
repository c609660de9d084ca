"""What a hand would use, as `bodies.interaction` has it, for kernels."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, IntArray
from als_engine.world.state import WorldState
from als_scenarios.town.world.block import BED

USABLE: Final = BED + 1
"""The first so many props can be used: the posts and the pillow."""


@inner
def aim(x, y, heading, radius, places, half):  # type: ignore[no-untyped-def]
    """The post, or the pillow, that a hand at a point would use, or NOTHING."""
    best, nearest = NOTHING, REACH
    for i in range(USABLE):
        dx, dy = places[i, 0] - x, places[i, 1] - y
        gap = math.sqrt(dx * dx + dy * dy) - radius - max(half[i, 0], half[i, 1])
        if gap < nearest:
            angle = wrap(pmath.atan2(dy, dx) - heading)
            if abs(angle) <= REACH_ANGLE or gap < 0.0:
                best, nearest = i, gap
    return best


@kernel
def _aim(avatars, places, half, out):  # type: ignore[no-untyped-def]
    position, heading, radius = avatars
    for w in range(out.shape[0]):
        for h in range(out.shape[1]):
            x, y = position[w, h, 0], position[w, h, 1]
            out[w, h] = aim(x, y, heading[w, h], radius[h], places[w], half[w])


def aims(state: WorldState, helpers: int) -> IntArray:
    """What each helper would use now, (worlds, helpers), or NOTHING."""
    out: IntArray = np.empty((state.num_worlds, helpers), np.int32)
    avatars, props = state.avatars, state.props
    _aim((avatars.position, avatars.heading, state.bodies.radius), props.position, props.half, out)
    return out
