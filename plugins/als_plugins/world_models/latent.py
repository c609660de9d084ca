"""A recurrent latent model (Hafner et al. 2019, small): a state, and what it shows."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import softplus

from als_plugins.world_models.data import Batch
from als_plugins.world_models.models import Guess, WorldModel, ends_loss, mean_over

__all__ = ["Latent"]

_FREE: Final = 1.0
"""Nats that the state may take from an observation for nothing."""


class Latent(WorldModel):
    """A GRU and a part that is drawn: what is expected of it without looking, and with.

    A state is (rows, width + drawn + numbers): the GRU's, the part that is drawn, and what is seen
    or thought to be. It shows what changes, so that whoever knows nothing says that all stays.
    """

    length = 20

    def __init__(self, numbers: int, actions: int, width: int, drawn: int = 16) -> None:
        """Makes the parts.

        Args:
            numbers: of an observation.
            actions: numbers of an action.
            width: of the GRU and of the layers.
            drawn: numbers that are drawn.
        """
        super().__init__()
        self._width, self._drawn, self._numbers = width, drawn, numbers
        self.seen = nn.Sequential(nn.Linear(numbers, width), nn.SiLU())
        self.moved = nn.Sequential(nn.Linear(drawn + actions, width), nn.SiLU())
        self.memory = nn.GRUCell(width, width)
        self.expected = _layers(width, width, 2 * drawn)
        self.found = _layers(2 * width, width, 2 * drawn)
        self.shown = _layers(width + drawn, width, numbers)
        self.outcome = _layers(width + drawn + actions, width, 2)
        for layers in (self.shown, self.outcome):
            for weights in layers[-1].parameters():
                nn.init.normal_(weights, std=0.01)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """See `WorldModel.loss`: what is shown, earned and ended, and how much a look surprises."""
        seen = self.seen(batch.observation)
        rows, length = batch.there.shape
        memory = seen.new_zeros(rows, self._width)
        states: list[Tensor] = []
        expected_all: list[Tensor] = []
        found_all: list[Tensor] = []
        for step in range(length):
            if step:
                memory = self._remember(states[-1], batch.action[:, step - 1])
            expected_all.append(self.expected(memory))
            found_all.append(self.found(torch.cat([memory, seen[:, step]], dim=1)))
            drawn = _normal(found_all[-1]).rsample()
            states.append(torch.cat([memory, drawn], dim=1))
        state = torch.stack(states, dim=1)
        expected, found = (_normal(torch.stack(each, 1)) for each in (expected_all, found_all))
        # What is expected learns more from it than what is found.
        learns = kl_divergence(_still(found), expected).sum(2).clamp(min=_FREE)
        keeps = kl_divergence(found, _still(expected)).sum(2).clamp(min=_FREE)
        outcome = self.outcome(torch.cat([state, batch.action], dim=2))
        changes = batch.observation[:, 1:] - batch.observation[:, :-1]
        apart = (self.shown(state[:, 1:]) - changes).square().mean(2)
        shown = mean_over(apart, batch.follows[:, :-1])
        earned = mean_over((outcome[..., 0] - batch.reward).square(), batch.there)
        ended = ends_loss(outcome[..., 1], batch)
        surprise = mean_over(0.8 * learns + 0.2 * keeps, batch.there)
        numbers = batch.observation.shape[2]
        loss: Tensor = shown + earned + ended + surprise / numbers
        parts = {"apart": shown + earned, "end": ended, "surprise": surprise}
        return loss, {name: part.item() for name, part in parts.items()}

    def begin(self, observation: Tensor, action: Tensor) -> Tensor:
        """See `WorldModel.begin`: looks at every step; nothing is drawn."""
        seen: Tensor = self.seen(observation)
        memory = seen.new_zeros(len(seen), self._width)
        state: Tensor = memory
        for step in range(observation.shape[1]):
            if step:
                memory = self._remember(state, action[:, step - 1])
            found = _normal(self.found(torch.cat([memory, seen[:, step]], dim=1)))
            state = torch.cat([memory, found.mean], dim=1)
        return torch.cat([state, observation[:, -1]], dim=1)

    def step(self, state: Tensor, action: Tensor) -> tuple[Tensor, Guess]:
        """See `WorldModel.step`: without looking, and nothing is drawn."""
        known = self._width + self._drawn
        kept, seen = torch.split(state, [known, self._numbers], dim=1)
        outcome = self.outcome(torch.cat([kept, action], dim=1))
        memory = self._remember(kept, action)
        after = torch.cat([memory, _normal(self.expected(memory)).mean], dim=1)
        shown = seen + self.shown(after)
        return (
            torch.cat([after, shown], dim=1),
            Guess(shown, outcome[:, 0], outcome[:, 1].sigmoid()),
        )

    def _remember(self, state: Tensor, action: Tensor) -> Tensor:
        memory, drawn = torch.split(state, [self._width, self._drawn], dim=1)
        found: Tensor = self.memory(self.moved(torch.cat([drawn, action], dim=1)), memory)
        return found


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, outputs))


def _normal(found: Tensor) -> Normal:
    mean, spread = found.chunk(2, dim=-1)
    return Normal(mean, softplus(spread) + 0.1, validate_args=False)


def _still(found: Normal) -> Normal:
    return Normal(found.mean.detach(), found.stddev.detach(), validate_args=False)
