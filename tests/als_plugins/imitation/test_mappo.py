"""`mappo` that is shown what to do before it learns by itself, within one budget of steps."""

from __future__ import annotations

import shutil

import pytest
import torch
from learn_worlds import ID, NO_EXPERT, learn

from als_engine.agents.saving import load_agent
from als_engine.agents.training import read_job, resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_plugins.experience.collect import collect
from als_plugins.imitation.imitate import imitate
from als_plugins.imitation.recorded import open_recorded

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
    done = trained(1_280, config={**SMALL, "imitate": 1_024})
    assert done.progress.steps == done.record.training.steps == 1_280
    assert done.record.training.demonstrated == 1_024
    assert evaluate(done.agent, ID, 20, arguments=SENSED).metrics["success"].mean() > 0.85


def test_how_they_are_learnt_from_is_up_to_the_user(tmp_path):
    plain = trained(256)
    other = trained(256, tmp_path / "a", config={**SMALL, "imitate_config": {"passes": 1}})
    assert not same(weights(plain.agent), weights(other.agent))
    again, _ = load_agent(tmp_path / "a" / "agent")
    assert again.parameters.imitate_config.passes == 1
    with pytest.raises(ArgumentError, match=r"^mappo: imitate_config.noise: .*, got 2$"):
        trained(256, config={**SMALL, "imitate_config": {"noise": 2}})
    with pytest.raises(ArgumentError, match=r"imitate_config.pases: extra inputs"):
        trained(256, config={**SMALL, "imitate_config": {"pases": 2}})


def test_a_rule_of_the_scenario_shows_what_it_does():
    away = {**SMALL, "imitate": 1_024, "imitate_from": "heuristic:rule=retreat"}
    done = trained(1_280, config=away)
    assert done.record.training.demonstrated == 1_024
    assert evaluate(done.agent, ID, 20, arguments=SENSED).metrics["success"].mean() == 0.0
    with pytest.raises(ArgumentError, match=r'unknown heuristic "fly"; allowed: stroll, retreat$'):
        trained(256, config={**SMALL, "imitate_from": "heuristic:rule=fly"})
    with pytest.raises(ArgumentError, match=r"takes expert, or heuristic:rule=NAME, got 'random'"):
        trained(256, config={**SMALL, "imitate_from": "random"})


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


GUIDED = {**SMALL, "imitate": 0, "learning_rate": 3e-3, "demonstrations_weight": 1.0}


@pytest.fixture(scope="module")
def dataset(learn, tmp_path_factory):
    """What the expert did in 40 episodes."""
    folder = tmp_path_factory.mktemp("experience") / "data"
    arguments = {**SENSED, "action_mode": "discrete"}
    collect(ID, folder, policy="expert", episodes=40, arguments=arguments)
    return folder


def likely(agent, dataset):
    """How likely the agent finds what the expert did, as a mean logarithm."""
    data = open_recorded(str(dataset), ID, agent)
    batch = data.batch(256)
    with torch.no_grad():
        return float(agent.student().judge(batch).logs.mean())


@pytest.mark.parametrize("source", ["expert", "dataset"])
def test_demonstrations_hold_the_policy_while_it_learns(source, dataset):
    name = "expert" if source == "expert" else str(dataset)
    plain = trained(1_024, config=GUIDED)
    guided = trained(1_024, config={**GUIDED, "demonstrations": name})
    unweighted = trained(1_024, config={**GUIDED, "demonstrations": name,
                                        "demonstrations_weight": 0.0})  # fmt: skip
    assert likely(guided.agent, dataset) > likely(plain.agent, dataset) + 0.5
    assert same(weights(unweighted.agent), weights(plain.agent))


@pytest.mark.parametrize("kind", ["gru", "attention"])
def test_who_remembers_learns_from_a_dataset_as_well(kind, dataset):
    remembers = {"memory": kind, "memory_steps": 4, "net_arch": [16]}
    there = {"arguments": {**SENSED, "action_mode": "discrete"}, "device": "cpu"}
    slow = {"imitation_rate": 1e-9, **remembers}
    begun = imitate(ID, str(dataset), steps=64, config=slow, **there)
    taught = imitate(
        ID, str(dataset), config={**remembers, "passes": 32, "imitation_rate": 5e-3}, **there
    )
    assert likely(taught.agent, dataset) > likely(begun.agent, dataset) + 0.5


def test_labels_of_the_expert_and_steps_of_a_dataset_are_counted(dataset):
    """The expert is asked until the weight is 0; a dataset's steps are there from the beginning."""
    config = {**GUIDED, "demonstrations": "expert", "demonstrations_part": 0.25, "imitate": 64}
    training = trained(1_024, config=config).record.training
    assert (training.steps, training.demonstrated) == (1_088, 256)
    done = trained(512, config={**GUIDED, "demonstrations": str(dataset)})
    steps = open_recorded(str(dataset), ID, done.agent).steps
    training = done.record.training
    assert (training.steps, training.demonstrated) == (512 + steps, steps)


def test_a_guided_training_is_taken_up_in_the_same_way_every_time(tmp_path):
    trained(256, tmp_path / "one", config={**GUIDED, "demonstrations": "expert"})
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (resume_training(tmp_path / name, steps=1_024) for name in ("one", "two"))
    assert same(weights(one.agent), weights(two.agent))
    assert one.agent.config["demonstrations"] == "expert"


def test_a_path_means_the_same_from_everywhere(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(dataset.parent)
    trained(256, tmp_path / "run", config={**GUIDED, "demonstrations": dataset.name})
    assert read_job(tmp_path / "run").config["demonstrations"] == str(dataset)
    monkeypatch.chdir(tmp_path)
    assert resume_training("run", steps=512).progress.steps == 512


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"demonstrations": "nowhere"}, "nowhere is no dataset; `als collect` makes one"),
        ({"demonstrations_weight": -1}, "demonstrations_weight"),
        ({"demonstrations_part": 2}, "demonstrations_part"),
    ],
)
def test_guidance_that_is_not_there_is_one_line(config, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        trained(256, tmp_path / "run", config={**GUIDED, **config})
    assert not (tmp_path / "run").exists()


def test_an_agent_that_is_gone_on_with_may_be_guided(dataset, tmp_path):
    trained(256, tmp_path / "one", config=GUIDED)
    done = trained(256, config={"demonstrations": str(dataset), "rollout": 128, "batch_size": 64},
                   begin=tmp_path / "one")  # fmt: skip
    assert done.record.training.demonstrated == open_recorded(str(dataset), ID, done.agent).steps


def test_the_same_seed_gives_the_same_bits_where_the_next_rollout_is_played_ahead():
    config = {**GUIDED, "demonstrations": "expert", "overlap": True}
    one, again = (trained(768, config=config) for _ in range(2))
    assert same(weights(one.agent), weights(again.agent))
    assert one.record.training.demonstrated == 384
