"""Plans of structures: a small grammar of shapes in two colours, the splits, and the drawings.

A plan is a shape (tower, wall, arch, ...), of a size, in a main and an accent colour. Every one
can be laid block by block, from the bottom up, with 8 cubes and 2 beams.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split
from als_engine.world.layout import rgb
from als_scenarios.creative.building.blocks import (
    COLORS,
    COLUMNS,
    LEVELS,
    NUM_COLORS,
    Grid,
    Piece,
    drawn,
)

MAIN, ACCENT = 0, 1

_Shape = list[tuple[int, int, int, int]]
"""(beam, column, level, MAIN or ACCENT), from the bottom up, the leftmost column 0."""


def _column(x: int, levels: range, tone: int = MAIN) -> _Shape:
    return [(0, x, level, tone) for level in levels]


def _tower(height: int) -> _Shape:
    return [*_column(0, range(height - 1)), (0, 0, height - 1, ACCENT)]


def _wall(width: int, height: int) -> _Shape:
    rows = [(0, x, level, MAIN) for level in range(height - 1) for x in range(width)]
    return [*rows, *((0, x, height - 1, ACCENT) for x in range(width))]


def _arch(legs: int) -> _Shape:
    return [*_column(0, range(legs)), *_column(2, range(legs)), (1, 1, legs, ACCENT)]


def _bridge(legs: int) -> _Shape:
    return [*_arch(legs), (0, 1, legs + 1, MAIN)]


def _stairs() -> _Shape:
    low = [(0, x, 0, MAIN) for x in range(3)]
    return [*low, (0, 1, 1, MAIN), (0, 2, 1, MAIN), (0, 2, 2, ACCENT)]


def _letter_l(height: int) -> _Shape:
    return [(1, 1, 0, ACCENT), *_column(0, range(1, height))]


def _letter_t(height: int) -> _Shape:
    return [*_column(1, range(height)), (1, 1, height, ACCENT)]


def _letter_i(height: int) -> _Shape:
    return [(1, 1, 0, MAIN), *_column(1, range(1, height), ACCENT), (1, 1, height, MAIN)]


def _spire(height: int) -> _Shape:
    return [(1, 1, 0, MAIN), *_column(1, range(1, height), ACCENT)]


def _letter_u(height: int) -> _Shape:
    sides = [*_column(0, range(1, height)), *_column(2, range(1, height))]
    return [(1, 1, 0, ACCENT), *sides]


def _letter_h(legs: int) -> _Shape:
    return [*_arch(legs), (0, 0, legs + 1, MAIN), (0, 2, legs + 1, MAIN)]


def _letter_o(height: int) -> _Shape:
    return [*_letter_u(height), (1, 1, height, ACCENT)]


SHAPES: Final[dict[str, tuple[_Shape, ...]]] = {
    "tower": (_tower(3), _tower(4)),
    "wall": (_wall(2, 2), _wall(3, 2), _wall(2, 3)),
    "arch": (_arch(1), _arch(2)),
    "bridge": (_bridge(1), _bridge(2)),
    "stairs": (_stairs(),),
    "L": (_letter_l(3), _letter_l(4)),
    "T": (_letter_t(2), _letter_t(3)),
    "I": (_letter_i(2), _letter_i(3)),
    "spire": (_spire(3), _spire(4)),
    "U": (_letter_u(2), _letter_u(3)),
    "H": (_letter_h(1),),
    "O": (_letter_o(2), _letter_o(3)),
}
"""Every shape in its sizes."""

HELD_OUT: Final[dict[str, Split]] = {"U": "validation", "H": "test", "O": "test"}
"""Shapes that one split alone plans."""

Concept = tuple[str, str, str]
"""A shape, its main and its accent colour."""


class Plan(NamedTuple):
    """One structure to build.

    Attributes:
        number: among the plans of all splits.
        concept: its shape and colours.
        pieces: the blocks, from the bottom up, the leftmost column 0.
        width: columns.
    """

    number: int
    concept: Concept
    pieces: tuple[Piece, ...]
    width: int


def planned_in(shape: str, main: int, accent: int) -> Split:
    """The only split that plans a shape in two colours, 0 to 3.

    Of the colour pairs of a shape that all splits plan, half are training's, a third is the test
    split's and a sixth validation's, or nearly so; each colour occurs in each split.
    """
    if shape in HELD_OUT:
        return HELD_OUT[shape]
    turn = (list(SHAPES).index(shape) + main + 2 * accent) % 6
    return "test" if turn in (0, 3) else "validation" if turn == 1 else "train"


@cache
def every_plan() -> tuple[Plan, ...]:
    """The plans of all splits, by their numbers."""
    found: list[Plan] = []
    for shape, sizes in SHAPES.items():
        for main, accent in product(range(NUM_COLORS), repeat=2):
            if main != accent:
                concept = (shape, COLORS[main], COLORS[accent])
                for blocks in sizes:
                    pieces = _colored(blocks, (main, accent))
                    found.append(Plan(len(found), concept, pieces, _width(pieces)))
    return tuple(found)


@cache
def plans(split: Split) -> tuple[Plan, ...]:
    """All plans of a split, always in the same order."""
    return tuple(plan for plan in every_plan() if _split_of(plan) == split)


def _split_of(plan: Plan) -> Split:
    shape, main, accent = plan.concept
    return planned_in(shape, COLORS.index(main), COLORS.index(accent))


def _colored(blocks: _Shape, tones: tuple[int, int]) -> tuple[Piece, ...]:
    return tuple(Piece(beam, x, level, tones[tone] + 1) for beam, x, level, tone in blocks)


def _width(pieces: Sequence[Piece]) -> int:
    return 1 + max(piece.column + piece.beam for piece in pieces)


def placed(plan: Plan, left: int, mirrored: bool) -> list[Piece]:
    """The blocks of a plan at a place of the site, from the bottom up.

    Args:
        plan: any.
        left: the site's column of its leftmost one.
        mirrored: whether left and right are swapped.
    """
    last = plan.width - 1
    return [
        piece._replace(column=left + (last - piece.column if mirrored else piece.column))
        for piece in plan.pieces
    ]


@cache
def references(split: Split) -> NDArray[np.int8]:
    """The plans of a split as structures, (plans, 7, 4), each in the middle of the site."""
    every = [drawn(placed(plan, (COLUMNS - plan.width) // 2, False)) for plan in plans(split)]
    grids = np.stack(every)
    grids.setflags(write=False)
    return grids


# What nobody plans: wide, or uneven, or both.
_ODD: Final[tuple[_Shape, ...]] = (
    [*_column(0, range(1)), *_column(2, range(1)), *_column(3, range(1)), *_column(5, range(1)),
     (1, 1, 1, MAIN), (1, 4, 1, MAIN)],
    [(0, x, 0, MAIN) for x in range(7)],
    [*_column(0, range(4)), (0, 1, 0, MAIN), (0, 2, 0, MAIN), (0, 3, 0, MAIN)],
    [*_column(0, range(2)), (0, 1, 0, MAIN), *_column(2, range(2)), (0, 3, 0, MAIN)],
    [*((0, x, 0, MAIN) for x in range(5)), (0, 1, 1, MAIN), (0, 3, 1, MAIN)],
)  # fmt: skip


@cache
def inventions() -> tuple[tuple[Piece, ...], ...]:
    """Structures in four colours, one after the other, in the middle of the site.

    They have all shapes that are planned, and some more.
    """
    found = []
    for blocks in (*(each for sizes in SHAPES.values() for each in sizes), *_ODD):
        pieces = _colored(blocks, (MAIN, ACCENT))
        left = (COLUMNS - _width(pieces)) // 2
        found.append(
            tuple(
                piece._replace(column=left + piece.column, color=1 + k % NUM_COLORS)
                for k, piece in enumerate(pieces)
            )
        )
    return tuple(found)


# -- drawings -------------------------------------------------------------------------------------

CELL: Final = 14
"""The edge of a cell of a drawing, pixels."""

_PAPER = (28, 62, 112)
_LINE = (62, 102, 160)
_EDGE = (236, 240, 244)


def drawing(grid: Grid) -> NDArray[np.uint8]:
    """The front view of a structure as on a blueprint, uint8 (70, 112, 3).

    Args:
        grid: (7, 4) colours, 0 to 4.
    """
    margin = CELL // 2
    height, width = LEVELS * CELL + 2 * margin, COLUMNS * CELL + 2 * margin
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    picture[margin::CELL, margin : width - margin + 1] = _LINE
    picture[margin : height - margin + 1, margin::CELL] = _LINE
    for x, level in np.argwhere(grid > 0).tolist():
        top, left = margin + (LEVELS - 1 - level) * CELL, margin + x * CELL
        cell = picture[top : top + CELL + 1, left : left + CELL + 1]
        cell[:] = _EDGE
        cell[1:-1, 1:-1] = rgb(COLORS[grid[x, level] - 1])
    picture[height - margin : height - margin + 2, margin : width - margin + 1] = _EDGE
    return picture


def gallery(grids: Grid) -> NDArray[np.uint8]:
    """Six drawings in two rows of three, uint8 (140, 336, 3).

    Args:
        grids: (6, 7, 4).
    """
    each = [drawing(grid) for grid in grids]
    return np.concatenate([np.concatenate(each[row : row + 3], 1) for row in (0, 3)])
