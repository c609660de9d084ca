"""Roles with sensors of their own, in every view."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from acme_worlds import Reach

from als_engine import Role, ScenarioSpec
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ArgumentError
from als_engine.simulation import simulate


class School(Reach):
    """A teacher reads, a pupil feels, and a guest observes what the task says."""

    def roles(self):
        return [
            Role("teacher", sensors=("text", "touch")),
            Role("pupil", sensors=["entities"]),
            Role("guest"),
        ]


SCHOOL = ScenarioSpec(
    "Test/School-v0", f"{__name__}:School", max_episode_steps=9, num_avatars=3, min_avatars=3,
    max_avatars=3,
)  # fmt: skip
OWN = {
    "teacher_0": ["text", "touch"],
    "pupil_0": ["entities"],
    "guest_0": ["proprioception", "touch"],
}
EVERY = ["entities", "proprioception", "text", "touch"]


def test_each_of_pettingzoo_s_agents_has_its_own_space():
    env = parallel_env(SCHOOL)
    whole = simulate(SCHOOL, sensors=EVERY)
    seen, _ = env.reset(seed=4)
    whole.reset([4])
    for _ in range(3):
        whole.observe()
        for avatar, (agent, keys) in enumerate(OWN.items()):
            assert list(env.observation_space(agent)) == list(seen[agent]) == keys
            assert env.observation_space(agent).contains(seen[agent])
            for key in keys:
                assert np.array_equal(seen[agent][key], whole.observations[key][0, avatar])
        seen, *_ = env.step(dict.fromkeys(env.agents, 1))
        whole.step(np.ones((1, 3), np.int64))
    env.close()
    whole.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test import parallel_api_test
    env = parallel_env(SCHOOL)
    parallel_api_test(env, num_cycles=12)
    env.close()


@pytest.mark.parametrize("flatten", [False, True])
def test_in_one_space_for_all_what_a_role_does_not_observe_is_0(flatten):
    rows = sb3_vec_env(SCHOOL, 2, flatten=flatten)
    whole = sb3_vec_env(SCHOOL, 2, flatten=flatten, sensors=EVERY)
    assert rows.observation_space == whole.observation_space
    rows.seed(1)
    whole.seed(1)
    found, expected = rows.reset(), whole.reset()
    for _ in range(12):
        for row in range(6):
            keys = list(OWN.values())[row % 3]
            for key in EVERY:
                if flatten:
                    part = rows.worlds.simulation.flat_layout[key]
                    now, right = found[row, part], expected[row, part]
                else:
                    now, right = found[key][row], expected[key][row]
                assert np.array_equal(now, right if key in keys else np.zeros_like(right))
        found, expected = (env.step(np.ones(6, np.int64))[0] for env in (rows, whole))
    rows.close()
    whole.close()


def test_who_drives_avatar_0_observes_what_its_role_does():
    for env in (SingleEnv(SCHOOL), VectorEnv(SCHOOL, 2)):
        observation, _ = env.reset(seed=0)
        assert list(observation) == OWN["teacher_0"]
        env.close()
    env = SingleEnv(SCHOOL, sensors=["entities"])
    assert list(env.reset(seed=0)[0]) == ["entities"]
    env.close()


def test_a_role_whose_sensors_are_a_text_is_named():
    with pytest.raises(ArgumentError, match=r'sensors of role "pupil" must be a list of names'):
        Role("pupil", sensors="text")
