"""The builders' yard of `ALS/Build-v0`: the stage with the site, the wall, and the blocks.

The site lies on a low stage along the north wall; builders stand south of it and see the structure
from the front, its column 0 to their left. Lengths are metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.layout import Box, Layout, Prop, Sign, Spawn
from als_engine.world.room import Room
from als_engine.world.screens import Screen
from als_engine.world.state import WorldState
from als_scenarios.creative.building.blocks import (
    BEAMS,
    BLOCKS,
    COLORS,
    COLUMNS,
    CUBES,
    NUM_COLORS,
    SPAN,
    Piece,
)

WIDTH, DEPTH, HEIGHT = 6.4, 5.0, 2.9
PITCH: Final = 0.35
"""The edge of a cell of the site; blocks are a little smaller, so that joints can be seen."""

SITE_Y: Final = 1.75
STAGE_HEIGHT: Final = 0.12
STAND_Y: Final = 0.9
"""Where one stands to work at the site."""

_EDGE: Final = PITCH - 0.015
_LENGTH: Final = SPAN * PITCH - 0.015
_STAGE_DEPTH: Final = 1.0
_CUBE: Final = Box(_EDGE, _EDGE, _EDGE)
_BEAM: Final = Box(_EDGE, _LENGTH, _EDGE)
"""Long across, so that it is carried before the chest."""

_ACROSS: Final = math.pi / 2
"""The heading of a beam that is laid."""

_TILE: Final = Box(PITCH, PITCH, 0.01)
NAMES: Final = (
    *(f"cube {n}" for n in range(1, CUBES + 1)),
    *(f"beam {n}" for n in range(1, BEAMS + 1)),
)
SITE: Final = BLOCKS
"""The index of the first column's prop; those of the others follow."""

_CUBE_SLOTS: Final = (
    *((x, -2.05) for x in (-2.4, -1.6, -0.8, 0.0, 0.8, 1.6, 2.4)),
    (-2.6, -1.05), (-1.2, -1.15), (1.2, -1.15), (2.6, -1.05),
)  # fmt: skip
_BEAM_SLOTS: Final = ((-2.8, 0.35), (2.8, 0.35))
_JITTER: Final = 0.06
_SPAWNS: Final = ((-0.5, -0.2), (0.5, -0.2), (-1.7, -0.1), (1.7, -0.1))
_WALL_COLORS: Final = ((232, 226, 212), (214, 224, 230), (222, 230, 214), (236, 222, 214))
_STAGE_COLOR: Final = (150, 132, 110)
_TILE_COLORS: Final = ((236, 232, 222), (206, 200, 188))


def column_x(column: ArrayLike) -> FloatArray:
    """Where columns of the site are along x."""
    return np.asarray((np.asarray(column) - COLUMNS // 2) * PITCH, np.float64)


def cell_place(column: NDArray[np.integer[Any]], level: NDArray[np.integer[Any]]) -> FloatArray:
    """The middle of cells, (n, 3)."""
    z = STAGE_HEIGHT + (np.asarray(level) + 0.5) * PITCH
    return np.stack([column_x(column), np.full(len(z), SITE_Y), z], 1)


def stock(rng: np.random.Generator, needed: Sequence[Piece]) -> NDArray[np.int8]:
    """Draws the colours of all blocks, (10,), 1 to 4, so that what is needed is there."""
    paint = np.empty(BLOCKS, np.int8)
    draws = rng.integers(1, NUM_COLORS + 1, size=BLOCKS).tolist()
    for beam, here in ((0, slice(0, CUBES)), (1, slice(CUBES, BLOCKS))):
        colors = [piece.color for piece in needed if piece.beam == beam]
        room = here.stop - here.start
        paint[here] = np.array([*colors, *draws[here]][:room])[rng.permutation(room)]
    return paint


def lay_out(
    rng: np.random.Generator,
    paint: NDArray[np.int8],
    num_avatars: int,
    picture: NDArray[np.uint8] | None,
    board: str,
    instruction: str,
    quantities: dict[str, ArrayLike],
) -> Layout:
    """The yard of a level.

    Args:
        rng: of the level.
        paint: (10,) the blocks' colours.
        num_avatars: in it.
        picture: on the wall; None for no screen.
        board: the text of the sign.
        instruction: what everybody is told.
        quantities: of the task.
    """
    room = Room(WIDTH, DEPTH, HEIGHT, color=_WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))])
    props = _blocks(rng, paint)
    for column, x in enumerate(column_x(np.arange(COLUMNS)).tolist()):
        props[f"column {column + 1}"] = Prop(
            _TILE,
            (x, SITE_Y, STAGE_HEIGHT + 0.005),
            color=_TILE_COLORS[column % 2],
            usable=True,
            solid=False,
        )
    screens = {}
    place, facing = room.on_wall("north", 0.0, z=2.2, out=0.02)
    if picture is not None:
        height = 1.16
        width = height * picture.shape[1] / picture.shape[0]
        screens["plan"] = Screen(picture, place, facing, width, height)
        place, facing = room.on_wall("north", -2.3, z=2.2, out=0.02)
        sign = Sign(board, place, facing, 1.2, 0.7, (250, 244, 214), (40, 44, 60))
    else:
        sign = Sign(board, place, facing, 2.6, 1.16, (250, 244, 214), (40, 44, 60))
    return Layout(
        walls=[*room.walls(), *_stage()],
        props=props,
        signs={"board": sign},
        screens=screens,
        spawns=_spawns(rng, num_avatars),
        instruction=instruction,
        quantities=quantities,
    )


