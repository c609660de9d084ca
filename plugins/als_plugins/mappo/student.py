"""How `mappo` learns from demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.agents.agent import Observation
from als_engine.errors import ArgumentError
from als_plugins.encoders.base import rows_together
from als_plugins.learners.student import Batch, Drawn, Student
from als_plugins.mappo.heads import Distribution, Normal, NormalHead
from als_plugins.mappo.memory import Past
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
        if learner.parameters.hold > 1:
            raise ArgumentError("mappo: hold=1 learns from demonstrations, which show every step")
        self.learner, self.parameters = learner, learner.parameters
        # Of the returns, where the critic itself has none.
        self._scale = Scale()
        self.together = self.parameters.together
        self._judged: Distribution | None = None
        self._seen: dict[str, Tensor] = {}
        # What it remembers of the episodes in which it drives.
        self._memory: Tensor | None = None

    def begin(self) -> None:
        """See `Student.begin`."""
        self.learner.begin()

    def train(self, mode: bool) -> None:
        """See `Student.train`."""
        self.learner.policy.train(mode)

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        seen, network = self.learner.tensors(batch.observation), self.learner.policy
        past = None
        if batch.begins is not None:
            past = self._past(network.empty_memory(batch.begins.shape[1]), batch.begins)
        policy, values, _ = network(self.learner.augmented(seen), None, past)
        self._judged, self._seen = policy, seen
        return policy.log_prob(torch.from_numpy(batch.actions).to(values.device)), values

    def _past(self, state: Tensor | None, begins: NDArray[np.bool_]) -> Past:
        """What is remembered before steps of some rows, (steps, rows)."""
        assert state is not None
        return Past(state, torch.from_numpy(begins).to(state.device))

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
    def draw(self, observation: Observation, begins: NDArray[np.bool_]) -> NDArray[Any]:
        """See `Student.draw`."""
        past, network = None, self.learner.policy
        if self.together > 1:
            if self._memory is None:
                self._memory = network.empty_memory(len(begins))
            past = self._past(self._memory, begins[None])
        with rows_together(network):
            policy, self._memory = self.learner.masked_distribution(observation, past)
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
