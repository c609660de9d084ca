"""Lines of sight: which straight lines meet a wall, for sensors and tasks alike.

Boxes turn about z only, as walls do. A line meets a box unless one of six axes separates the two
(the separating axis test, Ericson 2005, Real-Time Collision Detection, section 5.2.1): no division
and no branch, so the compiler tests several boxes at once. That makes it cheaper to test every box
than to stop at the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.parts import placed
from als_engine.system.compiling import inner, kernel

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

EYE_HEIGHT: Final = 0.92
"""Where an avatar's eyes and ears are, as a fraction of its height."""

SKIN: Final = 0.01
"""Boxes are this much smaller for a line, metres, so that a thing on a wall is not inside it."""

BOX_ROWS: Final = 8
"""Rows of an array of boxes: centre x, y, z, half extents x, y, z, cos, sin."""

_BLOCK = 8  # Boxes that the compiled loop tests at once; left-over ones would be slow.


class WallRows(NamedTuple):
    """The walls of all worlds, as kernels take them: the arrays of `world.arrays.Walls`.

    Attributes:
        used: (worlds,), how many there are, the leaves of doors included.
        position: (worlds, capacity, 3), half: the same, metres.
        cos, sin: (worlds, capacity), of the heading.
    """

    used: IntArray
    position: FloatArray
    half: FloatArray
    cos: FloatArray
    sin: FloatArray


