"""The kernels behind `Navigator`: grids, straight lines, distances, directions.

A cell of the grid is blocked where an avatar in its middle would come too close to a wall or a
fixed prop. From a goal, shortest distances spread over the free cells (Dial 1969, Algorithm 360:
buckets instead of a heap); an avatar walks down them, straight towards the furthest cell of its way
that it can walk to in a straight line. A grid is flat, row by row, its outermost cells blocked.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.system.compiling import kernel
from als_engine.world.arrays import SHAPE_BOX

STRAIGHT: Final = 12
DIAGONAL: Final = 17
BUCKETS: Final = 32
"""More than the longest step and than the spread of the costs that a search starts from."""

FAR: Final = 2**30
"""The distance from where there is no way."""

_STEP_OVER: Final = 0.1
_SKIN: Final = 0.01
_LAST_STRETCH: Final = 1.0
_SLOW_DOWN: Final = 0.6
_LOOK_AHEAD: Final = 64
_BODY: Final = 0.7
"""How near to an obstacle the middle of a body may come in the end, as a share of the clearance."""

_NEARBY: Final = 6

# -- the grid -------------------------------------------------------------------------------------


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
def _touches(x, y, radius, things):  # type: ignore[no-untyped-def]
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
def _cell_of(x, y, cell, origin, nx, ny):  # type: ignore[no-untyped-def]
    """The cell that a point is in, or the nearest one within the outermost ring."""
    i = min(max(math.floor((x - origin[0]) / cell), 1), nx - 2)
    j = min(max(math.floor((y - origin[1]) / cell), 1), ny - 2)
    return j * nx + i


@kernel
def _middle(c, cell, origin, nx):  # type: ignore[no-untyped-def]
    return origin[0] + (c % nx + 0.5) * cell, origin[1] + (c // nx + 0.5) * cell


@kernel
def look_up(points, cell, origin, size, blocked, out):  # type: ignore[no-untyped-def]
    """Writes whether points, (worlds, n, 2), are in blocked cells into `out`, (worlds, n)."""
    for w in range(points.shape[0]):
        for k in range(points.shape[1]):
            c = _cell_of(points[w, k, 0], points[w, k, 1], cell, origin[w], size[w, 0], size[w, 1])
            out[w, k] = blocked[w, c]


# -- straight lines -------------------------------------------------------------------------------


@kernel
def _walkable(x, y, tx, ty, cell, origin, nx, ny, blocked):  # type: ignore[no-untyped-def]
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
def _unobstructed(x, y, tx, ty, things, grow):  # type: ignore[no-untyped-def]
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


# -- distances ------------------------------------------------------------------------------------


@kernel
def _nearest(x, y, limit, window, through, cell, origin, nx, ny, blocked, walls, found):  # type: ignore[no-untyped-def]
    """Lists the free cells at most `limit` from a point, in a window of so many cells around it.

    Without `through`, those behind a wall are left out. Returns their number and the least
    distance; cells further away than that plus a little are left out as well.
    """
    c = _cell_of(x, y, cell, origin, nx, ny)
    count, least = 0, math.inf
    for j in range(max(1, c // nx - window), min(ny - 1, c // nx + window + 1)):
        for i in range(max(1, c % nx - window), min(nx - 1, c % nx + window + 1)):
            k = j * nx + i
            mx, my = _middle(k, cell, origin, nx)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2)
            if blocked[k] or away > min(limit, least + 0.6 * cell):
                continue
            if through or _unobstructed(x, y, mx, my, walls, -_SKIN):
                found[count] = k
                count += 1
                least = min(least, away)
    return count, least


@kernel
def _start_around(x, y, cell, origin, nx, ny, blocked, walls, field, bucket, fill):  # type: ignore[no-untyped-def]
    """Starts a search from the free cells nearest to a point that is in a blocked one.

    Those behind a wall count only when there are no others. Returns the least cost, or FAR.
    """
    found = np.empty(nx * ny, np.int64)
    count, least = 0, math.inf
    for attempt in range(3):
        window = nx + ny if attempt else _NEARBY
        limit = math.inf if attempt else (_NEARBY - 1) * cell
        count, least = _nearest(
            x, y, limit, window, attempt == 2, cell, origin, nx, ny, blocked, walls, found
        )
        if count:
            break
    for n in range(count):
        k = found[n]
        mx, my = _middle(k, cell, origin, nx)
        away = math.sqrt((mx - x) ** 2 + (my - y) ** 2)
        if away <= least + 0.6 * cell:
            cost = int(away / cell * STRAIGHT)
            field[k] = cost
            bucket[cost % BUCKETS, fill[cost % BUCKETS]] = k
            fill[cost % BUCKETS] += 1
    return int(least / cell * STRAIGHT) if count else FAR


@kernel
def _spread(goal_cell, x, y, cell, origin, nx, ny, blocked, walls, field, bucket):  # type: ignore[no-untyped-def]
    """Fills `field` with every free cell's distance from a goal, in twelfths of a cell."""
    field[: nx * ny] = FAR
    fill = np.zeros(BUCKETS, np.int32)
    if blocked[goal_cell]:
        cost = _start_around(x, y, cell, origin, nx, ny, blocked, walls, field, bucket, fill)
    else:
        field[goal_cell], bucket[0, 0], fill[0], cost = 0, goal_cell, 1, 0
    waiting = fill.sum()
    while waiting > 0:
        slot = cost % BUCKETS
        straight, diagonal = cost + STRAIGHT, cost + DIAGONAL
        for k in range(fill[slot]):
            c = bucket[slot, k]
            if field[c] != cost:
                continue
            east, west = not blocked[c + 1], not blocked[c - 1]
            north, south = not blocked[c + nx], not blocked[c - nx]
            for free, n, reach in (
                (east, c + 1, straight),
                (west, c - 1, straight),
                (north, c + nx, straight),
                (south, c - nx, straight),
                (north and east and not blocked[c + nx + 1], c + nx + 1, diagonal),
                (north and west and not blocked[c + nx - 1], c + nx - 1, diagonal),
                (south and east and not blocked[c - nx + 1], c - nx + 1, diagonal),
                (south and west and not blocked[c - nx - 1], c - nx - 1, diagonal),
            ):
                if free and reach < field[n]:
                    field[n] = reach
                    target = reach % BUCKETS
                    bucket[target, fill[target]] = n
                    fill[target] += 1
                    waiting += 1
        waiting -= fill[slot]
        fill[slot] = 0
        cost += 1


