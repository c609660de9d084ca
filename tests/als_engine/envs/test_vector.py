"""The vector environment: Gymnasium's behaviour, and each world as if it were alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from acme_worlds import REACH, level_of
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from als_engine import hookimpl
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ArgumentError, ResetNeededError
from als_engine.plugins.registry import registry

SEED = 3


@pytest.fixture
def make():
    made = []

    def make(worlds=3, mode=AutoresetMode.NEXT_STEP, spec=REACH, **arguments):
        made.append(VectorEnv(spec, worlds, 1, mode, **arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("limit", [12, 400])
def test_it_is_gymnasium_s_own_vector_of_single_environments(make, mode, limit):
    arguments = {"num_avatars": 3, "background": "roam", "max_episode_steps": limit}
    ours = make(3, mode, **arguments)
    theirs = SyncVectorEnv([lambda: SingleEnv(REACH, **arguments)] * 3, autoreset_mode=mode)
    one, two = ours.reset(seed=SEED), theirs.reset(seed=SEED)
    terminated = truncated = 0
    for _ in range(60):
        assert data_equivalence(one, two, exact=True)
        actions = ours.expert_actions()
        one, two = ours.step(actions), theirs.step(actions)
        terminated, truncated = terminated + one[2].sum(), truncated + one[3].sum()
        if mode is AutoresetMode.DISABLED and (ended := one[2] | one[3]).any():
            assert data_equivalence(one, two, exact=True)
            one = ours.reset(options={"reset_mask": ended})
            two = theirs.reset(options={"reset_mask": ended})
    theirs.close()
    assert truncated if limit == 12 else terminated > 3


def test_a_world_is_the_same_among_however_many(make):
    few, many = make(2, num_avatars=2), make(5, num_avatars=2)
    few.reset(seed=SEED)
    many.reset(seed=SEED)
    for _ in range(40):
        a, b = few.step(few.expert_actions()), many.step(many.expert_actions())
        assert (a[0]["touch"] == b[0]["touch"][:2]).all()
        assert (a[1] == b[1][:2]).all()
    for world in (0, 1):
        assert state(few).digest(world) == state(many).digest(world)


def state(env):
    return env.worlds.simulation.state


def test_world_i_draws_the_level_of_seed_plus_i(make):
    _, infos = make().reset(seed=SEED)
    assert infos["level"].tolist() == [level_of(SEED + i) for i in range(3)]
    _, infos = make().reset(seed=[30, None, 10])
    assert infos["level"][[0, 2]].tolist() == [level_of(30), level_of(10)]


def test_a_level_can_be_given_for_one_reset_or_for_all(make):
    env = make()
    assert env.reset(seed=1, options={"level": 12_345})[1]["level"].tolist() == [12_345] * 3
    assert env.reset(seed=1)[1]["level"].tolist() == [level_of(1 + i) for i in range(3)]
    assert make(level=9).reset(seed=1)[1]["level"].tolist() == [9] * 3


def test_a_reset_mask_starts_only_those_worlds(make):
    env = make()
    env.reset(seed=SEED)
    for _ in range(5):
        env.step(env.expert_actions())
    before = [state(env).digest(world) for world in range(3)]
    _, infos = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert infos["_level"].tolist() == [False, True, False]
    assert state(env).step.tolist() == [5, 0, 5]
    after = [state(env).digest(world) for world in range(3)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize("mask", [[True], np.zeros(3, bool), np.array([1, 0, 0])])
def test_a_wrong_reset_mask_is_refused(make, mask):
    with pytest.raises(ArgumentError, match="reset_mask"):
        make().reset(options={"reset_mask": mask})


def test_without_autoreset_an_ended_world_must_be_reset_first(make):
    env = make(mode="Disabled", max_episode_steps=2)
    env.reset(seed=SEED)
    for _ in range(2):
        env.step(env.expert_actions())
    with pytest.raises(ResetNeededError, match="the episode of world 0 has ended"):
        env.step(env.expert_actions())


def test_what_it_returned_is_never_overwritten_unless_that_was_asked_for(make):
    for copied in (True, False):
        env = make(copy=copied)
        first, _ = env.reset(seed=SEED)
        kept = first["proprioception"].copy()
        second = env.step(env.expert_actions())[0]
        assert (first["proprioception"] == kept).all() == copied
        assert (first["proprioception"] is second["proprioception"]) is False


class Ear:
    def __init__(self):
        self.records = []

    @hookimpl
    def als_episode_end(self, record):
        self.records.append(record)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_every_episode_is_told_of_once(make, monkeypatch, mode):
    ear = Ear()
    monkeypatch.setattr(type(registry), "listens_to_episodes", True)
    monkeypatch.setattr(registry, "episode_end", ear.als_episode_end)
    env, ended, total = make(mode=mode), 0, np.zeros(3)
    env.reset(seed=SEED)
    for _ in range(60):
        _, rewards, terminated, truncated, _ = env.step(env.expert_actions())
        total += rewards
        over = terminated | truncated
        ended += over.sum()
        if mode is AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over})
    assert len(ear.records) == ended > 3
    assert all(record.terminated and record.metrics["success"] for record in ear.records)
    running = state(env).step > 0
    lengths = sum(record.length for record in ear.records) + state(env).step[running].sum()
    idle = ended if mode is AutoresetMode.NEXT_STEP else 0  # Each of its resets takes a step.
    assert abs(lengths + idle - 3 * 60) <= 3
    assert sum(sum(record.returns) for record in ear.records) == pytest.approx(ended, abs=2)


def test_an_episode_may_end_for_good_in_the_step_that_its_time_runs_out(make):
    env = make(1)
    env.reset(seed=SEED)
    length, terminated = 0, np.zeros(1, bool)
    while not terminated[0]:
        terminated = env.step(env.expert_actions())[2]
        length += 1
    spec = dataclasses.replace(REACH, max_episode_steps=length)
    vector, single, parallel = make(1, spec=spec), SingleEnv(spec), parallel_env(spec)
    rows = sb3_vec_env(spec, 1, seed=SEED)
    for view in (vector, single, parallel):
        view.reset(seed=SEED)
    rows.reset()
    for _ in range(length):
        action = vector.expert_actions()
        v, s = vector.step(action), single.step(action[0])
        p, (_, _, done, infos) = parallel.step({"avatar_0": action[0]}), rows.step(action)
    assert (v[2][0], v[3][0]) == (s[2], s[3]) == (p[2]["avatar_0"], p[3]["avatar_0"]) == (1, 1)
    # What decides for a learner is that it ended for good.
    assert done[0]
    assert not infos[0]["TimeLimit.truncated"]
    for view in (single, parallel, rows):
        view.close()
