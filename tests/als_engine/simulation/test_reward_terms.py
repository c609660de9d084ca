"""A reward's terms are the same in every view, add up to the reward, and cost nothing unasked."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import REACH

from als_engine import ScenarioSpec, sb3_vec_env
from als_engine.agents.agent import RandomAgent
from als_engine.envs.parallel import ParallelWorld
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.simulation import simulate
from als_engine.task import add_terms

TRADE = ScenarioSpec("Acme/Trade-v0", task="acme_worlds:Trade", max_episode_steps=12, max_avatars=4)
NAMES = ("progress", "effort")


def actions(rng, *shape):
    return rng.integers(12, size=shape)


def test_the_reward_is_the_sum_of_its_terms_and_both_end_with_an_episode():
    simulation = simulate(TRADE, 3, num_avatars=2)
    assert simulation.reward_names == NAMES
    simulation.reset([1, 2, 3])
    for _ in range(6):
        simulation.advance(np.ones((3, 2), int))
        assert np.array_equal(simulation.terms.sum(axis=2), simulation.rewards)
    assert (simulation.terms[..., 0] > 0.0).all()
    assert (simulation.terms[..., 1] < 0.0).all()
    simulation.reset(worlds=[1])
    assert not simulation.terms[1].any()
    assert simulation.terms[0].any()
    simulation.close()


def test_a_reward_of_one_term_is_that_term_without_a_copy():
    simulation = simulate(REACH, 2)
    assert simulation.reward_names == ("reward",)
    assert np.shares_memory(simulation.terms, simulation.rewards)
    simulation.close()
    env = sb3_vec_env(REACH, 2)
    assert np.shares_memory(env.worlds.terms, env.worlds.rewards)
    env.close()


def test_terms_are_added_from_the_first_to_the_last():
    terms = {"a": np.array([[1e16]]), "b": np.array([[1.0]]), "c": np.array([[-1e16]])}
    assert add_terms(terms) == (1e16 + 1.0) - 1e16
    assert np.signbit(add_terms({"a": np.array([[-0.0]])})).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_see_the_terms_of_every_step_and_their_returns_at_the_end(workers):
    env = sb3_vec_env(TRADE, 4, seed=3, workers=workers)
    assert env.reward_names == NAMES
    env.reset()
    rng, total = np.random.default_rng(0), np.zeros((4, 2))
    for _ in range(12):
        _, rewards, ended, infos = env.step(actions(rng, 4))
        assert np.allclose(env.terms.sum(axis=1), rewards)
        total += env.terms
    assert ended.all()
    for row, info in enumerate(infos):
        assert info["episode_terms"] == dict(zip(NAMES, total[row].tolist(), strict=True))
        assert info["episode"]["r"] == pytest.approx(sum(info["episode_terms"].values()))
    env.step(actions(rng, 4))
    assert np.array_equal(env.rows._term_returns.reshape(4, 2), env.terms)
    env.close()


def test_every_gymnasium_view_has_the_terms_in_its_infos():
    single, vector = SingleEnv(TRADE), VectorEnv(TRADE, 2)
    parallel = ParallelWorld(TRADE, num_avatars=1)
    single.reset(seed=5)
    vector.reset(seed=5)
    parallel.reset(seed=5)
    for _ in range(3):
        _, reward, _, _, info = single.step(1)
        infos = vector.step(np.array([1, 1]))[-1]
        agents = parallel.step({"avatar_0": 1})[-1]
    for name in (f"reward_{name}" for name in NAMES):
        assert info[name] == infos[name][0] == agents["avatar_0"][name] != 0.0
    assert info["reward_progress"] + info["reward_effort"] == reward
    for env in (single, vector, parallel):
        env.close()


def test_without_terms_the_infos_are_as_they_were():
    env = SingleEnv(REACH)
    env.reset(seed=1)
    assert not [key for key in env.step(1)[-1] if key.startswith("reward_")]
    env.close()


def test_an_evaluation_has_the_return_of_each_term():
    from als_engine.evaluation.protocol import evaluate

    simulation = simulate(TRADE, 1)
    agent = RandomAgent(simulation.observation_space, simulation.action_space)
    found = evaluate(agent, TRADE, 5, num_worlds=2)
    assert tuple(found.terms) == NAMES
    assert np.allclose(sum(found.terms.values()), found.returns)
    again = evaluate(agent, TRADE, 5, num_worlds=5)
    assert all(np.array_equal(found.terms[name], again.terms[name]) for name in NAMES)