@kernel
def _next_cell(c, nx, blocked, field):  # type: ignore[no-untyped-def]
    """The neighbour through which the shortest way leads, or -1 where it ends."""
    east, west = not blocked[c + 1], not blocked[c - 1]
    north, south = not blocked[c + nx], not blocked[c - nx]
    here = field[c]
    for free, n, step in (
        (east, c + 1, STRAIGHT),
        (west, c - 1, STRAIGHT),
        (north, c + nx, STRAIGHT),
        (south, c - nx, STRAIGHT),
        (north and east, c + nx + 1, DIAGONAL),
        (north and west, c + nx - 1, DIAGONAL),
        (south and east, c - nx + 1, DIAGONAL),
        (south and west, c - nx - 1, DIAGONAL),
    ):
        if free and not blocked[n] and field[n] + step == here:
            return n
    return -1


# -- directions -----------------------------------------------------------------------------------


@kernel
def direct(  # type: ignore[no-untyped-def]
    position, goals, who, cell, clearance, arrive, origin, size, blocked, things, counts, field,
    goal_cell, goal, bucket, out,
):  # fmt: skip
    """Writes every avatar's direction into `out`, (worlds, avatars, 2)."""
    worlds, avatars = who.shape
    for w in range(worlds):
        nx, ny = size[w, 0], size[w, 1]
        if nx == 0:
            continue
        walls, solids = things[w, : counts[w, 0]], things[w, : counts[w, 1]]
        for a in range(avatars):
            x, y, gx, gy = position[w, a, 0], position[w, a, 1], goals[w, a, 0], goals[w, a, 1]
            if not (who[w, a] and math.isfinite(gx) and math.isfinite(gy)):
                continue
            if (gx - x) ** 2 + (gy - y) ** 2 <= arrive * arrive:
                continue
            end = _cell_of(gx, gy, cell, origin[w], nx, ny)
            if _straight_on(
                x, y, gx, gy, end, cell, clearance, origin[w], nx, ny, blocked[w], solids
            ):
                _point(x, y, gx, gy, True, arrive, out[w, a])
                continue
            _ensure(
                a, end, gx, gy, cell, origin[w], nx, ny, blocked[w], walls, field[w],
                goal_cell[w], goal[w], bucket,
            )  # fmt: skip
            tx, ty, last = _waypoint(
                x, y, gx, gy, cell, clearance, origin[w], nx, ny, blocked[w], walls, solids,
                field[w, a],
            )  # fmt: skip
            _point(x, y, tx, ty, last, arrive, out[w, a])


