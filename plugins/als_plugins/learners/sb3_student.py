"""How SB3's PPO learns from demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from als_engine.agents.agent import Observation
from als_plugins.learners.student import Batch, Drawn, Student
from als_plugins.mappo.network import Scale

if TYPE_CHECKING:
    from als_plugins.learners.on_policy import PPO

__all__ = ["SB3Student"]


class SB3Student(Student):
    """See `Student`."""

    def __init__(self, learner: PPO) -> None:
        super().__init__()
        self.learner, self.parameters = learner, learner.parameters
        self._begin = learner.begin
        self._scale = Scale()

    def begin(self) -> None:
        """See `Student.begin`."""
        self._begin()

    @property
    def _network(self) -> ActorCriticPolicy:
        return cast("ActorCriticPolicy", self.learner.policy)

    def train(self, mode: bool) -> None:
        """See `Student.train`."""
        self._network.set_training_mode(mode)

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        network = self._network
        seen, _ = network.obs_to_tensor(dict(batch.observation))
        done = torch.from_numpy(batch.actions).to(network.device)
        values, logs, _ = network.evaluate_actions(seen, done)
        return logs, values.flatten()

    def value_loss(self, values: Tensor, returns: Tensor) -> Tensor:
        """See `Student.value_loss`."""
        self._scale.to(returns.device).learn(returns)
        error = self._scale.scaled(returns) - self._scale.scaled(values)
        return error.square().mean()

    @torch.no_grad()
    def expect(self, observation: Observation) -> NDArray[Any]:
        """See `Student.expect`."""
        seen, _ = self._network.obs_to_tensor(dict(observation))
        found: NDArray[Any] = self._network.predict_values(seen).flatten().cpu().numpy()
        return found

    def draw(self, observation: Observation, begins: NDArray[np.bool_]) -> NDArray[Any]:
        """See `Student.draw`."""
        return self._network.predict(dict(observation), deterministic=False)[0]

    def _drawn(self) -> list[Drawn]:
        found = self._network.action_dist
        if not isinstance(found, DiagGaussianDistribution):
            return []
        return [Drawn(self._network.log_std, found.distribution.mean)]
