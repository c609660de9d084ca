"""The grids behind `Navigator`: which cells are blocked in every world.

A cell is blocked where an avatar in its middle would come too close to a wall or a fixed prop. A
grid is flat, row by row, its outermost cells blocked.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry.parts import PartRows, facing, part_place
from als_engine.geometry.planar import square_outside
from als_engine.geometry.sight import WallRows
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import SHAPE_BOX, SHAPE_COMPOUND, BoolArray, FloatArray, IntArray

STEP_OVER: Final = 0.1
"""Up to which height things are in nobody's way, metres."""


class Measures(NamedTuple):
    """Metres: the edge of a cell, how far a middle keeps from obstacles, how near is arrived."""

    cell: float
    clearance: float
    arrive: float


class Maps(NamedTuple):
    """The grids of all worlds, and what stands there.

    Attributes:
        origin: (worlds, 2), the lower corner. size: (worlds, 2), cells along x and y.
        blocked: (worlds, room), flat.
        things: (worlds, room, 7), walls first: x, y, cos, sin, half extents, radius.
        counts: (worlds, 2), how many walls, how many things.
    """

    origin: FloatArray
    size: IntArray
    blocked: BoolArray
    things: FloatArray
    counts: IntArray


class Ways(NamedTuple):
    """The ways to goals that have been found.

    Attributes:
        field: (worlds, avatars, room), the cells' distances from an avatar's goal.
        known: (worlds, avatars), up to which distance they are found: no farther cell holds less.
        goal_cell: (worlds, avatars), goal: (worlds, avatars, 2), the goals of these distances.
        bucket: (BUCKETS, room), to work in.
    """

    field: IntArray
    known: IntArray
    goal_cell: NDArray[np.int64]
    goal: FloatArray
    bucket: IntArray


class Grid(NamedTuple):
    """The grid of one world."""

    cell: float
    x: float
    y: float
    nx: int
    ny: int
    blocked: BoolArray


class _Props(NamedTuple):
    """The props, (worlds, props, ...), but `movable` (props,); `stands` means as an obstacle."""

    position: FloatArray
    orientation: FloatArray
    half: FloatArray
    shape: NDArray[np.uint8]
    mass: FloatArray
    stands: BoolArray
    movable: BoolArray


@inner
def grid_of(w, measures, maps):  # type: ignore[no-untyped-def]
    """The grid of one world."""
    x, y = maps.origin[w, 0], maps.origin[w, 1]
    nx, ny = int(maps.size[w, 0]), int(maps.size[w, 1])
    return Grid(measures.cell, x, y, nx, ny, maps.blocked[w])


@kernel
def refresh(worlds, measures, body_height, walls, props, parts, maps, goal_cell):  # type: ignore[no-untyped-def]
    """Notes what stands in some worlds, walls first, and blocks the cells around it.

    Args:
        worlds: their indices.
        measures: `Measures`.
        body_height: of the tallest avatar, metres.
        walls: `WallRows`.
        props: `_Props`, in the same order.
        parts: `PartRows`.
        maps: `Maps`, written.
        goal_cell: of `Ways`, forgotten.
    """
    measures, maps = Measures(*measures), Maps(*maps)
    walls, props, parts = WallRows(*walls), _Props(*props), PartRows(*parts)
    for w in worlds:
        n = 0
        for i in range(walls.used[w]):
            half = walls.half[w, i]
            if _in_the_way(walls.position[w, i, 2], half[2], body_height):
                cos, sin = walls.cos[w, i], walls.sin[w, i]
                _note(maps.things[w, n], walls.position[w, i], cos, sin, half, False)
                n += 1
        maps.counts[w, 0] = n
        for i in range(props.half.shape[1]):
            half = props.half[w, i]
            counted = props.stands[w, i] and (props.mass[w, i] == 0.0 or props.movable[i])
            if counted and props.shape[w, i] == SHAPE_COMPOUND:
                n = _note_parts(w, i, n, body_height, props, parts, maps.things[w])
            elif counted and _in_the_way(props.position[w, i, 2], half[2], body_height):
                cos, sin = facing(props.orientation[w, i])
                round_ = props.shape[w, i] != SHAPE_BOX
                _note(maps.things[w, n], props.position[w, i], cos, sin, half, round_)
                n += 1
        maps.counts[w, 1] = n
        goal_cell[w, :] = -1
        _rasterise(grid_of(w, measures, maps), measures.clearance, maps.things[w, :n])


