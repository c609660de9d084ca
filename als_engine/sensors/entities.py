"""The things in sight as a table, nearest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.sight import EYE_HEIGHT
from als_engine.sensors.base import WorldwiseSensor
from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.sensors.columns import SIGHT
from als_engine.sensors.entity_rows import ROWS, fill_rows

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

__all__ = ["ROWS", "Entities"]

_SIGNED = ("forward", "left", "up", "facing_cos", "facing_sin", "forward_velocity", "left_velocity")


class Entities(WorldwiseSensor):
    """Up to 16 things within 10 m with no wall between, all around, float32 (16, 26).

    Rows go from the nearest to the farthest (horizontally; ties go to props, avatars, signs, sounds
    in this order, then to the lower index); rows without a thing are 0. Props in the avatar's own
    hand, absent props and avatars, and silent sound sources have no row. The line of sight goes
    from the eyes to the centre of a thing, or to the eyes of an avatar.

    | column | is | range |
    | --- | --- | --- |
    | present | 1 in a row with a thing | 0, 1 |
    | fixed, movable, portable, avatar, sign, sound | its kind: one of them is 1 | 0, 1 |
    | identity | (i + 1) / n for the i-th of the n named things of its group | 0 to 1 |
    | forward, left | of its centre, seen from the body, over 10 m | ±1 |
    | up | its centre over the feet, over 10 m | ±1 |
    | distance | horizontal, over 10 m | 0 to 1 |
    | facing_cos, facing_sin | where it faces, relative to the body: (1, 0) looks the same way, \
(-1, 0) with forward > 0 looks at the avatar; 0 for round things and sounds | ±1 |
    | forward_velocity, left_velocity | its velocity less the avatar's, in body axes, over 4 m/s | \
±1 |
    | length, width, height | full size along where it faces, across, upwards; over 2 m | 0 to 1 |
    | round | 1 for spheres, cylinders and avatars | 0, 1 |
    | red, green, blue | colour; of a sign its paper; 0 for sounds | 0 to 1 |
    | weight | m / (m + 20 kg); 1 for what is fixed | 0 to 1 |
    | usable | a prop that can be used | 0, 1 |
    | holding | a prop that another avatar carries, an avatar that carries something | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("entities",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros((ROWS, len(COLUMNS)), np.float32)
        low[:, [COLUMNS.index(name) for name in _SIGNED]] = -1.0
        high = np.ones_like(low)
        return {"entities": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `entities`, (worlds, observers, 16, 26), of some worlds."""
        avatars, props, signs = state.avatars, state.props, state.signs
        fill_rows(
            worlds,
            (
                avatars.position, avatars.velocity, avatars.heading, avatars.color, avatars.held,
                avatars.present,
            ),
            (state.bodies.radius, state.bodies.height, state.bodies.mass),
            (props.position, props.velocity, props.orientation, props.half, props.color),
            (
                props.present, props.portable, props.usable, props.holder, props.mass, props.shape,
                state.hinges.hinged,
            ),
            (signs.position, signs.heading, signs.half, signs.paper, signs.present),
            (state.sounds.position, state.sounds.on),
            state.walls.rows(),
            out["entities"],
        )  # fmt: skip

    def rays(self, state: WorldState, world: int, avatar: int) -> NDArray[np.float64]:
        """A line from the eyes to each thing in sight."""
        shape = (self.setup.num_worlds, self.setup.observers, ROWS, len(COLUMNS))
        table = np.zeros(shape, np.float32)
        self.read_some(state, {"entities": table}, np.array([world]))
        rows = table[world, avatar].astype(np.float64)
        rows = rows[rows[:, 0] > 0]
        ahead, left, up = (rows[:, COLUMNS.index(name)] for name in ("forward", "left", "up"))
        heading, feet = state.avatars.heading[world, avatar], state.avatars.position[world, avatar]
        cos, sin = pmath.cos(heading), pmath.sin(heading)
        away = np.stack([cos * ahead - sin * left, sin * ahead + cos * left, up], axis=-1)
        lines = np.empty((len(rows), 2, 3))
        lines[:, 0], lines[:, 1] = feet, feet + SIGHT * away
        lines[:, 0, 2] += EYE_HEIGHT * state.bodies.height[avatar]
        return lines
