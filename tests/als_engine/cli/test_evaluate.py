"""`als evaluate` prints what the evaluation says, for people and for programs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, NO_EXPERT, learn

from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.evaluation.protocol import Evaluation, evaluate

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

ARGUMENTS = {"sensors": ["proprioception"], "num_avatars": 2, "action_mode": "discrete"}


@pytest.fixture
def saved(tmp_path):
    agent = make_agent("ppo", ID, ARGUMENTS, {"net_arch": [8]})
    record = AgentRecord(agent="ppo", scenario=ID, arguments=ARGUMENTS, observers=2)
    save_agent(agent, tmp_path / "mine", record)
    return tmp_path / "mine"


def test_random_and_expert_are_the_ends_of_the_scale():
    random = json.loads(als("evaluate", "random", "--on", ID, "--episodes", 9, "--json").out)
    expert = json.loads(als("evaluate", "expert", "--on", ID, "--episodes", 9, "--json").out)
    assert random["normalized"]["score"]["value"] == pytest.approx(0.0, abs=1e-12)
    assert expert["normalized"]["score"]["value"] == pytest.approx(1.0, abs=1e-12)
    assert expert["success"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert (random["split"], random["episodes"], len(random["returns"])) == ("test", 9, 9)


def test_the_numbers_are_those_of_the_evaluation():
    found = evaluate(make_agent("random", ID), ID, 7, seed=5, split="train")
    words = ("--on", ID, "--episodes", 7, "--seed", 5, "--split", "train", "--json")
    shown = json.loads(als("evaluate", "random", *words).out)
    assert shown["returns"] == found.returns.tolist()
    assert shown["length"] == found.lengths.mean()
    assert shown["return"]["low"] == found.mean_return.low
    assert shown["metrics"]["walked"] == pytest.approx(found.metrics["walked"].mean())


def test_worlds_make_no_difference():
    one, many = (
        als("evaluate", "random", "--on", ID, "--episodes", 5, "--worlds", worlds, "--json").out
        for worlds in (1, 4)
    )
    assert one == many


def test_a_saved_agent_brings_its_scenario_and_arguments(saved):
    shown = json.loads(als("evaluate", saved, "--episodes", 3, "--json").out)
    assert shown["scenario"] == ID
    assert shown["arguments"] == ARGUMENTS
    assert shown["observers"] == 2
    changed = als("evaluate", saved, "--episodes", 3, "--arg", "reach=9", "--drive", 1, "--json")
    shown = json.loads(changed.out)
    assert shown["arguments"] == {**ARGUMENTS, "reach": 9}
    assert shown["observers"] == 1
    assert shown["length"] == 1.0


def test_the_table_shows_the_agent_beside_random_and_expert(saved):
    result = als("evaluate", saved, "--episodes", 3)
    assert result.code == 0
    lines = [line.split()[0] for line in result.out.splitlines() if line.strip()]
    for name in ("agent", "random", "expert"):
        assert name in lines
    for word in ("return", "normalized", "success", "length", "95%", "[100%, 100%]"):
        assert word in result.out
    alone = als("evaluate", "random", "--on", ID, "--episodes", 3).out.splitlines()
    assert sum(line.split()[:1] == ["random"] for line in alone) == 1


def test_what_the_scenario_measures_stands_beside_random_and_expert(saved):
    lines = als("evaluate", saved, "--episodes", 3).out.splitlines()
    cells = {words[0]: words[1:] for line in lines if (words := line.split())}
    found = evaluate(make_agent("random", ID, ARGUMENTS), ID, 3, observers=2, arguments=ARGUMENTS)
    assert len(cells["walked"]) == 3
    assert cells["walked"][1] == f"{found.metrics['walked'].mean():.2f}"
    assert "level" not in cells


def test_a_metric_that_some_episodes_lack_is_the_mean_of_the_others():
    metrics = {
        "success": np.array([1.0, 0.0]),
        "level": np.array([4.0, 7.0]),
        "some": np.array([np.nan, 3.0]),
        "none": np.array([np.nan, np.nan]),
    }
    found = Evaluation(ID, "test", 0, np.zeros(2), np.ones(2, np.int64), metrics).mean_metrics
    assert {name: value for name, value in found.items() if name != "none"} == {
        "success": 0.5,
        "some": 3.0,
    }
    assert np.isnan(found["none"])


def test_without_an_expert_the_scale_is_left_out():
    shown = json.loads(als("evaluate", "random", "--on", NO_EXPERT, "--episodes", 2, "--json").out)
    assert shown["normalized"] is None
    assert "expert" not in als("evaluate", "random", "--on", NO_EXPERT, "--episodes", 2).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["random"], "name the scenario"),
        (["randon", "--on", ID], 'did you mean "random"'),
        (["random", "--on", "Learn/Rich-v0"], ID),
        (["ppo", "--on", ID], "has to be trained first"),
        (["runs/nothing"], "there is no folder runs/nothing"),
        (["/tmp"], "is not a saved agent"),
        (["random", "--on", ID, "--episodes", "0"], "--episodes"),
        (["random", "--on", ID, "--split", "tset"], 'did you mean "test"'),
        (["random", "--on", ID, "--arg", "reech=1"], '"reach"'),
        (["random", "--on", ID, "--arg", "reach"], "key=value"),
        (["random", "--on", ID, "--worlds", "0"], "--worlds"),
    ],
)
def test_a_mistake_is_one_line_and_not_exit_code_0(words, said):
    result = als("evaluate", *words)
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


def test_a_damaged_agent_is_one_line(saved):
    path = saved / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:99])
    result = als("evaluate", saved)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "weights.safetensors is not a whole safetensors file" in result.err
