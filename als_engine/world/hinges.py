"""Hinged doors: props that swing about an upright edge, and the leaves that hide things like walls.

A door moves in small steps that depend on the worlds' arrays alone; the physics takes its new place
over like that of any prop that was moved. Angles are radians, lengths metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import Arrays, BoolArray, FloatArray
from als_engine.world.layout import OPENS, Prop

if TYPE_CHECKING:
    from als_engine.world.arrays import IntArray, Props, Walls

__all__ = ["BY_PUSH", "BY_USE", "HingeRows", "Hinges", "LeafRows", "hang", "pose"]

BY_USE, BY_PUSH = OPENS.index("use"), OPENS.index("push")


class Hinges(Arrays):
    """The hinges of props that are doors; arrays are (worlds, props, ...).

    Attributes:
        hinged: it is a door. angle: how far it is open; signed, 0 when closed.
        target: the angle to which it swings. limit: the angle at which it is open.
        speed: radians per second. opens: index of `layout.OPENS`.
        closed: its heading when closed. pivot: (…, 2) where its hinge is.
        arm: from the hinge to its middle along its own x axis, signed.
    """

    def __init__(self, num_worlds: int, num_props: int) -> None:
        shape = (num_worlds, num_props)
        self.in_use = False
        self.hinged: BoolArray = np.zeros(shape, np.bool_)
        self.opens: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.angle: FloatArray = np.zeros(shape)
        self.target: FloatArray = np.zeros(shape)
        self.limit: FloatArray = np.zeros(shape)
        self.speed: FloatArray = np.zeros(shape)
        self.closed: FloatArray = np.zeros(shape)
        self.arm: FloatArray = np.zeros(shape)
        self.pivot: FloatArray = np.zeros((*shape, 2))

    def load(self, world: int, props: Mapping[str, Prop]) -> None:
        """Writes one world's hinges as the layout has them."""
        for _, array in self.arrays():
            array[world] = 0
        for i, prop in enumerate(props.values()):
            if prop.hinge is None:
                continue
            hinge, half = prop.hinge, prop.shape.half[0]
            arm = half if hinge.edge == "left" else -half
            cos, sin = float(pmath.cos(prop.heading)), float(pmath.sin(prop.heading))
            x, y, _ = prop.center
            self.hinged[world, i] = self.in_use = True
            self.opens[world, i] = OPENS.index(hinge.opens)
            self.limit[world, i], self.speed[world, i] = hinge.angle, hinge.speed
            self.angle[world, i] = self.target[world, i] = hinge.angle if hinge.open else 0.0
            self.closed[world, i], self.arm[world, i] = prop.heading, arm
            self.pivot[world, i] = x - arm * cos, y - arm * sin

    def rows(self) -> tuple[NDArray[Any], ...]:
        """The arrays that kernels take, in the order of `HingeRows`."""
        return (
            self.hinged, self.opens, self.angle, self.target, self.limit, self.speed,
            self.closed, self.arm, self.pivot,
        )  # fmt: skip


class HingeRows(NamedTuple):
    """The arrays of `Hinges`."""

    hinged: BoolArray
    opens: NDArray[np.uint8]
    angle: FloatArray
    target: FloatArray
    limit: FloatArray
    speed: FloatArray
    closed: FloatArray
    arm: FloatArray
    pivot: FloatArray


class LeafRows(NamedTuple):
    """The rows of `Walls` that are leaves of doors, behind the walls, and their props."""

    walls: IntArray
    filled: IntArray
    wall_position: FloatArray
    wall_half: FloatArray
    cos: FloatArray
    sin: FloatArray
    present: BoolArray
    position: FloatArray
    orientation: FloatArray
    half: FloatArray

    @classmethod
    def of(cls, walls: Walls, props: Props) -> tuple[NDArray[Any], ...]:
        """The arrays, as a plain tuple for a kernel."""
        return (
            walls.count, walls.filled, walls.position, walls.half, walls.cos, walls.sin,
            props.present, props.position, props.orientation, props.half,
        )  # fmt: skip


@inner
def pose(w, i, angle, hinges):  # type: ignore[no-untyped-def]
    """Where the middle of a door is at an angle: x, y, and its heading."""
    heading = hinges.closed[w, i] + angle
    arm = hinges.arm[w, i]
    x = hinges.pivot[w, i, 0] + arm * pmath.cos(heading)
    y = hinges.pivot[w, i, 1] + arm * pmath.sin(heading)
    return x, y, heading


@kernel
def hang(worlds, hinges, leaves):  # type: ignore[no-untyped-def]
    """Puts the doors of some worlds where their angles say, as props and as leaves.

    Args:
        worlds: their indices.
        hinges: `HingeRows`.
        leaves: `LeafRows`, written; there is room for all leaves.
    """
    hinges, leaves = HingeRows(*hinges), LeafRows(*leaves)
    for w in worlds:
        n = leaves.walls[w]
        for i in range(hinges.hinged.shape[1]):
            if not hinges.hinged[w, i]:
                continue
            x, y, heading = pose(w, i, hinges.angle[w, i], hinges)
            leaves.position[w, i, 0], leaves.position[w, i, 1] = x, y
            leaves.orientation[w, i, 0] = leaves.orientation[w, i, 1] = 0.0
            leaves.orientation[w, i, 2] = pmath.sin(heading / 2.0)
            leaves.orientation[w, i, 3] = pmath.cos(heading / 2.0)
            if leaves.present[w, i]:
                for k in range(3):
                    leaves.wall_position[w, n, k] = leaves.position[w, i, k]
                    leaves.wall_half[w, n, k] = leaves.half[w, i, k]
                leaves.cos[w, n], leaves.sin[w, n] = pmath.cos(heading), pmath.sin(heading)
                n += 1
        leaves.filled[w] = n
