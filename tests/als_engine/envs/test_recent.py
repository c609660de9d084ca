"""The return of a training counts all episodes, not those first that end early."""

from __future__ import annotations

import math

import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, learn

from als_engine.agents.agent import RandomAgent, acting
from als_engine.agents.saving import make_agent
from als_engine.envs.recent import Recent

__all__ = ["learn"]


def test_an_episode_counts_when_all_that_began_no_later_have_ended() -> None:
    recent = Recent(2)
    recent.reset()
    early, late = np.array([True, False]), np.array([True, True])
    recent.step(early, np.array([10.0, 0.0]), early)  # World 0 succeeds at once, world 1 runs on.
    assert recent.episodes == 1
    assert math.isnan(recent.mean_return)
    recent.step(early, np.array([10.0, 0.0]), early)
    assert math.isnan(recent.success)
    recent.step(late, np.array([10.0, -30.0]), early)
    assert recent.episodes == 4
    assert recent.mean_return == 0.0  # 10, 10, 10 and -30
    assert recent.success == 0.75


@pytest.mark.usefixtures("learn")
def test_a_short_training_says_that_there_is_nothing_to_say_yet(tmp_path) -> None:
    words = ("--set", "rollout=32", "--set", "batch_size=32", "--set", "net_arch=[8]")
    found = als(
        "train", ID, "--steps", 64, "--worlds", 4, "--sensors", "proprioception", *words, "--out",
        tmp_path / "run",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert "too few episodes have ended to say how good it is" in found.out


@pytest.mark.usefixtures("learn")
@pytest.mark.parametrize(
    ("agent", "mode", "how"),
    [
        ("ppo", "discrete", "sampled"),
        ("multi-objective", "discrete", "sampled"),
        ("sac", "continuous", "sampled"),
        ("dqn", "discrete", "best"),
        ("qrdqn", "discrete", "best"),
        ("ddpg", "continuous", "best"),
        ("q-learning", "discrete", "best"),
        ("sarsa", "discrete", "best"),
    ],
)
def test_how_agents_act_is_one_rule_and_nobody_explores(agent, mode, how) -> None:
    sensors = ["entities", "proprioception"]
    made = make_agent(agent, ID, {"action_mode": mode, "sensors": sensors})
    assert acting(made) == how
    assert acting(made, deterministic=True) == "best"
    assert acting(RandomAgent(made.observation_space, made.action_space)) == "sampled"
    space = made.observation_space
    seen = {key: np.zeros((16, *part.shape), part.dtype) for key, part in space.items()}
    if how == "best":
        best, _ = made.act(seen, None, True)
        assert all(np.array_equal(made.act(seen, None, False)[0], best) for _ in range(20))


def test_episodes_that_do_not_count_keep_nobody_waiting() -> None:
    recent = Recent(2)
    recent.reset()
    ends, first = np.array([True, True]), np.array([True, False])
    for _ in range(3):
        recent.step(ends, np.array([1.0, -99.0]), ends, counting=first)
    assert recent.episodes == 3
    assert recent.mean_return == 1.0
