"""Fruit and river against the published rules, written down again for one yard at a time."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from als_engine.simulation import simulate
from als_engine.task import LEVELS, split_of
from als_scenarios.game.commons import measures
from als_scenarios.game.commons.growth import CELLS, NEAR, REGROWTH, pass_time
from als_scenarios.game.commons.yard import (
    FRUITS,
    PATCHES,
    REACHES,
    SPOTS,
    mixtures,
    plan_of,
    yard,
)

SCENARIO = "ALS/Commons-v0"


def grown(
    ripe: list[bool], planted: list[bool], dirty: int, draws: list[float], near: list[list[int]]
) -> list[bool]:
    """Commons Harvest's rule times Clean Up's factor, spot by spot."""
    factor = max(0.0, min(1.0, (0.4 - dirty / 96) / 0.4))
    chances = (0.0, 0.0025, 0.005, 0.025)
    after = list(ripe)
    for spot in range(len(ripe)):
        if planted[spot] and not ripe[spot]:
            count = sum(ripe[other] for other in near[spot])
            after[spot] = draws[spot] < chances[min(count, 3)] * factor
    return after


def neighbours(level: int = 0, num_avatars: int = 6) -> tuple[np.ndarray, list[list[int]]]:
    """The spots of a level that bear, and which of them are near each other, by distance alone."""
    layout = yard(np.random.default_rng(level), level, num_avatars)
    planted = np.asarray(layout.quantities["planted"])
    places = [layout.props[f"fruit {i + 1}"].position[:2] for i in range(FRUITS)]
    near = [
        [
            j
            for j in range(FRUITS)
            if j != i and planted[i] and planted[j] and math.dist(places[i], places[j]) <= NEAR
        ]
        for i in range(FRUITS)
    ]
    return planted, near


def test_the_numbers_are_those_of_melting_pot() -> None:
    assert REGROWTH == (0.0, 0.0025, 0.005, 0.025)
    assert REACHES * CELLS == 96


def test_what_lies_near_a_spot_is_what_lies_in_its_patch() -> None:
    for level in (0, 1, 2, 3, 4, 5, 10_000, 10_001, 20_000, 20_001):
        planted, near = neighbours(level)
        for spot in np.flatnonzero(planted).tolist():
            patch = range(SPOTS * (spot // SPOTS), SPOTS * (spot // SPOTS + 1))
            assert near[spot] == [other for other in patch if other != spot and planted[other]]


@settings(max_examples=200, deadline=None)
@given(
    ripe=arrays(np.bool_, FRUITS),
    dirt=arrays(np.int32, REACHES, elements=st.integers(0, CELLS)),
    draws=arrays(np.float64, FRUITS, elements=st.floats(0.0, 0.03)),
    level=st.sampled_from([0, 1, 2, 10_000]),
)
def test_fruit_grows_by_the_published_rule(
    ripe: np.ndarray, dirt: np.ndarray, draws: np.ndarray, level: int
) -> None:
    planted, near = neighbours(level)
    ripe = ripe & planted
    expected = grown(ripe.tolist(), planted.tolist(), int(dirt.sum()), draws.tolist(), near)
    found = ripe[None].copy()
    every = np.append(draws, [1.0, 0.0])[None]  # Nothing gets dirty.
    pass_time(np.array([100]), planted[None], found, dirt[None].copy(), every)
    assert found[0].tolist() == expected


def test_an_empty_patch_and_a_dirty_river_let_nothing_grow() -> None:
    planted = np.ones((2, FRUITS), bool)
    ripe = np.zeros((2, FRUITS), bool)
    ripe[1] = True
    ripe[1, ::2] = False
    dirt = np.zeros((2, REACHES), np.int32)
    dirt[1] = 7  # 42 of 96.
    before = ripe.copy()
    pass_time(np.array([60, 60]), planted, ripe, dirt, np.zeros((2, FRUITS + 2)))
    np.testing.assert_array_equal(ripe, before)


def test_one_cell_gets_dirty_in_half_of_the_steps_from_step_51_on() -> None:
    worlds, rng = 400, np.random.default_rng(0)
    dirt = np.zeros((worlds, REACHES), np.int32)
    nothing = np.zeros((worlds, FRUITS), bool)
    for step in range(1, 111):
        before = dirt.sum(1)
        draws = rng.random((worlds, FRUITS + 2))
        pass_time(np.full(worlds, step), nothing, nothing.copy(), dirt, draws)
        more = dirt.sum(1) - before
        assert more.max() <= (1 if step > 50 else 0)
        np.testing.assert_array_equal(more, (draws[:, -2] < 0.5) & (step > 50))
    # All cells are as likely: each stretch has its sixth.
    assert (np.abs(dirt.mean(0) - 30 / REACHES) < 0.4).all()


def test_a_river_that_is_dirty_throughout_stays_as_it_is() -> None:
    dirt = np.full((1, REACHES), CELLS, np.int32)
    nothing = np.zeros((1, FRUITS), bool)
    pass_time(np.array([99]), nothing, nothing, dirt, np.zeros((1, FRUITS + 2)))
    assert (dirt == CELLS).all()


# -- metrics ---------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(meals=st.lists(st.integers(0, 60), min_size=4, max_size=8))
def test_equality_is_one_minus_gini(meals: list[int]) -> None:
    found = measures.equality(np.array([meals], np.int32))[0]
    if sum(meals) == 0:
        assert found == 1.0
        return
    ordered, n = sorted(meals), len(meals)
    # The Lorenz curve's formula.
    ranked = sum((i + 1) * eaten for i, eaten in enumerate(ordered))
    gini = 2 * ranked / (n * sum(ordered)) - (n + 1) / n
    assert math.isclose(found, 1 - gini, abs_tol=1e-9)


def test_sustainability_is_the_mean_time_of_meals_and_peace_that_of_presence() -> None:
    meals, times = np.array([[2, 1, 0, 1]], np.int32), np.array([[10 + 30, 50, 0, 100]])
    found = measures.sustainability(meals, times, 200)[0]
    assert math.isclose(found, (20 + 50 + 0 + 100) / 4 / 200)
    assert measures.peace(np.array([30, 0]), np.array([100, 0]), 6).tolist() == [0.95, 1.0]


# -- levels ----------------------------------------------------------------------------------------


def test_plans_and_mixtures_are_met_in_one_split_only() -> None:
    for others in range(3, 8):
        met = [set(mixtures(split, others)) for split in LEVELS]
        assert all(met)
        assert sum(map(len, met)) == len(set.union(*met))
        assert all(free + punish <= others for each in met for free, punish in each)
    plans: dict[str, set[tuple[int, ...]]] = {split: set() for split in LEVELS}
    for levels in LEVELS.values():
        for level in levels[:40]:
            planted = yard(np.random.default_rng(level), level, 6).quantities["planted"]
            plans[split_of(level)].add(plan_of(np.asarray(planted).tolist()))
    assert {len(found) for found in plans.values()} == {3, 7}
    assert not plans["train"] & (plans["validation"] | plans["test"])
    assert not plans["validation"] & plans["test"]


def test_trees_stand_apart_and_within_the_fence() -> None:
    sim = simulate(SCENARIO, 8, num_avatars=8, sensors=["orchard"])
    sim.reset(range(8))
    first = sim.state.prop("meadow 1")
    trees = sim.state.props.position[:, first : first + 3 * PATCHES : 3, :2]
    apart = np.abs(trees[:, :, None] - trees[:, None])
    gap = np.sqrt((apart**2).sum(-1)) + 99.0 * np.eye(PATCHES)
    assert gap.min() > 2 * 0.72 + NEAR
    assert (np.abs(trees) < (7.0, 5.0)).all()
    sim.close()
