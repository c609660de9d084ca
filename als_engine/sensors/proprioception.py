"""The sense of one's own body: how it moves, what it holds, how much time is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import WorldwiseSensor
from als_engine.sensors.columns import PROPRIOCEPTION as COLUMNS
from als_engine.system.compiling import kernel

if TYPE_CHECKING:
    from als_engine.world.arrays import FloatArray, IntArray
    from als_engine.world.state import WorldState

FASTEST: Final = 2.0
"""Velocities are cut off at this multiple of what the body does by itself."""

SLOWEST: Final = 0.1
"""A body that cannot move by itself is measured against this, metres or radians per second."""


class Proprioception(WorldwiseSensor):
    """The sense of one's own body, float32 (11,).

    | column | is | range |
    | --- | --- | --- |
    | forward_velocity, left_velocity | own velocity along the body, over its walking speed | ±2 |
    | turn_rate | counter-clockwise, over the body's turning speed | ±2 |
    | heading_sin, heading_cos | the direction it faces | ±1 |
    | holding | 1 while it holds something | 0, 1 |
    | held_red, held_green, held_blue | colour of what it holds, else 0 | 0 to 1 |
    | held_identity | which prop it holds, as `entities` has it in `identity`, else 0 | 0 to 1 |
    | time_left | the part of the time limit that is left | 0 to 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("proprioception",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros(len(COLUMNS), np.float32)
        high = np.ones(len(COLUMNS), np.float32)
        low[:3], high[:3] = -FASTEST, FASTEST
        low[3:5] = -1.0
        return {"proprioception": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `proprioception`, (worlds, observers, 11), of some worlds."""
        avatars, bodies = state.avatars, state.bodies
        _fill(
            worlds,
            avatars.velocity,
            avatars.heading,
            avatars.turn_rate,
            avatars.held,
            bodies.speed,
            bodies.turn_speed,
            state.props.color,
            state.step,
            float(state.max_episode_steps),
            out["proprioception"],
        )


@kernel(error_model="numpy")
def _fill(
    which: NDArray[np.intp],
    velocity: FloatArray,
    heading: FloatArray,
    turn_rate: FloatArray,
    held: IntArray,
    speed: FloatArray,
    turn_speed: FloatArray,
    prop_color: NDArray[np.uint8],
    step: NDArray[np.int64],
    limit: float,
    out: NDArray[np.float32],
) -> None:
    observers = out.shape[1]
    props = prop_color.shape[1]
    for w in which:
        time_left = min(max(1.0 - step[w] / limit, 0.0), 1.0)
        for a in range(observers):
            row = out[w, a]
            sin, cos = pmath.sin(heading[w, a]), pmath.cos(heading[w, a])
            x, y = velocity[w, a, 0], velocity[w, a, 1]
            row[0] = min(max((x * cos + y * sin) / max(speed[a], SLOWEST), -FASTEST), FASTEST)
            row[1] = min(max((y * cos - x * sin) / max(speed[a], SLOWEST), -FASTEST), FASTEST)
            row[2] = min(max(turn_rate[w, a] / max(turn_speed[a], SLOWEST), -FASTEST), FASTEST)
            row[3], row[4] = sin, cos
            row[5:10] = 0.0
            prop = held[w, a]
            if prop >= 0:
                row[5] = 1.0
                for channel in range(3):
                    row[6 + channel] = prop_color[w, prop, channel] / 255.0
                row[9] = (prop + 1) / props
            row[10] = time_left
