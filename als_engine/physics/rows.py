"""The arrays of `WorldState` that the physics reads and writes, as its kernels take them."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from als_engine.world.arrays import BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState


class AvatarRows(NamedTuple):
    """The avatars: (worlds, avatars, ...), but their measures (avatars,)."""

    position: FloatArray
    velocity: FloatArray
    heading: FloatArray
    radius: FloatArray
    height: FloatArray
    mass: FloatArray
    touch: FloatArray
    touches_prop: BoolArray
    touches_avatar: BoolArray
    touches_wall: BoolArray
    present: BoolArray
    placed: BoolArray


class PropRows(NamedTuple):
    """The props, (worlds, props, ...), and which of them were moved."""

    position: FloatArray
    orientation: FloatArray
    velocity: FloatArray
    half: FloatArray
    mass: FloatArray
    solid: BoolArray
    present: BoolArray
    holder: IntArray
    moved: BoolArray


def avatar_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `AvatarRows`, as a plain tuple for kernels."""
    avatars, bodies = state.avatars, state.bodies
    return (
        avatars.position, avatars.velocity, avatars.heading, bodies.radius, bodies.height,
        bodies.mass, avatars.touch, avatars.touches_prop, avatars.touches_avatar,
        avatars.touches_wall, avatars.present, avatars.placed,
    )  # fmt: skip


def prop_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `PropRows`, as a plain tuple for kernels."""
    props = state.props
    return (
        props.position, props.orientation, props.velocity, props.half, props.mass, props.solid,
        props.present, props.holder, state.moved,
    )  # fmt: skip
