"""Stems: one small network for each form that a sensor can have, from its values to one vector.

What each sensor needs to be learnt from at all, and no more. A sensor is known by the form of its
space and not by its name, so a third party's sensor is read like a bundled one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_engine.sensors.base import is_table
from als_plugins.encoders.base import Observation, RowWise, Statistic

__all__ = [
    "Form",
    "Numbers",
    "Picture",
    "Planes",
    "Stem",
    "Stems",
    "Things",
    "Words",
    "form_of",
    "largest",
    "module_name",
]

PICTURE_FEATURES = 128
SET_FEATURES = 64
TEXT_FEATURES = 32
MOST_KINDS = 32


class Form(Enum):
    """The forms of sensors.

    - PICTURE: (H, W, C) of at least 8 pixels a side
    - THINGS: (rows, columns) whose first column is 0 or 1: a set of things, such as `entities`
    - WORDS: whole numbers in one dimension: tokens, of which 0 fills up
    - NUMBERS: anything else
    """

    PICTURE = "picture"
    THINGS = "things"
    WORDS = "words"
    NUMBERS = "numbers"


def form_of(space: gymnasium.Space[Any]) -> Form:
    """The form of a sensor.

    Raises:
        ArgumentError: the space is no Box.
    """
    if not isinstance(space, Box):
        raise ArgumentError(f"an encoder reads Box observations, not {space}")
    shape = space.shape
    if len(shape) == 3 and min(shape[:2]) >= 8:
        return Form.PICTURE
    if is_table(space):
        return Form.THINGS
    if len(shape) == 1 and space.dtype is not None and space.dtype.kind in "iu":
        return Form.WORDS
    return Form.NUMBERS


class Stem(nn.Module):
    """Turns one sensor, (rows, ...), into (rows, size)."""

    size: int

    def standardise(self, statistic: Statistic) -> None:
        """Takes over the scale of a sensor; only numbers without bounds need one."""


class Planes(nn.Module):
    """From (rows, H, W, C) as sensed to (rows, channels, H, W) as a network likes it."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        top = float(space.high.max())
        # A picture of kinds has no order in its numbers: one channel for each.
        self.kinds = int(top) + 1 if space.dtype == np.uint8 and top < MOST_KINDS else 0
        self.scale = top if 0.0 < top < 1e6 else 1.0
        self.channels = self.kinds or space.shape[2]

    def forward(self, x: Tensor) -> Tensor:
        """Scaled; kinds of things become channels."""
        if self.kinds:
            return nn.functional.one_hot(x[..., 0].long(), self.kinds).movedim(-1, 1).float()
        return x.movedim(-1, 1).float() / self.scale


class Picture(Stem):
    """Three convolutions and a mean over 4x4 regions, so that any frame size will do."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        height, width, _ = space.shape
        self.planes = Planes(space)
        small = min(height, width) < 32
        self.net = nn.Sequential(
            nn.Conv2d(self.planes.channels, 16, 5, 1 if small else 2, 2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(32 * 16, PICTURE_FEATURES),
            nn.ReLU(),
        )
        self.size = PICTURE_FEATURES

    def forward(self, x: Tensor) -> Tensor:
        """From (rows, H, W, C)."""
        return cast("Tensor", self.net(self.planes(x)))


class Things(Stem, RowWise):
    """Every thing by itself, then the largest of each feature over the things that are present."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(space.shape[1], SET_FEATURES),
            nn.ReLU(inplace=True),
            nn.Linear(SET_FEATURES, SET_FEATURES),
        )
        self.size = SET_FEATURES

    def forward(self, x: Tensor) -> Tensor:
        """From (rows, things, columns)."""
        present = x[..., :1] > 0.5
        if not self.rows_apart:  # Places in the table that no row uses cost time.
            used = present.any(0)[:, 0].nonzero()
            last = int(used[-1]) + 1 if len(used) else 1
            x, present = x[:, :last], present[:, :last]
        return largest(self.net(x.float()), present).relu()


