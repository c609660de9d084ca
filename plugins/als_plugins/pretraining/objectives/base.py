"""The interface of an objective: a loss on consecutive steps of experience, for any encoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import gymnasium
import torch
from torch import Tensor, nn

from als_plugins.encoders.base import Encoder, Statistic
from als_plugins.pretraining.group import Group

__all__ = ["Clip", "Objective", "follow", "follower", "projector", "standard"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Clip:
    """A batch of consecutive steps, or this process's share of it.

    Attributes:
        observation: key to (rows, length, ...), in the sensors' dtypes.
        actions: (rows, length, ...).
        generator: of all random numbers; a function of the seed and the step alone.
        group: the processes that share the batch.
        last: the last observation of each row's episode, key to (rows, ...); only for an objective
            that asks for it.
    """

    observation: Mapping[str, Tensor]
    actions: Tensor
    generator: torch.Generator
    group: Group = field(default_factory=Group)
    last: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of rows in this process."""
        return len(self.actions)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.actions.device

    def at(self, step: int) -> dict[str, Tensor]:
        """The observation at one of the steps, key to (rows, ...)."""
        return {key: tensor[:, step] for key, tensor in self.observation.items()}

    def at_each(self, steps: Tensor) -> dict[str, Tensor]:
        """The observation at a step of each row's own; steps is (rows,) of whole numbers."""
        rows = torch.arange(self.rows, device=self.device)
        return {key: tensor[rows, steps] for key, tensor in self.observation.items()}

    def uniform(self, *shape: int) -> Tensor:
        """Random numbers in [0, 1), (rows, *shape): this process's rows of the whole batch's."""
        whole = torch.rand((self.rows * self.group.size, *shape), generator=self.generator)
        return self.own(whole).to(self.device)

    def chance(self) -> float:
        """One random number in [0, 1) for the whole batch."""
        return float(torch.rand((), generator=self.generator))

    def mean(self, values: Tensor, weights: Tensor) -> Tensor:
        """The weighted mean over the whole batch, as this process's part of it; 0 of nothing."""
        total = self.group.total(weights.sum()) / self.group.size
        return (values * weights).sum() / total.clamp(min=1e-8)

    def own(self, rows: Tensor) -> Tensor:
        """This process's rows of those of the whole batch."""
        return rows[self.group.rank * self.rows :][: self.rows]

    def whole(self, numbers: Mapping[str, Tensor]) -> dict[str, float]:
        """Sums of several numbers over the processes."""
        if not numbers:
            return {}
        summed = self.group.total(torch.stack([n.detach().float() for n in numbers.values()]))
        return dict(zip(numbers, summed.tolist(), strict=True))


class Objective(nn.Module):
    """A loss; its heads and momentum encoders are its submodules.

    Attributes:
        length: how many consecutive steps it needs.
        ends: whether it needs the last observation of the episode.
    """

    length: ClassVar[int] = 1
    ends: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        """Builds what it needs to train this encoder; does not keep the encoder itself."""
        super().__init__()

    @abstractmethod
    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """The loss and what is to be logged of it.

        Args:
            encoder: the one it was made for.
            clip: at least `length` steps; the first ones are taken.
        """

    def update(self, encoder: Encoder) -> None:
        """Called after every step of the optimizer, for momentum."""

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Takes over how sensors are scaled, where it predicts their values."""


def standard(rows: Tensor) -> Tensor:
    """Rows less what all rows of the whole batch have in common, in deviations.

    What a network with random weights makes of two moments is nearly the same vector; without
    this, a contrast between moments begins with next to no gradient.
    """
    return (rows - rows.mean(0)) / rows.var(0, correction=0).add(1e-5).sqrt()


def projector(features: int, hidden: int, out: int) -> nn.Sequential:
    """Two layers between features and where they are compared."""
    return nn.Sequential(
        nn.Linear(features, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, out)
    )


def follower(module: ModuleT) -> ModuleT:
    """A copy that gets no gradient, but follows by `follow`."""
    copy = deepcopy(module)
    copy.requires_grad_(False)
    return copy


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Moves a copy a little towards its original."""
    for mine, its in zip(slow.parameters(), fast.parameters(), strict=True):
        mine.lerp_(its, 1.0 - momentum)
    for ours, theirs in zip(slow.buffers(), fast.buffers(), strict=True):
        ours.copy_(theirs)
