"""Masks parts of a sensor, fills them in, and computes the loss of a guess.

What is put there is something that the sensor could have sensed, or nearly, so that any encoder
can read it: the mean colour, a token that no text holds, a thing without properties.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn
from torch.nn import functional

from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.sensors.tokenizer import HIDDEN, VOCABULARY_SIZE
from als_plugins.encoders.base import Statistic
from als_plugins.encoders.stems import MOST_KINDS, Form, form_of

__all__ = ["Hider", "hider_of"]

GRID: Final = 8  # cells to a side of a picture, for an encoder that has no patches
FARTHEST: Final = 5.0  # standard deviations that a number is taken to be off at most
SMALL: Final = 1e-3

_KINDS: Final = slice(COLUMNS.index("fixed"), COLUMNS.index("sound") + 1)


class Hider(nn.Module):
    """Of one sensor, whose observation is taken as a row of parts.

    Attributes:
        parts: how many there are.
        size: how many numbers a guess of one part has.
        share: of the parts that are hidden.
    """

    parts: int
    size: int
    share: float = 0.3

    @abstractmethod
    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """The observation without the parts where hidden, (rows, parts), is True."""

    @abstractmethod
    def judge(self, guesses: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """The loss of each guess, (guesses,), for the hidden parts row by row."""

    def there(self, values: Tensor) -> Tensor:
        """Which parts can be hidden, (rows, parts) bool."""
        return torch.ones(len(values), self.parts, dtype=torch.bool, device=values.device)

    def standardise(self, statistic: Statistic) -> None:
        """Takes over mean and deviation."""


class _Scaled(Hider):
    """A sensor of numbers, which are judged in standard deviations."""

    mean: Tensor
    std: Tensor

    def __init__(self, space: Box) -> None:
        super().__init__()
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = (np.abs(low) < 1e6) & (np.abs(high) < 1e6)
        low, high = np.where(bounded, low, 0.0), np.where(bounded, high, 0.0)
        middle, spread = (low + high) / 2, np.where(high > low, (high - low) / 4, 1.0)
        mean, std = self._reduced(middle, spread)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def standardise(self, statistic: Statistic) -> None:
        """Takes over mean and deviation; what never changed is not blown up."""
        mean, std = self._reduced(statistic.mean, statistic.std)
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(np.where(std > SMALL, std, 1.0)))

    def _reduced(self, mean: Any, std: Any) -> tuple[Any, Any]:
        """Mean and deviation over the axes along which all parts are alike."""
        return mean, std

    def _standard(self, values: Tensor) -> Tensor:
        return ((values.float() - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)


class HiddenPatches(_Scaled):
    """Patches of a picture; the mean colour stands in."""

    share = 0.5

    def __init__(self, space: Box, tokens: int) -> None:
        self.kinds = 0
        super().__init__(space)
        height, width, channels = space.shape
        self.grid = _grid(height, width, tokens)
        self.parts = self.grid[0] * self.grid[1]
        self.patch = (height // self.grid[0], width // self.grid[1])
        top = int(space.high.max())
        self.kinds = top + 1 if space.dtype == np.uint8 and top < MOST_KINDS else 0
        self.size = self.kinds or self.patch[0] * self.patch[1] * channels

    def _reduced(self, mean: Any, std: Any) -> tuple[Any, Any]:
        return _over(mean, std, (0, 1))

    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """With the mean colour in the hidden patches; of a picture of kinds, kind 0."""
        mask = hidden.view(-1, *self.grid)
        for axis, (cells, side) in enumerate(zip(self.grid, self.patch, strict=True), start=1):
            mask = mask.repeat_interleave(side, axis)
            # What the grid leaves over at the edge goes with the last cell.
            mask = _stretched(mask, axis, values.shape[axis] - cells * side)
        fill = torch.zeros_like(self.mean) if self.kinds else self.mean
        rounded = fill if values.is_floating_point() else fill.round()
        return torch.where(mask[..., None], rounded.to(values.dtype), values)

    def judge(self, guesses: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """Squared error of the standardised pixels; of kinds, the cross-entropy of their shares."""
        if not self.kinds:
            wanted = self._cut(self._standard(values))[hidden].flatten(1)
            return (guesses - wanted).square().mean(1)
        kinds = self._cut(values)[hidden].flatten(1).long()
        shares = functional.one_hot(kinds, self.kinds).float().mean(1)
        return functional.cross_entropy(guesses, shares, reduction="none")

    def _cut(self, values: Tensor) -> Tensor:
        """(rows, parts, height, width, channels)."""
        (down, right), (high, wide) = self.grid, self.patch
        values = values[:, : down * high, : right * wide]
        cells = values.reshape(len(values), down, high, right, wide, -1)
        return cells.transpose(2, 3).flatten(1, 2)


class HiddenWords(Hider):
    """Tokens of a text; one that no text holds stands in."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.parts = space.shape[0]
        self.size = int(space.high.max()) + 1
        self.stand_in = HIDDEN if self.size == VOCABULARY_SIZE else 0

    def there(self, values: Tensor) -> Tensor:
        """Where there is a word."""
        return values > 0

    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """With the stand-in in the hidden places."""
        return values.masked_fill(hidden, self.stand_in)

    def judge(self, guesses: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(guesses, values[hidden].long(), reduction="none")


class HiddenThings(_Scaled):
    """Rows of a set of things; a thing of which nothing is known stands in."""

    def __init__(self, space: Box) -> None:
        super().__init__(space)
        self.parts, self.size = space.shape
        self.with_kinds = self.size == len(COLUMNS)

    def _reduced(self, mean: Any, std: Any) -> tuple[Any, Any]:
        return _over(mean, std, (0,))

    def there(self, values: Tensor) -> Tensor:
        """Where there is a thing."""
        return values[..., 0] > 0.5

    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """All but its presence becomes 0."""
        bare = torch.zeros_like(values)
        bare[..., 0] = values[..., 0]
        return torch.where(hidden[..., None], bare, values)

    def judge(self, guesses: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """Squared error of its standardised columns, and cross-entropy of its kind."""
        wanted = self._standard(values)[hidden]
        errors = (guesses - wanted).square()
        if not self.with_kinds:
            return errors[:, 1:].mean(1)
        kind = values[hidden][:, _KINDS].argmax(1)
        crossed = functional.cross_entropy(guesses[:, _KINDS], kind, reduction="none")
        return crossed + errors[:, _KINDS.stop :].mean(1)


class HiddenNumbers(_Scaled):
    """Numbers, or the columns of a table, such as bands of sound; their means stand in."""

    def __init__(self, space: Box) -> None:
        super().__init__(space)
        self.shape = tuple(space.shape)
        self.parts = self.shape[-1] if self.shape else 1
        self.size = math.prod(self.shape[:-1])

    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """With means in the hidden columns."""
        mask = hidden.view(len(values), *([1] * (len(self.shape) - 1)), *self.shape[-1:])
        return torch.where(mask, self.mean.to(values.dtype), values)

    def judge(self, guesses: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """Squared error of the standardised numbers."""
        wanted = self._standard(values).reshape(len(values), self.size, self.parts)
        return (guesses - wanted.transpose(1, 2)[hidden]).square().mean(1)


def hider_of(space: Any, tokens: int) -> Hider:
    """Returns the hider of a sensor's parts.

    Args:
        space: of the sensor.
        tokens: how many an encoder makes of it; 0 when that is not known.
    """
    form, box = form_of(space), cast("Box", space)
    if form is Form.PICTURE:
        return HiddenPatches(box, tokens)
    if form is Form.WORDS:
        return HiddenWords(box)
    return HiddenThings(box) if form is Form.THINGS else HiddenNumbers(box)


def _grid(height: int, width: int, tokens: int) -> tuple[int, int]:
    """The patches of a picture, down and right: those of the encoder if they can be told."""
    down = round(math.sqrt(tokens * height / width))
    if down and tokens % down == 0 and height % down == 0 and width % (tokens // down) == 0:
        return down, tokens // down
    return min(GRID, height), min(GRID, width)


def _stretched(mask: Tensor, axis: int, missing: int) -> Tensor:
    if missing == 0:
        return mask
    last = mask.narrow(axis, mask.shape[axis] - 1, 1)
    return torch.cat([mask, last.repeat_interleave(missing, axis)], dim=axis)


def _over(mean: Any, std: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and deviation over more axes, from those of each place."""
    whole = mean.mean(axes)
    variance = (std**2 + (mean - whole) ** 2).mean(axes)
    return whole, np.sqrt(variance)
