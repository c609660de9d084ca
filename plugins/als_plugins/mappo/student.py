"""How `mappo` learns from demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.agents.agent import Observation
from als_plugins.encoders.base import rows_together
from als_plugins.learners.student import Drawn, Student
from als_plugins.mappo.heads import Distribution, Normal, NormalHead
from als_plugins.mappo.network import Scale

if TYPE_CHECKING:
    from als_plugins.mappo.learner import Mappo
    from als_plugins.mappo.parameters import MappoParameters

__all__ = ["MappoStudent"]


class MappoStudent(Student):
    """See `Student`."""

    learner: Mappo
    parameters: MappoParameters

    def __init__(self, learner: Mappo) -> None:
        super().__init__()
        self.learner, self.parameters = learner, learner.parameters
        # Of the returns, where the critic itself has none.
        self._scale = Scale()
        self._judged: Distribution | None = None
        self._seen: dict[str, Tensor] = {}

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
        self._judged, self._seen = policy, seen
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

    def _drawn(self) -> list[Drawn]:
        judged = self._judged
        if not isinstance(judged, Normal):
            return []
        means = judged.mean
        return [
            Drawn(cast("NormalHead", network.head).log_deviation, means, rows)
            for network, rows in self.learner.policy.actors(self._seen)
        ]
