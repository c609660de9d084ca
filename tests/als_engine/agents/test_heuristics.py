"""A task's simple rules act as agents: yardsticks between random and the expert."""

from __future__ import annotations

import acme_worlds
import gymnasium as gym
import numpy as np
import pytest

from als_engine import Task, hookimpl
from als_engine.agents.saving import make_agent
from als_engine.conformance import check_scenario
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.errors import NoExpertError
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.registry import registry

ID = acme_worlds.REACH.id


class Hooks:
    @hookimpl
    def als_scenarios(self):
        return [acme_worlds.REACH]


@pytest.fixture(autouse=True, scope="module")
def reach():
    plugin = registry.add(Hooks(), distribution="acme-worlds")
    yield
    registry.remove(plugin)
    gym.registry.pop(ID, None)


def mean_return(agent, **config):
    given = {"action_mode": "continuous"}
    played = evaluate(make_agent(agent, ID, given, config), ID, 8, arguments=given)
    return played.returns.mean()


def test_a_heuristic_earns_less_than_the_expert_and_more_than_another_that_does_worse():
    stroll, retreat = (mean_return("heuristic", rule=rule) for rule in ("stroll", "retreat"))
    assert retreat < stroll < mean_return("expert")


def test_the_first_one_plays_where_none_is_named():
    assert mean_return("heuristic") == mean_return("heuristic", rule="stroll")


def refusal(rule):
    with pytest.raises(NoExpertError) as error:
        evaluate(make_agent("heuristic", ID, config={"rule": rule}), ID, 1)
    return str(error.value)


def test_one_that_the_scenario_lacks_is_one_line(monkeypatch):
    assert f'{ID}: unknown heuristic "strol"; did you mean "stroll"?' in refusal("strol")
    monkeypatch.setattr(acme_worlds.Reach, "heuristics", Task.heuristics)
    assert refusal("") == f"{ID} has no heuristics"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_view_asks_the_same_rule(workers):
    vector = gym.make_vec(ID, 2, workers=workers, action_mode="continuous")
    vector.reset(seed=0)
    for rule, forward in (("stroll", 0.5), ("retreat", -1.0)):
        assert (vector.expert_actions(rule)[:, 0] == np.float32(forward)).all()
        assert [each[0] for each in vector.call("expert_action", rule)] == [forward] * 2
    vector.close()
    rows = sb3_vec_env(ID, 2, action_mode="continuous")
    rows.reset()
    assert (rows.expert_actions("retreat")[:, 0] == -1.0).all()
    rows.close()
    single = gym.make(ID, action_mode="continuous")
    single.reset(seed=0)
    assert single.unwrapped.expert_action("retreat")[0] == -1.0
    single.close()


def test_the_conformance_kit_plays_each():
    report = check_scenario(ID, only=["heuristics"], episodes=2)
    assert report.figures["stroll_return"] > report.figures["retreat_return"]
    assert "stroll solves 100%" in report.results[0].note
