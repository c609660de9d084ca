"""The face of a learner that imitation needs: how likely actions are, and what is expected."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from als_engine.agents.agent import Observation

if TYPE_CHECKING:
    from als_plugins.learners.hyperparameters import PPOParameters
    from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["LEAST_DEVIATION", "Student"]

LEAST_DEVIATION: Final = 0.1
"""Of a normal distribution that imitates: who shows the same action twice would end at 0, from
where no reinforcement learning explores."""

_KEEPS: Final = 0.98
"""The weight of what is known of the deviation at a gradient step."""


class Drawn(NamedTuple):
    """Actions that a normal distribution draws, after a `judge`.

    Attributes:
        log_deviation: (numbers,), a weight.
        means: (rows, numbers).
        rows: (rows,) bool, which are drawn so; None for all.
    """

    log_deviation: Tensor
    means: Tensor
    rows: Tensor | None = None


class Student(ABC):
    """A learner while it imitates; its network is made by `begin`.

    Attributes:
        learner: whose policy it is.
        parameters: the hyperparameters.
    """

    learner: NetworkLearner
    parameters: PPOParameters

    def __init__(self) -> None:
        """Nothing is known yet of how far its actions are from those that are shown."""
        self._squares: dict[int, Tensor] = {}

    @abstractmethod
    def begin(self) -> None:
        """Makes the network, drawn with torch's generator, unless it is there."""

    @property
    def policy(self) -> nn.Module:
        """The network."""
        return self.learner.policy

    @abstractmethod
    def train(self, mode: bool) -> None:
        """Switches what is otherwise while learning, such as dropout."""

    @abstractmethod
    def judge(self, observation: Observation, actions: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """How likely demonstrated actions are, among all that there are.

        Args:
            observation: key to (rows, ...).
            actions: (rows, ...).

        Returns:
            The logarithms of their probabilities, and the values in the critic's own scale, both
            (rows,).
        """

    @abstractmethod
    def value_loss(self, values: Tensor, returns: Tensor) -> Tensor:
        """The critic's mean squared error, where 1 is as bad as knowing the mean alone.

        Args:
            values: (rows,), in the critic's own scale.
            returns: (rows,), what they should have been, in that of the rewards.
        """

    @abstractmethod
    def expect(self, observation: Observation) -> NDArray[Any]:
        """The return that is expected, (rows,), in the scale of the rewards."""

    @abstractmethod
    def draw(self, observation: Observation) -> NDArray[Any]:
        """Actions drawn with torch's generator, (rows, ...), as the worlds take them.

        Args:
            observation: key to (rows, ...); see `als_engine.agents.masks` for what may be in it.
        """

    @abstractmethod
    def _drawn(self) -> list[Drawn]:
        """What each network draws in the last `judge`; empty without normal distributions."""

    @torch.no_grad()
    def fit_deviation(self, actions: NDArray[Any]) -> None:
        """Sets the deviation of numbers for actions to the likeliest one, not below the least.

        By gradients alone it would take longer to fall than all else does to be learnt, and until
        then whoever draws actions would draw noise.

        Args:
            actions: (rows, ...), those that were judged last.
        """
        for number, (log_deviation, means, rows) in enumerate(self._drawn()):
            away = torch.from_numpy(actions).to(means.device).flatten(1) - means
            if rows is not None:
                away = away[rows]
                if not len(away):
                    continue
            square = away.square().mean(dim=0)
            if number in self._squares:
                square = self._squares[number].lerp(square, 1.0 - _KEEPS)
            self._squares[number] = square
            log_deviation.copy_((0.5 * square.log()).clamp(min=math.log(LEAST_DEVIATION)))
