"""The arithmetic of tag: every kernel gives, bit for bit, what plain NumPy gives."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from als_engine.geometry import portable_math as pmath
from als_engine.simulation import Simulation, simulate
from als_scenarios.game import evasion, obstacles, pursuit, rules
from als_scenarios.game.obstacles import run as inner_run
from als_scenarios.game.players import ARRIVED, GOAL_STEPS, STYLES

WORLDS = 12
COUNTS = (2, 3, 5, 8)


@numba.njit
def run(x, y, dx, dy, reach, limit, things):
    """What only kernels can call, for Python."""
    return inner_run(x, y, dx, dy, reach, limit, things)


@pytest.fixture(params=COUNTS)
def sim(request: pytest.FixtureRequest) -> Simulation:
    """Worlds in which avatars stand, run and are free at random; some have nobody left to catch."""
    sim = simulate("ALS/Tag-v0", WORLDS, num_avatars=request.param, sensors=["proprioception"])
    sim.reset(range(WORLDS))
    rng, state = np.random.default_rng(request.param), sim.state
    state.avatars.position[..., :2] = rng.uniform(-4, 4, state.avatars.position[..., :2].shape)
    state.avatars.velocity[..., :2] = rng.uniform(-2, 2, state.avatars.velocity[..., :2].shape)
    state["free"][:] = ~sim.task.chasers & (rng.random(state["free"].shape) < 0.7)
    state["free"][0] = ~sim.task.chasers
    state["free"][1] = False
    state["goal"][:] = state.avatars.position[..., :2] + rng.normal(0, 0.4, state["goal"].shape)
    state.step[:] = rng.integers(0, 3 * GOAL_STEPS, WORLDS)
    state.step[:3] = 0, 30, GOAL_STEPS
    state.props.velocity[:] = rng.random(state.props.velocity.shape) < 0.02
    return sim


def gaps_of(sim: Simulation) -> np.ndarray:
    """From every avatar to every other one, (worlds, avatars, avatars)."""
    xy = sim.state.avatars.position[..., :2]
    between = xy[:, None] - xy[:, :, None]
    return pmath.hypot(between[..., 0], between[..., 1])


def goals_of(sim: Simulation, tactic: str, pace: float) -> np.ndarray:
    """Where every avatar would run to."""
    state, chasers = sim.state, sim.task.chasers
    gaps = np.where(state["free"][:, None], gaps_of(sim), np.inf)
    prey, gap = gaps.argmin(2), gaps.min(2)
    rows = np.arange(WORLDS)[:, None]
    goals = state.avatars.position[rows, prey, :2]
    reach = np.where(gap > pursuit.FLANK, pursuit.FLANK, 0.0)[..., None]
    if tactic == "intercept":
        time = np.minimum(gap / (pace * state.bodies.speed), pursuit.LEAD)
        return goals + time[..., None] * state.avatars.velocity[rows, prey, :2]
    if tactic == "pack" and chasers.sum() > 1:
        angle = 2 * np.pi * np.cumsum(chasers) / chasers.sum()
        return goals + reach * np.stack([pmath.cos(angle), pmath.sin(angle)], -1)
    if tactic == "flank":
        ahead = goals - state.avatars.position[..., :2]
        left = np.stack([-ahead[..., 1], ahead[..., 0]], -1) / np.maximum(gap, 1e-9)[..., None]
        return goals + reach * left
    return goals


@pytest.mark.parametrize("tactic", pursuit.TACTICS)
def test_chasers_run_where_their_tactic_says(sim, tactic):
    who = np.random.default_rng(0).random((WORLDS, sim.num_avatars)) < 0.8
    expected = who & sim.task.chasers & sim.state["free"].any(1)[:, None]
    found = pursuit.hunt(sim.state, who, sim.task.chasers, tactic, 0.42)
    assert found is not None
    hunting, goals = found
    assert np.array_equal(hunting, expected)
    assert np.array_equal(goals[hunting], goals_of(sim, tactic, 0.42)[hunting])


def test_nobody_hunts_where_nobody_is_free(sim):
    everybody = np.ones((WORLDS, sim.num_avatars), bool)
    sim.state["free"][:] = False
    assert pursuit.hunt(sim.state, everybody, sim.task.chasers, "direct", 1.0) is None


@pytest.mark.parametrize("within", [0.0, 2.0, 99.0])
def test_evaders_are_alarmed_by_a_chaser_that_is_near(sim, within):
    who = np.random.default_rng(0).random((WORLDS, sim.num_avatars)) < 0.8
    gaps = gaps_of(sim)[:, :, sim.task.chasers].min(2)
    asked = who & sim.state["free"]
    found = pursuit.alarm(sim.state, who, sim.task.chasers, within)
    assert np.array_equal(found.gaps, gaps)
    assert np.array_equal(found.alarmed, asked & (gaps < within))
    assert np.array_equal(found.calm, asked & ~(gaps < within))
    assert found.some_alarmed == found.alarmed.any()
    assert found.some_calm == found.calm.any()


def test_the_terms_are_tags_time_and_shaping_by_their_weights(sim):
    free, chasers, state = sim.state["free"], sim.task.chasers, sim.state
    rng = np.random.default_rng(0)
    for name in ("points", "shaping"):
        state[name][:] = rng.normal(size=free.shape)
    paid = free.sum(axis=1, keepdims=True) / chasers.sum()
    expected = (10.0 * state["points"], 0.01 * (free - chasers * paid), 0.3 * state["shaping"])
    assert np.array_equal(rules.worth(state, chasers, (10.0, 0.01, 0.3)), expected)


def test_tags_are_counted(sim):
    free, first, evaders = sim.state["free"], sim.state["first_tag"], sim.task.num_evaders
    first[::2] = np.arange(first[::2].size)
    tagged, when = rules.counts(sim.state, evaders)
    assert np.array_equal(tagged, evaders - free.sum(1))
    assert np.array_equal(when, np.where(first < 0, sim.state.max_episode_steps, first))
    assert np.array_equal(rules.over(sim.state), ~free.any(1))


def test_the_potential_adds_up_as_numpy_adds(sim):
    free, chasers = sim.state["free"], sim.task.chasers
    gap = np.where(free[:, None], gaps_of(sim), np.inf).min(2)
    gap = np.where(chasers & (free.sum(1) > 0)[:, None], gap, 0.0)
    share = gap.sum(1) / np.maximum(free.sum(1), 1)
    expected = free * share[:, None] - gap
    assert np.array_equal(rules.potential(sim.state, chasers), expected)


def test_a_touch_counts_between_a_chaser_and_who_is_free(sim):
    rng, chasers, free = np.random.default_rng(0), sim.task.chasers, sim.state["free"]
    for _ in range(200):
        touches = rng.random((WORLDS, sim.num_avatars, sim.num_avatars)) < 0.004
        expected = (touches & chasers[:, None] & free[:, None]).any()
        assert rules.touched(touches, chasers, free) == expected


def test_goals_are_renewed_on_arrival_and_in_turn(sim):
    state = sim.state
    away = state["goal"] - state.avatars.position[..., :2]
    expected = pmath.hypot(away[..., 0], away[..., 1]) < ARRIVED
    expected |= (state.step % GOAL_STEPS == 0)[:, None]
    out = np.zeros(expected.shape, bool)
    given = (state["goal"], state.avatars.position)
    assert pursuit.arrived(*given, state.step, ARRIVED, GOAL_STEPS, out)
    assert np.array_equal(out, expected)
    assert not pursuit.arrived(*given, np.ones(WORLDS, np.int64), 0.0, GOAL_STEPS, out)
    assert not out.any()


def test_crates_are_looked_at_more_often_where_they_move(sim):
    state, out = sim.state, np.zeros(WORLDS, bool)
    for step in range(31):
        state.step[:] = np.arange(WORLDS) + step
        pushed = (state.props.velocity != 0.0).any(axis=(1, 2))
        expected = (pushed & (state.step % 5 == 0)) | (state.step % 30 == 0)
        assert pursuit.stirred(state.props.velocity, state.step, out) == expected.any()
        assert np.array_equal(out, expected)


def test_a_direction_becomes_one_of_full_length():
    directions = np.random.default_rng(0).normal(size=(WORLDS, 4, 2))
    directions[0] = 0.0
    length = np.maximum(pmath.hypot(directions[..., 0], directions[..., 1]), 1e-9)
    expected = directions / length[..., None]
    pursuit.lengthen(directions)
    assert np.array_equal(directions, expected)


@pytest.mark.parametrize("style", STYLES)
def test_an_evader_flees_where_a_look_at_all_directions_would_lead(sim, style):
    state, chasers, cares = sim.state, sim.task.chasers, STYLES[style]
    things = obstacles.gather(state, state["free"])
    found = evasion.escape(state, state["free"], chasers, cares, things)
    for world, avatar in np.argwhere(state["free"]).tolist():
        xy = state.avatars.position[world, :, :2]
        gaps = np.where(chasers, ((xy - xy[avatar]) ** 2).sum(1), np.inf)
        x, y = xy[avatar]
        near = xy[gaps.argmin()]
        turn = state.step[world] // evasion.SWERVE_STEPS + avatar
        away = pmath.atan2(y - near[1], x - near[0]) + (-1.0) ** int(turn % 2) * cares.swerve
        room = state.bodies.radius[avatar] + evasion.SKIN
        scores, ways = [], []
        for k in range(evasion.DIRECTIONS):
            angle = 2.0 * math.pi * k / evasion.DIRECTIONS
            dx, dy = pmath.cos(angle), pmath.sin(angle)
            free = run(x, y, dx, dy, room, 2.0, things[world])
            score = cares.away * pmath.cos(angle - away) + cares.room * free / 2.0
            score -= 2.0 if free < 0.3 else 0.0
            if cares.rim > 0.0:
                there = np.array([x, y]) + min(free, 1.0) * np.array([dx, dy])
                low, high = state.bounds[world, :2], state.bounds[world, 2:]
                gap = min((there - low).min(), (high - there).min())
                score += cares.rim * (1.0 - min(max(gap - 0.6, 0.0), 1.0))
            scores.append(score)
            ways.append((dx, dy))
        assert tuple(found[world, avatar]) == ways[int(np.argmax(scores))]
    assert not found[~state["free"]].any()
