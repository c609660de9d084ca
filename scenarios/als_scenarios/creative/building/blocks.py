"""Blocks on a site: how they come to rest, what they carry, and what can be taken off again.

A structure stands in a plane: 7 columns of 4 levels, seen from the front. A cube fills one cell. A
beam fills three beside one another and rests on the highest of its three columns. Two rules of
statics decide whether a block stays where it is put: a beam needs a support under its middle or
under both of its ends, and nothing stands on an end that hangs free. So a structure is stable at
every moment, and blocks that are laid are fixed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, IntArray

COLORS: Final = ("red", "blue", "yellow", "green")
NUM_COLORS: Final = len(COLORS)

COLUMNS, LEVELS = 7, 4
CUBES, BEAMS = 8, 2
BLOCKS: Final = CUBES + BEAMS
"""Cubes are the blocks 0 to 7, beams the last two."""

SPAN: Final = 3
"""The columns that a beam covers; it is named by the middle one."""

MOST_PIECES: Final = 7
"""The most blocks that a plan, or the shortest answer to a sentence, consists of."""

Grid = NDArray[np.int8]
"""(..., 7, 4): of each cell the colour, 1 to 4, or 0."""


class Piece(NamedTuple):
    """One block of a structure.

    Attributes:
        beam: 1 for a beam, 0 for a cube.
        column: where it is; of a beam, its middle.
        level: 0 at the bottom.
        color: 1 to 4.
    """

    beam: int
    column: int
    level: int
    color: int


class Site(NamedTuple):
    """What stands at the sites, (worlds, 7, 4).

    Attributes:
        grid: the colour of each cell, 0 where it is empty.
        block: the number of the block that fills it, or NOTHING.
        bears: whether something can stand on it.
    """

    grid: Grid
    block: NDArray[np.int8]
    bears: BoolArray


def drawn(pieces: Sequence[Piece]) -> Grid:
    """The cells that pieces fill, (7, 4)."""
    grid = np.zeros((COLUMNS, LEVELS), np.int8)
    for beam, column, level, color in pieces:
        grid[column - beam : column + beam + 1, level] = color
    return grid


def listed(pieces: Sequence[Piece]) -> Grid:
    """Pieces as an array, (7, 4); rows without a piece are NOTHING."""
    rows = np.full((MOST_PIECES, 4), NOTHING, np.int8)
    rows[: len(pieces)] = pieces
    return rows


@inner
def top_of(block, x):  # type: ignore[no-untyped-def]
    """The first level above everything in a column of one site."""
    for level in range(LEVELS, 0, -1):
        if block[x, level - 1] >= 0:
            return level
    return 0


@inner
def carried(block, bears, x, level):  # type: ignore[no-untyped-def]
    """Whether there is a support for something in this cell: the floor, or what bears."""
    return level == 0 or (block[x, level - 1] >= 0 and bears[x, level - 1])


@inner
def rest(block, bears, x, beam):  # type: ignore[no-untyped-def]
    """The level on which a block stays that is let down at a column, or NOTHING."""
    if not beam:
        level = top_of(block, x)
        return level if level < LEVELS and carried(block, bears, x, level) else NOTHING
    if x < 1 or x > COLUMNS - 2:
        return NOTHING
    level = max(top_of(block, x - 1), top_of(block, x), top_of(block, x + 1))
    if level >= LEVELS:
        return NOTHING
    ends = carried(block, bears, x - 1, level) and carried(block, bears, x + 1, level)
    return level if ends or carried(block, bears, x, level) else NOTHING


@inner
def lay(block, bears, x, level, beam, number):  # type: ignore[no-untyped-def]
    """Puts a block of a number where `rest` has found that it stays."""
    if not beam:
        block[x, level], bears[x, level] = number, True
        return
    ends = carried(block, bears, x - 1, level) and carried(block, bears, x + 1, level)
    for i in range(x - 1, x + 2):
        bears[i, level] = ends or carried(block, bears, i, level)
    for i in range(x - 1, x + 2):
        block[i, level] = number


@inner
def loose(block, x):  # type: ignore[no-untyped-def]
    """The number of the block on top of a column if nothing holds it down, or NOTHING."""
    level = top_of(block, x) - 1
    if level < 0:
        return NOTHING
    number = block[x, level]
    for i in range(max(0, x - SPAN + 1), min(COLUMNS, x + SPAN)):
        if block[i, level] == number and top_of(block, i) != level + 1:
            return NOTHING
    return number


@inner
def take(grid, block, bears, number):  # type: ignore[no-untyped-def]
    """Clears the cells of a block."""
    for x in range(COLUMNS):
        for level in range(LEVELS):
            if block[x, level] == number:
                grid[x, level], block[x, level], bears[x, level] = 0, NOTHING, False


@kernel
def work(column, held, paint, site, laid, taken):  # type: ignore[no-untyped-def]
    """Lets builders work at their columns, in the order of their numbers.

    Who holds a block lays it if it stays there; who holds none takes the top one off.

    Args:
        column: (worlds, avatars), the column that each works at, or NOTHING.
        held: (worlds, avatars), the number of the block in hand, or NOTHING.
        paint: (worlds, blocks), colours, 1 to 4.
        site: `Site`, changed in place.
        laid: (worlds, avatars, 3), written: block, column and level, or NOTHING.
        taken: (worlds, avatars), written: the block, or NOTHING.
    """
    site = Site(*site)
    for w in range(column.shape[0]):
        grid, block, bears = site.grid[w], site.block[w], site.bears[w]
        for a in range(column.shape[1]):
            laid[w, a] = taken[w, a] = NOTHING
            x, number = column[w, a], held[w, a]
            if x < 0:
                continue
            if number < 0:
                taken[w, a] = loose(block, x)
                if taken[w, a] >= 0:
                    take(grid, block, bears, taken[w, a])
                continue
            beam = number >= CUBES
            level = rest(block, bears, x, beam)
            if level >= 0:
                lay(block, bears, x, level, beam, number)
                grid[x - beam : x + beam + 1, level] = paint[w, number]
                laid[w, a, 0], laid[w, a, 1], laid[w, a, 2] = number, x, level


@kernel
def workable(column, held, site, out):  # type: ignore[no-untyped-def]
    """Fills `out`, (worlds, avatars): whether `work` would lay a block there, or take one off.

    Args:
        column: (worlds, avatars), the column before each, or NOTHING.
        held: (worlds, avatars), the number of the block in hand, or NOTHING.
        site: `Site`.
        out: bool, written.
    """
    site = Site(*site)
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            x, number = column[w, a], held[w, a]
            if x < 0:
                out[w, a] = False
            elif number < 0:
                out[w, a] = loose(site.block[w], x) >= 0
            else:
                out[w, a] = rest(site.block[w], site.bears[w], x, number >= CUBES) >= 0


@kernel
def connected(grid, out):  # type: ignore[no-untyped-def]
    """Fills `out`, (n,), with whether the filled cells of grids, (n, 7, 4), hang together."""
    seen = np.zeros((COLUMNS, LEVELS), np.bool_)
    for n in range(out.size):
        seen[:] = False
        filled, found, grown = 0, 0, True
        for x in range(COLUMNS):
            for y in range(LEVELS):
                if grid[n, x, y] > 0:
                    filled += 1
                    if filled == 1:
                        seen[x, y], found = True, 1
        while grown:
            grown = False
            for x in range(COLUMNS):
                for y in range(LEVELS):
                    if grid[n, x, y] > 0 and not seen[x, y] and _beside(seen, x, y):
                        seen[x, y], grown, found = True, True, found + 1
        out[n] = found == filled


@inner
def _beside(seen, x, y):  # type: ignore[no-untyped-def]
    return (
        (x > 0 and seen[x - 1, y])
        or (x < COLUMNS - 1 and seen[x + 1, y])
        or (y > 0 and seen[x, y - 1])
        or (y < LEVELS - 1 and seen[x, y + 1])
    )


def overlap(grid: Grid, plan: Grid) -> NDArray[np.float64]:
    """Intersection over union of structures and plans, (n,): a cell counts with its colour.

    Args:
        grid: (n, 7, 4).
        plan: (n, 7, 4).
    """
    shared = ((grid == plan) & (plan > 0)).sum((1, 2))
    union = ((grid > 0) | (plan > 0)).sum((1, 2))
    return np.asarray(shared / np.maximum(union, 1))


def numbers_of(grid: Grid) -> IntArray:
    """How many cells are filled, (n,)."""
    return np.asarray((grid > 0).sum((1, 2)), np.int32)
