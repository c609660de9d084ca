"""Sentences about structures: a grammar, who holds out what, a checker, and shortest answers.

    sentence  = thing "," height "blocks high"
              | thing "," relation "the" thing
              | "a" colour "block on top of a" colour kind
    thing     = "a" colour kind
    kind      = "tower" | "arch" | "wall" | "staircase"
    relation  = "taller than" | "lower than" | "left of" | "right of"

What a kind is, in a site of columns (c is the thing's colour; cells of c that belong to a thing
have no cell of c in the columns to its left and right, and other colours may stand on top):

- tower: one column, whose cells of c fill it from the bottom to a height of at least 2;
- wall: two or more columns, all filled with c from the bottom to the same height;
- staircase: two or more columns, filled with c from the bottom to heights 1, 2, ... or ..., 2, 1;
- arch: three columns; the outer ones are filled with c to a height of at least 2, the middle one
  has c at the same top and nothing below it.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel
from als_engine.task import Split
from als_engine.world.arrays import NOTHING, BoolArray
from als_scenarios.creative.building.blocks import (
    COLORS,
    COLUMNS,
    LEVELS,
    MOST_PIECES,
    NUM_COLORS,
    Grid,
    Piece,
)

KINDS: Final = ("tower", "arch", "wall", "staircase")
TOWER, ARCH, WALL, STAIRCASE = range(len(KINDS))
RELATIONS: Final = ("taller than", "lower than", "left of", "right of", "on top of")
TALLER, LOWER, LEFT, RIGHT, ON_TOP = range(len(RELATIONS))
HEIGHTS: Final = ("", "one", "two", "three", "four")

_SIZES: Final = {TOWER: (2, 3, 4), ARCH: (2, 3), WALL: (1, 2, 3), STAIRCASE: (2, 3)}
_WALL_WIDTH: Final = 2
_GAP: Final = 1


class Sentence(NamedTuple):
    """A sentence as numbers; NOTHING where it says nothing.

    Attributes:
        kind: of the first thing; NOTHING for the block of "on top of".
        color: of the first thing, 0 to 3.
        height: in blocks.
        relation: of the first thing to the second.
        other: the kind of the second thing.
        other_color: its colour, 0 to 3.
    """

    kind: int
    color: int
    height: int = NOTHING
    relation: int = NOTHING
    other: int = NOTHING
    other_color: int = NOTHING

    @property
    def text(self) -> str:
        """The sentence in words."""
        color = COLORS[self.color]
        if self.relation == ON_TOP:
            return f"a {color} block on top of a {COLORS[self.other_color]} {KINDS[self.other]}"
        thing = f"a {color} {KINDS[self.kind]}"
        if self.relation == NOTHING:
            return f"{thing}, {HEIGHTS[self.height]} block{'s' * (self.height > 1)} high"
        other = f"{COLORS[self.other_color]} {KINDS[self.other]}"
        return f"{thing}, {RELATIONS[self.relation]} the {other}"

    @property
    def split(self) -> Split:
        """The only split that says it: half training's, a third the test's, a sixth validation's.

        Every kind, colour and relation occurs in each.
        """
        height, relation, other, second = (max(part, 0) for part in self[2:])
        turn = (self.kind + self.color + height + relation + 2 * other + 2 * second) % 6
        return "test" if turn in (0, 3) else "validation" if turn == 1 else "train"


FIELDS: Final = len(Sentence._fields)


@cache
def sentences(split: Split) -> tuple[Sentence, ...]:
    """All sentences of a split, always in the same order."""
    return tuple(each for each in every_sentence() if each.split == split)


@cache
def every_sentence() -> tuple[Sentence, ...]:
    """All sentences that can be fulfilled with at most 7 blocks."""
    kinds, colors = range(len(KINDS)), range(NUM_COLORS)
    pairs = [(one, other) for one, other in product(colors, colors) if one != other]
    found = [Sentence(k, c, h) for k in kinds for h in _SIZES[k] for c in colors]
    for relation, kind, other in product((TALLER, LOWER, LEFT, RIGHT), kinds, kinds):
        found += [Sentence(kind, c, NOTHING, relation, other, d) for c, d in pairs]
    found += [Sentence(NOTHING, c, NOTHING, ON_TOP, k, d) for k in kinds for c, d in pairs]
    return tuple(sentence for sentence in found if shortest(sentence) is not None)


def parse(text: str) -> Sentence:
    """The sentence that a text says.

    Raises:
        ValueError: the grammar has no such sentence.
    """
    found = _by_text().get(text)
    if found is None:
        raise ValueError(f"no sentence of the grammar: {text!r}")
    return found


@cache
def _by_text() -> dict[str, Sentence]:
    return {sentence.text: sentence for sentence in every_sentence()}


# -- the checker ----------------------------------------------------------------------------------


class Things(NamedTuple):
    """The things of a kind and a colour in one structure, (7,), by their leftmost column.

    Attributes:
        right: the rightmost column, NOTHING where no thing begins.
        height: in blocks.
        capped: whether a cell of a given colour stands directly on it.
    """

    right: NDArray[np.int64]
    height: NDArray[np.int64]
    capped: BoolArray


@inner
def _find(grid, kind, color, cap, columns, things):  # type: ignore[no-untyped-def]
    """Fills `things` from one structure.

    `columns`, (3, 7), is room for each column's number of cells of the colour, for how many of them
    fill it from the bottom, and for how high they reach.
    """
    count, base, top = columns
    for x in range(COLUMNS):
        count[x] = base[x] = top[x] = 0
        for level in range(LEVELS):
            if grid[x, level] == color + 1:
                count[x], top[x] = count[x] + 1, level + 1
                base[x] += base[x] == level
    for x in range(COLUMNS):
        things.right[x], things.height[x], things.capped[x] = NOTHING, 0, False
        if count[x] == 0 or (x > 0 and count[x - 1] > 0):
            continue
        end = x
        while end + 1 < COLUMNS and count[end + 1] > 0:
            end += 1
        if _is_a(grid, kind, x, end, columns):
            things.right[x] = end
            for i in range(x, end + 1):
                things.height[x] = max(things.height[x], top[i])
                on = top[i] < LEVELS and grid[i, top[i]] == cap + 1
                things.capped[x] = things.capped[x] or on


@inner
def _is_a(grid, kind, x, end, columns):  # type: ignore[no-untyped-def]
    """Whether the columns from x to `end`, with none of the colour beside them, are of a kind."""
    count, base, top = columns
    width = end - x + 1
    if kind == ARCH:
        if width != 3 or base[x] < 2 or base[end] != base[x]:
            return False
        for level in range(base[x] - 1):
            if grid[x + 1, level] > 0:
                return False
        return (
            count[x] == base[x] and count[end] == base[end]
            and count[x + 1] == 1 and top[x + 1] == base[x]
        )  # fmt: skip
    level, rising, falling = True, True, True
    for i in range(x, end + 1):
        if count[i] != base[i]:
            return False
        level = level and base[i] == base[x]
        rising = rising and base[i] == i - x + 1
        falling = falling and base[i] == end - i + 1
    if kind == TOWER:
        return width == 1 and base[x] >= 2
    return width >= 2 and (level if kind == WALL else rising or falling)


@inner
def _stands(relation, x, first, y, second):  # type: ignore[no-untyped-def]
    """Whether the thing that begins at x stands so to the one that begins at y."""
    if relation == TALLER:
        return first.height[x] > second.height[y]
    if relation == LOWER:
        return first.height[x] < second.height[y]
    if relation == LEFT:
        return first.right[x] < y
    return x > second.right[y]


@kernel
def _count_met(grid, said, out):  # type: ignore[no-untyped-def]
    columns = np.zeros((3, COLUMNS), np.int64)
    numbers = np.zeros((4, COLUMNS), np.int64)
    capped = np.zeros((2, COLUMNS), np.bool_)
    first = Things(numbers[0], numbers[1], capped[0])
    second = Things(numbers[2], numbers[3], capped[1])
    for n in range(out.size):
        kind, color, height, relation, other, other_color = said[n]
        one = two = both = False
        if relation != ON_TOP:
            _find(grid[n], kind, color, NOTHING, columns, first)
        if relation != NOTHING:
            _find(grid[n], other, other_color, color, columns, second)
        for x in range(COLUMNS):
            if relation == ON_TOP:
                for level in range(LEVELS):
                    one = one or grid[n, x, level] == color + 1
                two = two or second.right[x] >= 0
                both = both or (second.right[x] >= 0 and second.capped[x])
            elif relation == NOTHING:
                one = one or first.right[x] >= 0
                both = both or (first.right[x] >= 0 and first.height[x] == height)
            else:
                one = one or first.right[x] >= 0
                two = two or second.right[x] >= 0
                for y in range(COLUMNS):
                    if first.right[x] >= 0 and second.right[y] >= 0:
                        both = both or _stands(relation, x, first, y, second)
        out[n] = one + two + both


def met(grid: Grid, said: NDArray[np.int8]) -> NDArray[np.int64]:
    """How many constraints of its sentence each structure meets, (n,).

    The constraints of a sentence about one thing are that it is there and how high it is; those of
    one about two are that the first is there, that the second is, and how the two stand.

    Args:
        grid: (n, 7, 4).
        said: (n, 6), a `Sentence` as numbers for each.
    """
    out = np.zeros(len(grid), np.int64)
    _count_met(np.ascontiguousarray(grid), np.ascontiguousarray(said), out)
    return out


def constraints(said: NDArray[np.int8]) -> NDArray[np.int64]:
    """How many constraints sentences have, (n,): two with a height, else three."""
    return np.asarray(np.where(said[:, 3] == NOTHING, 2, 3), np.int64)


# -- the shortest answer --------------------------------------------------------------------------


def _blocks(kind: int, height: int, color: int) -> tuple[list[Piece], int]:
    """The pieces of a thing from its leftmost column, 0, on, and its width."""
    if kind == TOWER:
        return [Piece(0, 0, level, color) for level in range(height)], 1
    if kind == ARCH:
        legs = [Piece(0, x, level, color) for level in range(height - 1) for x in (0, 2)]
        return [*legs, Piece(1, 1, height - 1, color)], 3
    if kind == WALL:
        cells = product(range(height), range(_WALL_WIDTH))
        return [Piece(0, x, level, color) for level, x in cells], _WALL_WIDTH
    steps = [(x, level) for level in range(height) for x in range(level, height)]
    return [Piece(0, x, level, color) for x, level in steps], height


@cache
def shortest(sentence: Sentence) -> tuple[tuple[Piece, ...], int] | None:
    """The fewest blocks that fulfil a sentence and their width, or None with more than 7.

    The pieces are in an order in which they can be laid, from the leftmost column, 0, on.
    """
    if sentence.relation == NOTHING:
        pieces, width = _blocks(sentence.kind, sentence.height, sentence.color + 1)
        return (tuple(pieces), width) if len(pieces) <= MOST_PIECES else None
    best: tuple[tuple[Piece, ...], int] | None = None
    sizes = (0,) if sentence.relation == ON_TOP else _SIZES[sentence.kind]
    for one, other in product(sizes, _SIZES[sentence.other]):
        found = _answer(sentence, one, other)
        if found is not None and (best is None or len(found[0]) < len(best[0])):
            best = found
    return best


def _answer(sentence: Sentence, one: int, other: int) -> tuple[tuple[Piece, ...], int] | None:
    """An answer with things of these heights, if they stand as they should and are few enough."""
    second, width = _blocks(sentence.other, other, sentence.other_color + 1)
    if sentence.relation == ON_TOP:
        if other == LEVELS or len(second) >= MOST_PIECES:
            return None
        x = width - 1 if sentence.other == STAIRCASE else width // 2
        return (*second, Piece(0, x, other, sentence.color + 1)), width
    as_said = {TALLER: one > other, LOWER: one < other}.get(sentence.relation, True)
    first, room = _blocks(sentence.kind, one, sentence.color + 1)
    total = room + _GAP + width
    if not as_said or len(first) + len(second) > MOST_PIECES or total > COLUMNS:
        return None
    if sentence.relation == RIGHT:
        first = [piece._replace(column=piece.column + width + _GAP) for piece in first]
    else:
        second = [piece._replace(column=piece.column + room + _GAP) for piece in second]
    return (*first, *second), total


def lines(sentence: Sentence) -> str:
    """The sentence as a sign shows it: up to 4 lines of 16 characters."""
    out = [""]
    for word in sentence.text.upper().split():
        if len(out[-1]) + len(word) + 1 > 16:
            out.append(word)
        else:
            out[-1] = f"{out[-1]} {word}".strip()
    return "\n".join(out)
