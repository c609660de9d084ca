"""The single environment, with and without what `gymnasium.make` puts around it."""

from __future__ import annotations

import json

import gymnasium as gym
import numpy as np
import pytest
from acme_worlds import REACH, level_of

import als_engine  # noqa: F401 - registers the scenarios
from als_engine.envs.single import SingleEnv
from als_engine.errors import ALSError

TAG = "ALS/Tag-v0"
TIME_LEFT = -1  # The column of `proprioception`.


@pytest.fixture
def env():
    env = SingleEnv(REACH)
    yield env
    env.close()


def test_the_expert_s_action_solves_it(env):
    env.reset(seed=0)
    terminated = truncated = False
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(env.expert_action())
    assert terminated
    assert info["success"]
    assert reward == pytest.approx(0.99)


def test_a_seed_draws_the_level_and_the_next_reset_another(env):
    assert env.reset(seed=4)[1]["level"] == level_of(4)
    follower = env.reset()[1]["level"]
    assert follower != level_of(4)
    env.reset(seed=4)
    assert env.reset()[1]["level"] == follower


def test_a_level_decides_the_layout_whatever_the_seed_and_the_split(env):
    test = SingleEnv(REACH, split="test")
    told = set()
    for seed, view in ((1, env), (2, env), (3, test)):
        view.reset(seed=seed, options={"level": 77})
        told.add(view.simulation.state.instructions[0][0])
    test.close()
    assert len(told) == 1


def test_the_info_is_plain_data(env):
    _, info = env.reset(seed=0)
    assert json.loads(json.dumps(info)) == info
    assert {name: type(value) for name, value in info.items()} == {
        "success": bool, "level": int, "walked": float, "steps": int,
    }  # fmt: skip


def test_an_observation_is_never_overwritten(env):
    first, _ = env.reset(seed=0)
    kept = {key: value.copy() for key, value in first.items()}
    env.step(1)
    assert all((first[key] == kept[key]).all() for key in kept)


@pytest.mark.parametrize("limit", [6, 500])
def test_the_limit_given_to_make_is_the_avatar_s_own(limit):
    env = gym.make(TAG, max_episode_steps=limit, sensors=["proprioception"])
    observation, _ = env.reset(seed=0)
    for step in range(1, 7):
        observation, _, _, truncated, _ = env.step(0)
        left = observation["proprioception"][TIME_LEFT]
        assert left == pytest.approx(1 - step / limit, abs=1e-6)
        assert truncated == (step == limit)
    assert env.unwrapped.simulation.state.max_episode_steps == limit
    env.close()


def test_a_time_limit_put_around_it_later_counts_as_well():
    env = gym.wrappers.TimeLimit(SingleEnv(REACH, max_episode_steps=30), 10)
    env.reset(seed=0)
    assert env.unwrapped.simulation.state.max_episode_steps == 10
    env.close()
    env = SingleEnv(REACH, max_episode_steps=30)
    env.reset(seed=0)
    assert env.simulation.state.max_episode_steps == 30
    env.close()


def test_make_and_make_vec_take_the_same_arguments():
    given = {"max_episode_steps": 9, "level": 5, "num_avatars": 4, "sensors": ["touch"]}
    one, many = gym.make(TAG, **given), gym.make_vec(TAG, num_envs=2, **given)
    assert one.observation_space == many.single_observation_space
    one.reset(seed=0)
    many.reset(seed=0)
    for step in range(1, 10):
        single, vector = one.step(0), many.step(np.zeros(2, np.int64))
        assert single[3] == vector[3][0] == (step == 9)
        assert (single[0]["touch"] == vector[0]["touch"][0]).all()
    one.close()
    many.close()


def test_a_picture_is_taken_in_its_mode_only():
    env = SingleEnv(REACH, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert (picture.shape, picture.dtype) == ((480, 640, 3), np.uint8)
    assert picture.std() > 5
    env.close()
    env = SingleEnv(REACH)
    env.reset(seed=0)
    assert env.render() is None
    env.close()


def test_without_a_screen_a_window_is_refused_in_one_line(monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    env = SingleEnv(REACH, render_mode="human")
    with pytest.raises(ALSError, match='use render_mode="rgb_array" here') as error:
        env.reset(seed=0)
    assert "\n" not in str(error.value)
    env.close()


def test_a_window_shows_the_picture(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = SingleEnv(REACH, render_mode="human")
    env.reset(seed=0)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert (shown == env.simulation.render()).all()
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
