"""The grid that ways lead over: which of its cells are blocked, and which straight lines are free.

A cell is blocked where an avatar in its middle would come too close to a wall or a fixed prop. A
grid is flat, row by row, its outermost cells blocked.
"""

from __future__ import annotations

import math
from typing import Final

from als_engine.system.compiling import kernel
from als_engine.world.arrays import SHAPE_BOX

_STEP_OVER: Final = 0.1

# -- cells ----------------------------------------------------------------------------------------


@kernel
def refresh(  # type: ignore[no-untyped-def]
    worlds, cell, clearance, body_height, wall_count, wall_position, wall_half, wall_cos, wall_sin,
    position, orientation, half, shape, mass, stands, movable,
    origin, size, blocked, things, counts, goal_cell,
):  # fmt: skip
    """Notes what stands in some worlds, walls first, and blocks the cells around it."""
    for w in worlds:
        n = 0
        for i in range(wall_count[w]):
            z, h = wall_position[w, i, 2], wall_half[w, i, 2]
            if z + h > _STEP_OVER and z - h < body_height:
                _note(
                    things[w, n], wall_position[w, i], wall_cos[w, i], wall_sin[w, i],
                    wall_half[w, i], False,
                )  # fmt: skip
                n += 1
        counts[w, 0] = n
        for i in range(half.shape[1]):
            z, h = position[w, i, 2], half[w, i, 2]
            counted = stands[w, i] and (mass[w, i] == 0.0 or movable[i])
            if counted and z + h > _STEP_OVER and z - h < body_height:
                qx, qy, qz, qw = orientation[w, i]
                cos, sin = 1.0 - 2.0 * (qy * qy + qz * qz), 2.0 * (qw * qz + qx * qy)
                length = max(math.sqrt(cos * cos + sin * sin), 1e-9)
                round_ = shape[w, i] != SHAPE_BOX
                _note(things[w, n], position[w, i], cos / length, sin / length, half[w, i], round_)
                n += 1
        counts[w, 1] = n
        goal_cell[w, :] = -1
        _rasterise(cell, clearance, origin[w], size[w], things[w, :n], blocked[w])


@kernel
def rasterise(worlds, cell, clearance, origin, size, things, counts, blocked):  # type: ignore[no-untyped-def]
    """Blocks the cells around what is noted already, in some worlds."""
    for w in worlds:
        _rasterise(cell, clearance, origin[w], size[w], things[w, : counts[w, 1]], blocked[w])


@kernel
def _note(thing, position, cos, sin, half, is_round):  # type: ignore[no-untyped-def]
    thing[0], thing[1], thing[2], thing[3] = position[0], position[1], cos, sin
    thing[4], thing[5], thing[6] = half[0], half[1], 0.0
    if is_round:
        thing[4], thing[5], thing[6] = 0.0, 0.0, half[0]


@kernel
def _rasterise(cell, clearance, origin, size, things, blocked):  # type: ignore[no-untyped-def]
    """Blocks the outermost cells and those whose middle is too close to a thing."""
    nx, ny = size[0], size[1]
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
        i0 = max(0, math.floor((x - wide - origin[0]) / cell))
        i1 = min(nx - 1, math.floor((x + wide - origin[0]) / cell))
        j0 = max(0, math.floor((y - deep - origin[1]) / cell))
        j1 = min(ny - 1, math.floor((y + deep - origin[1]) / cell))
        for j in range(j0, j1 + 1):
            dy = origin[1] + (j + 0.5) * cell - y
            for i in range(i0, i1 + 1):
                dx = origin[0] + (i + 0.5) * cell - x
                u = max(0.0, abs(cos * dx + sin * dy) - hx)
                v = max(0.0, abs(cos * dy - sin * dx) - hy)
                if u * u + v * v < reach * reach:
                    blocked[j * nx + i] = True


