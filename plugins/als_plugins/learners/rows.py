"""The state that an SB3 policy keeps for each row, and how it acts in each row by itself.

SB3 samples with torch's global generator, for all rows at once: what is drawn in a row would depend
on how many others there are. Here every row has a generator of its own. A matrix product of all
rows adds up in another order in some of them: here every row has a product of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
    SquashedDiagGaussianDistribution,
)
from stable_baselines3.common.policies import BasePolicy
from torch.overrides import TorchFunctionMode

__all__ = ["RowStates", "RowWise", "draw"]


@dataclass(frozen=True)
class RowStates:
    """The states of an agent's rows.

    Attributes:
        memory: of an LSTM, its parts (layers, rows, size); None where there is nothing yet.
        generators: one for each row, to sample with; None where nothing has been sampled yet.
    """

    memory: tuple[NDArray[Any], ...] | None = None
    generators: Sequence[np.random.Generator] | None = None


class RowWise(TorchFunctionMode):
    """Inside, linear layers give a row the same bits wherever it stands among the others."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls the function, or what stands in for it."""
        if function is torch.nn.functional.linear:
            return _linear(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _linear(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """As `torch.nn.functional.linear`, with a product for each row, all of one shape."""
    rows = input.reshape(len(input), -1, input.shape[-1])
    product = torch.bmm(rows, weight.t().expand(len(input), -1, -1))
    found = product.reshape(*input.shape[:-1], len(weight))
    return found if bias is None else found + bias


def draw(policy: BasePolicy, generators: Sequence[np.random.Generator], rows: int) -> NDArray[Any]:
    """Draws from the distributions that the policy found in its last call of `predict`.

    Args:
        policy: of PPO or SAC.
        generators: of the first rows.
        rows: that went through the network; those without a generator get an action as well.

    Returns:
        (rows, ...), within the action space.
    """
    # SB3 fills this object in at every call. An actor of SAC has it, or the policy itself.
    found: Any = getattr(policy, "actor", policy)
    found = found.action_dist
    if isinstance(found, CategoricalDistribution):
        return _choose(found.distribution, generators, rows)
    if isinstance(found, MultiCategoricalDistribution):
        parts = [_choose(part, generators, rows) for part in found.distribution]
        return np.stack(parts, axis=1)
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


def _choose(
    found: torch.distributions.Categorical, generators: Sequence[np.random.Generator], rows: int
) -> NDArray[np.int64]:
    """One of several choices for every row, (rows,)."""
    probabilities: Any = found.probs
    sums = probabilities.double().cpu().numpy().cumsum(axis=1)
    even = np.zeros((rows, 1))
    even[: len(generators), 0] = [generator.random() for generator in generators]
    chosen = (sums <= even * sums[:, -1:]).sum(axis=1)
    index: NDArray[np.int64] = np.minimum(chosen, sums.shape[1] - 1)
    return index