@kernel
def rasterise(worlds, measures, maps):  # type: ignore[no-untyped-def]
    """Blocks the cells around what is noted already, in some worlds."""
    measures, maps = Measures(*measures), Maps(*maps)
    for w in worlds:
        things = maps.things[w, : maps.counts[w, 1]]
        _rasterise(grid_of(w, measures, maps), measures.clearance, things)


@inner
def _note_parts(w, i, n, body_height, props, parts, things):  # type: ignore[no-untyped-def]
    """Notes the parts of a prop that are in the way; returns how many things there are then."""
    cos, sin = facing(props.orientation[w, i])
    spot = np.empty(2)
    for k in range(parts.used[w]):
        if parts.owner[w, k] == i:
            dx, dy, dz, c, s = part_place(w, k, cos, sin, parts)
            half, at = parts.half[w, k], props.position[w, i]
            if _in_the_way(at[2] + dz, half[2], body_height):
                spot[0], spot[1] = at[0] + dx, at[1] + dy
                _note(things[n], spot, c, s, half, parts.form[w, k] != SHAPE_BOX)
                n += 1
    return n


@inner
def _in_the_way(z, half, body_height):  # type: ignore[no-untyped-def]
    """Whether a thing is too high to step over and too low to walk under."""
    return z + half > STEP_OVER and z - half < body_height


@inner
def _note(thing, position, cos, sin, half, is_round):  # type: ignore[no-untyped-def]
    thing[0], thing[1], thing[2], thing[3] = position[0], position[1], cos, sin
    thing[4], thing[5], thing[6] = half[0], half[1], 0.0
    if is_round:
        thing[4], thing[5], thing[6] = 0.0, 0.0, half[0]


@inner
def _rasterise(grid, clearance, things):  # type: ignore[no-untyped-def]
    """Blocks the outermost cells and those whose middle is too close to a thing."""
    cell, nx, ny, blocked = grid.cell, grid.nx, grid.ny, grid.blocked
    blocked[: nx * ny] = False
    blocked[:nx] = True
    blocked[(ny - 1) * nx : ny * nx] = True
    for j in range(ny):
        blocked[j * nx] = blocked[j * nx + nx - 1] = True
    for k in range(things.shape[0]):
        x, y, cos, sin, hx, hy, r = things[k]
        reach = clearance + r
        wide = abs(cos) * hx + abs(sin) * hy + reach
        deep = abs(sin) * hx + abs(cos) * hy + reach
        i0 = max(0, math.floor((x - wide - grid.x) / cell))
        i1 = min(nx - 1, math.floor((x + wide - grid.x) / cell))
        j0 = max(0, math.floor((y - deep - grid.y) / cell))
        j1 = min(ny - 1, math.floor((y + deep - grid.y) / cell))
        for j in range(j0, j1 + 1):
            dy = grid.y + (j + 0.5) * cell - y
            for i in range(i0, i1 + 1):
                dx = grid.x + (i + 0.5) * cell - x
                if square_outside(dx, dy, cos, sin, hx, hy) < reach * reach:
                    blocked[j * nx + i] = True


@inner
def touches(x, y, radius, things):  # type: ignore[no-untyped-def]
    """Whether a disc meets one of the things."""
    for k in range(things.shape[0]):
        cx, cy, cos, sin, hx, hy, r = things[k]
        if square_outside(x - cx, y - cy, cos, sin, hx, hy) < (radius + r) ** 2:
            return True
    return False


@inner
def cell_of(x, y, grid):  # type: ignore[no-untyped-def]
    """The cell that a point is in, or the nearest one within the outermost ring."""
    i = min(max(math.floor((x - grid.x) / grid.cell), 1), grid.nx - 2)
    j = min(max(math.floor((y - grid.y) / grid.cell), 1), grid.ny - 2)
    return j * grid.nx + i


@inner
def middle(c, grid):  # type: ignore[no-untyped-def]
    """Where the middle of a cell is."""
    x, y = (c % grid.nx + 0.5) * grid.cell, (c // grid.nx + 0.5) * grid.cell
    return grid.x + x, grid.y + y


@kernel
def look_up(points, measures, maps, out):  # type: ignore[no-untyped-def]
    """Writes whether points, (worlds, n, 2), are in blocked cells into `out`, (worlds, n)."""
    measures, maps = Measures(*measures), Maps(*maps)
    for w in range(points.shape[0]):
        grid = grid_of(w, measures, maps)
        for k in range(points.shape[1]):
            out[w, k] = grid.blocked[cell_of(points[w, k, 0], points[w, k, 1], grid)]
