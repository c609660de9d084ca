"""No library call touches the global generators of `random`, NumPy and torch."""

from __future__ import annotations

import random

import gymnasium
import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine.agents.saving import load_agent, make_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.evaluation.protocol import evaluate
from als_engine.seeding import Generators
from als_plugins.adaptation.adapt import adapt
from als_plugins.experience.collect import collect

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

ARGUMENTS = {"sensors": ["proprioception"], "max_episode_steps": 4}
CONFIG = {"rollout": 64, "batch_size": 32, "net_arch": [8]}
HOW = {"steps": 64, "worlds": 4, "arguments": ARGUMENTS, "config": CONFIG}


def states():
    keys = np.random.get_state()  # noqa: NPY002
    return random.getstate(), keys[1].tolist(), keys[2], torch.get_rng_state().tolist()


@pytest.fixture(scope="module")
def agent(tmp_path_factory, learn):
    folder = tmp_path_factory.mktemp("generators") / "agent"
    train_agent(ID, folder=folder, **HOW)
    return folder


def sampled(agent, folder):
    made, _ = load_agent(agent)
    made.seed(3)
    made.act({"proprioception": np.zeros((2, *made.observation_space["proprioception"].shape))},
             None, False)  # fmt: skip


CALLS = {
    "load an agent": lambda agent, folder: load_agent(agent),
    "act": sampled,
    "evaluate": lambda agent, folder: evaluate(
        load_agent(agent)[0], ID, 4, num_worlds=4, arguments=ARGUMENTS
    ),
    "train": lambda agent, folder: train_agent(ID, folder=folder / "run", **HOW),
    "train by a table": lambda agent, folder: train_agent(
        ID, "q-learning", steps=64, worlds=4, folder=folder / "run",
        arguments={"sensors": ["entities", "proprioception"]},
    ),
    "go on training": lambda agent, folder: resume_training(agent, steps=128),
    "collect": lambda agent, folder: collect(ID, folder / "data", episodes=4, arguments=ARGUMENTS),
    "adapt": lambda agent, folder: adapt(
        agent, folder=folder / "run", steps=64, worlds=4, episodes=4, evaluate_every=64
    ),
    "make an environment": lambda agent, folder: gymnasium.make(ID).reset(seed=0),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_no_call_touches_a_global_generator(call, agent, tmp_path) -> None:
    before = states()
    CALLS[call](agent, tmp_path)
    assert states() == before


def test_evaluating_while_a_training_goes_on_does_not_change_it(tmp_path) -> None:
    other = make_agent("ppo", ID, ARGUMENTS, CONFIG)

    def look(progress):
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002
        evaluate(other, ID, 2, num_worlds=2, arguments=ARGUMENTS)

    alone = train_agent(ID, seed=1, **HOW).agent
    watched = train_agent(ID, seed=1, on_progress=look, **HOW).agent
    for one, two in zip(alone.policy.parameters(), watched.policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_generators_go_on_where_they_were() -> None:
    ours, before = Generators(5), states()
    with ours:
        first = torch.rand(2).tolist()
        with ours.outside():
            assert states() == before
    with ours:
        second = torch.rand(2).tolist()
    assert states() == before
    with Generators(5):
        assert torch.rand(4).tolist() == [*first, *second]