class _Largest(torch.autograd.Function):
    """See `largest`."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, present: Tensor) -> Tensor:
        """See `largest`."""
        there = features.masked_fill(~present, -torch.inf)
        found = there.amax(1)
        ctx.save_for_backward(there, found)
        return found.masked_fill(found == -torch.inf, 0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """To the largest; things that share it share its gradient."""
        there, found = ctx.saved_tensors
        share = torch.empty_like(there)
        torch.eq(there, found[:, None], out=share)  # As numbers at once.
        each = (gradients[0] / share.sum(1)).masked_fill(found == -torch.inf, 0.0)
        return share.mul_(each[:, None]), None


def largest(features: Tensor, present: Tensor) -> Tensor:
    """The largest of each feature over the things that are present; 0 where none is.

    Torch's own `amax` passes more often over all features on its way back.

    Args:
        features: (rows, things, size).
        present: (rows, things, 1) bool.

    Returns:
        (rows, size).
    """
    return cast("Tensor", _Largest.apply(features, present))  # type: ignore[no-untyped-call]


class Words(Stem):
    """The mean of the tokens' embeddings; token 0 fills up and counts for nothing."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(
            int(space.high.max()) + 1, TEXT_FEATURES, mode="mean", padding_idx=0
        )
        self.size = TEXT_FEATURES

    def forward(self, x: Tensor) -> Tensor:
        """From (rows, words)."""
        return cast("Tensor", self.bag(x.long()))


class Numbers(Stem):
    """Scaled by the bounds so that 0 stays 0; without bounds, pressed together far out.

    A dataset's mean and deviation, once taken over, stand in for both.
    """

    shift: Tensor
    scale: Tensor
    linear: Tensor

    def __init__(self, space: Box) -> None:
        super().__init__()
        largest = np.maximum(np.abs(space.low), np.abs(space.high)).ravel().astype(np.float64)
        bounded = np.isfinite(largest) & (largest < 1e6)
        scale = np.where(bounded & (largest > 0), largest, 1.0)
        self.register_buffer("shift", torch.zeros(largest.size))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("linear", torch.as_tensor(bounded))
        self.size = largest.size

    def standardise(self, statistic: Statistic) -> None:
        """Scales by mean and deviation; values that never changed are only shifted."""
        std = np.where(statistic.std > 1e-6, statistic.std, 1.0)
        self.shift.copy_(torch.as_tensor(statistic.mean.ravel()))
        self.scale.copy_(torch.as_tensor(std.ravel()))
        self.linear.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """From (rows, ...)."""
        x = x.flatten(1).float() - self.shift
        return torch.where(self.linear, x / self.scale, x.sign() * x.abs().log1p())


class Stems(nn.Module):
    """A stem for every sensor; their outputs stand side by side, zeros for one that is missing.

    Attributes:
        size: of all of them together.
    """

    def __init__(self, spaces: Mapping[str, gymnasium.Space[Any]]) -> None:
        super().__init__()
        self.keys = tuple(spaces)
        stems = {key: _KINDS[form_of(space)](cast("Box", space)) for key, space in spaces.items()}
        self.stems = nn.ModuleDict({module_name(key): stem for key, stem in stems.items()})
        self.sizes = tuple(stem.size for stem in stems.values())
        self.size = sum(self.sizes)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, size)."""
        rows = len(next(iter(observation.values())))
        device = next(iter(observation.values())).device
        parts = [
            stem(observation[key]) if key in observation else torch.zeros(rows, size, device=device)
            for key, stem, size in zip(self.keys, self.stems.values(), self.sizes, strict=True)
        ]
        return torch.cat(parts, dim=1) if parts else torch.zeros(rows, 0, device=device)

    def of(self, key: str, x: Tensor) -> Tensor:
        """(rows, size of the stem), of one sensor."""
        return cast("Tensor", self.stems[module_name(key)](x))

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        for key, stem in zip(self.keys, self.stems.values(), strict=True):
            if key in statistics:
                cast("Stem", stem).standardise(statistics[key])


def module_name(key: str) -> str:
    """A sensor's name as that of a part of a network, which may hold no dot and be no attribute."""
    return "of_" + key.replace(".", "/")


_KINDS: dict[Form, type[Any]] = {
    Form.PICTURE: Picture,
    Form.THINGS: Things,
    Form.WORDS: Words,
    Form.NUMBERS: Numbers,
}
