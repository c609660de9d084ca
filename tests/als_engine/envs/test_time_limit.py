"""One time limit: the registered one, whatever it is given to, and the avatar's own clock."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from acme_worlds import REACH
from gymnasium.wrappers import OrderEnforcing, TimeLimit

import als_engine
from als_engine import FollowTimeLimit
from als_engine.envs.single import SingleEnv
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry

TAG = "ALS/Tag-v0"
REGISTERED = registry.scenario(TAG).max_episode_steps
TIME_LEFT = -1  # The column of `proprioception`.
GIVEN = {"sensors": ["proprioception"]}


class ThirdParty(gym.Wrapper):
    """A wrapper whose module is not Gymnasium's."""


def clocks(kind: str, limit: int | None):
    """Makes a view; returns how it steps, as (time left, truncated), and how it is closed."""
    given = dict(GIVEN) if limit is None else {**GIVEN, "max_episode_steps": limit}
    if kind in ("make", "spec.make", "third party"):
        if kind == "third party":
            env = TimeLimit(ThirdParty(SingleEnv(TAG, **GIVEN)), limit or REGISTERED)
        else:
            env = gym.make(TAG, **given) if kind == "make" else gym.spec(TAG).make(**given)
        env = FollowTimeLimit(env)
        env.reset(seed=0)

        def step():
            seen, _, _, truncated, _ = env.step(0)
            return seen["proprioception"][TIME_LEFT], truncated
    elif kind in ("make_vec", "make_vec sync"):
        mode = {}
        if kind.endswith("sync"):
            mode = {"vectorization_mode": "sync", "wrappers": [FollowTimeLimit]}
        env = gym.make_vec(TAG, 2, **mode, **given)
        env.reset(seed=0)

        def step():
            seen, _, _, truncated, _ = env.step(np.zeros(2, np.int64))
            return seen["proprioception"][0, TIME_LEFT], truncated[0]
    elif kind in ("parallel", "pettingzoo"):
        if kind == "parallel":
            env = als_engine.parallel_env(TAG, **given)
        else:
            registration = pytest.importorskip("pettingzoo.env_registry.registration")
            given.pop("max_episode_steps", None)
            als_engine.plugins.registration.register_with_pettingzoo()
            env = registration.make("parallel", TAG, max_cycles=limit, **given)
        env.reset(seed=0)
        first = env.agents[0]

        def step():
            seen, _, _, truncated, _ = env.step(dict.fromkeys(env.possible_agents, 0))
            return seen[first]["proprioception"][TIME_LEFT], truncated[first]
    else:
        env = als_engine.sb3_vec_env(TAG, 2, seed=0, observers=1, **given)
        env.reset()

        def step():
            seen, _, done, infos = env.step(np.zeros(2, np.int64))
            last = infos[0].get("terminal_observation", {k: v[0] for k, v in seen.items()})
            return last["proprioception"][TIME_LEFT], done[0]

    return step, env.close


KINDS = [
    "make",
    "spec.make",
    "third party",
    "make_vec",
    "make_vec sync",
    "parallel",
    "pettingzoo",
    "sb3",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [4, REGISTERED + 60, None])
def test_every_view_keeps_the_limit_and_shows_it_to_the_avatar(kind, limit):
    if kind == "sb3":
        pytest.importorskip("stable_baselines3")
    step, close = clocks(kind, limit)
    for taken in range(1, 5):
        left, truncated = step()
        assert left == pytest.approx(1 - taken / (limit or REGISTERED), abs=1e-6)
        assert truncated == (taken == limit)
    close()


@pytest.mark.parametrize("limit", [None, 7])
def test_the_spec_tells_the_limit(limit):
    plain = gym.make(TAG, max_episode_steps=limit, **GIVEN)
    vector = gym.make_vec(TAG, 2, max_episode_steps=limit, **GIVEN)
    assert plain.spec.max_episode_steps == (limit or REGISTERED)
    single = FollowTimeLimit(plain)
    for spec in (single.spec, single.unwrapped.spec, vector.spec):
        assert spec.max_episode_steps == (limit or REGISTERED)
    again, many = gym.make(single.spec), gym.make_vec(vector.spec)
    assert again.unwrapped.spec.max_episode_steps == (limit or REGISTERED)
    assert again.spec.max_episode_steps == many.spec.max_episode_steps == (limit or REGISTERED)
    assert gym.spec(TAG).max_episode_steps == REGISTERED
    for env in (single, vector, again, many):
        env.close()


def test_without_gymnasium_s_wrapper_the_scenario_s_own_limit_is_kept():
    single = gym.make(TAG, max_episode_steps=-1, **GIVEN)
    vector = gym.make_vec(TAG, max_episode_steps=-1, **GIVEN)
    assert single.spec.max_episode_steps == vector.spec.max_episode_steps == REGISTERED
    single.close()
    vector.close()


@pytest.mark.parametrize("wrap", [lambda env: env, ThirdParty, OrderEnforcing])
@pytest.mark.parametrize(("own", "around", "kept"), [(30, 10, 10), (10, 30, 10), (None, 10, 10)])
def test_of_two_limits_the_shorter_counts(wrap, own, around, kept):
    env = FollowTimeLimit(
        ThirdParty(TimeLimit(wrap(SingleEnv(REACH, max_episode_steps=own)), around))
    )
    env.reset(seed=0)
    assert env.unwrapped.simulation.state.max_episode_steps == kept
    fork = env.unwrapped.fork(2)
    cut = [fork.step(np.zeros(2, np.int64))[3].tolist() for _ in range(kept)]
    assert cut == [[False, False]] * (kept - 1) + [[True, True]]
    fork.close()
    assert [env.step(0)[3] for _ in range(kept)] == [False] * (kept - 1) + [True]
    env.close()


def test_a_limit_that_nobody_tells_the_environment_cuts_off_and_leaves_its_clock_alone():
    env = gym.make(TAG, max_episode_steps=3, **GIVEN)
    env.reset(seed=0)
    seen = [env.step(0) for _ in range(3)]
    assert [truncated for _, _, _, truncated, _ in seen] == [False, False, True]
    assert seen[-1][0]["proprioception"][TIME_LEFT] == pytest.approx(1 - 3 / REGISTERED, abs=1e-6)
    env.close()


def test_a_limit_can_be_set_by_hand():
    env = gym.make(TAG, max_episode_steps=-1, **GIVEN)
    env.unwrapped.set_time_limit(2)
    assert env.spec.max_episode_steps == 2
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(2)] == [False, True]
    with pytest.raises(ArgumentError, match="max_episode_steps must be a whole number"):
        env.unwrapped.set_time_limit(0)
    env.close()


def test_only_our_own_environments_have_such_a_clock():
    with pytest.raises(ArgumentError, match="for scenarios of als_engine, got CartPoleEnv"):
        FollowTimeLimit(gym.make("CartPole-v1"))


def test_make_and_make_vec_take_the_same_arguments():
    given = {"max_episode_steps": 9, "level": 5, "num_avatars": 4, "sensors": ["touch"]}
    one, many = FollowTimeLimit(gym.make(TAG, **given)), gym.make_vec(TAG, num_envs=2, **given)
    assert one.observation_space == many.single_observation_space
    one.reset(seed=0)
    many.reset(seed=0)
    for step in range(1, 10):
        single, vector = one.step(0), many.step(np.zeros(2, np.int64))
        assert single[3] == vector[3][0] == (step == 9)
        assert (single[0]["touch"] == vector[0]["touch"][0]).all()
    one.close()
    many.close()
