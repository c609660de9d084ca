"""Turns a sensor into tokens: patches of a picture, words, things, frames of numbers.

No weight depends on how many patches, words or things there are, so that an encoder that was
trained with one frame size or one scenario serves another.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final, cast

import gymnasium
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.base import Statistic
from als_plugins.encoders.stems import Form, Numbers, Planes, form_of, largest

__all__ = ["FAINT", "Embedding", "Patches", "embedding_of", "waves"]

MOST_WORDS = 1 << 16
FRAMES = 4
"""Into how many tokens a table of numbers, such as `audio`, is cut."""

FAINT: Final = 0.02
PLACE: Final = 0.25
"""How strong, at first, is what all observations share: a modality or query, and a place.

What is sensed must stand out from it, or all observations look alike and nothing is learnt for
long.
"""


class Embedding(nn.Module):
    """Turns one sensor, (rows, ...), into (rows, parts, width).

    Attributes:
        parts: how many tokens an observation of this space has.
        ragged: whether rows differ in which of them are present.
    """

    parts: int
    ragged: ClassVar[bool] = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modality = nn.Parameter(FAINT * torch.randn(width))

    def forward(
        self, x: Tensor, masked: Tensor | None = None, kept: Tensor | None = None
    ) -> Tensor:
        """The tokens: content, place and modality.

        Args:
            x: (rows, ...).
            masked: (rows, parts) bool, whose content is hidden; place and modality stay.
            kept: the numbers of the parts that become tokens, of a ragged sensor; None for all.
        """
        place = self.place(x)
        if kept is not None:
            x = x[:, kept]
            place = place if len(place) == 1 else place[kept]
            masked = None if masked is None else masked[:, kept]
        content = self.content(x)
        if masked is not None:
            content = content.masked_fill(masked[..., None], 0.0)
        return content + (self.modality + PLACE * place)

    def content(self, x: Tensor) -> Tensor:
        """(rows, parts, width), from what was sensed."""
        raise NotImplementedError

    def place(self, x: Tensor) -> Tensor:
        """(parts, width), from where it was sensed; (1, 1) of 0 where there is no order."""
        return torch.zeros(1, 1, device=x.device)

    def present(self, x: Tensor) -> Tensor:
        """(rows, parts) bool: False for what is no part of the observation, such as padding."""
        return torch.ones(len(x), self.parts, dtype=torch.bool, device=x.device)

    def in_short(self, tokens: Tensor, present: Tensor) -> Tensor:
        """All tokens as one, (rows, width): their mean; zeros where none is present.

        Args:
            tokens: (rows, parts, width).
            present: (rows, parts, 1) bool.
        """
        return (tokens * present).sum(1) / present.sum(1).clamp(min=1)

    def standardise(self, statistic: Statistic) -> None:
        """Takes over the scale of a sensor; only numbers need one."""


class Patches(Embedding):
    """Squares of a picture, row by row; the picture is filled up with 0 to whole ones."""

    def __init__(self, space: Box, width: int, patch: int) -> None:
        super().__init__(width)
        self.planes = Planes(space)
        self.patch = patch
        self.grid = (-(-space.shape[0] // patch), -(-space.shape[1] // patch))
        self.parts = self.grid[0] * self.grid[1]
        self.net = _net(self.planes.channels * patch * patch, width)
        self.where = nn.Linear(width, width, bias=False)

    def content(self, x: Tensor) -> Tensor:
        """From (rows, H, W, C)."""
        side = self.patch
        planes = self.planes(x)
        rows, channels, height, width = planes.shape
        down, right = -(-height // side), -(-width // side)
        planes = nn.functional.pad(planes, (0, right * side - width, 0, down * side - height))
        squares = planes.reshape(rows, channels, down, side, right, side)
        squares = squares.permute(0, 2, 4, 1, 3, 5).reshape(rows, down * right, -1)
        return cast("Tensor", self.net(squares))

    def place(self, x: Tensor) -> Tensor:
        """By the part of the picture, whatever its size: half the width for each direction."""
        down, right = self.grid
        half = self.where.in_features // 2
        y = waves((torch.arange(down, device=x.device) + 0.5) * (16.0 / down), half)
        z = waves((torch.arange(right, device=x.device) + 0.5) * (16.0 / right), half)
        both = torch.cat([y[:, None].expand(-1, right, -1), z.expand(down, -1, -1)], dim=-1)
        return cast("Tensor", self.where(both.flatten(0, 1)))


class WordTokens(Embedding):
    """Words in their order; token 0 fills up and is not there."""

    ragged = True

    def __init__(self, space: Box, width: int) -> None:
        super().__init__(width)
        self.words = int(space.high.max()) + 1
        if self.words > MOST_WORDS:
            raise ArgumentError(f"an encoder reads at most {MOST_WORDS} words, not {self.words}")
        self.parts = space.shape[0]
        self.table = nn.Embedding(self.words, width)
        nn.init.normal_(self.table.weight, std=0.5)
        self.where = nn.Linear(width, width, bias=False)

    def content(self, x: Tensor) -> Tensor:
        """From (rows, words)."""
        return cast("Tensor", self.table(x.long().clamp(0, self.words - 1)))

    def place(self, x: Tensor) -> Tensor:
        """By its number."""
        order = torch.arange(x.shape[1], device=x.device, dtype=torch.float32)
        return cast("Tensor", self.where(waves(order, self.where.in_features)))

    def present(self, x: Tensor) -> Tensor:
        """Which words are no padding."""
        return x > 0.5


class ThingTokens(Embedding):
    """Things without an order; the first column says which are there."""

    ragged = True

    def __init__(self, space: Box, width: int) -> None:
        super().__init__(width)
        self.parts = space.shape[0]
        self.net = _net(space.shape[1], width)

    def content(self, x: Tensor) -> Tensor:
        """From (rows, things, columns)."""
        return cast("Tensor", self.net(x.float()))

    def present(self, x: Tensor) -> Tensor:
        """Which things are there."""
        return x[..., 0] > 0.5

    def in_short(self, tokens: Tensor, present: Tensor) -> Tensor:
        """The largest of each feature: that one such thing is there counts, not how many others."""
        if not tokens.shape[1]:  # In no row of the batch is there any.
            return tokens.new_zeros(tokens.shape[0], tokens.shape[2])
        return largest(tokens, present)


class Frames(Embedding):
    """Numbers: one token, or a few for a table, each of some columns and all its rows.

    Of `audio` each token has what both ears hear in two neighbouring bands.
    """

    def __init__(self, space: Box, width: int) -> None:
        super().__init__(width)
        self.numbers = Numbers(space)
        table = len(space.shape) == 2
        self.table = space.shape if table else (1, self.numbers.size)
        self.columns = -(-self.table[1] // FRAMES) if table else self.table[1]
        self.parts = -(-self.table[1] // self.columns)
        self.net = _net(self.table[0] * self.columns, width)
        self.where = nn.Linear(width, width, bias=False) if self.parts > 1 else None

    def content(self, x: Tensor) -> Tensor:
        """From (rows, ...)."""
        values = self.numbers(x).view(-1, *self.table)
        missing = self.parts * self.columns - self.table[1]
        values = nn.functional.pad(values, (0, missing))
        frames = values.view(len(x), self.table[0], self.parts, self.columns)
        return cast("Tensor", self.net(frames.transpose(1, 2).flatten(2)))

    def place(self, x: Tensor) -> Tensor:
        """By its number."""
        if self.where is None:
            return super().place(x)
        order = torch.arange(self.parts, device=x.device, dtype=torch.float32)
        return cast("Tensor", self.where(waves(order, self.where.in_features)))

    def standardise(self, statistic: Statistic) -> None:
        """Scales by mean and deviation."""
        self.numbers.standardise(statistic)


def embedding_of(space: gymnasium.Space[Any], width: int, patch: int) -> Embedding:
    """Returns the embedding that makes tokens of a sensor.

    Raises:
        ArgumentError: it is of no form that an encoder reads.
    """
    form, box = form_of(space), cast("Box", space)
    if form is Form.PICTURE:
        return Patches(box, width, patch)
    if form is Form.WORDS:
        return WordTokens(box, width)
    if form is Form.THINGS:
        return ThingTokens(box, width)
    return Frames(box, width)


def waves(positions: Tensor, width: int) -> Tensor:
    """Sines and cosines of positions, (n,), in wavelengths up to 10,000 / 2 pi; (n, width).

    Vaswani et al. (2017), "Attention is all you need", section 3.5.
    """
    half = width // 2
    rates = torch.exp(
        torch.arange(half, device=positions.device) * (-math.log(10_000.0) / max(half, 1))
    )
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _net(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))
