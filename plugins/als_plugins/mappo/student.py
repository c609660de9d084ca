"""How `mappo` learns from demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.agents.agent import Observation
from als_plugins.encoders.base import rows_together
from als_plugins.learners.student import Student
from als_plugins.mappo.heads import Distribution, Normal, NormalHead
from als_plugins.mappo.network import ActorCritic, Scale

if TYPE_CHECKING:
    from als_plugins.mappo.learner import Mappo
    from als_plugins.mappo.parameters import MappoParameters

__all__ = ["MappoStudent"]


class MappoStudent(Student):
    """See `Student`."""

    learner: Mappo
    parameters: MappoParameters

    def __init__(self, learner: Mappo) -> None:
        self.learner, self.parameters = learner, learner.parameters
        # Of the returns, where the critic itself has none.
        self._scale = Scale()
        self._judged: Distribution | None = None

    def begin(self) -> None:
        """See `Student.begin`."""
        self.learner.begin()

    def train(self, mode: bool) -> None:
        """See `Student.train`."""
        self.learner.policy.train(mode)

    def judge(self, observation: Observation, actions: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """See `Student.judge`."""
        seen = self.learner.tensors(observation)
        policy, values, _ = self.learner.policy(self.learner.augmented(seen))
        self._judged = policy
        return policy.log_prob(torch.from_numpy(actions).to(values.device)), values

    def value_loss(self, values: Tensor, returns: Tensor) -> Tensor:
        """See `Student.value_loss`."""
        if self.parameters.normalise_value:
            scale = self.learner.policy.scale
            scale.learn(returns)
        else:
            scale = self._scale.to(returns.device)
            scale.learn(returns)
            values = scale.scaled(values)
        return (scale.scaled(returns) - values).square().mean()

    @torch.no_grad()
    def expect(self, observation: Observation) -> NDArray[Any]:
        """See `Student.expect`."""
        values = self.learner.policy.value(self.learner.tensors(observation))
        found: NDArray[Any] = values.cpu().numpy()
        return found

    @torch.no_grad()
    def draw(self, observation: Observation) -> NDArray[Any]:
        """See `Student.draw`."""
        with rows_together(self.learner.policy):
            policy, _ = self.learner.masked_distribution(observation)
        return self.learner.inside(policy.sample())

    def _normal(self) -> tuple[Tensor, Tensor] | None:
        policy = self.learner.policy
        head = policy.head if isinstance(policy, ActorCritic) else None
        if not isinstance(head, NormalHead) or not isinstance(self._judged, Normal):
            return None
        return head.log_deviation, self._judged.mean
