"""Agents by their ids: random draws that no other row disturbs, experts, and clear refusals."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from learn_worlds import ID, learn

from als_engine.agents.agent import ExpertAgent, RandomAgent
from als_engine.agents.saving import make_agent, open_agent
from als_engine.errors import ArgumentError, SavedFileError, UnknownIdError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

OBSERVATIONS = gymnasium.spaces.Dict({"touch": Box(0.0, 1.0, (3,), np.float32)})
ACTIONS = {
    "discrete": Discrete(5),
    "discrete from 3": Discrete(4, start=3),
    "continuous": Box(np.float32([-1.0, 0.0]), np.float32([1.0, 4.0]), dtype=np.float32),
}


def draws(space, seeds, steps=4):
    """(steps, rows, ...) of a random agent whose rows have these seeds."""
    agent = RandomAgent(OBSERVATIONS, space)
    state = agent.restart(None, np.ones(len(seeds), np.bool_), seeds)
    observation = {"touch": np.zeros((len(seeds), 3), np.float32)}
    actions = []
    for _ in range(steps):
        action, state = agent.act(observation, state)
        actions.append(action)
    return np.array(actions)


@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS.keys())
def test_random_draws_the_whole_space_evenly(space):
    drawn = draws(space, range(50), steps=100).reshape(5_000, *space.shape)
    assert all(space.contains(action) for action in drawn[:200])
    if isinstance(space, Discrete):
        counts = np.bincount(drawn - space.start, minlength=space.n)
        assert counts.min() > 0.85 * counts.mean()
    else:
        middle = (space.low + space.high) / 2
        assert np.allclose(drawn.mean(axis=0), middle, atol=0.05 * (space.high - space.low))


def test_a_row_of_random_depends_on_its_seed_alone():
    space = ACTIONS["continuous"]
    many = draws(space, [7, 8, 9])
    assert np.array_equal(many[:, 1:2], draws(space, [8]))
    assert np.array_equal(many[:, ::-1], draws(space, [9, 8, 7]))
    assert not np.array_equal(many[:, 0], many[:, 1])


def test_a_row_of_random_that_begins_leaves_the_others_alone():
    space, observation = ACTIONS["continuous"], {"touch": np.zeros((2, 3), np.float32)}
    agent = RandomAgent(OBSERVATIONS, space)
    state = agent.restart(None, np.array([True, True]), [1, 2])
    first, state = agent.act(observation, state)
    state = agent.restart(state, np.array([True, False]), [1])
    second, _ = agent.act(observation, state)
    assert np.array_equal(second[0], first[0])
    assert np.array_equal(second[1], draws(space, [1, 2])[1, 1])


def test_random_without_seeds_repeats_what_its_own_seed_says():
    agent, observation = RandomAgent(OBSERVATIONS, Discrete(9)), {"touch": np.zeros((20, 3))}
    agent.seed(3)
    first, _ = agent.act(observation)
    again, _ = agent.act(observation)
    agent.seed(3)
    assert np.array_equal(agent.act(observation)[0], first)
    assert not np.array_equal(first, again)


def test_the_expert_does_what_its_environment_says():
    class Source:
        def expert_actions(self):
            return np.array([4, 2])

    agent = ExpertAgent(OBSERVATIONS, Discrete(5))
    agent.attach(Source())
    assert agent.act({"touch": np.zeros((2, 3))})[0].tolist() == [4, 2]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: make_agent("randon", ID), UnknownIdError, ["randon", 'did you mean "random"']),
        (lambda: make_agent("random", "Learn/Rich-v0"), UnknownIdError, ["Learn/Reach-v0"]),
        (lambda: make_agent("random", ID, config={"bias": 1}), ArgumentError, ["random", "bias"]),
        (lambda: make_agent("random", ID, {"reech": 1}), ArgumentError, ["reech", '"reach"']),
        (lambda: open_agent("random"), ArgumentError, ["scenario", "random"]),
        (lambda: open_agent("ppo", ID), ArgumentError, ["ppo", "trained", "als train"]),
        (lambda: open_agent("runs/none", ID), SavedFileError, ["runs/none"]),
    ],
)
def test_a_wrong_name_is_one_line_that_says_it(call, kind, words):
    with pytest.raises(kind) as error:
        call()
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)
