"""What holds for every registered scenario, a third party's too where one is installed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import golden
import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

import als_engine  # noqa: F401 - registers the scenarios
from als_engine.conformance import CHECKS, check_scenario
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate
from als_engine.task import LEVELS

IDS = [spec.id for spec in registry.scenarios()]
SMALL = {"levels": 6, "episodes": 4, "steps": 16}
PLAYED = ("expert", "random", "heuristics")
TOGETHER = (
    *("docstring", "spec", "layout-time", "levels", "splits", "company", "memory", "buffers"),
    *("instructions", "secrecy", "answers", "terms", "sensors"),
)
"""Cheap checks, which look at the same levels."""

ONE_BY_ONE = [check for check in CHECKS if check not in (*PLAYED, *TOGETHER)]

every_scenario = pytest.mark.parametrize("id", IDS)
every_engine = pytest.mark.parametrize("physics", ENGINES)


def test_each_family_has_a_scenario():
    families = {"creative", "education", "game", "medical", "office", "social", "tourism", "town"}
    assert families <= {spec.family for spec in registry.scenarios()}


@every_scenario
def test_under_a_level_key_the_test_split_keeps_its_held_out_concepts(id):
    plain, keyed = (simulate(id, split="test") for _ in range(2))
    keyed.level_key = 1 << 127
    concepts = getattr(plain.task, "concepts", lambda layout: ())
    levels = LEVELS["test"][:40]
    trained = {c for level in LEVELS["train"][:100] for c in concepts(plain.lay_out(level))}
    for level in levels:
        hidden = keyed.lay_out(level)
        assert hidden != plain.lay_out(level)
        assert trained.isdisjoint(concepts(hidden))


@every_scenario
@every_engine
def test_its_levels_company_memory_and_observations_are_in_order(id, physics):
    report = check_scenario(id, only=TOGETHER, physics=physics, **SMALL)
    assert report.score == 1.0


@every_scenario
def test_its_default_sensors_show_what_one_can_run_into(id):
    """Else an avatar stands before a desk to the end of the episode, and learns nothing else."""
    assert {"entities", "rgb", "depth"} & set(simulate(id).observations)


@every_scenario
@pytest.mark.parametrize("check", ONE_BY_ONE)
def test_it_keeps_the_promise(id, check):
    check_scenario(id, only=[check], workers=2, **SMALL)


@every_scenario
def test_its_expert_solves_it_random_does_not_and_simple_rules_lie_between(id):
    few = {**SMALL, "split": "test", "expert_at_least": 0.5}
    figures = check_scenario(id, only=["expert", "random", "heuristics"], **few).figures
    assert figures["expert_success"] > figures["random_success"]
    rules = [name for name in figures if name.endswith("_return")]
    assert len(rules) > 2 or not id.startswith("ALS/")
    low, high = figures["random_return"], figures["expert_return"]
    for rule in rules:  # Among four episodes, luck decides between two who are nearly as good.
        assert low <= figures[rule] <= high + 0.1 * (high - low), rule


@every_scenario
def test_its_expert_solves_it_on_mujoco_too(id):
    given = {**SMALL, "physics": "mujoco", "split": "validation", "expert_at_least": 0.5}
    assert check_scenario(id, only=["expert"], **given).figures["expert_success"] > 0


@every_scenario
@pytest.mark.parametrize("check", ["replay", "autoreset"])
def test_mujoco_continuous_actions_and_the_test_split_are_as_exact(id, check):
    given = {"physics": "mujoco", "action_mode": "continuous", "split": "test"}
    check_scenario(id, only=[check], **given, **SMALL)


@every_scenario
@pytest.mark.parametrize("given", [{"physics": "mujoco"}, {"action_mode": "continuous"}], ids=str)
def test_each_of_them_alone_is_replayed(id, given):
    check_scenario(id, only=["replay"], **given, **SMALL)


@every_scenario
def test_its_spec_makes_the_same_environment_after_json_and_pickle(id):
    env = gym.make(id, level=3, action_mode="continuous", max_episode_steps=17)
    for spec in (EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        assert spec == env.spec
        again = gym.make(spec)
        assert again.spec.max_episode_steps == 17
        _, one = env.reset(seed=1)
        _, two = again.reset(seed=1)
        assert one["level"] == two["level"] == 3
        assert again.unwrapped.simulation.state.digest(0) == env.unwrapped.simulation.state.digest(
            0
        )
        again.close()
    env.close()


def digest(env):
    return env.unwrapped.simulation.state.digest(0)


def test_gymnasium_finds_every_scenario_in_a_fresh_process():
    script = (
        "import gymnasium as gym, json, sys\n"
        "made = []\n"
        "for id in json.loads(sys.argv[1]):\n"
        "    env = gym.make(f'als_engine:{id}', frame_size=16)\n"
        "    env.reset(seed=0)\n"
        "    env.step(env.action_space.sample())\n"
        "    made.append(env.spec.id)\n"
        "    env.close()\n"
        "print(json.dumps(made))\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, json.dumps(IDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == IDS


@every_scenario
@every_engine
def test_its_states_and_observations_are_the_recorded_ones(id, physics):
    if golden.physics(physics) not in golden.FILE.read_text():
        pytest.skip(f"nothing is recorded for {golden.physics(physics)}")
    released = golden.released(physics).get(id)
    expected = released or golden.recorded(physics).get(id)
    changed = golden.difference(id, golden.digests(id, physics), expected, released is not None)
    assert not changed, changed
