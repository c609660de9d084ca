"""`mappo` that is shown what to do before it learns by itself, within one budget of steps."""

from __future__ import annotations

import shutil

import pytest
import torch
from learn_worlds import ID, NO_EXPERT, learn

from als_engine.agents.training import resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"]}
SMALL = {
    "net_arch": [32], "batch_size": 64, "rollout": 256, "n_epochs": 2, "learning_rate": 1e-4,
    "imitate": 512,
}  # fmt: skip


def trained(steps, folder=None, config=None, **changes):
    job = {"worlds": 8, "arguments": SENSED, "config": config or SMALL, "device": "cpu"}
    return train_agent(ID, "mappo", steps=steps, folder=folder, **{**job, **changes})


def weights(agent):
    return {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_demonstrated_steps_are_steps_of_its_budget():
    done = trained(4_256, config={**SMALL, "imitate": 4_000})
    assert done.progress.steps == done.record.training.steps == 4_256
    assert done.record.training.demonstrated == 4_000
    assert evaluate(done.agent, ID, 20, arguments=SENSED).metrics["success"].mean() > 0.85


def test_a_budget_that_demonstrations_use_up_is_demonstrated_as_a_whole():
    done = trained(256)
    assert done.record.training.steps == done.record.training.demonstrated == 256


@pytest.mark.parametrize("at", [256, 512])
def test_it_is_taken_up_in_the_same_way_every_time(at, tmp_path):
    """In the middle of the demonstrations, and between them and what follows."""
    first = trained(at, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (resume_training(tmp_path / name, steps=1_024) for name in ("one", "two"))
    assert same(weights(one.agent), weights(two.agent))
    assert not same(weights(one.agent), weights(first.agent))
    assert one.record.training.demonstrated == 512


def test_a_scenario_without_an_expert_says_so(tmp_path):
    with pytest.raises(ArgumentError, match="takes agents and datasets, too"):
        train_agent(NO_EXPERT, "mappo", steps=64, config=SMALL, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
