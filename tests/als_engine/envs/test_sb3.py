"""Stable-Baselines3: rows, ends of episodes and a learner that learns."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import REACH

sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.vec_env import VecMonitor  # noqa: E402

from als_engine.envs.sb3 import sb3_vec_env  # noqa: E402
from als_engine.envs.vector import VectorEnv  # noqa: E402


@pytest.fixture
def make():
    made = []

    def make(worlds=2, spec=REACH, **arguments):
        made.append(sb3_vec_env(spec, worlds, **arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_every_avatar_is_a_row(make):
    env = make(3, num_avatars=2, seed=0)
    assert env.num_envs == 6
    env.reset()
    simulation = env.worlds.simulation
    actions = np.array([1, 2, 3, 4, 5, 6])
    observations, rewards, dones, infos = env.step(actions)
    for row in range(6):
        seen = simulation.observations["proprioception"][row // 2, row % 2]
        assert (observations["proprioception"][row] == seen).all()
    x, y = simulation.commands.move[..., 0], simulation.commands.move[..., 1]
    assert (x.ravel().tolist(), y.ravel().tolist()) == ([1, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0])
    assert simulation.commands.turn.ravel().tolist() == [0, 0, 0, 0, 1, -1]
    assert (rewards.dtype, rewards.shape, dones.shape, len(infos)) == (np.float32, (6,), (6,), 6)


def test_only_the_observers_are_rows(make):
    env = make(3, num_avatars=2, observers=1, background="idle")
    assert env.num_envs == 3
    assert env.reset()["touch"].shape == (3, 12)


def test_it_plays_what_the_vector_environment_plays(make):
    rows = make(3, seed=4, observers=1, num_avatars=2, background="roam")
    vector = VectorEnv(REACH, 3, 1, "SameStep", num_avatars=2, background="roam")
    one, (two, _) = rows.reset(), vector.reset(seed=4)
    ended = 0
    for _ in range(50):
        assert all((one[key] == two[key]).all() for key in one)
        actions = vector.expert_actions()
        assert (rows.expert_actions() == actions).all()
        one, rewards, dones, infos = rows.step(actions)
        two, expected, terminated, truncated, final = vector.step(actions)
        assert (rewards == expected.astype(np.float32)).all()
        assert (dones == (terminated | truncated)).all()
        for world in np.flatnonzero(dones):
            terminal = infos[world]["terminal_observation"]
            assert all((terminal[k] == final["final_obs"][world][k]).all() for k in terminal)
            assert infos[world]["is_success"] == final["final_info"]["success"][world]
            ended += 1
    assert ended > 3
    vector.close()


def test_the_end_of_the_time_is_told_from_the_end_of_the_task(make):
    env = make(1, seed=0)
    env.reset()
    *_, infos = finish(env, lambda: env.expert_actions())
    assert not infos[0]["TimeLimit.truncated"]
    assert infos[0]["is_success"]
    *_, infos = finish(env, lambda: np.zeros(1, np.int64))
    assert infos[0]["TimeLimit.truncated"]
    assert not infos[0]["is_success"]
    assert infos[0]["episode"] == {"r": pytest.approx(-0.4), "l": REACH.max_episode_steps}


def finish(env, act):
    while True:
        step = env.step(act())
        if step[2].all():
            return step


def test_a_seed_is_used_once(make):
    env, other = make(2, seed=9), make(2)
    first = env.reset()
    levels = env.worlds.metrics["level"].copy()
    env.reset()
    assert (env.worlds.metrics["level"] != levels).all()
    other.seed(9)
    again = other.reset()
    assert all((first[key] == again[key]).all() for key in first)


def test_it_counts_as_monitored(make):
    from stable_baselines3.common.monitor import Monitor

    env = make()
    assert env.env_is_wrapped(Monitor) == [True, True]
    assert env.env_is_wrapped(VecMonitor) == [False, False]
    assert env.get_attr("scenario") == [REACH.id] * 2


def test_ppo_learns_to_walk_to_the_flag(make):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # On a busy machine its threads wait for one another.
    try:
        before, after = learn(make(8, seed=0, sensors=["proprioception"], shaped=True))
    finally:
        torch.set_num_threads(threads)
    assert after > before + 0.3


def learn(env):
    """The success rates before and after a short training."""
    model = sb3.PPO(
        "MultiInputPolicy", env, n_steps=64, batch_size=128, n_epochs=8, learning_rate=3e-3,
        gamma=0.9, seed=0, device="cpu",
    )  # fmt: skip
    before = success(env, model)
    model.learn(4096)
    return before, success(env, model)


def success(env, model):
    """How many of the next sampled episodes succeed."""
    ended, observation = [], env.reset()
    while len(ended) < 24:
        actions, _ = model.predict(observation)
        observation, _, _, infos = env.step(actions)
        ended += [info["is_success"] for info in infos if info]
    return float(np.mean(ended))
