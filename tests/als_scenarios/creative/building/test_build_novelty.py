"""Novelty: descriptors, distances and diversity as they are defined, and what counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.task import LEVELS as SPLITS
from als_scenarios.creative.building.blocks import COLUMNS, LEVELS, drawn
from als_scenarios.creative.building.build import NEW
from als_scenarios.creative.building.novelty import (
    ARCHIVED,
    NEIGHBOURS,
    TRAITS,
    describe,
    diversity,
    novelty,
    valid,
)
from als_scenarios.creative.building.plans import inventions, references


def described(grid: np.ndarray) -> list[float]:
    """The descriptor of one structure, cell by cell."""
    cells = {(x, y): int(grid[x, y]) for x in range(COLUMNS) for y in range(LEVELS) if grid[x, y]}
    if not cells:
        return [0.0] * len(TRAITS)
    tops = [max((y + 1 for x, y in cells if x == column), default=0) for column in range(COLUMNS)]
    columns = sorted({x for x, _ in cells})
    width = columns[-1] - columns[0] + 1
    image = [(columns[0] + columns[-1] - x, y) in cells for x, y in cells]
    holes = sum((x, y) not in cells for x in range(COLUMNS) for y in range(tops[x]))
    steps = [abs(tops[x] - tops[x + 1]) for x in range(COLUMNS - 1) if tops[x] and tops[x + 1]]
    return [
        max(tops) / LEVELS,
        width / COLUMNS,
        min(1.0, len(cells) / 14),
        len(set(cells.values())) / 4,
        sum(image) / len(cells),
        min(1.0, holes / 4),
        sum(steps) / (3 * max(1, width - 1)),
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_descriptors_are_those_of_the_definition(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    grids = rng.integers(1, 5, (3, COLUMNS, LEVELS)).astype(np.int8)
    grids[rng.random(grids.shape) >= share] = 0
    found = describe(grids)
    np.testing.assert_allclose(found, [described(grid) for grid in grids], atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()


def test_novelty_is_the_mean_distance_to_the_three_nearest() -> None:
    """As Lehman and Stanley (2011) define it, with the root mean square as distance."""
    rng = np.random.default_rng(3)
    points, archive = rng.random((5, len(TRAITS))), rng.random((5, ARCHIVED, len(TRAITS)))
    for point, seen, found in zip(points, archive, novelty(points, archive), strict=True):
        away = sorted(
            math.sqrt(sum((a - b) ** 2 for a, b in zip(point, each, strict=True)) / len(TRAITS))
            for each in seen
        )
        assert found == pytest.approx(sum(away[:NEIGHBOURS]) / NEIGHBOURS)


def test_novelty_has_the_same_bits_for_any_number_of_structures() -> None:
    grids = references("train")
    every = describe(grids)
    archive = every[:ARCHIVED]
    together = novelty(every, archive)
    for i in range(0, len(grids), 9):
        assert novelty(describe(grids[i : i + 1]), archive)[0] == together[i]


def test_what_is_in_the_archive_often_enough_is_not_new() -> None:
    one = describe(references("test")[:1])
    assert novelty(one, np.repeat(one, ARCHIVED, 0))[0] == 0.0


def test_a_structure_counts_when_it_is_large_enough_and_in_one_piece() -> None:
    grid = np.zeros((4, COLUMNS, LEVELS), np.int8)
    grid[1, :6, 0] = 1
    grid[2, :3, 0] = grid[2, 4:, 0] = 1
    grid[3, :5, 0] = 1
    assert valid(grid).tolist() == [False, True, False, False]


@pytest.mark.parametrize("split", SPLITS)
def test_something_new_can_be_built_whatever_hangs_on_the_wall(split: str) -> None:
    pool = describe(references(split))  # type: ignore[arg-type]
    grids = np.stack([drawn(pieces) for pieces in inventions()])
    ideas = describe(grids[valid(grids)])
    rng = np.random.default_rng(0)
    best = [novelty(ideas, pool[rng.integers(len(pool), size=ARCHIVED)]).max() for _ in range(300)]
    assert min(best) > NEW


@pytest.mark.parametrize("split", SPLITS)
def test_a_plan_of_the_kind_that_hangs_on_the_wall_is_seldom_new(split: str) -> None:
    grids = references(split)  # type: ignore[arg-type]
    pool = describe(grids)
    rng = np.random.default_rng(0)
    new = [
        (novelty(pool, pool[rng.integers(len(pool), size=ARCHIVED)]) * valid(grids) >= NEW).mean()
        for _ in range(100)
    ]
    assert np.mean(new) < 0.05


def test_diversity_is_the_mean_distance_between_two() -> None:
    rows = np.zeros((3, len(TRAITS)))
    rows[1:] = 1.0
    assert diversity(rows) == pytest.approx(2 / 3)
    assert diversity(rows[1:]) == 0.0