@inner
def new_boxes(capacity: int) -> FloatArray:
    """An array with room for that many boxes, to be gathered into."""
    return np.empty((BOX_ROWS, (capacity + _BLOCK - 1) // _BLOCK * _BLOCK))


@inner
def gather_walls(boxes: FloatArray, w: int, walls: WallRows) -> int:
    """Copies the walls of world `w` into `boxes`, one quantity in a row.

    Args:
        boxes: from `new_boxes`, what `crossings` reads.
        w: the world.
        walls: of all worlds.

    Returns:
        The count for `crossings`.
    """
    count = walls.used[w]
    for i in range(count):
        for axis in range(3):
            boxes[axis, i] = walls.position[w, i, axis]
            boxes[3 + axis, i] = max(walls.half[w, i, axis] - SKIN, 0.0)
        boxes[6, i] = walls.cos[w, i]
        boxes[7, i] = walls.sin[w, i]
    padded = (count + _BLOCK - 1) // _BLOCK * _BLOCK
    # What fills up the last block has less than no size (and no direction): no line meets it.
    boxes[:, count:padded] = 0.0
    boxes[3, count:padded] = -1.0
    return int(padded)


@inner
def crossings(
    boxes: FloatArray,
    count: int,
    ax: float,
    ay: float,
    az: float,
    bx: float,
    by: float,
    bz: float,
) -> int:
    """Counts the gathered boxes that the line from a to b meets."""
    mx, my, mz = 0.5 * (ax + bx), 0.5 * (ay + by), 0.5 * (az + bz)
    ex, ey, ez = 0.5 * (bx - ax), 0.5 * (by - ay), 0.5 * (bz - az)
    dz = abs(ez)
    hits = 0
    for i in range(count):
        cos, sin = boxes[6, i], boxes[7, i]
        hx, hy, hz = boxes[3, i], boxes[4, i], boxes[5, i]
        # The line's middle and half of its length, as the box sees them.
        x, y, pz = mx - boxes[0, i], my - boxes[1, i], mz - boxes[2, i]
        px, py = x * cos + y * sin, y * cos - x * sin
        qx, qy = ex * cos + ey * sin, ey * cos - ex * sin
        dx, dy = abs(qx), abs(qy)
        meets = (
            (abs(px) <= hx + dx)
            & (abs(py) <= hy + dy)
            & (abs(pz) <= hz + dz)
            & (abs(py * ez - pz * qy) <= hy * dz + hz * dy)
            & (abs(pz * qx - px * ez) <= hz * dx + hx * dz)
            & (abs(px * qy - py * qx) <= hx * dy + hy * dx)
        )
        hits += int(meets)
    return hits


@inner
def _inside(boxes: FloatArray, i: int, x: float, y: float, z: float) -> bool:
    cos, sin = boxes[6, i], boxes[7, i]
    dx, dy, dz = x - boxes[0, i], y - boxes[1, i], z - boxes[2, i]
    return bool(
        abs(dx * cos + dy * sin) <= boxes[3, i] + SKIN
        and abs(dy * cos - dx * sin) <= boxes[4, i] + SKIN
        and abs(dz) <= boxes[5, i] + SKIN
    )


@kernel
def _visible(
    walls: Any,
    solid: BoolArray,
    props: FloatArray,
    parts: Any,
    count: IntArray,
    start: FloatArray,
    end: FloatArray,
    out: BoolArray,
) -> None:
    worlds, lines, _ = start.shape
    walls = WallRows(*walls)
    boxes = new_boxes(walls.position.shape[1])
    one = np.empty((BOX_ROWS, 1))
    compound, owner, part_boxes = parts
    for w in range(worlds):
        n = gather_walls(boxes, w, walls)
        for k in range(lines):
            ax, ay, az = start[w, k, 0], start[w, k, 1], start[w, k, 2]
            bx, by, bz = end[w, k, 0], end[w, k, 1], end[w, k, 2]
            hits = crossings(boxes, n, ax, ay, az, bx, by, bz)
            for leaf in range(count[w], walls.used[w] if hits else 0):
                # A door does not hide what is in it: itself, when it is looked at.
                if _inside(boxes, leaf, ax, ay, az) or _inside(boxes, leaf, bx, by, bz):
                    one[:, 0] = boxes[:, leaf]
                    hits -= crossings(one, 1, ax, ay, az, bx, by, bz)
            clear = hits == 0
            for p in range(solid.shape[1]):
                if not clear:
                    break
                if solid[w, p]:
                    one[:, 0] = props[w, :, p]
                    # What stands around an end (the prop that is looked at) does not hide it.
                    if _inside(one, 0, ax, ay, az) or _inside(one, 0, bx, by, bz):
                        continue
                    clear = crossings(one, 1, ax, ay, az, bx, by, bz) == 0
                    if not clear and compound[w, p]:  # So the line is near it; does it meet it?
                        clear = True
                        for part in range(owner.shape[1]):
                            if owner[w, part] == p:
                                one[:, 0] = part_boxes[w, :, part]
                                clear &= crossings(one, 1, ax, ay, az, bx, by, bz) == 0
            out[w, k] = clear


def visible(
    state: WorldState, one: str | ArrayLike, other: str | ArrayLike, *, props: bool = False
) -> BoolArray:
    """Whether nothing stands between two things.

    Either end is a name that `state.position` knows (an avatar is seen, and sees, at its eyes) or
    points, (worlds, ..., 3), metres.

    Args:
        state: the worlds.
        one: an end of the lines.
        other: the other end; where one end has an axis for avatars and the other has not, every
            avatar is paired with it.
        props: whether fixed solid props hide things as walls do, as boxes, one for each part; one
            that holds an end of the line itself does not.

    Returns:
        (worlds,), or (worlds, avatars) where an end is "avatars".

    Raises:
        ArgumentError: a name is unknown, or points are not (worlds, ..., 3).
    """
    a, b = _points(state, one), _points(state, other)
    if a.ndim < b.ndim:
        a = a.reshape(a.shape[0], *[1] * (b.ndim - a.ndim), *a.shape[1:])
    elif b.ndim < a.ndim:
        b = b.reshape(b.shape[0], *[1] * (a.ndim - b.ndim), *b.shape[1:])
    a, b = np.broadcast_arrays(a, b)
    shape = a.shape[:-1]
    start = np.ascontiguousarray(a).reshape(state.num_worlds, -1, 3)
    end = np.ascontiguousarray(b).reshape(state.num_worlds, -1, 3)
    out: NDArray[np.bool_] = np.empty(start.shape[:2], np.bool_)
    solid, boxes = _fixed_props(state, props)
    walls = state.walls
    _visible(walls.rows(), solid, boxes, _parts(state), walls.count, start, end, out)
    return out.reshape(shape)


def _points(state: WorldState, end: str | ArrayLike) -> FloatArray:
    if not isinstance(end, str):
        points = np.asarray(end, np.float64)
        if points.ndim < 2 or points.shape[0] != state.num_worlds or points.shape[-1] != 3:
            raise ArgumentError(
                f"points must be (worlds, ..., 3) with {state.num_worlds} worlds, "
                f"got {points.shape}"
            )
        return points
    points = state.position(end).copy()
    if end == "avatars":
        points[..., 2] += EYE_HEIGHT * state.bodies.height
    elif end.startswith("avatar_") and end[7:].isdecimal():
        points[..., 2] += EYE_HEIGHT * state.bodies.height[int(end[7:])]
    return points


def _fixed_props(state: WorldState, wanted: bool) -> tuple[BoolArray, FloatArray]:
    """The fixed solid props as boxes: whether each counts, and (worlds, 8, props)."""
    if not wanted:
        empty = np.zeros((state.num_worlds, 0), np.bool_)
        return empty, np.zeros((state.num_worlds, BOX_ROWS, 0))
    props = state.props
    solid = props.present & props.solid & (props.mass == 0)
    x, y, z, w = np.moveaxis(props.orientation, -1, 0)
    heading = pmath.atan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))
    boxes = np.empty((state.num_worlds, BOX_ROWS, solid.shape[1]))
    boxes[:, 0:3] = np.moveaxis(props.position, -1, 1)
    boxes[:, 3:6] = np.maximum(np.moveaxis(props.half, -1, 1) - SKIN, 0.0)
    boxes[:, 6], boxes[:, 7] = pmath.cos(heading), pmath.sin(heading)
    return solid, boxes


def _parts(state: WorldState) -> tuple[BoolArray, IntArray, FloatArray]:
    """Which props are compound, whose part each is, and parts as boxes, (worlds, 8, parts)."""
    parts = state.parts
    used = np.arange(parts.owner.shape[1]) < parts.count[:, None]
    compound: BoolArray = np.zeros(state.props.shape.shape, np.bool_)
    compound[np.nonzero(used)[0], parts.owner[used]] = True
    boxes = np.empty((state.num_worlds, BOX_ROWS, parts.owner.shape[1]))
    if boxes.size:
        center, cos, sin = placed(state)
        boxes[:, 0:3] = np.moveaxis(center, -1, 1)
        boxes[:, 3:6] = np.maximum(np.moveaxis(parts.half, -1, 1) - SKIN, 0.0)
        boxes[:, 6], boxes[:, 7] = cos, sin
    return compound, np.where(used, parts.owner, -1).astype(np.int32), boxes
