"""Codes: what a model reads comes back, within its space, and nobody else's file is trusted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.world_models.codes import ActionCode, ObservationCode
from als_plugins.world_models.data import Steps, steps_of
from als_plugins.world_models.ensemble import Ensemble
from als_plugins.world_models.fitting import Fitting
from als_plugins.world_models.measuring import errors_over
from als_plugins.world_models.planner import Hope
from als_plugins.world_models.saving import Size, make_learnt, read_learnt, save_learnt

SPACE = Dict({
    "near": Box(-2.0, 2.0, (3,), np.float32),
    "far": Box(-np.inf, np.inf, (1,), np.float32),
    "count": Box(0, 9, (2,), np.int64),
})  # fmt: skip
ACTIONS = [Discrete(4), MultiDiscrete([3, 2]), Box(-1.0, 3.0, (2,), np.float32)]


def observations(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "near": rng.uniform(-2, 2, (rows, 3)).astype(np.float32),
        "far": rng.normal(0.0, 30.0, (rows, 1)).astype(np.float32),
        "count": rng.integers(0, 10, (rows, 2)),
    }


@given(st.integers(0, 1 << 30))
@settings(max_examples=20, deadline=None)
def test_an_observation_comes_back_from_its_code(seed):
    code = ObservationCode(SPACE)
    code.fit(code.numbers(observations(50, 1)))
    seen = observations(4, seed)
    back = code.back(code(seen))
    assert back["near"] == pytest.approx(seen["near"], abs=1e-5)
    assert back["far"] == pytest.approx(seen["far"], rel=1e-3, abs=1e-3)
    assert np.array_equal(back["count"], seen["count"])
    wild = code.back(np.full((2, code.size), 1e4, np.float32))
    assert all(np.isfinite(each).all() for each in wild.values())
    assert (wild["near"] <= 2.0).all()
    assert (wild["count"] <= 9).all()


def test_what_never_changes_is_left_out_and_comes_back_as_it_was():
    code = ObservationCode(SPACE)
    seen = observations(50)
    seen["near"][:, 1] = 0.5
    code.fit(code.numbers(seen))
    assert code.size == 5
    assert code.back(np.zeros((1, 5), np.float32))["near"][0, 1] == pytest.approx(0.5)
    with pytest.raises(ArgumentError, match="no number of these observations ever changes"):
        code.fit(np.ones((5, code.numbers.size), np.float32))


@pytest.mark.parametrize("space", ACTIONS)
def test_an_action_comes_back_from_its_code(space):
    space.seed(0)
    actions = np.array([space.sample() for _ in range(20)])
    code = ActionCode(space)
    coded = code(actions)
    assert coded.shape == (20, code.size)
    assert np.allclose(code.back(coded), actions, atol=1e-6)


def test_actions_without_bounds_are_refused():
    with pytest.raises(ArgumentError, match="cannot read actions of Box"):
        ActionCode(Box(-np.inf, np.inf, (2,), np.float32))


def test_windows_end_with_their_episode():
    lengths = np.array([3, 2])
    steps = Steps(
        np.arange(5, dtype=np.float32)[:, None], np.zeros((5, 1), np.float32),
        np.zeros(5, np.float32), np.float32([0, 0, 1, 0, 0]), steps_of(lengths),
    )  # fmt: skip
    code = ObservationCode(Dict({"x": Box(-1.0, 1.0, (1,), np.float32)}))
    steps.standardise(code, 0.0, 1.0)
    batch = steps.batch(np.array([1, 3]), 3)
    assert batch.observation[:, :, 0].tolist() == [[1, 2, 2], [3, 4, 4]]
    assert batch.there.tolist() == [[True, True, False]] * 2
    assert batch.follows.tolist() == [[True, False, False]] * 2
    assert batch.end[0, 1] == 1.0
    assert steps.whole(3).tolist() == [0]


# A world whose rule is known: x' = 0.9 x + 0.3 a, reward x.


def known_world(episodes=40, length=40):
    rng = np.random.default_rng(0)
    x = np.zeros((episodes, length), np.float32)
    actions = rng.uniform(-1, 1, (episodes, length)).astype(np.float32)
    x[:, 0] = rng.uniform(-1, 1, episodes)
    for step in range(1, length):
        x[:, step] = 0.9 * x[:, step - 1] + 0.3 * actions[:, step - 1]
    ends = np.zeros(episodes * length, np.float32)
    last = steps_of(np.full(episodes, length))
    return Steps(x.reshape(-1, 1), actions.reshape(-1, 1), x.ravel().copy(), ends, last)


KNOWN = Dict({"x": Box(-5.0, 5.0, (1,), np.float32)})
PUSH = Box(-1.0, 1.0, (1,), np.float32)


def learnt_of(kind, steps):
    torch.manual_seed(0)
    code = ObservationCode(KNOWN)
    code.fit(steps.numbers)
    reward = np.array([steps.rewards.mean(), steps.rewards.std()], np.float32)
    found = make_learnt(Size(kind=kind, width=32, members=2), code, ActionCode(PUSH), reward)
    steps.standardise(code, *reward.tolist())
    return found


@pytest.mark.parametrize(("kind", "count"), [("ensemble", 120), ("latent", 80)])
def test_a_model_learns_a_rule_and_beats_persistence(kind, count):
    steps = known_world()
    learnt = learnt_of(kind, steps)
    before = errors_over(learnt, steps)
    Fitting(learnt, steps, steps, seed=0, batch=16, rate=1e-2).take(count)
    errors = errors_over(learnt, steps)
    assert errors.model[0] < 0.5 * before.model[0]
    assert errors.model[4] < 0.5 * errors.persistence[4]
    assert errors.model[-1] < 0.5 * errors.persistence[-1]
    assert errors.reward[0] < 0.5 * errors.mean_reward[0]


def test_a_fit_is_the_same_in_two_parts():
    parts, whole = known_world(4), known_world(4)
    one, other = learnt_of("ensemble", parts), learnt_of("ensemble", whole)
    first = Fitting(one, parts, None, seed=0, batch=8, rate=1e-3)
    first.take(3)
    torch.rand(7)  # Nobody else's draws matter.
    first.take(3)
    Fitting(other, whole, None, seed=0, batch=8, rate=1e-3).take(6)
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_drawn_steps_are_around_what_one_of_the_members_says():
    torch.manual_seed(0)
    model = Ensemble(2, 1, 8, 3)
    state, action = torch.zeros(500, 2), torch.ones(500, 1)
    drawn = model.drawn_step(state, action).observation
    mean = model.each_step(state.expand(3, -1, -1), action.expand(3, -1, -1)).observation
    assert drawn.std(0).min() > 0.1
    assert (drawn.mean(0) - mean.mean((0, 1))).abs().max() < 0.3


# Saved models


@pytest.fixture
def saved(tmp_path):
    learnt = learnt_of("ensemble", known_world(4))
    save_learnt(learnt, tmp_path / "model", KNOWN, PUSH, scenarios=["Some/Where-v0"])
    return tmp_path, learnt


def test_a_model_comes_back_from_its_folder(saved):
    folder, learnt = saved
    loaded, record = read_learnt(folder)
    assert record.scenarios == ["Some/Where-v0"]
    state, action = torch.ones(3, 1), torch.ones(3, 1)
    with torch.no_grad():
        assert torch.equal(loaded.model.step(state, action)[0], learnt.model.step(state, action)[0])
    assert loaded.code.space == KNOWN


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("model.json", ('"numbers": 1', '"numbers": 7'), "7 of 1 numbers cannot change"),
        ("model.json", ('"width": 32', '"width": 1000000'), "width"),
        ("model.json", ('"width": 32', '"width": 2000'), "smaller than the record says"),
        ("model.json", ('"ensemble"', '"pickle"'), "kind"),
        ("model.json", ('"format": 1', '"format": 1, "run": "rm"'), "run"),
        ("weights.safetensors", {"deviation": np.zeros(1, np.float32)}, "does not fit"),
        ("weights.safetensors", {"kept": np.zeros(1, np.bool_)}, "does not fit"),
        ("weights.safetensors", {"reward": np.zeros(3, np.float32)}, "reward"),
    ],
)
def test_a_model_of_a_stranger_is_checked(saved, file, change, words):
    path = saved[0] / "model" / file
    if file.endswith(".json"):
        path.write_text(path.read_text().replace(*change))
    else:
        write_tensors(path, {**read_tensors(path), **change})
    with pytest.raises(SavedFileError, match=words) as caught:
        read_learnt(saved[0])
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_says_what_makes_one(tmp_path):
    with pytest.raises(SavedFileError, match="holds no world model: `als model` makes one"):
        read_learnt(tmp_path)


# Courses


@pytest.mark.parametrize("space", ACTIONS)
def test_courses_move_to_those_that_earn(space):
    code = ActionCode(space)
    hope, rng = Hope(code, 2), np.random.default_rng(0)
    wanted = code(np.array([space.sample() for _ in range(2)]))
    for _ in range(20):
        courses = hope.draw(rng, 64)
        earned = -np.abs(courses - wanted).sum(axis=(1, 2))
        weights = np.zeros(64)
        weights[np.argsort(-earned)[:8]] = 1 / 8
        hope.fit(courses, weights, narrow=True)
    assert np.allclose(code.back(hope.middle[:1]), code.back(wanted[:1]), atol=0.3)
    hope.later()
    assert np.allclose(code.back(hope.middle[:1]), code.back(wanted[1:]), atol=0.3)
