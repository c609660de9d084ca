"""Reads observations with a copy of a learner's encoder, which stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Reader"]


@dataclass(frozen=True)
class Reader:
    """Turns observations into features.

    Attributes:
        features: how many for a row.
        read: from tensors by key, (rows, ...), to (rows, features), without gradients.
    """

    features: int
    read: Callable[[Mapping[str, Tensor]], Tensor]

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The features of an observation, key to (rows, ...)."""
        with torch.no_grad():
            tensors = {key: torch.from_numpy(array) for key, array in observation.items()}
            found: NDArray[np.float32] = self.read(tensors).float().numpy()
        return found