@kernel
def _point(x, y, tx, ty, last, arrive, out):  # type: ignore[no-untyped-def]
    """Points from (x, y) to (tx, ty); when the way ends there, slows down and arrives."""
    dx, dy = tx - x, ty - y
    away = math.sqrt(dx * dx + dy * dy)
    if away == 0.0 or (last and away <= arrive):
        return
    scale = min(1.0, max(0.3, away / _SLOW_DOWN)) / away if last else 1.0 / away
    out[0], out[1] = dx * scale, dy * scale


@kernel
def _straight_on(x, y, gx, gy, end, cell, clearance, origin, nx, ny, blocked, solids):  # type: ignore[no-untyped-def]
    """Whether the goal itself can be walked to in a straight line.

    A goal too close to an obstacle for the grid, but with room for a body, is walked to over the
    last stretch when nothing stands between.
    """
    if not blocked[end]:
        return _walkable(x, y, gx, gy, cell, origin, nx, ny, blocked)
    near = (gx - x) ** 2 + (gy - y) ** 2 < _LAST_STRETCH**2
    return (
        near
        and _unobstructed(x, y, gx, gy, solids, -_SKIN)
        and not _touches(gx, gy, _BODY * clearance, solids)
    )


@kernel
def _ensure(  # type: ignore[no-untyped-def]
    a, end, gx, gy, cell, origin, nx, ny, blocked, walls, field, goal_cell, goal, bucket
):
    """Makes `field[a]` that of the goal, unless it is; a free goal's depends on its cell alone."""
    for b in range(goal_cell.shape[0]):
        k = (a + b) % goal_cell.shape[0]  # Its own first, then those of the others.
        same = goal[k, 0] == gx and goal[k, 1] == gy
        if goal_cell[k] == end and (same or not blocked[end]):
            if k != a:
                field[a, : nx * ny] = field[k, : nx * ny]
                goal_cell[a], goal[a, 0], goal[a, 1] = end, gx, gy
            return
    _spread(end, gx, gy, cell, origin, nx, ny, blocked, walls, field[a], bucket)
    goal_cell[a], goal[a, 0], goal[a, 1] = end, gx, gy


@kernel
def _waypoint(  # type: ignore[no-untyped-def]
    x, y, gx, gy, cell, clearance, origin, nx, ny, blocked, walls, solids, field
):
    """Where to walk straight to now: the furthest cell of the way that allows it.

    Returns x, y, and whether the way ends there.
    """
    c = _cell_of(x, y, cell, origin, nx, ny)
    outside = blocked[c] or field[c] >= FAR
    if outside:
        c = _way_out(x, y, cell, origin, nx, ny, blocked, walls, field)
        if c < 0:
            return gx, gy, True
    tx, ty = _middle(c, cell, origin, nx)
    for _ in range(_LOOK_AHEAD):
        c = _next_cell(c, nx, blocked, field)
        if c < 0:
            return tx, ty, True
        mx, my = _middle(c, cell, origin, nx)
        # Who has been pushed too close to something has no free cells to walk through.
        if outside:
            seen = _unobstructed(x, y, mx, my, solids, _BODY * clearance)
        else:
            seen = _walkable(x, y, mx, my, cell, origin, nx, ny, blocked)
        if not seen:
            break
        tx, ty = mx, my
    return tx, ty, False


@kernel
def _way_out(x, y, cell, origin, nx, ny, blocked, walls, field):  # type: ignore[no-untyped-def]
    """The free cell near a point from which the goal is nearest, or -1; not through a wall."""
    c = _cell_of(x, y, cell, origin, nx, ny)
    best, least = -1, math.inf
    for j in range(max(1, c // nx - _NEARBY), min(ny - 1, c // nx + _NEARBY + 1)):
        for i in range(max(1, c % nx - _NEARBY), min(nx - 1, c % nx + _NEARBY + 1)):
            k = j * nx + i
            if blocked[k] or field[k] >= FAR:
                continue
            mx, my = _middle(k, cell, origin, nx)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2) / cell
            cost = field[k] / STRAIGHT + 2.0 * away
            if cost < least and _unobstructed(x, y, mx, my, walls, -_SKIN):
                best, least = k, cost
    return best
