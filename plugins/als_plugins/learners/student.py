"""The face of a learner that imitation needs: how likely actions are, and what is expected."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from als_engine.agents.agent import Observation

if TYPE_CHECKING:
    from als_plugins.learners.hyperparameters import PPOParameters
    from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["LEAST_DEVIATION", "Batch", "Drawn", "Judged", "Student"]

LEAST_DEVIATION: Final = 0.1
"""Of a normal distribution that imitates: who shows the same action twice would end at 0, from
where no reinforcement learning explores."""

_KEEPS: Final = 0.98
"""The weight of what is known of the deviation at a gradient step."""


@dataclass(frozen=True)
class Batch:
    """Some demonstrated steps.

    Attributes:
        observation: key to (steps, ...).
        actions: (steps, ...), what was shown.
        returns: (steps,), the discounted sum of the rewards that followed; NaN where the source
            did not act itself to the end of the episode.
        begins: for who remembers, whose steps follow one another in several rows: (steps of a row,
            rows) bool, with which an episode begins; else None.
        counted: (steps,) bool, which are learnt from; the others only lead up to them. None for
            all.
    """

    observation: dict[str, NDArray[Any]]
    actions: NDArray[Any]
    returns: NDArray[np.float32]
    begins: NDArray[np.bool_] | None = None
    counted: NDArray[np.bool_] | None = None


class Judged(NamedTuple):
    """What a student finds in those steps of a batch that are learnt from, (steps,) each.

    Attributes:
        logs: the logarithms of how likely the demonstrated actions are.
        values: what is expected, in the critic's own scale.
        returns: what followed, in that of the rewards; NaN where that is not known.
    """

    logs: Tensor
    values: Tensor
    returns: Tensor


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
        together: steps that follow one another, over which it remembers while it learns; 1 without
            a memory.
    """

    together: int = 1

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

    def judge(self, batch: Batch) -> Judged:
        """How likely demonstrated actions are, among all that there are, and what is expected."""
        logs, values = self._judge(batch)
        returns = torch.from_numpy(batch.returns).to(values.device)
        if batch.counted is None:
            return Judged(logs, values, returns)
        counted = torch.from_numpy(batch.counted).to(values.device)
        return Judged(logs[counted], values[counted], returns[counted])

    @abstractmethod
    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logarithms of probabilities, and values in the critic's own scale, (steps,) each."""

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
    def draw(self, observation: Observation, begins: NDArray[np.bool_]) -> NDArray[Any]:
        """Actions drawn with torch's generator, (rows, ...), as the worlds take them.

        Args:
            observation: key to (rows, ...); see `als_engine.agents.masks` for what may be in it.
            begins: (rows,), in which rows an episode begins.
        """

    @abstractmethod
    def _drawn(self) -> list[Drawn]:
        """What each network draws in the last `judge`; empty without normal distributions."""

    @torch.no_grad()
    def fit_deviation(self, batch: Batch) -> None:
        """Sets the deviation of numbers for actions to the likeliest one, not below the least.

        By gradients alone it would take longer to fall than all else does to be learnt, and until
        then whoever draws actions would draw noise.

        Args:
            batch: what was judged last.
        """
        for number, (log_deviation, means, rows) in enumerate(self._drawn()):
            away = torch.from_numpy(batch.actions).to(means.device).flatten(1) - means
            if batch.counted is not None:
                counted = torch.from_numpy(batch.counted).to(means.device)
                rows = counted if rows is None else rows & counted
            if rows is not None:
                away = away[rows]
                if not len(away):
                    continue
            square = away.square().mean(dim=0)
            if number in self._squares:
                square = self._squares[number].lerp(square, 1.0 - _KEEPS)
            self._squares[number] = square
            log_deviation.copy_((0.5 * square.log()).clamp(min=math.log(LEAST_DEVIATION)))
