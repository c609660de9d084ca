"""A learner that is trained in a moment and needs no torch: which action pays best, on average."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from als_engine import Learner
from als_engine.agents.saving import WEIGHTS
from als_engine.system.safe_files import read_tensors, write_tensors


class Habit(Learner):
    """A bandit over the discrete actions."""

    def __init__(self, observation_space, action_space, rate=0.1):
        super().__init__(observation_space, action_space, rate=rate)
        self.values = np.zeros(action_space.n)

    def learn(self, rows, training):
        if Path(os.environ.get("HABIT_FULL_DISK", "/")).is_file():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rng = np.random.default_rng(training.seed)
        rows.seed(training.seed)
        rows.reset()
        steps = 0
        while steps < training.steps:
            actions = rng.integers(len(self.values), size=rows.num_rows)
            rows.step(actions)
            for action, reward in zip(actions.tolist(), rows.rewards.tolist(), strict=True):
                self.values[action] += self.config["rate"] * (reward - self.values[action])
            steps += rows.num_rows
            training.on_progress(training.progress(steps, rows.recent))
        return training.progress(steps, rows.recent)

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.full(rows, int(self.values.argmax())), state

    def save_weights(self, folder):
        write_tensors(folder / WEIGHTS, {"values": self.values})

    def load_weights(self, folder):
        self.values = read_tensors(folder / WEIGHTS, {"values": self.values})["values"]
