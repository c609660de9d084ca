"""PettingZoo: every avatar an agent, in parallel or in turn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from acme_worlds import REACH
from pettingzoo.utils.conversions import parallel_to_aec

import als_engine
from als_engine.bodies.avatar import HAND_USE
from als_engine.envs.parallel import parallel_env
from als_engine.envs.single import SingleEnv
from als_engine.errors import ActionError, ResetNeededError
from als_engine.plugins.registration import aec_env

TAG = "ALS/Tag-v0"
SMALL = {"sensors": ["proprioception"], "max_episode_steps": 25}


@pytest.fixture(scope="module")
def pettingzoo_test():
    with warnings.catch_warnings():
        # It imports an environment of its own, in a way that it has deprecated.
        warnings.simplefilter("ignore")
        import pettingzoo.test
    return pettingzoo.test


def test_agents_are_named_after_their_roles():
    env = als_engine.parallel_env(TAG, num_avatars=4, **SMALL)
    assert env.possible_agents == ["chaser_0", "chaser_1", "evader_0", "evader_1"]
    assert env.agents == []
    env.reset(seed=0)
    assert env.agents == env.possible_agents
    env.close()


def test_pettingzoo_s_own_tests_pass(pettingzoo_test):
    def make():
        return parallel_env(REACH, num_avatars=3, **SMALL)

    env = make()
    pettingzoo_test.parallel_api_test(env, num_cycles=60)
    env.close()
    pettingzoo_test.parallel_seed_test(make, num_cycles=30)


@pytest.mark.filterwarnings("ignore:Observation")  # It would rather have one array than a Dict.
def test_the_turn_based_conversion_passes_pettingzoo_s_own_test(pettingzoo_test):
    env = aec_env(TAG, **SMALL)
    pettingzoo_test.api_test(env, num_cycles=60)
    env.close()


def test_a_step_of_nobody_after_the_end_is_empty_as_pettingzoo_has_it():
    env = parallel_env(TAG, sensors=["proprioception"], max_episode_steps=1)
    with pytest.raises(ResetNeededError):
        env.step({})
    env.reset(seed=0)
    with pytest.raises(ActionError, match="no action for chaser_0, evader_0"):
        env.step({})
    env.step(dict.fromkeys(env.agents, 0))
    assert env.step({}) == ({}, {}, {}, {}, {})
    with pytest.raises(ResetNeededError):
        env.step({"chaser_0": 0, "evader_0": 0})
    assert env.reset(seed=1)[0].keys() == {"chaser_0", "evader_0"}
    env.close()


def test_taking_turns_leads_to_the_same_world():
    parallel = parallel_env(REACH, num_avatars=2, **SMALL)
    inner = parallel_env(REACH, num_avatars=2, **SMALL)
    turns = parallel_to_aec(inner)
    parallel.reset(seed=5)
    turns.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        actions = {agent: int(rng.integers(7)) for agent in parallel.agents}
        parallel.step(actions)
        for agent in turns.agents:
            assert turns.agent_selection == agent
            turns.step(actions[agent])
    assert inner.simulation.state.digest(0) == parallel.simulation.state.digest(0)
    parallel.close()
    turns.close()


def test_an_episode_ends_for_all_agents_at_once():
    env = parallel_env(REACH, num_avatars=3, max_episode_steps=2)
    env.reset(seed=0)
    stay = dict.fromkeys(env.agents, 0)
    env.step(stay)
    _, _, terminated, truncated, infos = env.step(stay)
    assert set(truncated.values()) == {True}
    assert set(terminated.values()) == {False}
    assert list(infos) == env.possible_agents
    assert env.agents == []
    env.close()


def test_the_caller_s_avatar_is_the_first_agent():
    """With everyone else idle, the single environment's world is the parallel one's."""
    single = SingleEnv(REACH, num_avatars=3, background="idle")
    parallel = parallel_env(REACH, num_avatars=3)
    one, _ = single.reset(seed=8)
    many, _ = parallel.reset(seed=8)
    for action in (1, 1, 5, 3, 1):
        actions = dict.fromkeys(parallel.agents, 0) | {"avatar_0": action}
        one, reward, *_ = single.step(action)
        many, rewards, *_ = parallel.step(actions)
        assert all((one[key] == many["avatar_0"][key]).all() for key in one)
        assert reward == rewards["avatar_0"]
    assert single.simulation.state.digest(0) == parallel.simulation.state.digest(0)
    single.close()
    parallel.close()


def test_with_factored_actions_an_agent_walks_takes_and_talks_in_one_step(pettingzoo_test):
    env = parallel_env(TAG, action_mode="factored", **SMALL)
    pettingzoo_test.parallel_api_test(env, num_cycles=20)
    env.reset(seed=3)
    parts = env.simulation.action_choices
    act = [parts["locomotion"].index("forward"), parts["hand"].index("use"), 2]
    state = env.simulation.state
    before = state.avatars.position.copy()
    for _ in range(3):
        env.step(dict.fromkeys(env.agents, np.array([0, 0, 0])) | {"chaser_0": np.array(act)})
    moved = np.linalg.norm(state.avatars.position - before, axis=-1)[0]
    assert moved[0] > 0.1 > moved[1:].max()
    assert state.avatars.utterance[0].tolist() == [1, -1]
    assert env.simulation.commands.hand[0].tolist() == [HAND_USE, 0]
    env.close()


@pytest.mark.filterwarnings("ignore:Observation", "ignore:Action space")
def test_factored_actions_taken_in_turn_pass_pettingzoo_s_own_test(pettingzoo_test):
    env = aec_env(TAG, action_mode="factored", **SMALL)
    pettingzoo_test.api_test(env, num_cycles=30)
    env.close()


def test_pettingzoo_s_registry_knows_the_scenarios():
    registry = pytest.importorskip("pettingzoo.env_registry.registration")
    als_engine.parallel_env(TAG, **SMALL).close()
    assert TAG in registry.parallel_registry
