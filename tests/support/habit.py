"""A learner that is trained in a moment and needs no torch: which action pays best, on average."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from als_engine import Learner
from als_engine.agents.agent import Progress
from als_engine.agents.saving import WEIGHTS
from als_engine.system.safe_files import read_tensors, write_tensors


class Habit(Learner):
    """A bandit over the discrete actions."""

    def __init__(self, observation_space, action_space, rate=0.1):
        super().__init__(observation_space, action_space, rate=rate)
        self.values = np.zeros(action_space.n)

    def learn(self, env, training):
        if Path(os.environ.get("HABIT_FULL_DISK", "/")).is_file():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rng = np.random.default_rng(training.seed)
        env.seed(training.seed)
        env.reset()
        steps = episodes = 0
        returns, totals = np.zeros(env.num_envs), []
        while steps < training.steps:
            actions = rng.integers(len(self.values), size=env.num_envs)
            _, rewards, dones, _ = env.step(actions)
            for action, reward in zip(actions.tolist(), rewards.tolist(), strict=True):
                self.values[action] += self.config["rate"] * (reward - self.values[action])
            returns += rewards
            totals += returns[dones].tolist()
            returns[dones] = 0.0
            steps, episodes = steps + env.num_envs, episodes + int(dones.sum())
            mean = float(np.mean(totals[-100:])) if totals else float("nan")
            training.on_progress(Progress(steps, training.steps, episodes, mean))
        return Progress(steps, training.steps, episodes, mean)

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.full(rows, int(self.values.argmax())), state

    def save_weights(self, folder):
        write_tensors(folder / WEIGHTS, {"values": self.values})

    def load_weights(self, folder):
        self.values = read_tensors(folder / WEIGHTS, {"values": self.values})["values"]
