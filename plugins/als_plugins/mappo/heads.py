"""Action heads: from features to distributions over actions of each kind of space.

A distribution is what a head returns for some rows: `Choices` over one or several choices, `Normal`
over numbers. Torch's own check their arguments at every call, which here costs more than the work.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from als_engine.errors import ArgumentError

__all__ = [
    "ChoiceHead",
    "Choices",
    "Distribution",
    "Head",
    "Normal",
    "NormalHead",
    "make_head",
    "picked",
]

_IMPOSSIBLE: Final = -1e9
"""The logit of an action that is ruled out; infinite ones would give NaN where all are."""
_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)


class Distribution(ABC):
    """What the policy may do in some rows."""

    @abstractmethod
    def sample(self, draws: torch.Generator | None = None) -> Tensor:
        """One action for each row, drawn with a generator or with torch's own."""

    @abstractmethod
    def best(self) -> Tensor:
        """The likeliest action of each row."""

    @abstractmethod
    def log_prob(self, actions: Tensor) -> Tensor:
        """(rows,): the logarithm of how likely the actions are."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """(rows,)."""


class Choices(Distribution):
    """One choice, or several that are drawn apart.

    Attributes:
        logs: for each of them (rows, n), logarithms of probabilities.
    """

    def __init__(self, logits: Tensor, sizes: tuple[int, ...], single: bool) -> None:
        """Splits logits, (rows, sum of sizes), into their choices."""
        self.logs = [log_softmax(part, dim=1) for part in torch.split(logits, list(sizes), dim=1)]
        self._sizes, self._single = sizes, single

    def sample(self, draws: torch.Generator | None = None) -> Tensor:
        """(rows,) or (rows, choices)."""
        return self._stacked(
            [torch.multinomial(log.exp(), 1, generator=draws)[:, 0] for log in self.logs]
        )

    def best(self) -> Tensor:
        """(rows,) or (rows, choices)."""
        return self._stacked([log.argmax(dim=1) for log in self.logs])

    def at(self, role: Tensor, others: Sequence[Choices]) -> Choices:
        """In each row that of the network with its number, this one first; see `picked`."""
        logs = torch.stack([torch.cat(each.logs, 1) for each in (self, *others)])
        found = logs[role, torch.arange(len(role), device=role.device)]
        return Choices(found, self._sizes, self._single)

    def _stacked(self, parts: list[Tensor]) -> Tensor:
        return parts[0] if self._single else torch.stack(parts, dim=1)

    def joined(self, parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Choices that were made one by one, each (rows,), as actions."""
        return parts[0] if self._single else np.stack(parts, axis=1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """(rows,)."""
        columns = actions.reshape(len(actions), len(self.logs)).long()
        found = [log.gather(1, columns[:, i : i + 1])[:, 0] for i, log in enumerate(self.logs)]
        return found[0] if len(found) == 1 else torch.stack(found).sum(dim=0)

    def entropy(self) -> Tensor:
        """(rows,)."""
        parts = [-(log.exp() * log).sum(dim=1) for log in self.logs]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(dim=0)


class Normal(Distribution):
    """Independent normal distributions; what is drawn may lie outside the action space.

    Attributes:
        mean: (rows, numbers). deviation: (numbers,), or (rows, numbers) where rows differ.
    """

    def __init__(self, mean: Tensor, log_deviation: Tensor, shape: tuple[int, ...]) -> None:
        """Takes the means, (rows, numbers), of actions of that shape."""
        self.mean, self._log, self._shape = mean, log_deviation, shape
        self.deviation = log_deviation.exp()

    def sample(self, draws: torch.Generator | None = None) -> Tensor:
        """(rows, ...)."""
        noise = torch.randn(self.mean.shape, generator=draws, device=self.mean.device)
        drawn = self.mean + self.deviation * noise
        return drawn.reshape(-1, *self._shape)

    def best(self) -> Tensor:
        """(rows, ...)."""
        return self.mean.reshape(-1, *self._shape)

    def log_prob(self, actions: Tensor) -> Tensor:
        """(rows,)."""
        away = (actions.flatten(1) - self.mean) / self.deviation
        return -(0.5 * away.square() + self._log + _HALF_LOG_TWO_PI).sum(dim=1)

    def entropy(self) -> Tensor:
        """(rows,)."""
        each = (0.5 + _HALF_LOG_TWO_PI + self._log).sum(dim=-1)
        return each.expand(len(self.mean))

    def at(self, role: Tensor, others: Sequence[Normal]) -> Normal:
        """In each row that of the network with its number, this one first; see `picked`."""
        every = (self, *others)
        rows = torch.arange(len(role), device=role.device)
        mean = torch.stack([each.mean for each in every])[role, rows]
        return Normal(mean, torch.stack([each._log for each in every])[role], self._shape)


def picked(found: Sequence[Distribution], role: Tensor) -> Distribution:
    """Of what several networks would do, what each row takes.

    Args:
        found: of each network, in the same rows.
        role: (rows,), the number of the network that a row takes.
    """
    first, *others = found
    if isinstance(first, Choices):
        return first.at(role, cast("list[Choices]", others))
    assert isinstance(first, Normal)
    return first.at(role, cast("list[Normal]", others))


class Head(nn.Module, ABC):
    """A linear layer that says what to do."""

    linear: nn.Linear

    @abstractmethod
    def forward(self, features: Tensor, masks: Tensor | None = None) -> Distribution:
        """The distributions of some rows.

        Args:
            features: (rows, size).
            masks: (rows, n) bool, which choices are possible; None where all are.
        """


class ChoiceHead(Head):
    """For `Discrete` and `MultiDiscrete` spaces."""

    def __init__(self, size: int, space: Discrete | MultiDiscrete) -> None:
        """Reads so many features."""
        super().__init__()
        self.single = isinstance(space, Discrete)
        counts = [space.n] if isinstance(space, Discrete) else space.nvec.ravel()
        self.sizes = tuple(int(count) for count in counts)
        self.linear = nn.Linear(size, sum(self.sizes))

    def forward(self, features: Tensor, masks: Tensor | None = None) -> Choices:
        """See `Head.forward`."""
        logits = self.linear(features)
        if masks is not None:
            logits = torch.where(masks, logits, _IMPOSSIBLE)
        return Choices(logits, self.sizes, self.single)


class NormalHead(Head):
    """For `Box` spaces; the deviation is the same in all rows."""

    def __init__(self, size: int, space: Box) -> None:
        """Reads so many features."""
        super().__init__()
        self.shape = space.shape
        numbers = int(np.prod(space.shape))
        self.linear = nn.Linear(size, numbers)
        self.log_deviation = nn.Parameter(torch.zeros(numbers))

    def forward(self, features: Tensor, masks: Tensor | None = None) -> Normal:
        """See `Head.forward`; there are no masks of numbers."""
        return Normal(self.linear(features), self.log_deviation, self.shape)


def make_head(size: int, space: gymnasium.Space[object]) -> Head:
    """The head for an action space.

    Raises:
        ArgumentError: there is none for such a space.
    """
    if isinstance(space, (Discrete, MultiDiscrete)):
        if isinstance(space, Discrete) and space.start != 0:
            raise ArgumentError(f"actions must be counted from 0, got {space}")
        return ChoiceHead(size, space)
    if isinstance(space, Box):
        return NormalHead(size, cast("Box", space))
    raise ArgumentError(f"there is no policy over the action space {space}")
