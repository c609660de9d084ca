"""What a command decides is refused as an argument of the scenario, by name."""

from __future__ import annotations

import json

import pytest
from als_command import als
from learn_worlds import ID, learn

from als_engine.agents.training import resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.plugins.specs import SuiteEntry

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

COMMANDS = {
    "evaluate": ("evaluate", "random", "--on", ID),
    "train": ("train", ID, "--out", "{out}"),
    "collect": ("collect", ID, "--out", "{out}"),
    "play": ("play", ID, "--out", "{out}.gif"),
}


@pytest.mark.parametrize("name", ["split=train", "seed=3", "observers=2", "num_worlds=3"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_argument_that_a_command_decides_is_refused_by_name(command, name, tmp_path) -> None:
    words = [word.format(out=tmp_path / "out") for word in COMMANDS[command]]
    found = als(*words, "--arg", name)
    assert found.code == 2
    assert f'"{name.partition("=")[0]}" cannot be an argument of the scenario' in found.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["evaluate", "train", "collect"])
def test_a_level_is_refused_where_many_are_met(command, tmp_path) -> None:
    words = [word.format(out=tmp_path / "out") for word in COMMANDS[command]]
    assert '"level" cannot be' in als(*words, "--arg", "level=3").err


def test_a_training_is_not_gone_on_with_on_another_split(tmp_path) -> None:
    how = {"worlds": 2, "arguments": {"sensors": ["proprioception"]}, "device": "cpu"}
    config = {"net_arch": [8], "batch_size": 32, "rollout": 64, "n_epochs": 1}
    train_agent(ID, steps=64, folder=tmp_path, config=config, **how)
    record = tmp_path / "training.json"
    job = json.loads(record.read_text())
    job["arguments"]["split"] = "test"
    record.write_text(json.dumps(job))
    with pytest.raises(ArgumentError, match='"split" cannot be an argument of the scenario'):
        resume_training(tmp_path, steps=128)


@pytest.mark.parametrize("name", ["split", "level", "observers"])
def test_an_entry_of_a_suite_decides_too(name) -> None:
    with pytest.raises(ArgumentError, match=f'"{name}" cannot be an argument'):
        SuiteEntry(scenario=ID, arguments={name: 1})
