"""Wraps a learner's worlds, so that feedback is part of their rewards."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from als_plugins.adaptation.channel import Channel, Moment
from als_plugins.adaptation.credit import Credit

__all__ = ["FeedbackRewards"]

_EVERY: Final = 4
"""Steps of all worlds between two fits of the predictions."""
_UPDATES: Final = 8
"""Gradient steps of each."""


class FeedbackRewards(VecEnvWrapper):
    """Adds to the task's reward what people would say about the action.

    Attributes:
        clock: steps since the adaptation began.
        weight: of feedback, against the task's reward.
    """

    def __init__(
        self,
        env: VecEnv,
        channel: Channel,
        credit: Credit,
        *,
        task_weight: float,
        step: int,
    ) -> None:
        """Wraps an environment.

        Args:
            env: as `als_engine.sb3_vec_env` makes it.
            channel: open.
            credit: what learns from it.
            task_weight: of the task's reward.
            step: of the first moment.
        """
        super().__init__(env)
        self._channel, self._credit, self._task_weight = channel, credit, task_weight
        self._observers = getattr(env, "observers", 1)
        self.clock, self.weight = step, 0.0
        self._round_seed = 0
        self._moments: NDArray[np.float64] = np.zeros(3)  # of rewards: count, mean, square
        self._events, self._sum = 0, 0.0

    def begin(self, weight: float, seed: int) -> None:
        """Sets the weight of feedback, and what the next reset seeds the actions with."""
        self.weight, self._round_seed = weight, seed

    def tally(self) -> tuple[int, float]:
        """The number of events since the last call, and their mean value."""
        events, mean = self._events, self._sum / max(self._events, 1)
        self._events, self._sum = 0, 0.0
        return events, mean

    def reset(self) -> VecEnvObs:
        """Resets the worlds, and seeds what the actions are drawn with.

        A round that begins with a snapshot's random state would, after a rollback, do the same
        again for ever.
        """
        torch.manual_seed(self._round_seed)
        np.random.seed(self._round_seed % (1 << 32))  # noqa: NPY002 - SB3 draws from it
        self._observation = self.venv.reset()
        return self._observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Asks the expert, where somebody wants to know, and steps the worlds."""
        self._action = np.array(actions)
        self._expert = None
        if self._channel.asks_expert:
            expert: Any = self.venv
            self._expert = expert.expert_actions()
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Steps the worlds, listens, and puts the rewards together."""
        observations, rewards, dones, infos = self.venv.step_wait()
        seen: Any = self._observation
        moment = Moment(self.clock, seen, self._action, self._expert, rewards, dones)
        self._credit.remember(self.clock, seen, self._action)
        self._channel.watch(moment)
        self._listen()
        if self.clock % _EVERY == 0:
            self._credit.learn(_UPDATES)
        mixed: Any = self._mixed(rewards)
        self._observation = observations
        self.clock += 1
        return observations, mixed, dones, infos

    def _listen(self) -> None:
        heard = [
            (event.step, event.world * self._observers + event.avatar, event.value)
            for event in self._channel.poll(self.clock)
            if event.step is not None
        ]
        self._credit.hear(heard)
        self._events += len(heard)
        self._sum += sum(value for _, _, value in heard)

    def _mixed(self, rewards: NDArray[np.float32]) -> NDArray[np.float32]:
        signal = self._credit.signal(self.clock)
        if self._task_weight == 0.0:
            return (self.weight * signal).astype(np.float32)
        task = self._task_weight * rewards
        return (task + self.weight * self._task_size(task) * signal).astype(np.float32)

    def _task_size(self, task: NDArray[Any]) -> float:
        """The usual size of the task's rewards, so that feedback weighs as much in any scenario."""
        count, mean, square = self._moments.tolist()
        count += len(task)
        mean += (float(task.sum()) - len(task) * mean) / count
        square += (float(np.square(task).sum()) - len(task) * square) / count
        self._moments[:] = count, mean, square
        return float(np.sqrt(max(square - mean * mean, 1e-12)))