def _stage() -> list[Prop]:
    """The stage on which the site lies."""
    y = DEPTH / 2 - _STAGE_DEPTH / 2
    stage = Box(COLUMNS * PITCH + 0.4, _STAGE_DEPTH, STAGE_HEIGHT)
    return [Prop(stage, (0.0, y), color=_STAGE_COLOR)]


def _blocks(rng: np.random.Generator, paint: NDArray[np.int8]) -> dict[str, Prop]:
    """The blocks at their slots.

    They are fixed, so that nobody pushes them about and the physics has nothing to do for them; who
    may pick one up is `release`'s affair.
    """
    slots = rng.permutation(len(_CUBE_SLOTS))[:CUBES].tolist()
    places = [_CUBE_SLOTS[slot] for slot in slots] + [
        _BEAM_SLOTS[i] for i in rng.permutation(BEAMS)
    ]
    shifts = (_JITTER * (2.0 * rng.random((BLOCKS, 3)) - 1.0)).tolist()
    props = {}
    for name, color, (x, y), (dx, dy, turn) in zip(NAMES, paint, places, shifts, strict=True):
        beam = name.startswith("beam")
        props[name] = Prop(
            _BEAM if beam else _CUBE,
            (x + (0.0 if beam else dx), y + dy),
            0.0 if beam else 4.0 * turn,
            color=COLORS[color - 1],
        )
    return props


def _spawns(rng: np.random.Generator, num_avatars: int) -> list[Spawn]:
    """Builders in the middle of the yard, helpers to both sides."""
    shifts = (0.15 * (2.0 * rng.random((num_avatars, 2)) - 1.0)).tolist()
    turns = rng.uniform(-math.pi, math.pi, num_avatars).tolist()
    return [
        Spawn((x + dx, y + dy), turn)
        for (x, y), (dx, dy), turn in zip(_SPAWNS, shifts, turns, strict=False)
    ]


def column_before(state: WorldState) -> IntArray:
    """The column that each avatar would work at now, (worlds, avatars), or NOTHING.

    It is what a hand would use: the nearest one less than 0.9 m away and at most 70 degrees aside.
    """
    x, y = state.avatars.position[..., 0, None], state.avatars.position[..., 1, None]
    dx, dy = column_x(np.arange(COLUMNS)) - x, SITE_Y - y
    gap = pmath.hypot(dx, dy + np.zeros_like(dx)) - state.bodies.radius[:, None] - PITCH / 2
    angle = pmath.atan2(dy + np.zeros_like(dx), dx) - state.avatars.heading[..., None]
    angle = np.abs((angle + math.pi) % (2 * math.pi) - math.pi)
    gap = np.where((gap < REACH) & ((angle <= REACH_ANGLE) | (gap < 0)), gap, np.inf)
    return np.where(np.isfinite(gap.min(-1)), gap.argmin(-1), NOTHING).astype(np.int32)


def release(state: WorldState, worlds: NDArray[np.intp]) -> None:
    """Lets hands pick up all blocks of some worlds."""
    state.props.portable[worlds, :BLOCKS] = True


def lying(state: WorldState) -> BoolArray:
    """Which blocks lie about, (worlds, 10): neither laid nor in a hand."""
    props = state.props
    return np.asarray(props.portable[:, :BLOCKS] & (props.holder[:, :BLOCKS] == NOTHING))


def put_laid(state: WorldState, laid: IntArray) -> None:
    """Moves blocks that were laid in this step, (worlds, avatars, 3), to their cells."""
    for block in np.unique(laid[..., 0][laid[..., 0] >= 0]).tolist():
        world, avatar = np.nonzero(laid[..., 0] == block)
        place = cell_place(laid[world, avatar, 1], laid[world, avatar, 2])
        state.move(NAMES[block], world, place, _ACROSS if block >= CUBES else 0.0)
        state.props.portable[world, block] = False


def hand_over(state: WorldState, taken: IntArray) -> None:
    """Puts blocks that were taken off in this step, (worlds, avatars), into the hands."""
    world, avatar = np.nonzero(taken >= 0)
    block = taken[world, avatar]
    state.props.portable[world, block] = True
    state.props.holder[world, block] = avatar
    state.avatars.held[world, avatar] = block
    state.moved[world, block] = True
