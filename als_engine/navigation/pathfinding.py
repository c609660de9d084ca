"""The kernels behind `Navigator` that find ways: straight lines, distances, directions.

From a goal, shortest distances spread over the free cells (Dial 1969, Algorithm 360: buckets
instead of a heap); an avatar walks down them, straight towards the furthest cell of its way that it
can walk to in a straight line.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.navigation.grid import Maps, Measures, Ways, cell_of, grid_of, middle, touches
from als_engine.system.compiling import inner, kernel

STRAIGHT: Final = 12
DIAGONAL: Final = 17
BUCKETS: Final = 32
"""More than the longest step and than the spread of the costs that a search starts from."""

FAR: Final = 2**30
"""The distance from where there is no way."""

_SKIN: Final = 0.01
_LAST_STRETCH: Final = 1.0
_SLOW_DOWN: Final = 0.6
_LOOK_AHEAD: Final = 64
_BODY: Final = 0.7
"""How near to an obstacle the middle of a body may come in the end, as a share of the clearance."""

_NEARBY: Final = 6

# -- straight lines -------------------------------------------------------------------------------


@inner
def _walkable(x, y, tx, ty, grid):  # type: ignore[no-untyped-def]
    """Whether a straight walk enters no blocked cell; the cell that it starts in does not count.

    Visits every cell on the way (Amanatides and Woo 1987). Beyond the grid everything is free.
    """
    cell, nx, ny = grid.cell, grid.nx, grid.ny
    ax, ay = (x - grid.x) / cell, (y - grid.y) / cell
    bx, by = (tx - grid.x) / cell, (ty - grid.y) / cell
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
        if 0 < i < nx - 1 and 0 < j < ny - 1 and grid.blocked[j * nx + i]:
            return False
    return True


@inner
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


@inner
def _nearest(x, y, limit, window, through, grid, walls, found):  # type: ignore[no-untyped-def]
    """Lists the free cells at most `limit` from a point, in a window of so many cells around it.

    Without `through`, those behind a wall are left out. Returns their number and the least
    distance; cells further away than that plus a little are left out as well.
    """
    nx, ny = grid.nx, grid.ny
    c = cell_of(x, y, grid)
    count, least = 0, math.inf
    for j in range(max(1, c // nx - window), min(ny - 1, c // nx + window + 1)):
        for i in range(max(1, c % nx - window), min(nx - 1, c % nx + window + 1)):
            k = j * nx + i
            mx, my = middle(k, grid)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2)
            if grid.blocked[k] or away > min(limit, least + 0.6 * grid.cell):
                continue
            if through or _unobstructed(x, y, mx, my, walls, -_SKIN):
                found[count] = k
                count += 1
                least = min(least, away)
    return count, least


@inner
def _start_around(x, y, grid, walls, field, bucket, fill):  # type: ignore[no-untyped-def]
    """Starts a search from the free cells nearest to a point that is in a blocked one.

    Those behind a wall count only when there are no others. Returns the least cost, or FAR.
    """
    cell = grid.cell
    found = np.empty(grid.nx * grid.ny, np.int64)
    count, least = 0, math.inf
    for attempt in range(3):
        window = grid.nx + grid.ny if attempt else _NEARBY
        limit = math.inf if attempt else (_NEARBY - 1) * cell
        count, least = _nearest(x, y, limit, window, attempt == 2, grid, walls, found)
        if count:
            break
    for n in range(count):
        k = found[n]
        mx, my = middle(k, grid)
        away = math.sqrt((mx - x) ** 2 + (my - y) ** 2)
        if away <= least + 0.6 * cell:
            cost = int(away / cell * STRAIGHT)
            field[k] = cost
            bucket[cost % BUCKETS, fill[cost % BUCKETS]] = k
            fill[cost % BUCKETS] += 1
    return int(least / cell * STRAIGHT) if count else FAR


@inner
def _spread(goal_cell, x, y, near, grid, walls, field, bucket):  # type: ignore[no-untyped-def]
    """Fills `field` with the free cells' distances from a goal, in twelfths of a cell.

    It ends as soon as that of the cell `near` is found; -1 finds all. Returns how far it came: the
    cells up to that distance hold it, and the others more.
    """
    east, north, blocked = np.int64(1), np.int64(grid.nx), grid.blocked
    field[: north * grid.ny] = FAR
    fill = np.zeros(BUCKETS, np.int32)
    if blocked[goal_cell]:
        cost = _start_around(x, y, grid, walls, field, bucket, fill)
    else:
        field[goal_cell], bucket[0, 0], fill[0], cost = 0, goal_cell, 1, 0
    waiting = fill.sum()
    while waiting > 0:
        if near >= 0 and field[near] <= cost:
            return cost
        slot = cost % BUCKETS
        straight, diagonal = cost + STRAIGHT, cost + DIAGONAL
        for k in range(fill[slot]):
            c = bucket[slot, k]
            if field[c] != cost:
                continue
            for step in (east, -east, north, -north):
                if straight < field[c + step] and not blocked[c + step]:
                    waiting += _note(c + step, straight, field, bucket, fill)
            for along, across in ((east, north), (-east, north), (east, -north), (-east, -north)):
                n = c + along + across
                if diagonal < field[n] and not (
                    blocked[n] or blocked[c + along] or blocked[c + across]
                ):
                    waiting += _note(n, diagonal, field, bucket, fill)
        waiting -= fill[slot]
        fill[slot] = 0
        cost += 1
    return FAR


@inner(forceinline=True)
def _note(n, cost, field, bucket, fill):  # type: ignore[no-untyped-def]
    """Notes the distance of a cell, and that its neighbours are to be looked at; returns 1."""
    field[n] = cost
    slot = cost % BUCKETS
    bucket[slot, fill[slot]] = n
    fill[slot] += 1
    return 1


@inner
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
def direct(position, goals, who, measures, maps, ways, out):  # type: ignore[no-untyped-def]
    """Writes every avatar's direction into `out`, (worlds, avatars, 2).

    Args:
        position: (worlds, avatars, 3).
        goals: (worlds, avatars, 2), NaN for none.
        who: (worlds, avatars), those that ask.
        measures: `Measures`.
        maps: `Maps`.
        ways: `Ways`, written.
        out: unit vectors, shorter where a way ends.
    """
    measures, maps, ways = Measures(*measures), Maps(*maps), Ways(*ways)
    worlds, avatars = who.shape
    arrive = measures.arrive
    for w in range(worlds):
        grid = grid_of(w, measures, maps)
        if grid.nx == 0:
            continue
        walls = maps.things[w, : maps.counts[w, 0]]
        solids = maps.things[w, : maps.counts[w, 1]]
        for a in range(avatars):
            x, y, gx, gy = position[w, a, 0], position[w, a, 1], goals[w, a, 0], goals[w, a, 1]
            if not (who[w, a] and math.isfinite(gx) and math.isfinite(gy)):
                continue
            if (gx - x) ** 2 + (gy - y) ** 2 <= arrive * arrive:
                continue
            end = cell_of(gx, gy, grid)
            if _straight_on(x, y, gx, gy, end, measures.clearance, grid, solids):
                _point(x, y, gx, gy, True, arrive, out[w, a])
                continue
            _ensure(w, a, end, x, y, gx, gy, grid, walls, ways)
            tx, ty, last = _waypoint(
                x, y, gx, gy, measures.clearance, grid, walls, solids, ways.field[w, a]
            )
            _point(x, y, tx, ty, last, arrive, out[w, a])


@inner
def _point(x, y, tx, ty, last, arrive, out):  # type: ignore[no-untyped-def]
    """Points from (x, y) to (tx, ty); when the way ends there, slows down and arrives."""
    dx, dy = tx - x, ty - y
    away = math.sqrt(dx * dx + dy * dy)
    if away == 0.0 or (last and away <= arrive):
        return
    scale = min(1.0, max(0.3, away / _SLOW_DOWN)) / away if last else 1.0 / away
    out[0], out[1] = dx * scale, dy * scale


@inner
def _straight_on(x, y, gx, gy, end, clearance, grid, solids):  # type: ignore[no-untyped-def]
    """Whether the goal itself can be walked to in a straight line.

    A goal too close to an obstacle for the grid, but with room for a body, is walked to over the
    last stretch when nothing stands between.
    """
    if not grid.blocked[end]:
        return _walkable(x, y, gx, gy, grid)
    near = (gx - x) ** 2 + (gy - y) ** 2 < _LAST_STRETCH**2
    return (
        near
        and _unobstructed(x, y, gx, gy, solids, -_SKIN)
        and not touches(gx, gy, _BODY * clearance, solids)
    )


@inner
def _ensure(w, a, end, x, y, gx, gy, grid, walls, ways):  # type: ignore[no-untyped-def]
    """Makes an avatar's field that of its goal, unless it is, as far as from (x, y) to there.

    That of a free goal depends on its cell alone.
    """
    field, known, goal_cell, goal = ways.field[w], ways.known[w], ways.goal_cell[w], ways.goal[w]
    cells, near = grid.nx * grid.ny, cell_of(x, y, grid)
    if grid.blocked[near]:
        near = -1  # The ways from all around it count.
    for b in range(goal_cell.shape[0]):
        k = (a + b) % goal_cell.shape[0]  # Its own first, then those of the others.
        same = goal[k, 0] == gx and goal[k, 1] == gy
        if goal_cell[k] == end and (same or not grid.blocked[end]):
            if not (known[k] == FAR or (near >= 0 and field[k, near] <= known[k])):
                near = -1  # Whoever has got farther away may do so again.
                continue
            if k != a:
                field[a, :cells], known[a] = field[k, :cells], known[k]
                goal_cell[a], goal[a, 0], goal[a, 1] = end, gx, gy
            return
    known[a] = _spread(end, gx, gy, near, grid, walls, field[a], ways.bucket)
    goal_cell[a], goal[a, 0], goal[a, 1] = end, gx, gy


@inner
def _waypoint(x, y, gx, gy, clearance, grid, walls, solids, field):  # type: ignore[no-untyped-def]
    """Where to walk straight to now: the furthest cell of the way that allows it.

    Returns x, y, and whether the way ends there.
    """
    c = cell_of(x, y, grid)
    outside = grid.blocked[c] or field[c] >= FAR
    if outside:
        c = _way_out(x, y, grid, walls, field)
        if c < 0:
            return gx, gy, True
    tx, ty = middle(c, grid)
    for _ in range(_LOOK_AHEAD):
        c = _next_cell(c, grid.nx, grid.blocked, field)
        if c < 0:
            return tx, ty, True
        mx, my = middle(c, grid)
        # Who has been pushed too close to something has no free cells to walk through.
        if outside:
            seen = _unobstructed(x, y, mx, my, solids, _BODY * clearance)
        else:
            seen = _walkable(x, y, mx, my, grid)
        if not seen:
            break
        tx, ty = mx, my
    return tx, ty, False


@inner
def _way_out(x, y, grid, walls, field):  # type: ignore[no-untyped-def]
    """The free cell near a point from which the goal is nearest, or -1; not through a wall."""
    nx, ny = grid.nx, grid.ny
    c = cell_of(x, y, grid)
    best, least = -1, math.inf
    for j in range(max(1, c // nx - _NEARBY), min(ny - 1, c // nx + _NEARBY + 1)):
        for i in range(max(1, c % nx - _NEARBY), min(nx - 1, c % nx + _NEARBY + 1)):
            k = j * nx + i
            if grid.blocked[k] or field[k] >= FAR:
                continue
            mx, my = middle(k, grid)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2) / grid.cell
            cost = field[k] / STRAIGHT + 2.0 * away
            if cost < least and _unobstructed(x, y, mx, my, walls, -_SKIN):
                best, least = k, cost
    return best
