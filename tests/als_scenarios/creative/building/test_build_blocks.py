"""Blocks: what stays where it is put would stay there under gravity, and plans can be laid."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import World

from als_engine.physics.engines import ENGINES
from als_engine.task import LEVELS as SPLITS
from als_engine.world.layout import Box, Layout, Prop
from als_scenarios.creative.building.blocks import (
    BEAMS,
    BLOCKS,
    COLORS,
    COLUMNS,
    CUBES,
    LEVELS,
    MOST_PIECES,
    Piece,
    connected,
    drawn,
    overlap,
    work,
)
from als_scenarios.creative.building.plans import (
    CELL,
    HELD_OUT,
    SHAPES,
    drawing,
    every_plan,
    inventions,
    placed,
    plans,
    references,
)
from als_scenarios.creative.building.sentences import every_sentence, shortest

NONE = -1


class Yard:
    """One site, worked at by one builder."""

    def __init__(self) -> None:
        self.grid = np.zeros((1, COLUMNS, LEVELS), np.int8)
        self.block = np.full((1, COLUMNS, LEVELS), NONE, np.int8)
        self.bears = np.zeros((1, COLUMNS, LEVELS), np.bool_)
        self.paint = np.ones((1, BLOCKS), np.int8)
        self.laid, self.taken = np.zeros((1, 1, 3), np.int32), np.zeros((1, 1), np.int32)

    def use(self, column: int, held: int = NONE) -> int:
        """Lays the block in hand: its level, or NONE. With none in hand: the block taken off."""
        where, hand = np.array([[column]], np.int32), np.array([[held]], np.int32)
        site = (self.grid, self.block, self.bears)
        work(where, hand, self.paint, site, self.laid, self.taken)
        return int(self.laid[0, 0, 2] if held >= 0 else self.taken[0, 0])


def lay(pieces: list[Piece] | tuple[Piece, ...]) -> Yard:
    """A site on which these pieces were laid one after the other, each where it should be."""
    yard, cubes, beams = Yard(), iter(range(CUBES)), iter(range(CUBES, BLOCKS))
    for piece in pieces:
        number = next(beams if piece.beam else cubes)
        yard.paint[0, number] = piece.color
        assert yard.use(piece.column, number) == piece.level
    return yard


def test_cubes_are_stacked_up_to_four_levels() -> None:
    yard = Yard()
    assert [yard.use(2, number) for number in range(5)] == [0, 1, 2, 3, NONE]
    assert (yard.grid[0, 2] == 1).all()
    assert yard.grid.sum() == 4


def test_a_beam_rests_on_both_ends_or_on_its_middle_alone() -> None:
    arch = Yard()
    arch.use(1, 0), arch.use(3, 1)
    assert arch.use(2, CUBES) == 1
    tee = Yard()
    tee.use(2, 0)
    assert tee.use(2, CUBES) == 1
    lame = Yard()
    lame.use(1, 0)
    assert lame.use(2, CUBES) == NONE
    assert lame.use(0, CUBES) == lame.use(COLUMNS - 1, CUBES) == NONE


def test_nothing_stands_on_an_end_that_hangs_free() -> None:
    tee = Yard()
    tee.use(2, 0), tee.use(2, CUBES)
    assert tee.use(1, 1) == tee.use(3, 1) == NONE
    assert tee.use(2, 1) == 2
    arch = Yard()
    arch.use(1, 0), arch.use(3, 1), arch.use(2, CUBES)
    assert [arch.use(x, n) for x, n in ((1, 2), (2, 3), (3, 4))] == [2, 2, 2]


def test_what_is_held_down_is_not_taken_off() -> None:
    yard = Yard()
    yard.use(1, 0), yard.use(3, 1), yard.use(2, CUBES), yard.use(3, 2)
    assert yard.use(1) == NONE  # The cube on the other end holds the beam.
    assert yard.use(3) == 2
    assert yard.use(2) == CUBES
    assert yard.use(2) == NONE
    assert yard.use(1) == 0
    assert yard.grid.astype(bool).sum() == 1


def test_two_who_use_one_column_at_once_lay_one_block_on_the_other() -> None:
    yard = Yard()
    laid, taken = np.zeros((1, 2, 3), np.int32), np.zeros((1, 2), np.int32)
    column, held = np.full((1, 2), 4, np.int32), np.array([[3, 5]], np.int32)
    work(column, held, yard.paint, (yard.grid, yard.block, yard.bears), laid, taken)
    assert laid[0].tolist() == [[3, 4, 0], [5, 4, 1]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, COLUMNS - 1), st.integers(0, BLOCKS - 1)), max_size=24))
def test_whatever_is_done_every_block_is_carried_and_in_one_place(
    deeds: list[tuple[int, int]],
) -> None:
    yard, laid = Yard(), set[int]()
    for column, number in deeds:
        if number in laid:
            laid.discard(yard.use(column))
        elif yard.use(column, number) >= 0:
            laid.add(number)
    block = yard.block[0]
    assert {int(n) for n in block[block >= 0]} == laid
    assert ((yard.grid[0] > 0) == (block >= 0)).all()
    for number in laid:
        cells = np.argwhere(block == number).tolist()
        assert len(cells) == (3 if number >= CUBES else 1)
        under = [level == 0 or block[x, level - 1] >= 0 for x, level in cells]
        assert all(under) if len(cells) == 1 else under[1] or (under[0] and under[2])


@pytest.mark.parametrize("physics", ENGINES)
def test_structures_stand_under_gravity(physics: str) -> None:
    """Each, made of loose blocks, is left to the engine for two seconds."""
    chosen = [*inventions()[::2], *(shortest(s)[0] for s in every_sentence()[60::160])]  # type: ignore[index]
    props = {}
    for k, pieces in enumerate(chosen):
        for i, (beam, column, level, _) in enumerate(pieces):
            size = Box(1.045 if beam else 0.345, 0.345, 0.35)
            place = (5.0 * (k % 6) + 0.35 * column, 2.0 * (k // 6), 0.35 * (level + 0.5))
            props[f"{k} {i}"] = Prop(size, place, mass=2.0)
    world = World(Layout(spawns=[(-5.0, -5.0)], props=props), physics=physics)
    before = world.state.props.position[0].copy()
    world.step(30)
    assert np.abs(world.state.props.position[0] - before).max() < 0.03
    world.physics.close()


def test_every_plan_and_answer_can_be_laid_from_the_bottom_up_with_the_blocks_there_are() -> None:
    answers = [shortest(sentence) for sentence in every_sentence()]
    every = [plan.pieces for plan in every_plan()] + [answer[0] for answer in answers if answer]
    assert len(every) == len(every_plan()) + len(every_sentence())
    for pieces in dict.fromkeys([*every, *inventions()]):
        assert sum(p.beam for p in pieces) <= BEAMS
        assert sum(not p.beam for p in pieces) <= CUBES
        assert len(pieces) <= MOST_PIECES
        assert (lay(pieces).grid[0] == drawn(pieces)).all()


def test_no_shape_in_its_colours_is_planned_in_two_splits_and_some_shapes_in_one_alone() -> None:
    found = {split: {plan.concept for plan in plans(split)} for split in SPLITS}
    for one, other in product(SPLITS, SPLITS):
        assert one == other or not found[one] & found[other]
    assert len(set.union(*found.values())) == len(SHAPES) * 12
    for shape, split in HELD_OUT.items():
        assert [s for s in SPLITS if any(c[0] == shape for c in found[s])] == [split]
    for concepts in found.values():
        assert {c[1] for c in concepts} == {c[2] for c in concepts} == set(COLORS)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_plan_keeps_its_shape_wherever_it_is_placed(mirrored: bool) -> None:
    for plan in every_plan()[::7]:
        there = drawn(placed(plan, COLUMNS - plan.width, mirrored))
        here = drawn(placed(plan, 0, False))[: plan.width]
        expected = here[::-1] if mirrored else here
        assert (there[COLUMNS - plan.width :] == expected).all()
        assert not there[: COLUMNS - plan.width].any()


def test_the_drawing_shows_each_cell_in_its_colour() -> None:
    grid = references("train")[11]
    picture = drawing(grid)
    assert picture.shape == (5 * CELL, 8 * CELL, 3)
    for x, level in product(range(COLUMNS), range(LEVELS)):
        row, column = (LEVELS - level) * CELL, (x + 1) * CELL
        shade = picture[row, column].tolist()
        empty = drawing(np.zeros_like(grid))[row, column].tolist()
        assert (shade == empty) == (grid[x, level] == 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlap_and_connection_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid, plan = (rng.integers(0, 3, (1, COLUMNS, LEVELS)).astype(np.int8) for _ in range(2))
    grid[rng.random(grid.shape) < 0.4] = 0
    a = {(*c, int(grid[(0, *c)])) for c in np.argwhere(grid[0]).tolist() for c in [tuple(c)]}
    b = {(*c, int(plan[(0, *c)])) for c in np.argwhere(plan[0]).tolist() for c in [tuple(c)]}
    cells = {c[:2] for c in a | b}
    assert overlap(grid, plan)[0] == pytest.approx(len(a & b) / max(1, len(cells)))
    parts, left = 0, {c[:2] for c in a}
    while left:
        parts, edge = parts + 1, [left.pop()]
        while edge:
            x, y = edge.pop()
            near = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} & left
            left -= near
            edge += near
    whole = np.zeros(1, np.bool_)
    connected(grid, whole)
    assert whole[0] == (parts <= 1)
