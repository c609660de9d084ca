"""Callbacks of an SB3 training: progress, checkpoints, stopping, the scale of rewards."""

from __future__ import annotations

import time
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from als_engine.agents.agent import REPORT_EVERY, Progress, Training

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["Reporter", "ScaledRewards", "logger"]


class Reporter(BaseCallback):
    """Calls what the caller of a training has asked for."""

    def __init__(self, training: Training, rows: Rows) -> None:
        """Reports to a training what its worlds count, and to them how well steps were foreseen."""
        super().__init__()
        self.training, self._rows = training, rows
        self._reported = 0.0
        self._checkpoint_at = 0

    def progress(self, model: BaseAlgorithm) -> Progress:
        """The progress of the training."""
        return self.training.progress(model.num_timesteps, self._rows.recent)

    def _on_training_start(self) -> None:
        self._checkpoint_at = self.num_timesteps + self.training.checkpoint_every

    def _on_step(self) -> bool:
        if time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            self.training.on_progress(self.progress(self.model))
        if self.training.should_stop():
            return False
        # The last steps end with a saved agent anyway.
        if self._checkpoint_at <= self.num_timesteps < self.training.steps:
            self._checkpoint_at = self.num_timesteps + self.training.checkpoint_every
            self.training.on_checkpoint(self.progress(self.model))
        return True

    def _on_rollout_end(self) -> None:
        found = getattr(self.model, "rollout_buffer", None)
        if found is not None:  # Those with a replay buffer have no advantages.
            self._rows.note_advantages(found.advantages)

    def _on_training_end(self) -> None:
        self.training.on_progress(self.progress(self.model))


class ScaledRewards(VecEnvWrapper):
    """Multiplies rewards for the learner; returns in the infos stay as they are."""

    def __init__(self, env: VecEnv, scale: float) -> None:
        """Wraps an environment."""
        super().__init__(env)
        self._scale = np.float32(scale)

    def reset(self) -> VecEnvObs:
        """Resets the worlds."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Steps the worlds."""
        observations, rewards, dones, infos = self.venv.step_wait()
        scaled: Any = rewards * self._scale
        return observations, scaled, dones, infos


def logger(training: Training) -> Logger:
    """Tells a training what Stable-Baselines3 measures."""
    return Logger(None, [_Logged(training)])


class _Logged(KVWriter):
    """Passes numbers on."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        numbers = {
            key: float(value)
            for key, value in key_values.items()
            if "tensorboard" not in key_excluded[key] and isinstance(value, Real)
        }
        self._training.on_numbers(numbers, step)

    def close(self) -> None:
        """Nothing is open."""
