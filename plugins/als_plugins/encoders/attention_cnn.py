"""A convolution over each picture, and attention over where in the picture to look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import gymnasium
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.arguments import whole
from als_plugins.encoders.base import Encoder, Observation, Statistic
from als_plugins.encoders.initialising import initialise
from als_plugins.encoders.stems import Form, Planes, Stems, form_of, module_name

__all__ = ["AttentionCNNEncoder"]


class Look(nn.Module):
    """A feature map, and for each head one softmax over its places.

    What comes out is the mean of the features as weighted by each head, and where that head looks:
    the mean place, as in the spatial softmax of Levine et al. (2016), "End-to-end training of deep
    visuomotor policies", section 5.1.
    """

    def __init__(self, space: Box, channels: int, heads: int, size: int) -> None:
        super().__init__()
        self.planes = Planes(space)
        large = min(space.shape[:2]) >= 32
        self.net = nn.Sequential(
            nn.Conv2d(self.planes.channels, channels // 2, 5, 2 if large else 1, 2),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.ReLU(),
        )
        self.scores = nn.Conv2d(channels, heads, 1)
        self.head = nn.Sequential(nn.Linear(heads * (channels + 2), size), nn.ReLU())
        down, right = (-(-side // (4 if large else 2)) for side in space.shape[:2])
        self.grid = (down, right)

    def forward(self, x: Tensor) -> Tensor:
        """From (rows, H, W, C) to (rows, size)."""
        found = self.net(self.planes(x))
        weights = self.weights(found)
        y = torch.linspace(-1.0, 1.0, found.shape[2], device=x.device)
        z = torch.linspace(-1.0, 1.0, found.shape[3], device=x.device)
        places = torch.stack(torch.meshgrid(y, z, indexing="ij")).flatten(1)
        seen = weights @ found.flatten(2).transpose(1, 2)
        return cast("Tensor", self.head(torch.cat([seen, weights @ places.T], dim=2).flatten(1)))

    def weights(self, found: Tensor) -> Tensor:
        """(rows, heads, places) of a feature map; they sum to 1 for every head."""
        scores: Tensor = self.scores(found)
        return scores.flatten(2).softmax(-1)

    def attention(self, x: Tensor) -> Tensor:
        """(rows, places), over all heads."""
        return self.weights(self.net(self.planes(x))).mean(1)


class AttentionCNNEncoder(Encoder):
    """Pictures by where to look in them, every other sensor by its plain stem."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        channels: int = 32,
        heads: int = 4,
        features: int = 128,
    ) -> None:
        """Makes the network.

        Args:
            observation_space: of one avatar, with at least one picture.
            channels: of the feature map, 2 to 256.
            heads: places to look at in each picture, 1 to 32.
            features: of each picture, 1 to 2,048; the other sensors' stand beside them.

        Raises:
            ArgumentError: an argument is not allowed, or there is no picture.
        """
        super().__init__(
            observation_space,
            channels=whole("channels", channels, 2, 256),
            heads=whole("heads", heads, 1, 32),
            features=whole("features", features, 1, 2_048),
        )
        spaces = observation_space.spaces
        self.pictures = [key for key, space in spaces.items() if form_of(space) is Form.PICTURE]
        if not self.pictures:
            raise ArgumentError(
                "attention-cnn needs a picture of at least 8 by 8 pixels, such as rgb, depth or "
                f"semantic, among its sensors: {', '.join(spaces)}"
            )
        self.looks = nn.ModuleDict(
            {
                module_name(key): Look(cast("Box", spaces[key]), channels, heads, features)
                for key in self.pictures
            }
        )
        self.stems = Stems({key: spaces[key] for key in spaces if key not in self.pictures})
        self.size = features
        self.features = features * len(self.pictures) + self.stems.size
        initialise(self)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features); zeros stand in for a sensor that is missing."""
        first = next(iter(observation.values()))
        nothing = torch.zeros(len(first), self.size, device=first.device)
        seen = [
            self._look(key)(observation[key]) if key in observation else nothing
            for key in self.pictures
        ]
        return torch.cat([*seen, self.stems(observation)], dim=1)

    def attention(self, observation: Observation) -> dict[str, Tensor]:
        """Where in each picture it looks; each has the same share, other sensors have none."""
        shown = [key for key in self.pictures if key in observation]
        return {key: self._look(key).attention(observation[key]) / len(shown) for key in shown}

    def grids(self) -> dict[str, tuple[int, int]]:
        """The feature maps' places."""
        return {key: self._look(key).grid for key in self.pictures}

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        self.stems.standardise(statistics)

    def _look(self, key: str) -> Look:
        return cast("Look", self.looks[module_name(key)])
