"""What world models have in common: what they are asked, and what they say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from als_plugins.world_models.data import Batch

__all__ = ["Guess", "WorldModel", "ends_loss", "mean_over"]


class Guess(NamedTuple):
    """What a step is thought to lead to.

    Attributes:
        observation: (rows, numbers), the next one, standardised.
        reward: (rows,), standardised.
        end: (rows,), how likely the task ends with this step.
    """

    observation: Tensor
    reward: Tensor
    end: Tensor


class WorldModel(nn.Module, ABC):
    """From what was seen and is done to what is seen next, what it earns and whether it ends.

    Attributes:
        length: steps of a window that it learns from.
        windows: how many of them a batch has for each that was asked for.
    """

    length: int
    windows: int = 1

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """What is to become small, and its parts by name.

        The part "apart" is the mean square that guesses are apart from the truth.
        """

    @abstractmethod
    def begin(self, observation: Tensor, action: Tensor) -> Tensor:
        """The state after some steps, (rows, ...).

        Args:
            observation: (rows, steps, numbers), the last one that of now.
            action: (rows, steps - 1, numbers), what was done on all but the last one.
        """

    @abstractmethod
    def step(self, state: Tensor, action: Tensor) -> tuple[Tensor, Guess]:
        """The state after an action, (rows, numbers), and what it leads to."""


def mean_over(values: Tensor, which: Tensor) -> Tensor:
    """The mean of values, (..., windows, length), where a mask of their shape says so."""
    weight = which.to(values.dtype).expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def ends_loss(logits: Tensor, batch: Batch) -> Tensor:
    """How unlikely what ended was thought to end, and the rest not to."""
    each = binary_cross_entropy_with_logits(logits, batch.end.expand_as(logits), reduction="none")
    return mean_over(each, batch.there)
