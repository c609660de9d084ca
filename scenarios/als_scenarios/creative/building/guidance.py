"""The potential that leads a builder from block to block: distances, and colours that are wanted.

It reads what everybody can see, the plan or the sentence, the site and the blocks, and no answer.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import FloatArray
from als_engine.world.state import WorldState
from als_scenarios.creative.building.blocks import (
    BLOCKS,
    COLUMNS,
    LEVELS,
    NUM_COLORS,
    top_of,
)
from als_scenarios.creative.building.sentences import FIELDS
from als_scenarios.creative.building.yard import PITCH, SITE_Y

PLAN, SENTENCE, OPEN = range(3)
"""The modes: what a structure is measured by."""

BUILDERS: Final = 2

PICK_UP: Final = 1.5
"""How many metres of way a block in hand counts for."""

_NONE_LEFT: Final = 3.0
_OTHER_COLOR: Final = FIELDS - 1


def rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays that are read here: avatars, blocks, site, plan and sentence."""
    return (
        state.avatars.position, state.avatars.held, state.props.position, state.props.portable,
        state.props.holder, state["paint"], state["grid"], state["block"], state["plan"],
        state["sentence"],
    )  # fmt: skip


def distances(state: WorldState, mode: int, done: NDArray[np.bool_]) -> FloatArray:
    """How far each builder is from its next deed, (worlds, avatars), metres; 0 where all is done.

    Who holds a block of a colour that is wanted: the distance to where it is wanted. Who does not:
    the distance to the nearest such block, and 1.5 m more.

    Args:
        state: the worlds.
        mode: PLAN, SENTENCE or OPEN.
        done: (worlds,), where nothing is left to do.
    """
    out: FloatArray = np.zeros((state.num_worlds, state.num_avatars))
    _distances(mode, done, rows(state), out)
    return out


@kernel
def _distances(mode, done, rows, out):  # type: ignore[no-untyped-def]
    position, held, places, portable, holder, paint, grid, block, plan, sentence = rows
    wanted, here = np.empty(NUM_COLORS + 1, np.bool_), np.empty(COLUMNS, np.int64)
    for w in range(out.shape[0]):
        if done[w]:
            continue
        _want(mode, grid[w], plan[w], sentence[w], wanted)
        for x in range(COLUMNS):
            top = top_of(block[w], x)
            here[x] = plan[w, x, top] if top < LEVELS else 0
        for a in range(min(BUILDERS, out.shape[1])):
            x, y = position[w, a, 0], position[w, a, 1]
            number = held[w, a]
            if number >= 0 and wanted[paint[w, number]]:
                out[w, a] = _to_column(x, y, paint[w, number], here)
                continue
            nearest = _NONE_LEFT
            for i in range(BLOCKS):
                if portable[w, i] and holder[w, i] < 0 and wanted[paint[w, i]]:
                    away = pmath.hypot(places[w, i, 0] - x, places[w, i, 1] - y)
                    nearest = min(nearest, away)
            out[w, a] = nearest + PICK_UP


@inner
def _want(mode, grid, plan, sentence, wanted):  # type: ignore[no-untyped-def]
    """Marks the colours that the plan still lacks, or the sentence names; else all."""
    wanted[:] = mode == OPEN
    if mode == PLAN:
        for x in range(COLUMNS):
            for level in range(LEVELS):
                if plan[x, level] != grid[x, level]:
                    wanted[plan[x, level]] = True
        wanted[0] = False
    elif mode == SENTENCE:
        wanted[sentence[1] + 1] = True
        if sentence[_OTHER_COLOR] >= 0:
            wanted[sentence[_OTHER_COLOR] + 1] = True


@inner
def _to_column(x, y, color, here):  # type: ignore[no-untyped-def]
    """The distance to the nearest column whose next cell has the colour, or to any if none has."""
    nearest, any_column = 1e9, 1e9
    for column in range(COLUMNS):
        away = pmath.hypot((column - COLUMNS // 2) * PITCH - x, SITE_Y - y)
        any_column = min(any_column, away)
        if here[column] == color:
            nearest = min(nearest, away)
    return nearest if nearest < 1e9 else any_column
