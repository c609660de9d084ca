"""Guides avatars: those whose actions name a thing walk to it, around what is in the way."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import Commands, there
from als_engine.geometry.parts import facing
from als_engine.geometry.planar import square_outside
from als_engine.navigation import Navigator, steer
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Guide"]

BESIDE_THING: Final = 0.35
"""How near to the surface of a solid thing an avatar stops, skin to skin, metres."""

NEARBY: Final = 1.0
"""How far a thing may be from where somebody scripted is headed, to be what it is headed for."""

ALMOST: Final = 0.8
"""From how near, metres, somebody scripted walks by itself, where it knows best."""

SAME: Final = 0.3
"""How far another avatar may be from where somebody is headed, to be whom it goes to."""

BESIDE_AVATAR: Final = 0.5
"""How near to another avatar it stops; nearer ones are walked around."""


class Guide:
    """Turns where avatars want to be into steps: they walk there, stop beside it, and face it.

    It knows the floor plan, as a robot with a map does, and where things are now, seen or not.
    What is not solid, such as a mark on the floor, is walked onto.
    """

    def __init__(self, state: WorldState) -> None:
        """Takes the worlds; `begin` looks at them."""
        self._state = state
        self._navigator = Navigator(state, through_doors=True)
        shape = (state.num_worlds, state.num_avatars)
        self._goals: FloatArray = np.full((*shape, 2), np.nan)
        self._beside: BoolArray = np.zeros(shape, np.bool_)

    def begin(self, worlds: NDArray[np.intp]) -> None:
        """Looks at worlds that begin an episode."""
        self._navigator.refresh(worlds)

    def steer(self, commands: Commands, who: BoolArray | None = None) -> None:
        """Writes `move` and `turn` of those, (worlds, avatars), who have a goal; None for all."""
        going = commands.goal != NOTHING
        if who is not None:
            going &= who
        if not going.any():
            return
        state, props = self._state, self._state.props
        _aim(
            commands.goal, (state.avatars.position, state.bodies.radius),
            (props.position, props.orientation, props.half, props.solid),
            self._goals, self._beside,
        )  # fmt: skip
        directions = self._navigator.direction(self._goals, going & ~self._beside)
        stands = ~directions.any(axis=-1)
        away = self._goals - state.avatars.position[..., :2]
        length = np.sqrt((away * away).sum(axis=-1, keepdims=True))
        straight = away / np.maximum(length, 1e-9)
        directions = np.where((going & stands)[..., None], straight, directions)
        steer(state, directions, commands, going, np.where(stands, 0.0, 1.0))

    def name(self, commands: Commands) -> None:
        """Writes `goal` of those who are on their way to a thing, or look at one: see `towards`."""
        props = self._state.props
        assert commands.towards is not None
        _name(
            commands.towards, there(self._state),
            (self._state.avatars.position, self._state.bodies.radius),
            (props.position, props.orientation, props.half), commands.goal,
        )  # fmt: skip


@kernel
def _name(towards: Any, there: Any, avatars: Any, props: Any, goal: Any) -> None:
    """Writes the thing nearest to where somebody is headed, unless they are almost there."""
    position, radius = avatars
    middle, orientation, half = props
    things = middle.shape[1]
    for w in range(goal.shape[0]):
        for a in range(goal.shape[1]):
            x, y, least = towards[w, a, 0], towards[w, a, 1], NEARBY * NEARBY
            u, v = position[w, a, 0], position[w, a, 1]
            # NaN fails the comparison. Who is almost there does the last steps by itself.
            if not (x - u) * (x - u) + (y - v) * (y - v) > ALMOST * ALMOST:
                continue
            for g in range(there.shape[2]):
                if not there[w, a, g]:
                    continue
                if g < things:
                    cos, sin = facing(orientation[w, g])
                    dx, dy = x - middle[w, g, 0], y - middle[w, g, 1]
                    # The middle decides among things that a point is in.
                    gap = 1e-3 * (dx * dx + dy * dy) + square_outside(
                        dx, dy, cos, sin, half[w, g, 0], half[w, g, 1]
                    )
                else:
                    dx, dy = x - position[w, g - things, 0], y - position[w, g - things, 1]
                    gap = dx * dx + dy * dy
                    if gap > SAME * SAME:
                        continue
                if gap < least:
                    least, goal[w, a] = gap, g
            g = goal[w, a]
            if 0 <= g < things:
                cos, sin = facing(orientation[w, g])
                dx, dy = u - middle[w, g, 0], v - middle[w, g, 1]
                gap = square_outside(dx, dy, cos, sin, half[w, g, 0], half[w, g, 1])
                if math.sqrt(gap) - radius[a] <= BESIDE_THING:
                    goal[w, a] = NOTHING  # It stands beside it, and goes around it.


@kernel
def _aim(goal: Any, avatars: Any, props: Any, goals: Any, beside: Any) -> None:
    """Writes where goals are, NaN for none, and whether an avatar stands beside its own."""
    position, radius = avatars
    middle, orientation, half, solid = props
    things = middle.shape[1]
    for w in range(goal.shape[0]):
        for a in range(goal.shape[1]):
            g = goal[w, a]
            beside[w, a] = False
            if g < 0:
                goals[w, a] = np.nan
                continue
            x, y = position[w, a, 0], position[w, a, 1]
            if g < things:
                goals[w, a] = middle[w, g, :2]
                cos, sin = facing(orientation[w, g])
                dx, dy = x - middle[w, g, 0], y - middle[w, g, 1]
                gap = (
                    math.sqrt(square_outside(dx, dy, cos, sin, half[w, g, 0], half[w, g, 1]))
                    - radius[a]
                )
                beside[w, a] = solid[w, g] and gap <= BESIDE_THING
            else:
                other = g - things
                goals[w, a] = position[w, other, :2]
                dx, dy = x - position[w, other, 0], y - position[w, other, 1]
                gap = math.sqrt(dx * dx + dy * dy) - radius[a] - radius[other]
                beside[w, a] = gap <= BESIDE_AVATAR
