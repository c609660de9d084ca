"""The weights that networks begin with."""

from __future__ import annotations

import math
from typing import Final

from torch import nn

__all__ = ["GAIN", "initialise"]

GAIN: Final = math.sqrt(2.0)
"""What a layer's inputs grow by, to make up for what the function after it takes away."""


def initialise(part: nn.Module, gain: float = GAIN) -> None:
    """Makes the matrices of linear layers and convolutions orthogonal, and their shifts 0.

    Torch's own beginning is smaller and adds the same to every row, so that after a few layers all
    observations look alike, and a learner needs long to tell them apart.

    Source: Saxe et al. (2014), "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", section 3.

    Args:
        part: a network, or a part of one.
        gain: the length of what comes out of a layer over that of what goes in.
    """
    for layer in part.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
