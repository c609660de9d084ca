"""Computes a level's bounds, and checks that its avatars have room where they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from als_engine.errors import LayoutError
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.parts import placed
from als_engine.world.shapes import SHAPE_BOX, SHAPE_COMPOUND

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState

__all__ = ["check_spawns", "set_bounds"]


def set_bounds(state: WorldState, world: int) -> None:
    """Sets `state.bounds` to what the walls, the props and half a metre around the spawns cover."""
    n, walls, props = state.walls.count[world], state.walls, state.props
    cos, sin = np.abs(walls.cos[world, :n]), np.abs(walls.sin[world, :n])
    half_x, half_y = walls.half[world, :n, 0], walls.half[world, :n, 1]
    wall_reach = np.stack([cos * half_x + sin * half_y, sin * half_x + cos * half_y], -1)
    prop_reach = pmath.hypot(props.half[world, :, 0], props.half[world, :, 1])[:, None]
    centers = np.concatenate(
        [
            walls.position[world, :n, :2],
            props.position[world, :, :2],
            state.avatars.position[world, :, :2],
        ]
    )
    reach = np.concatenate(
        [wall_reach, np.repeat(prop_reach, 2, axis=1), np.full((state.num_avatars, 2), 0.5)]
    )
    state.bounds[world, :2] = (centers - reach).min(0)
    state.bounds[world, 2:] = (centers + reach).max(0)


def check_spawns(state: WorldState, world: int) -> None:
    """Refuses an avatar whose middle is inside a wall or a solid prop, or on another's.

    Raises:
        LayoutError: names the avatar and the thing.
    """
    walls, props, n = state.walls, state.props, state.walls.count[world]
    z, w = props.orientation[world, :, 2], props.orientation[world, :, 3]
    prop_half = props.half[world].copy()
    # The square inside a round prop is enough to tell.
    prop_half[props.shape[world] != SHAPE_BOX, :2] *= 0.7
    stands = props.present[world] & props.solid[world]
    prop_half[~stands | (props.shape[world] == SHAPE_COMPOUND)] = 0.0
    center = np.concatenate([walls.position[world, :n], props.position[world]])
    half = np.concatenate([walls.half[world, :n], prop_half])
    cos = np.concatenate([walls.cos[world, :n], 1 - 2 * z * z])
    sin = np.concatenate([walls.sin[world, :n], 2 * z * w])
    things = [f"wall {i}" for i in range(n)] + [f"prop {name!r}" for name in props.names]
    if state.parts.count[world]:
        part_center, part_half, part_cos, part_sin = _parts(state, world, stands)
        center, half = np.concatenate([center, part_center]), np.concatenate([half, part_half])
        cos, sin = np.concatenate([cos, part_cos]), np.concatenate([sin, part_sin])
        things += [things[n + owner] for owner in state.parts.owner[world].tolist()]
    spawn = state.avatars.position[world]
    x, y = np.moveaxis(spawn[:, None, :2] - center[None, :, :2], -1, 0)
    inside = (np.abs(cos * x + sin * y) < half[:, 0]) & (np.abs(cos * y - sin * x) < half[:, 1])
    low, high = center[:, 2] - half[:, 2], center[:, 2] + half[:, 2]
    inside &= (low < state.bodies.height[:, None]) & (high > 0.1)
    present = state.avatars.present[world]
    inside &= present[:, None]
    if inside.any():
        avatar, thing = (int(i[0]) for i in np.nonzero(inside))
        raise LayoutError(f"spawn {avatar} is inside {things[thing]}")
    apart = pmath.hypot(*(spawn[:, None, :2] - spawn[None, :, :2]).transpose(2, 0, 1))
    close = np.triu(apart < state.bodies.radius, 1) & present & present[:, None]
    if close.any():
        one, other = (int(i[0]) for i in np.nonzero(close))
        raise LayoutError(f"spawns {one} and {other} are in the same place")


def _parts(state: WorldState, world: int, stands: BoolArray) -> tuple[FloatArray, ...]:
    """Centre, half extents, cosine and sine of the parts of what stands in a world."""
    parts = state.parts
    center, cos, sin = (each[0] for each in placed(state, np.array([world])))
    half = parts.half[world].copy()
    half[parts.form[world] != SHAPE_BOX, :2] *= 0.7
    used = np.arange(len(half)) < parts.count[world]
    half[~(used & stands[parts.owner[world]])] = 0.0
    return center, half, cos, sin
