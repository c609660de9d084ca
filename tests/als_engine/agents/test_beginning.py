"""A training that begins with a saved agent's weights: what it takes over, and what it refuses."""

from __future__ import annotations

import shutil

import pytest
import torch
from learn_worlds import ID, TRADE, learn

from als_engine.agents.saving import load_agent
from als_engine.agents.training import read_job, resume_training, train_agent
from als_engine.errors import ArgumentError, SavedFileError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"], "shaped": True}
SMALL = {"net_arch": [16], "batch_size": 64, "rollout": 256, "n_epochs": 1}
FEW = {name: value for name, value in SMALL.items() if name != "net_arch"}


@pytest.fixture(scope="module")
def begun(learn, tmp_path_factory):
    """The folder of a training that is done."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    train_agent(
        ID,
        "mappo",
        steps=256,
        worlds=4,
        arguments=SENSED,
        config=SMALL,
        folder=folder,
        device="cpu",
    )
    return folder


def on(begun, agent=None, steps=256, scenario=ID, arguments=None, config=None, **changes):
    given = {
        "worlds": 4,
        "device": "cpu",
        "arguments": arguments,
        "config": {**FEW, **(config or {})},
    }
    return train_agent(scenario, agent, steps=steps, begin=begun, **given, **changes)


def test_it_begins_with_the_saved_weights_arguments_and_network(begun):
    rate = {"learning_rate": 1e-12}  # Such that nothing moves.
    done = on(begun, config=rate)
    before, record = load_agent(begun)
    after = done.agent.policy.state_dict()
    for name, tensor in before.policy.state_dict().items():
        if not name.startswith("scale."):
            assert torch.allclose(tensor, after[name], atol=1e-6), name
    assert done.record.agent == "mappo"
    assert done.record.arguments == record.arguments
    assert done.agent.config["net_arch"] == [16]


def test_steps_and_seconds_of_both_are_counted_and_those_of_a_resume_once(begun, tmp_path):
    earlier = load_agent(begun)[1].training
    copy = shutil.copytree(begun, tmp_path / "copy")
    done = on(copy, folder=tmp_path / "run")
    assert done.progress.steps == 256
    assert done.record.training.steps == earlier.steps + 256
    assert done.record.training.seconds >= earlier.seconds
    assert read_job(tmp_path / "run").begin == str(copy / "agent")
    shutil.rmtree(copy)  # A checkpoint needs it no more.
    again = resume_training(tmp_path / "run", steps=512)
    assert again.record.training.steps == earlier.steps + 512


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "ppo"}, "holds an agent of mappo, which ppo cannot go on with"),
        ({"scenario": TRADE}, f"holds an agent of {ID}, not of {TRADE}"),
        ({"arguments": {"sensors": ["touch"]}}, "has other observations"),
        ({"arguments": {"action_mode": "continuous"}}, "has other actions"),
        ({"config": {"net_arch": [8]}}, r"was made with net_arch=\[16\]: leave net_arch out"),
        ({"config": {"pretrained": "x"}}, "brings its own weights: leave pretrained out"),
    ],
)
def test_another_agent_than_the_saved_one_is_refused(begun, changes, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        on(begun, folder=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_an_agent_is_refused(tmp_path):
    with pytest.raises(SavedFileError, match="is not a saved agent"):
        on(tmp_path)


def test_a_critic_that_sees_more_goes_on_seeing_it(tmp_path):
    job = {"steps": 256, "worlds": 4, "arguments": SENSED, "device": "cpu"}
    config = {**SMALL, "critic": ["entities"]}
    train_agent(ID, "mappo", folder=tmp_path / "run", config=config, **job)
    again = on(tmp_path / "run").agent
    assert again.config["critic"] == ["entities"]
    assert list(again.network_space().spaces) == ["proprioception"]
