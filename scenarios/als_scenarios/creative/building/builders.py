"""The builders of `ALS/Build-v0`: the expert, and the simple rules.

All of them decide anew in every step, from the state alone: a kernel gives every builder a job, and
`drive` turns jobs into walking and a hand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import face, steer
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.creative.building.blocks import (
    BLOCKS,
    COLUMNS,
    CUBES,
    LEVELS,
    MOST_PIECES,
    Site,
    lay,
    loose,
    rest,
    top_of,
)
from als_scenarios.creative.building.crew import at_hand, fetches
from als_scenarios.creative.building.guidance import BUILDERS, OPEN, PLAN
from als_scenarios.creative.building.yard import PITCH, SITE_Y, STAND_Y, column_before, column_x

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator

WAIT, FETCH, WORK, DROP = range(4)
"""Jobs: stand aside; pick a block up; use a column; put down what is held."""

ANY_COLOR: Final = 5
"""In a wish, a cell of whatever colour."""

FINISHED: Final = "finished"
_NEAR, _FACING = 0.45, 0.5
_LIFT: Final = 0.3
"""How much further the expert walks for a piece that lies one level lower, metres."""

_WAITING: Final = np.array([(-1.95, 1.9), (1.95, 1.9), (-1.95, 1.2), (1.95, 1.2)])
_DROPS: Final = np.array([(-2.0, 0.2), (2.0, 0.2), (-2.2, 0.0), (2.2, 0.0)])


def drive(
    state: WorldState,
    who: BoolArray,
    commands: Commands,
    navigator: Navigator,
    job: IntArray,
    target: IntArray,
) -> None:
    """Walks and uses the hand.

    Args:
        state: the worlds.
        who: (worlds, avatars), who is driven.
        commands: written.
        navigator: knows the way.
        job: (worlds, avatars), WAIT, FETCH, WORK or DROP.
        target: (worlds, avatars), the block to fetch or the column to work at.
    """
    fetch, working, drop = job == FETCH, job == WORK, job == DROP
    blocks = state.props.position[:, :BLOCKS, :2]
    some = np.clip(target, 0, BLOCKS - 1)
    avatars = np.arange(state.num_avatars)
    goals = np.where(drop[..., None], _DROPS[avatars], _WAITING[avatars])
    goals = np.where(fetch[..., None], np.take_along_axis(blocks, some[..., None], axis=1), goals)
    columns = np.stack([column_x(target), np.full(target.shape, SITE_Y)], -1)
    stands = columns.copy()
    stands[..., 1] = STAND_Y
    goals = np.where(working[..., None], stands, goals)
    away = goals - state.avatars.position[..., :2]
    length = pmath.hypot(away[..., 0], away[..., 1])
    picks = who & fetch & (at_hand(state) == target)
    uses = who & working & (column_before(state) == target)
    puts = who & drop & (length < 0.4)
    commands.hand[picks], commands.hand[uses] = HAND_PICK_UP, HAND_USE
    commands.hand[puts] = HAND_PUT_DOWN
    busy = picks | uses | puts
    ways = navigator.walk(goals, commands, who & ~busy)
    close = who & fetch & ~busy & (ways == 0.0).all(-1)
    if close.any():  # As near as the map allows, but another block is nearer: up to it.
        straight = away / np.maximum(length, 1e-9)[..., None]
        steer(state, straight, commands, close, 1.0, 0.2)
    near = who & working & ~busy & (length < _NEAR)
    if near.any():
        _step_aside(state, near, commands, away[..., 0], columns)


def _step_aside(
    state: WorldState, who: BoolArray, commands: Commands, off: FloatArray, columns: FloatArray
) -> None:
    """Turns to the site, then goes sideways to the right column, `off` metres along x."""
    left = face(state, columns, commands, who)
    ready = who & (left < _FACING)
    commands.turn[ready] = 0.0
    side = -off * pmath.sin(state.avatars.heading)
    commands.move[ready, 1] = np.clip(4.0 * side, -1.0, 1.0)[ready]


def expert(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Lays the pieces of an answer from the bottom up; builders share them, helpers fetch.

    Each fetches the nearest block that has the colour and the form of a piece that could be laid
    by the time it is there, and that nobody else is after. What stands where it should not is taken
    off first.
    """
    job, target = np.zeros(who.shape, np.int32), np.full(who.shape, NOTHING, np.int32)
    complete = np.zeros(state.num_worlds, np.bool_)
    builds = who.copy()
    builds[:, BUILDERS:] = False
    people, blocks, site = _seen(state)
    _share(builds, people, blocks, site, state["pieces"], (job, target, complete))
    if who[:, BUILDERS:].any():
        fetches(state, who & ~builds, commands, navigator)
    _finish(state, builds, commands, complete)
    drive(state, builds, commands, navigator, job, target)


