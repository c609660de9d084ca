"""From an observation of any sensors to one feature vector, for every SB3 policy.

Small on purpose: what each key needs to be learnt from at all, and no more.
"""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

__all__ = ["ObservationExtractor"]

PICTURE_FEATURES = 128
SET_FEATURES = 64
TEXT_FEATURES = 32
MOST_KINDS = 32


class ObservationExtractor(BaseFeaturesExtractor):
    """Encodes every key by the form of its space and concatenates the results.

    - (H, W, C) or (C, H, W) of at least 8 pixels a side: a small convolutional network
    - (rows, columns) in a Box from -1 to 1 whose first column is 0 or 1: a set of things, encoded
      one by one with the same weights and pooled over those that are present
    - whole numbers in one dimension: tokens, an averaged embedding
    - anything else: flattened, and scaled by its bounds
    """

    def __init__(self, observation_space: gymnasium.spaces.Dict) -> None:
        encoders = {key: _encoder(space) for key, space in observation_space.spaces.items()}
        super().__init__(observation_space, sum(encoder.size for encoder in encoders.values()))
        # A key may be any string, and a module's name may not hold a dot.
        self.keys = list(encoders)
        self.encoders = nn.ModuleList(encoders.values())

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """(rows, features)."""
        parts = [
            encoder(observations[key])
            for key, encoder in zip(self.keys, self.encoders, strict=True)
        ]
        return torch.cat(parts, dim=1)


class _Encoder(nn.Module):
    """Turns one key, (rows, ...), into (rows, size)."""

    size: int


class _Picture(_Encoder):
    """Three convolutions and a mean over 4x4 regions, so that any frame size will do."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        shape = space.shape
        self.channels_last = int(np.argmin(shape)) == 2
        channels = shape[2] if self.channels_last else shape[0]
        top = int(space.high.max())
        # A picture of kinds has no order in its numbers: one channel for each.
        self.kinds = top + 1 if space.dtype == np.uint8 and top < MOST_KINDS else 0
        # SB3 has scaled pictures from 0 to 255 already.
        self.scale = 1.0 if space.dtype == np.uint8 else float(space.high.max())
        small = min(sorted(shape)[1:]) < 32
        self.net = nn.Sequential(
            nn.Conv2d(self.kinds or channels, 16, 5, 1 if small else 2, 2),
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
        if self.channels_last:
            x = x.movedim(-1, 1)
        if self.kinds:
            x = nn.functional.one_hot(x[:, 0].long(), self.kinds).movedim(-1, 1).float()
        return cast("Tensor", self.net(x / self.scale))


class _Things(_Encoder):
    """Every thing by itself, then the largest of each feature over the things that are present."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(space.shape[1], SET_FEATURES),
            nn.ReLU(),
            nn.Linear(SET_FEATURES, SET_FEATURES),
            nn.ReLU(),
        )
        self.size = SET_FEATURES

    def forward(self, x: Tensor) -> Tensor:
        # Features are at least 0, so an absent thing never is the largest.
        features: Tensor = self.net(x) * (x[..., :1] > 0.5)
        return features.amax(dim=1)


class _Tokens(_Encoder):
    """The mean of the tokens' embeddings; token 0 fills up and counts for nothing."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(
            int(space.high.max()) + 1, TEXT_FEATURES, mode="mean", padding_idx=0
        )
        self.size = TEXT_FEATURES

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.bag(x.long()))


class _Numbers(_Encoder):
    """Scaled by the bounds so that 0 stays 0; without bounds, pressed together far out."""

    scale: Tensor
    bounded: Tensor

    def __init__(self, space: Box) -> None:
        super().__init__()
        largest = np.maximum(np.abs(space.low), np.abs(space.high)).ravel().astype(np.float64)
        bounded = np.isfinite(largest) & (largest < 1e6)
        scale = np.where(bounded & (largest > 0), largest, 1.0)
        # Made from the space, so they are no weights.
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32), persistent=False)
        self.register_buffer("bounded", torch.as_tensor(bounded), persistent=False)
        self.size = largest.size

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1).float()
        return torch.where(self.bounded, x / self.scale, x.sign() * x.abs().log1p())


def _encoder(space: gymnasium.Space[Any]) -> _Encoder:
    """The encoder that fits a space."""
    if not isinstance(space, Box):
        raise TypeError(f"an observation is a Box, not {space}")
    shape = space.shape
    if len(shape) == 3 and sorted(shape)[1] >= 8:
        return _Picture(space)
    if len(shape) == 2 and _is_set(space):
        return _Things(space)
    if len(shape) == 1 and space.dtype is not None and space.dtype.kind in "iu":
        return _Tokens(space)
    return _Numbers(space)


def _is_set(space: Box) -> bool:
    """Whether it looks like `entities`: many rows, with a column that says which are there."""
    first_low, first_high = space.low[:, 0], space.high[:, 0]
    return space.shape[0] >= 4 and bool((first_low == 0).all() and (first_high == 1).all())
