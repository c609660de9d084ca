"""`physics=` chooses the engine, for every view and command, and is kept with what is saved."""

from __future__ import annotations

import json
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import als_engine
from als_engine.agents.saving import open_agent
from als_engine.envs.single import SingleEnv
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_engine.physics import engines
from als_engine.simulation import simulate

TAG = "ALS/Tag-v0"
VIEWS = {
    "single": lambda **given: gym.make(TAG, **given),
    "vector": lambda **given: gym.make_vec(TAG, num_envs=2, **given),
    "parallel": lambda **given: als_engine.parallel_env(TAG, **given),
    "sb3": lambda **given: als_engine.sb3_vec_env(TAG, 2, **given),
}


def simulation_of(env):
    env = getattr(env, "unwrapped", env)
    holder = getattr(env, "worlds", getattr(env, "_worlds", env))
    return holder.simulation


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", engines.ENGINES)
def test_every_view_takes_it(view, name):
    env = VIEWS[view](physics=name, sensors=["proprioception"])
    simulation = simulation_of(env)
    env.reset() if view == "sb3" else env.reset(seed=3)
    assert simulation.physics == name
    assert type(simulation.moving.physics).__name__.lower() == name
    env.close()


@pytest.mark.parametrize("view", VIEWS)
def test_an_unknown_engine_is_one_line(view):
    with pytest.raises(ArgumentError, match=r'^unknown physics "muJoCo"; did you mean "mujoco"'):
        VIEWS[view](physics="muJoCo")


def test_an_engine_that_is_not_installed_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    remedy = r'^physics="mujoco" needs MuJoCo, which is not installed: pip install "als-engine\[muj'
    with pytest.raises(ArgumentError, match=remedy):
        simulate(TAG, physics="mujoco")


def test_two_workers_step_the_worlds_of_one():
    seen = []
    for workers in (1, 2):
        env = gym.make_vec(
            TAG, num_envs=2, workers=workers, physics="mujoco", sensors=["proprioception"]
        )
        observation, _ = env.reset(seed=5)
        for step in range(20):
            observation, *_ = env.step(np.full(env.action_space.shape, step % 5))
        seen.append(observation["proprioception"].tobytes())
        env.close()
    assert seen[0] == seen[1]


def test_the_engines_play_differently_and_bullet_is_the_default():
    digests = {}
    for given in ({}, {"physics": "bullet"}, {"physics": "mujoco"}):
        env = SingleEnv(TAG, **given)
        env.reset(seed=1)
        for _ in range(10):
            env.step(1)
        digests[given.get("physics")] = env.simulation.state.digest(0)
        env.close()
    assert digests[None] == digests["bullet"] != digests["mujoco"]


def test_an_evaluation_keeps_it_among_the_arguments():
    found = evaluate(
        open_agent("random", TAG).agent, TAG, 2, num_worlds=2, arguments={"physics": "mujoco"}
    )
    assert found.arguments["physics"] == "mujoco"


def test_pybullet_is_not_imported_for_mujoco():
    script = (
        "import sys\n"
        "from als_engine.cli import main\n"
        "sys.argv = ['als', 'evaluate', 'random', '--on', 'ALS/Tag-v0', '--episodes', '2', "
        "'--physics', 'mujoco', '--arg', 'max_episode_steps=5', '--json']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('pybullet' in sys.modules, 'mujoco' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100
    )
    assert done.stderr.split()[-2:] == ["False", "True"], done.stderr
    assert json.loads(done.stdout)["arguments"]["physics"] == "mujoco"


def test_the_list_says_what_is_installed(monkeypatch):
    assert "mujoco" in engines.describe_engines()
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "mujoco" else object())
    text = engines.describe_engines()
    assert 'mujoco is not installed (pip install "als-engine[mujoco]")' in text
    assert f"bullet {engines.ENGINES['bullet'].version}" in text
