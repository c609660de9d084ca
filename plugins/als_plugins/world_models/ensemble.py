"""An ensemble of probabilistic networks (Chua et al. 2018): each says what comes, and how sure."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, silu, softplus

from als_plugins.world_models.data import Batch
from als_plugins.world_models.models import Guess, WorldModel

__all__ = ["Ensemble"]

_SURE, _UNSURE = -3.0, 2.0
"""Between which the logarithm of a variance stays.

Surer of what hardly moves, the networks learn nothing of the rest, and one jump undoes it all.
"""


class Ensemble(WorldModel):
    """Networks that learn the same from other batches; the state is the observation.

    Attributes:
        members: how many.
    """

    length = 2

    def __init__(self, numbers: int, actions: int, width: int, members: int) -> None:
        """Two layers of so many units in each member.

        Args:
            numbers: of an observation.
            actions: numbers of an action.
            width: units of a layer.
            members: how many networks.
        """
        super().__init__()
        self.members = self.windows = members
        self._numbers = numbers
        # Means and variances of what changes and of the reward, and the end.
        sizes = [numbers + actions, width, width, 2 * (numbers + 1) + 1]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for before, after in itertools.pairwise(sizes):
            drawn = torch.randn(members, before, after) / math.sqrt(before)
            self.weights.append(nn.Parameter(drawn))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, after)))
        # At first nothing changes.
        with torch.no_grad():
            self.weights[-1].mul_(0.1)

    def forward(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and log variances, (members, rows, numbers + 1), and logits of the end.

        The last of the numbers is the reward; the others are what is added to the observation.

        Args:
            observation: (members, rows, numbers).
            action: (members, rows, numbers).
        """
        found = torch.cat([observation, action], dim=2)
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found = torch.baddbmm(bias[: len(found)], found, weight[: len(found)])
            if number < last:
                found = silu(found)
        mean, spread, end = torch.split(found, [self._numbers + 1, self._numbers + 1, 1], dim=2)
        spread = _UNSURE - softplus(_UNSURE - spread)
        spread = _SURE + softplus(spread - _SURE)
        return mean, spread, end[..., 0]

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """See `WorldModel.loss`: each member has its share of the windows."""

        def shared(values: Tensor) -> Tensor:
            return values.reshape(self.members, -1, *values.shape[1:])

        observation, action = shared(batch.observation), shared(batch.action[:, 0])
        mean, spread, ends = self(observation[:, :, 0], action)
        change = observation[:, :, 1] - observation[:, :, 0]
        wanted = torch.cat([change, shared(batch.reward[:, :1])], dim=2)
        apart = (mean - wanted).square()
        known = shared(batch.follows[:, 0])[..., None].expand_as(change).float()
        known = torch.cat([known, torch.ones_like(known[..., :1])], dim=2)
        unlikely = ((apart * (-spread).exp() + spread) * known).sum() / known.sum()
        over = binary_cross_entropy_with_logits(ends, shared(batch.end[:, 0]))
        loss = 0.5 * unlikely + over
        parts = {"unlikely": unlikely, "end": over, "apart": (apart * known).sum() / known.sum()}
        return loss, {name: part.item() for name, part in parts.items()}

    def begin(self, observation: Tensor, action: Tensor) -> Tensor:
        """See `WorldModel.begin`: what is seen now."""
        return observation[:, -1]

    def step(self, state: Tensor, action: Tensor) -> tuple[Tensor, Guess]:
        """See `WorldModel.step`: what the members say on average."""
        mean, _, end = self(state.expand(self.members, -1, -1), action.expand(self.members, -1, -1))
        middle = mean.mean(0)
        after = state + middle[:, :-1]
        return after, Guess(after, middle[:, -1], end.sigmoid().mean(0))

    def each_step(self, state: Tensor, action: Tensor) -> Guess:
        """What the first members say of states of their own, (some members, rows, numbers)."""
        mean, _, end = self(state, action)
        return Guess(state + mean[..., :-1], mean[..., -1], end.sigmoid())

    def drawn_step(self, state: Tensor, action: Tensor) -> Guess:
        """In each row what one member says that torch draws, with its own noise, (rows, ...)."""
        mean, spread, end = self(
            state.expand(self.members, -1, -1), action.expand(self.members, -1, -1)
        )
        who = torch.randint(self.members, (len(state),)), torch.arange(len(state))
        noise = torch.randn(mean.shape[1:]) * (0.5 * spread[who]).exp()
        drawn = mean[who] + noise
        return Guess(state + drawn[:, :-1], drawn[:, -1], end[who].sigmoid())
