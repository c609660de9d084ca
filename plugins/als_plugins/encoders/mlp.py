"""The baseline encoder: a small network for each sensor."""

from __future__ import annotations

from collections.abc import Mapping

import gymnasium
from torch import Tensor

from als_plugins.encoders.base import Encoder, Observation, Statistic
from als_plugins.encoders.initialising import initialise
from als_plugins.encoders.stems import Stems

__all__ = ["MLPEncoder"]


class MLPEncoder(Encoder):
    """A stem for each sensor, side by side; the layers that mix them are the learner's own."""

    def __init__(self, observation_space: gymnasium.spaces.Dict) -> None:
        """Takes no configuration."""
        super().__init__(observation_space)
        self.stems = Stems(observation_space.spaces)
        self.features = self.stems.size
        initialise(self)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features); zeros stand in for a sensor that is missing."""
        features: Tensor = self.stems(observation)
        return features

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        self.stems.standardise(statistics)