@kernel
def touches(x, y, radius, things):  # type: ignore[no-untyped-def]
    """Whether a disc meets one of the things."""
    for k in range(things.shape[0]):
        cx, cy, cos, sin, hx, hy, r = things[k]
        dx, dy = x - cx, y - cy
        u = max(0.0, abs(cos * dx + sin * dy) - hx)
        v = max(0.0, abs(cos * dy - sin * dx) - hy)
        if u * u + v * v < (radius + r) ** 2:
            return True
    return False


@kernel
def cell_of(x, y, cell, origin, nx, ny):  # type: ignore[no-untyped-def]
    """The cell that a point is in, or the nearest one within the outermost ring."""
    i = min(max(math.floor((x - origin[0]) / cell), 1), nx - 2)
    j = min(max(math.floor((y - origin[1]) / cell), 1), ny - 2)
    return j * nx + i


@kernel
def middle(c, cell, origin, nx):  # type: ignore[no-untyped-def]
    """The middle of a cell, (x, y), metres."""
    return origin[0] + (c % nx + 0.5) * cell, origin[1] + (c // nx + 0.5) * cell


@kernel
def look_up(points, cell, origin, size, blocked, out):  # type: ignore[no-untyped-def]
    """Writes whether points, (worlds, n, 2), are in blocked cells into `out`, (worlds, n)."""
    for w in range(points.shape[0]):
        for k in range(points.shape[1]):
            c = cell_of(points[w, k, 0], points[w, k, 1], cell, origin[w], size[w, 0], size[w, 1])
            out[w, k] = blocked[w, c]


# -- straight lines -------------------------------------------------------------------------------


@kernel
def walkable(x, y, tx, ty, cell, origin, nx, ny, blocked):  # type: ignore[no-untyped-def]
    """Whether a straight walk enters no blocked cell; the cell that it starts in does not count.

    Visits every cell on the way (Amanatides and Woo 1987). Beyond the grid everything is free.
    """
    ax, ay = (x - origin[0]) / cell, (y - origin[1]) / cell
    bx, by = (tx - origin[0]) / cell, (ty - origin[1]) / cell
    i, j = math.floor(ax), math.floor(ay)
    steps = abs(math.floor(bx) - i) + abs(math.floor(by) - j)
    dx, dy = bx - ax, by - ay
    di, dj = (1 if dx > 0.0 else -1), (1 if dy > 0.0 else -1)
    inf = math.inf
    next_x = ((i + (dx > 0.0)) - ax) / dx if dx != 0.0 else inf
    next_y = ((j + (dy > 0.0)) - ay) / dy if dy != 0.0 else inf
    gain_x, gain_y = (abs(1.0 / dx) if dx != 0.0 else inf), (abs(1.0 / dy) if dy != 0.0 else inf)
    for _ in range(steps):
        if next_x < next_y:
            i += di
            next_x += gain_x
        else:
            j += dj
            next_y += gain_y
        if 0 < i < nx - 1 and 0 < j < ny - 1 and blocked[j * nx + i]:
            return False
    return True


@kernel
def unobstructed(x, y, tx, ty, things, grow):  # type: ignore[no-untyped-def]
    """Whether the line between two points meets none of the things, grown by so many metres."""
    mx, my, ex, ey = 0.5 * (x + tx), 0.5 * (y + ty), 0.5 * (tx - x), 0.5 * (ty - y)
    for k in range(things.shape[0]):
        cx, cy, cos, sin, hx, hy, r = things[k]
        dx, dy = mx - cx, my - cy
        if r > 0.0:
            square = ex * ex + ey * ey
            t = 0.0 if square == 0.0 else -(dx * ex + dy * ey) / square
            t = min(1.0, max(-1.0, t))
            px, py = dx + t * ex, dy + t * ey
            if px * px + py * py < (r + grow) ** 2:
                return False
            continue
        hx, hy = hx + grow, hy + grow
        px, py = cos * dx + sin * dy, cos * dy - sin * dx
        qx, qy = cos * ex + sin * ey, cos * ey - sin * ex
        if (
            abs(px) <= hx + abs(qx)
            and abs(py) <= hy + abs(qy)
            and abs(px * qy - py * qx) <= hx * abs(qy) + hy * abs(qx)
        ):
            return False
    return True
