"""The shortest ways over a grid: distances from a goal, and the directions that lead there.

From a goal, shortest distances spread over the free cells (Dial 1969, Algorithm 360: buckets
instead of a heap); an avatar walks down them, straight towards the furthest cell of its way that it
can walk to in a straight line.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.navigation.grid import cell_of, middle, touches, unobstructed, walkable
from als_engine.system.compiling import kernel

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

# -- distances ------------------------------------------------------------------------------------


@kernel
def _nearest(x, y, limit, window, through, cell, origin, nx, ny, blocked, walls, found):  # type: ignore[no-untyped-def]
    """Lists the free cells at most `limit` from a point, in a window of so many cells around it.

    Without `through`, those behind a wall are left out. Returns their number and the least
    distance; cells further away than that plus a little are left out as well.
    """
    c = cell_of(x, y, cell, origin, nx, ny)
    count, least = 0, math.inf
    for j in range(max(1, c // nx - window), min(ny - 1, c // nx + window + 1)):
        for i in range(max(1, c % nx - window), min(nx - 1, c % nx + window + 1)):
            k = j * nx + i
            mx, my = middle(k, cell, origin, nx)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2)
            if blocked[k] or away > min(limit, least + 0.6 * cell):
                continue
            if through or unobstructed(x, y, mx, my, walls, -_SKIN):
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
        mx, my = middle(k, cell, origin, nx)
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
            end = cell_of(gx, gy, cell, origin[w], nx, ny)
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
        return walkable(x, y, gx, gy, cell, origin, nx, ny, blocked)
    near = (gx - x) ** 2 + (gy - y) ** 2 < _LAST_STRETCH**2
    return (
        near
        and unobstructed(x, y, gx, gy, solids, -_SKIN)
        and not touches(gx, gy, _BODY * clearance, solids)
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
    c = cell_of(x, y, cell, origin, nx, ny)
    outside = blocked[c] or field[c] >= FAR
    if outside:
        c = _way_out(x, y, cell, origin, nx, ny, blocked, walls, field)
        if c < 0:
            return gx, gy, True
    tx, ty = middle(c, cell, origin, nx)
    for _ in range(_LOOK_AHEAD):
        c = _next_cell(c, nx, blocked, field)
        if c < 0:
            return tx, ty, True
        mx, my = middle(c, cell, origin, nx)
        # Who has been pushed too close to something has no free cells to walk through.
        if outside:
            seen = unobstructed(x, y, mx, my, solids, _BODY * clearance)
        else:
            seen = walkable(x, y, mx, my, cell, origin, nx, ny, blocked)
        if not seen:
            break
        tx, ty = mx, my
    return tx, ty, False


@kernel
def _way_out(x, y, cell, origin, nx, ny, blocked, walls, field):  # type: ignore[no-untyped-def]
    """The free cell near a point from which the goal is nearest, or -1; not through a wall."""
    c = cell_of(x, y, cell, origin, nx, ny)
    best, least = -1, math.inf
    for j in range(max(1, c // nx - _NEARBY), min(ny - 1, c // nx + _NEARBY + 1)):
        for i in range(max(1, c % nx - _NEARBY), min(nx - 1, c % nx + _NEARBY + 1)):
            k = j * nx + i
            if blocked[k] or field[k] >= FAR:
                continue
            mx, my = middle(k, cell, origin, nx)
            away = math.sqrt((mx - x) ** 2 + (my - y) ** 2) / cell
            cost = field[k] / STRAIGHT + 2.0 * away
            if cost < least and unobstructed(x, y, mx, my, walls, -_SKIN):
                best, least = k, cost
    return best
