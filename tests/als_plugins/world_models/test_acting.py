"""From a dataset to an agent: `als model`, planning over what it saved, and imagined rollouts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, learn

from als_engine.agents.saving import AgentRecord, load_agent, make_agent, open_agent, save_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_plugins.experience.collect import collect
from als_plugins.world_models.modelling import model_dataset
from als_plugins.world_models.saving import Size, read_learnt

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception"], "action_mode": "continuous"}
SMALL = Size(width=16, members=2)
JOB = {"size": SMALL, "batch": 16, "checkpoint_every": 10, "steps": 30}
QUICK = {"courses": 8, "rounds": 1, "blocks": 2, "block": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, learn):
    folder = tmp_path_factory.mktemp("data") / "reach"
    for split, episodes in (("train", 8), ("validation", 2), ("test", 2)):
        collect(ID, folder, policy="random", episodes=episodes, split=split, arguments=SENSED)
    return folder


@pytest.fixture(scope="module")
def modelled(dataset, tmp_path_factory):
    """A model that was stopped on the way, and gone on with."""
    folder = tmp_path_factory.mktemp("model") / "run"
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 15

    assert model_dataset(dataset, folder, should_stop=stop, **JOB).report is None
    return folder, model_dataset(dataset, folder, **JOB)


def test_what_was_interrupted_ends_as_if_it_had_not_been(dataset, modelled, tmp_path):
    model_dataset(dataset, tmp_path / "whole", **JOB)
    weights = [
        (folder / "model" / "weights.safetensors").read_bytes()
        for folder in (modelled[0], tmp_path / "whole")
    ]
    assert weights[0] == weights[1]


def test_a_report_says_how_far_it_is_from_the_truth(modelled):
    report = modelled[1].report
    assert report.part == "test"
    assert len(report.horizon.model) == 25
    assert all(0.0 < error < 100.0 for error in report.horizon.model)
    assert report.steps == 30
    assert 0.0 < report.passes < 1.0


def test_what_is_finished_is_not_done_again_and_nothing_else_goes_in(dataset, modelled):
    folder, found = modelled
    assert model_dataset(dataset, folder, **JOB).report == found.report
    with pytest.raises(SavedFileError, match="was begun with steps=30, not 31"):
        model_dataset(dataset, folder, **{**JOB, "steps": 31})


def test_the_command_prints_json_and_draws(dataset, modelled, tmp_path):
    figure = tmp_path / "model.svg"
    done = als(
        "model", dataset, "--out", modelled[0], "--steps", 30, "--batch", 16, "--width", 16,
        "--members", 2, "--checkpoint-every", 10, "--figure", figure, "--json",
    )  # fmt: skip
    assert json.loads(done.out)["horizon"] == modelled[1].report.horizon.model_dump()
    assert "proprioception" in figure.read_text()


@pytest.mark.parametrize("method", ["cem", "mppi"])
def test_a_planner_is_evaluated_saved_and_loaded_like_any_agent(modelled, tmp_path, method):
    config = {"model": str(modelled[0]), "method": method, **QUICK}
    planner = make_agent("planner", ID, SENSED, config)
    record = AgentRecord(agent="planner", scenario=ID, arguments=SENSED)
    save_agent(planner, tmp_path / "saved", record)
    loaded, saved = load_agent(tmp_path / "saved")
    assert saved.config["model"] is None
    space = planner.observation_space["proprioception"]
    rng = np.random.default_rng(0)
    seen = rng.uniform(space.low, space.high, (5, *space.shape)).astype(np.float32)
    state = other = None
    for _ in range(3):  # Beyond the first block.
        action, state = planner.act({"proprioception": seen}, state)
        again, other = loaded.act({"proprioception": seen[1:3]}, other)
        assert np.array_equal(again, action[1:3])
    assert all(each in planner.action_space for each in action)
    fresh = planner.restart(state, np.array([True, False, False, False, False]))
    assert fresh[0] is None
    assert fresh[1] is state[1]
    opened = open_agent(f"planner:model={modelled[0]},courses=8,rounds=1,blocks=2", ID, SENSED)
    assert len(evaluate(opened.agent, ID, 2, arguments=SENSED).returns) == 2


def test_a_planner_says_what_it_needs(modelled, dataset, tmp_path):
    with pytest.raises(ArgumentError, match="planner:model=FOLDER"):
        make_agent("planner", ID, SENSED)
    other = {**SENSED, "sensors": ["proprioception", "touch"]}
    with pytest.raises(ArgumentError, match="other observations: try --sensors proprioception"):
        make_agent("planner", ID, other, {"model": str(modelled[0])})
    discrete = {**SENSED, "action_mode": "discrete"}
    with pytest.raises(ArgumentError, match=r"a model of the actions Box.*action_mode"):
        make_agent("planner", ID, discrete, {"model": str(modelled[0])})
    latent = {**JOB, "size": Size(kind="latent", width=8), "steps": 2}
    model_dataset(dataset, tmp_path / "latent", **latent)
    assert read_learnt(tmp_path / "latent")[0].size.kind == "latent"
    with pytest.raises(ArgumentError, match="needs an ensemble, not a latent model"):
        make_agent("planner", ID, SENSED, {"model": str(tmp_path / "latent")})


def test_imagined_rollouts_change_what_is_learnt_and_count_no_steps(tmp_path):
    config = {
        "rollout": 128, "batch_size": 64, "n_epochs": 1, "net_arch": [8], "model_width": 8,
        "model_members": 2, "model_fits": 2, "model_batch": 16, "imagined_rows": 16,
        "imagined_horizon": 4, "imagined_from": 128,
    }  # fmt: skip
    job = {"steps": 384, "worlds": 4, "arguments": {**SENSED, "shaped": True}}
    run = train_agent(ID, "mbpo", folder=tmp_path / "run", config=config, **job)
    again = train_agent(ID, "mbpo", config=config, **job)
    without = train_agent(ID, "mbpo", config={**config, "imagined_updates": 0}, **job)
    assert run.progress.steps == without.progress.steps == 384
    weights = [
        each.agent.policy.state_dict()["head.linear.weight"] for each in (run, again, without)
    ]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])
    assert (
        load_agent(tmp_path / "run")[0].policy.state_dict()["head.linear.weight"].equal(weights[0])
    )


def test_what_cannot_be_imagined_is_refused():
    with pytest.raises(ArgumentError, match="takes no overlap, memory or demonstrations"):
        make_agent("mbpo", ID, SENSED, {"memory": "gru"})


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    refused = als("model", tmp_path, "--out", tmp_path / "x")
    assert "is not a dataset" in refused.err
    assert not (tmp_path / "x").exists()
    assert "kind" in als("model", tmp_path, "--out", tmp_path / "x", "--kind", "magic").err
