"""A policy that is a distribution is sampled in every row by itself, with that row's seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_bench.running.pairing import Pair
from als_engine.agents.saving import make_agent

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SAMPLING = [
    ("ppo", "discrete"),
    ("ppo", "continuous"),
    ("recurrent-ppo", "discrete"),
    ("recurrent-ppo", "continuous"),
    ("multi-objective", "discrete"),
    ("ppo", "factored"),
    ("maskable-ppo", "discrete"),
    ("maskable-ppo", "factored"),
    ("sac", "continuous"),
]


def made(name, mode):
    arguments = {"action_mode": mode, "sensors": ["proprioception"]}
    agent = make_agent(name, ID, arguments, {"net_arch": [8]})
    generator = torch.Generator().manual_seed(1)
    for parameter in agent.policy.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return agent


def seen(rows, agent):
    """The same in every row."""
    return {
        key: np.full((rows, *space.shape), 0.5, space.dtype)
        for key, space in agent.observation_space.spaces.items()
    }


def draws(agent, seeds, steps=3):
    """(steps, rows, ...)."""
    state, actions = agent.restart(None, np.ones(len(seeds), np.bool_), seeds), []
    for _ in range(steps):
        action, state = agent.act(seen(len(seeds), agent), state, deterministic=False)
        actions.append(action)
    return np.array(actions)


@pytest.mark.parametrize(("name", "mode"), SAMPLING)
def test_what_is_drawn_in_a_row_depends_on_its_seed_alone(name, mode):
    agent, seeds = made(name, mode), list(range(37))
    many = draws(agent, seeds, steps=8)
    assert np.array_equal(draws(agent, seeds[::-1], steps=8), many[:, ::-1])
    for row in (0, 15, 16, 36):
        assert np.array_equal(draws(agent, [row], steps=8)[:, 0], many[:, row])
    assert len(np.unique(many.reshape(8, 37, -1), axis=1)[0]) > 1
    assert not np.array_equal(many[:, 0], many[:, 1])


@pytest.mark.parametrize(("name", "mode"), SAMPLING)
def test_a_row_that_begins_leaves_the_draws_of_others_alone(name, mode):
    agent, rows = made(name, mode), seen(2, made(name, mode))
    state = agent.restart(None, np.array([True, True]), [1, 2])
    first, state = agent.act(rows, state, deterministic=False)
    state = agent.restart(state, np.array([True, False]), [1])
    second, _ = agent.act(rows, state, deterministic=False)
    assert np.array_equal(second[0], first[0])
    assert np.array_equal(second[1], draws(agent, [1, 2], steps=2)[1, 1])


@pytest.mark.parametrize(("name", "mode"), SAMPLING)
def test_samples_follow_the_policys_distribution(name, mode):
    agent = made(name, mode)
    drawn = draws(agent, list(range(2_000)), steps=1)[0]
    state = None
    if name == "recurrent-ppo":
        zeros = torch.zeros(agent.policy.lstm_hidden_state_shape).repeat(1, 2, 1)[:, :1]
        state = ((zeros, zeros), torch.zeros(1))
    told = seen(1, agent)
    if name == "multi-objective":
        told["weights"] = agent.weights[None]
    with torch.no_grad():
        tensors, _ = agent.policy.obs_to_tensor(told)
        if name == "sac":
            mean, log_std, _ = agent.policy.actor.get_action_dist_params(tensors)
            theirs = torch.distributions.Normal(mean[0], log_std[0].exp())
        else:
            found = agent.policy.get_distribution(tensors, *(state or ()))
            found = found[0] if state else found
            theirs = getattr(found, "distributions", None) or found.distribution
    if mode == "discrete":
        chances = theirs.probs[0].numpy()
        parts = np.bincount(drawn, minlength=len(chances)) / len(drawn)
        assert np.allclose(parts, chances, atol=0.05)
        return
    if mode == "factored":
        for part, chosen in zip(theirs, drawn.T, strict=True):
            chances = part.probs[0].numpy()
            parts = np.bincount(chosen, minlength=len(chances)) / len(drawn)
            assert np.allclose(parts, chances, atol=0.05)
        return
    noise = torch.randn((50_000, drawn.shape[1]), generator=torch.Generator().manual_seed(0))
    expected = theirs.mean + theirs.stddev * noise
    expected = torch.tanh(expected) if name == "sac" else expected.clamp(-1.0, 1.0)
    assert np.abs(drawn).max() <= 1.0
    assert drawn.dtype == np.float32
    assert np.allclose(drawn.mean(axis=0), expected.mean(dim=0), atol=0.06)
    assert np.allclose(drawn.std(axis=0), expected.std(dim=0), atol=0.06)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(drawn.shape[1])).max() < 0.1


@pytest.mark.parametrize(("name", "mode"), SAMPLING)
def test_rows_without_seeds_repeat_what_the_agents_own_seed_says(name, mode):
    agent, rows = made(name, mode), seen(20, made(name, mode))
    agent.seed(3)
    first, _ = agent.act(rows, None, False)
    again, _ = agent.act(rows, None, False)
    agent.seed(3)
    assert np.array_equal(agent.act(rows, None, False)[0], first)
    assert not np.array_equal(first, again)


def test_each_of_a_pair_acts_by_the_rule_and_with_its_own_rows_seeds():
    sampling, greedy = made("ppo", "discrete"), made("dqn", "discrete")
    pair, seeds = Pair(sampling, greedy), list(range(24))
    both = draws(pair, seeds)
    assert np.array_equal(both[:, ::2], draws(sampling, seeds[::2]))
    best, _ = greedy.act(seen(12, greedy))
    assert (both[:, 1::2] == best).all()
