"""What `mappo` remembers of an episode: a GRU's state, or its last steps, which attention reads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from als_plugins.encoders.initialising import initialise

__all__ = ["AttentionMemory", "GRUMemory", "Memory", "Past", "make_memory"]

HEADS = 4


class Past(NamedTuple):
    """What was remembered before some steps that follow one another.

    Attributes:
        state: (layers, rows, size), before the first of them; where an episode begins with it,
            whatever was left of the one before.
        begins: (steps, rows) bool, with which of them an episode begins.
    """

    state: Tensor
    begins: Tensor


class Memory(nn.Module, ABC):
    """Adds to the features of a step what is remembered of the steps before.

    Attributes:
        shape: layers and size of the state of a row.
    """

    shape: tuple[int, int]

    @abstractmethod
    def forward(self, features: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        """Goes through steps that follow one another.

        Args:
            features: (steps times rows, size), step by step.
            past: what was remembered before.

        Returns:
            Features of the same shape, and the state after the last step, (layers, rows, size).
        """

    def empty(self, rows: int) -> Tensor:
        """The state before anything was seen."""
        layers, size = self.shape
        return torch.zeros(layers, rows, size, device=next(self.parameters()).device)


class GRUMemory(Memory):
    """A gated recurrent unit (Cho et al. 2014), of linear layers alone.

    Torch's own gives a row other bits when other rows are beside it.
    """

    def __init__(self, features: int, size: int) -> None:
        """Makes the layers.

        Args:
            features: size of what comes in, and goes out.
            size: of the state.
        """
        super().__init__()
        self.shape = (1, size)
        self.norm = nn.LayerNorm(features)
        self.inwards = nn.Linear(features, 3 * size)
        self.again = nn.Linear(size, 3 * size)
        self.outwards = _outwards(size, features)
        for part in self.again.weight.chunk(3):
            nn.init.orthogonal_(part)

    def forward(self, features: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        """See `Memory.forward`."""
        seen = self.inwards(self.norm(features)).view(*past.begins.shape, -1)
        state, states = past.state[0], []
        goes_on = (~past.begins).to(state.dtype).unsqueeze(-1)
        for step, new in enumerate(seen):
            state = state * goes_on[step]
            reset, update, candidate = new.chunk(3, -1)
            old_reset, old_update, old = self.again(state).chunk(3, -1)
            kept = torch.sigmoid(update + old_update)
            fresh = torch.tanh(candidate + torch.sigmoid(reset + old_reset) * old)
            state = fresh + kept * (state - fresh)
            states.append(state)
        remembered = torch.stack(states).flatten(0, 1)
        return features + self.outwards(remembered), state[None]


class AttentionMemory(Memory):
    """The features of the last steps, which those of the present step look back at.

    How far back a step is counts by a number for each head, which is learnt (Raffel et al. 2020).
    """

    def __init__(self, features: int, steps: int) -> None:
        """Makes the layers.

        Args:
            features: size of what comes in, and goes out.
            steps: how many it looks back at.
        """
        super().__init__()
        # The last number of each kept step says that there is one.
        self.shape = (steps, features + 1)
        self.width = HEADS * max(1, math.ceil(min(features, 128) / HEADS))
        self.norm = nn.LayerNorm(features)
        self.inwards = nn.Linear(features, 3 * self.width)
        self.outwards = _outwards(self.width, features)
        self.nearness = nn.Parameter(torch.zeros(HEADS, steps + 1))

    def forward(self, features: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        """See `Memory.forward`."""
        back, rows = self.shape[0], past.state.shape[1]
        steps = len(past.begins)
        now = features.view(steps, rows, -1)
        every = torch.cat([past.state[..., :-1], now])
        query, key, value = self._heads(every)
        episode = past.begins.cumsum(0)
        before = torch.where(past.state[..., -1] > 0.5, 0, -1)
        number = torch.cat([before, episode])  # Of the episode that each step belongs to.
        mask = self._scores(steps, every.device) + torch.where(
            number[None] == episode[:, None], 0.0, -torch.inf
        ).permute(2, 0, 1).unsqueeze(1)
        mixed = nn.functional.scaled_dot_product_attention(
            query[:, :, back:], key, value, attn_mask=mask
        )
        read = mixed.permute(2, 0, 1, 3).flatten(2).flatten(0, 1)
        kept = (number[-back:] == episode[-1]).to(every.dtype)
        return features + self.outwards(read), torch.cat([every[-back:], kept[..., None]], -1)

    def _heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """(steps, rows, features) to queries, keys and values, (rows, heads, steps, width)."""
        apart = self.inwards(self.norm(x)).view(*x.shape[:2], 3, HEADS, -1)
        return cast("tuple[Tensor, ...]", apart.permute(2, 1, 3, 0, 4).unbind())

    def _scores(self, steps: int, device: torch.device) -> Tensor:
        """(heads, steps, kept and new steps): what distance adds; minus infinity out of reach."""
        back = self.shape[0]
        places = torch.arange(back + steps, device=device)
        distance = places[back:, None] - places
        reached = (distance >= 0) & (distance <= back)
        near = self.nearness[:, distance.clamp(0, back)]
        return near.masked_fill(~reached, -torch.inf)


def _outwards(size: int, features: int) -> nn.Linear:
    """From what is remembered to what is added."""
    layer = nn.Linear(size, features)
    initialise(layer)
    return layer


def make_memory(kind: str, features: int, size: int, steps: int) -> Memory | None:
    """The memory of a network with so many features; None for the kind "none"."""
    if kind == "gru":
        return GRUMemory(features, size)
    if kind == "attention":
        return AttentionMemory(features, steps)
    return None
