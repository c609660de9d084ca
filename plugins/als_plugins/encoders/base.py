"""The interface of an encoder: a network from a Dict observation, or a part of one, to features.

An encoder reads observations as the environment gives them: pictures are (H, W, C) with values
from 0 to 255, tokens are whole numbers, everything in float or in the sensor's own dtype. It is
made from a space and a configuration alone, so that a saved one is built anew and then filled with
weights.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from als_engine.errors import ArgumentError

__all__ = ["Encoder", "Observation", "RowWise", "Statistic", "Tokens", "rows_together"]

Observation = Mapping[str, Tensor]


@dataclass(frozen=True)
class Tokens:
    """An observation as a sequence, as far as an encoder sees it as one.

    Attributes:
        values: (rows, tokens, width), after the encoder's own attention.
        present: (rows, tokens) bool; False where there is nothing, such as padding.
        spans: sensor to the slice of tokens that come from it, in the order of its patches, words,
            rows or frames; empty when the tokens belong to no one sensor.
    """

    values: Tensor
    present: Tensor
    spans: Mapping[str, slice]


@dataclass(frozen=True)
class Statistic:
    """Mean and standard deviation of a sensor's values in a dataset, in the sensor's shape."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


class RowWise(nn.Module):
    """A network that can be faster where a row's result may depend on the others in its last bits.

    Attributes:
        row_wise: whether a row's result must be the same to the last bit whatever the other rows
            are, where the network is not trained.
    """

    row_wise: bool = True

    @property
    def rows_apart(self) -> bool:
        """Whether each row has to be read as if it were alone.

        A compiled network's rows are, too: its sizes must not depend on what is in them.
        """
        return (self.row_wise and not self.training) or torch.compiler.is_compiling()


class Encoder(RowWise):
    """A network from an observation to features, which also chooses the weights it begins with.

    Attributes:
        observation_space: of one avatar; its keys are what the encoder can read.
        config: the JSON-able arguments that made it, defaults included.
        features: the length of the feature vector.
    """

    features: int

    def __init__(self, observation_space: gymnasium.spaces.Dict, **config: Any) -> None:
        """Keeps space and configuration; a subclass sets `features`.

        Raises:
            ArgumentError: it cannot read any of these sensors, or an argument is not allowed.
        """
        super().__init__()
        if not observation_space.spaces:
            raise ArgumentError("an encoder needs at least one sensor to read")
        self.observation_space = observation_space
        self.config = config

    @abstractmethod
    def forward(self, observation: Observation) -> Tensor:
        """Encodes a batch.

        Args:
            observation: key to (rows, ...); a sensor may be missing, as long as one is there.

        Returns:
            (rows, features).
        """

    def tokens(self, observation: Observation) -> Tokens:
        """The observation as a sequence; by default the features, as its only token."""
        values = self(observation)[:, None]
        present = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, present, {})

    def attention(self, observation: Observation) -> Mapping[str, Tensor]:
        """The weight of each part of each sensor in the features.

        Returns:
            Sensor to (rows, parts), in the order of its patches (row by row), words, rows or
            frames, at least 0; over all sensors of a row they sum to 1. Empty for an encoder
            without attention.
        """
        return {}

    def grids(self) -> Mapping[str, tuple[int, int]]:
        """Of each picture that it attends to in parts: how many rows and columns of parts."""
        return {}

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Takes over how sensors without bounds are scaled; kept among the weights.

        Sensors of which nothing is known stay as they are.
        """


@contextmanager
def rows_together(network: nn.Module) -> Iterator[None]:
    """Inside, what a network's encoders make of a row may depend on the others in its last bits."""
    parts = [part for part in network.modules() if isinstance(part, RowWise)]
    for part in parts:
        part.row_wise = False
    try:
        yield
    finally:
        for part in parts:
            part.row_wise = True