def bottom_up(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Fills the lowest empty cell of what is asked for with the nearest block, of any colour."""
    _simply(state, who, commands, navigator, False)


def nearest_block(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator
) -> None:
    """Brings the nearest block of a colour that some column needs next to the nearest such column.

    Whether a cube or a beam belongs there it does not ask.
    """
    _simply(state, who, commands, navigator, True)


def _simply(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, strict: bool
) -> None:
    job, target = np.zeros(who.shape, np.int32), np.full(who.shape, NOTHING, np.int32)
    complete = np.zeros(state.num_worlds, np.bool_)
    builds = who.copy()
    builds[:, BUILDERS:] = False
    people, blocks, site = _seen(state)
    _choose(builds, strict, people, blocks, site, wishes(state), (job, target, complete))
    _finish(state, builds, commands, complete)
    drive(state, builds, commands, navigator, job, target)


def _finish(state: WorldState, who: BoolArray, commands: Commands, complete: BoolArray) -> None:
    """Says in the mode `open` that it is finished."""
    says = who & (complete & (state["mode"] == OPEN))[:, None]
    if says.any():
        commands.say[says] = state.speech.index(FINISHED)


def wishes(state: WorldState) -> NDArray[np.int8]:
    """What a simple rule builds, (worlds, 7, 4): colours, ANY_COLOR, or 0.

    The plan; for a sentence two towers in the colours that it names; else a wall of 3 by 2.
    """
    mode = state["mode"]
    if (mode == PLAN).all():
        return state["plan"]
    wish = np.zeros(state["plan"].shape, np.int8)
    if (mode == OPEN).all():
        wish[:, 2:5, :2] = ANY_COLOR
        return wish
    said = state["sentence"]
    wish[:, 1, :2] = said[:, 1, None] + 1
    wish[:, 5, :2] = np.where(said[:, 5] >= 0, said[:, 5], said[:, 1])[:, None] + 1
    return wish


def _seen(state: WorldState) -> tuple[Any, ...]:
    """The arrays that both kernels take: people, blocks and site."""
    avatars, props = state.avatars, state.props
    return (
        (avatars.position, avatars.held),
        (props.position, props.portable, props.holder, state["paint"]),
        (state["grid"], state["block"], state["bears"]),
    )


@inner
def _away(place, here):  # type: ignore[no-untyped-def]
    return pmath.hypot(place[0] - here[0], place[1] - here[1])


@inner
def _to_column(x, here):  # type: ignore[no-untyped-def]
    return pmath.hypot((x - COLUMNS // 2) * PITCH - here[0], STAND_Y - here[1])


# -- the expert -----------------------------------------------------------------------------------


@kernel
def _share(who, people, blocks, site, pieces, jobs):  # type: ignore[no-untyped-def]
    """Shares the pieces of the answer among the builders of each world."""
    position, held = people
    places, portable, holder, paint = blocks
    site = Site(*site)
    job, target, complete = jobs
    goal = np.empty((COLUMNS, LEVELS), np.int8)
    free, open_piece = np.empty(BLOCKS, np.bool_), np.empty(MOST_PIECES, np.bool_)
    later = np.empty(who.shape[1], np.int64)
    for w in range(who.shape[0]):
        if not who[w].any():
            continue
        grid = site.grid[w]
        # What stands there, and what will once everybody has done what they are about to do.
        block, bears = site.block[w].copy(), site.bears[w].copy()
        _read_pieces(pieces[w], grid, goal, open_piece)
        wrong = _wrong_column(grid, site.block[w], goal)
        complete[w] = wrong < 0 and not open_piece.any()
        for i in range(BLOCKS):
            free[i] = portable[w, i] and holder[w, i] < 0
        later[:] = NOTHING
        for a in range(who.shape[1]):
            if who[w, a] and held[w, a] >= 0:
                k, now = _piece_for(
                    position[w, a], held[w, a], paint[w], site.block[w], site.bears[w], pieces[w],
                    open_piece,
                )  # fmt: skip
                job[w, a] = DROP
                if k >= 0:
                    open_piece[k] = False
                    later[a] = k
                if now:
                    job[w, a], target[w, a], later[a] = WORK, pieces[w, k, 1], NOTHING
                    _lay_soon(block, bears, pieces[w, k], held[w, a])
        for a in range(who.shape[1]):
            if not who[w, a] or held[w, a] >= 0:
                continue
            if wrong >= 0:
                job[w, a], target[w, a], wrong = WORK, wrong, NOTHING
                continue
            k, i = _fetch(
                position[w, a], places[w], paint[w], pieces[w], open_piece, free, (block, bears)
            )
            if k >= 0:
                job[w, a], target[w, a] = FETCH, i
                free[i] = open_piece[k] = False
                _lay_soon(block, bears, pieces[w, k], i)
        for a in range(who.shape[1]):
            # Who holds what can be laid once the others have done their part waits for them.
            if later[a] >= 0 and _lay_soon(block, bears, pieces[w, later[a]], held[w, a]):
                job[w, a] = WAIT


@inner
def _read_pieces(pieces, grid, goal, open_piece):  # type: ignore[no-untyped-def]
    """Fills the answer's cells, and which pieces are not laid yet."""
    goal[:] = 0
    for k in range(MOST_PIECES):
        beam, column, level, color = pieces[k]
        open_piece[k] = False
        if beam < 0:
            continue
        for x in range(column - beam, column + beam + 1):
            goal[x, level] = color
            open_piece[k] = open_piece[k] or grid[x, level] != color


@inner
def _wrong_column(grid, block, goal):  # type: ignore[no-untyped-def]
    """The highest column with something wrong in it whose top can be taken off, or NOTHING."""
    best, height = NOTHING, 0
    for x in range(COLUMNS):
        wrong = False
        for i in range(max(0, x - 2), min(COLUMNS, x + 3)):
            # What rests on the same beam as something wrong has to go as well.
            for level in range(LEVELS):
                spoilt = grid[i, level] > 0 and grid[i, level] != goal[i, level]
                wrong = wrong or (spoilt and (i == x or _joined(block, x, i, level)))
        if wrong and loose(block, x) >= 0 and top_of(block, x) > height:
            best, height = x, top_of(block, x)
    return best


@inner
def _joined(block, x, i, level):  # type: ignore[no-untyped-def]
    """Whether a beam at this level or above lies on both columns."""
    for upper in range(level, LEVELS):
        if block[x, upper] >= CUBES and block[x, upper] == block[i, upper]:
            return True
    return False


@inner
def _piece_for(here, number, paint, block, bears, pieces, open_piece):  # type: ignore[no-untyped-def]
    """A piece for a block in hand, and whether it can be laid now: then it is the nearest such."""
    best, least, later = NOTHING, math.inf, NOTHING
    for k in range(MOST_PIECES):
        beam, column, level, color = pieces[k]
        if not open_piece[k] or color != paint[number] or (beam > 0) != (number >= CUBES):
            continue
        if rest(block, bears, column, beam > 0) != level:
            later = k if later < 0 else later
        elif _to_column(column, here) < least:
            best, least = k, _to_column(column, here)
    return (best, True) if best >= 0 else (later, False)


@inner
def _lay_soon(block, bears, piece, number):  # type: ignore[no-untyped-def]
    """Lays a piece in what will stand there soon; says whether it stays."""
    beam, column, level, _ = piece
    if rest(block, bears, column, beam > 0) != level:
        return False
    lay(block, bears, column, level, beam > 0, number)
    return True


@inner
def _fetch(here, places, paint, pieces, open_piece, free, soon):  # type: ignore[no-untyped-def]
    """The piece to lay next and the block to fetch for it, or NOTHING."""
    piece, best, least = NOTHING, NOTHING, math.inf
    for k in range(MOST_PIECES):
        beam, column, level, color = pieces[k]
        if not open_piece[k] or rest(soon[0], soon[1], column, beam > 0) != level:
            continue
        for i in range(BLOCKS):
            if free[i] and paint[i] == color and (i >= CUBES) == (beam > 0):
                away = _away(places[i], here) + _LIFT * level
                if away < least:
                    piece, best, least = k, i, away
    return piece, best


# -- simple rules ---------------------------------------------------------------------------------


@kernel
def _choose(who, strict, people, blocks, site, wish, jobs):  # type: ignore[no-untyped-def]
    """Gives builders the jobs of a simple rule; `strict` ones mind the colours."""
    position, held = people
    places, portable, holder, paint = blocks
    site = Site(*site)
    job, target, complete = jobs
    needed, taken = np.empty(ANY_COLOR + 1, np.bool_), np.empty(BLOCKS, np.bool_)
    for w in range(who.shape[0]):
        if not who[w].any():
            continue
        block, bears = site.block[w], site.bears[w]
        needed[:], taken[:] = False, False
        for x in range(COLUMNS):
            level = top_of(block, x)
            if level < LEVELS and wish[w, x, level] > 0:
                needed[ANY_COLOR if not strict else wish[w, x, level]] = True
        complete[w] = not needed.any()
        for a in range(who.shape[1]):
            if not who[w, a]:
                continue
            here = position[w, a]
            if held[w, a] >= 0:
                color = paint[w, held[w, a]] if strict else ANY_COLOR
                x = _column_for(here, held[w, a] >= CUBES, color, strict, block, bears, wish[w])
                job[w, a], target[w, a] = (WORK if x >= 0 else DROP), x
                continue
            best, least = NOTHING, math.inf
            for i in range(BLOCKS):
                lies = portable[w, i] and holder[w, i] < 0 and not taken[i]
                if lies and (needed[ANY_COLOR] or needed[paint[w, i]]):
                    away = _away(places[w, i], here)
                    if away < least:
                        best, least = i, away
            if best >= 0:
                job[w, a], target[w, a], taken[best] = FETCH, best, True


@inner
def _column_for(here, beam, color, strict, block, bears, wish):  # type: ignore[no-untyped-def]
    """The column for a block in hand: nearest first if `strict`, else the lowest; or NOTHING."""
    best, least = NOTHING, math.inf
    for x in range(COLUMNS):
        level = rest(block, bears, x, beam)
        if level < 0 or wish[x, level] == 0:
            continue
        if strict and wish[x, level] not in (color, ANY_COLOR):
            continue
        cost = _to_column(x, here) + (0.0 if strict else 10.0 * level)
        if cost < least:
            best, least = x, cost
    return best
