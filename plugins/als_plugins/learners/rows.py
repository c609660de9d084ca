"""Draws an SB3 policy's actions in each row by itself.

SB3 samples with torch's global generator, for all rows at once: what is drawn in a row would depend
on how many others there are. Here every row has a generator of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib.common.maskable.distributions import (
    MaskableCategoricalDistribution,
    MaskableMultiCategoricalDistribution,
)
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
    SquashedDiagGaussianDistribution,
)
from stable_baselines3.common.policies import BasePolicy

from als_plugins.learners.row_wise import choose

__all__ = ["draw"]


def draw(policy: BasePolicy, generators: Sequence[np.random.Generator]) -> NDArray[Any]:
    """Draws from the distributions that the policy found in its last call of `predict`.

    Args:
        policy: of PPO or SAC.
        generators: of the first rows that went through the network; those without one get an
            action as well.

    Returns:
        (rows, ...), within the action space.
    """
    # SB3 fills this object in at every call. An actor of SAC has it, or the policy itself.
    found: Any = getattr(policy, "actor", policy)
    found = found.action_dist
    if isinstance(found, (CategoricalDistribution, MaskableCategoricalDistribution)):
        return choose(_probabilities(found.distribution), generators)
    if isinstance(found, MultiCategoricalDistribution):
        return _parts(found.distribution, generators)
    if isinstance(found, MaskableMultiCategoricalDistribution):
        return _parts(found.distributions, generators)
    assert isinstance(found, DiagGaussianDistribution)
    mean, deviation = found.distribution.mean, found.distribution.stddev
    noise = np.zeros(mean.shape, np.float32)
    for row, generator in enumerate(generators):
        noise[row] = generator.standard_normal(mean.shape[1])
    drawn = mean + deviation * torch.as_tensor(noise, device=mean.device)
    if isinstance(found, SquashedDiagGaussianDistribution):
        drawn = torch.tanh(drawn)
    space: Any = policy.action_space
    actions: NDArray[np.float32] = drawn.detach().cpu().numpy().reshape(-1, *space.shape)
    if policy.squash_output:
        actions = policy.unscale_action(actions)
    inside: NDArray[np.float32] = np.clip(actions, space.low, space.high)
    return inside


def _parts(
    found: Sequence[torch.distributions.Categorical], generators: Sequence[np.random.Generator]
) -> NDArray[Any]:
    """One choice of each part, (rows, parts)."""
    return np.stack([choose(_probabilities(part), generators) for part in found], axis=1)


def _probabilities(found: torch.distributions.Categorical) -> torch.Tensor:
    probabilities: torch.Tensor = found.probs
    return probabilities
