"""Tests whether attributions can be believed: removal of parts, and shuffled weights.

Adebayo et al. (2018): an attribution that stays the same when the network's weights are shuffled
shows the observation and not the network. Deletion: taking away what is said to matter must cost
more than taking away as much at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_plugins.explaining.attributions import Attribution, Question, part_amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from als_plugins.explaining.decisions import Decider

__all__ = ["Deletion", "combined", "delete", "randomised", "rank_correlation"]

SHUFFLES: Final = 5
DRAWS: Final = 40
COUNTS: Final = (1, 2, 4, 8, 16)
FEWEST: Final = 4
"""Parts that a sensor needs for its ranking to say anything."""


@dataclass(frozen=True)
class Deletion:
    """The fall of the action's number when parts are taken away.

    Attributes:
        counts: how many parts.
        strongest: (counts,), the fall without those that speak most for the action.
        random: (draws, counts), the fall without as many others, drawn at random.
    """

    counts: Sequence[int]
    strongest: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def beaten(self) -> float:
        """The part of the random draws that cost less, over all counts."""
        return float((self.random < self.strongest).mean())


def delete(question: Question, attribution: Attribution, seed: int = 0) -> Deletion:
    """Takes away the strongest parts, and as many random ones."""
    order = np.argsort(-attribution.amounts, kind="stable")
    counts = [count for count in COUNTS if count <= max(1, len(order) // 2)]
    rng = np.random.default_rng(seed)
    draws = [rng.permutation(len(order)) for _ in range(DRAWS)]
    removed = [list(map(int, each[:count])) for each in (order, *draws) for count in counts]
    left = question.values_without(removed).reshape(1 + DRAWS, len(counts))
    falls = attribution.value - left
    return Deletion(tuple(counts), falls[0], falls[1:])


def randomised(
    decider: Decider, question: Question, attribution: Attribution, seed: int = 0
) -> NDArray[np.float64]:
    """The resemblance of the attributions to those of the same network with shuffled weights.

    Returns:
        (shuffles,): Spearman's rank correlation of the parts' sizes, mean over the sensors, each
        by how many parts it has; 1 would mean that the trained weights make no difference, 0 that
        nothing is left without them.
    """
    found = []
    for shuffle in range(SHUFFLES):
        with _shuffled(decider.policy, seed + shuffle):
            found.append(_resemblance(question, attribution.amounts, part_amounts(question)))
    return np.array(found)


def _resemblance(question: Question, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Sensor by sensor: which sensor has larger numbers is the same in every network."""
    sensors = np.array([part.sensor for part in question.parts])
    found = []
    for sensor in dict.fromkeys(sensors.tolist()):
        mine = sensors == sensor
        if mine.sum() >= FEWEST:
            found.append((_of_sizes(one[mine], other[mine]), int(mine.sum())))
    if not found:
        return _of_sizes(one, other)
    correlations, counts = zip(*found, strict=True)
    return float(np.average(correlations, weights=counts))


@contextmanager
def _shuffled(network: Any, seed: int) -> Iterator[None]:
    """A network whose weights are in another order, tensor by tensor, within the block."""
    generator = torch.Generator().manual_seed(seed)
    kept = [(weight, weight.detach().clone()) for weight in network.parameters()]
    try:
        with torch.no_grad():
            for weight, before in kept:
                order = torch.randperm(weight.numel(), generator=generator)
                weight.copy_(before.flatten()[order].reshape(weight.shape))
        yield
    finally:
        with torch.no_grad():
            for weight, before in kept:
                weight.copy_(before)


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's; 0 where one of them is the same everywhere."""
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _of_sizes(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return rank_correlation(np.abs(one), np.abs(other))


def combined(deletions: Sequence[Deletion]) -> Deletion:
    """The mean of several decisions', as far as they have counts in common."""
    counts = min((each.counts for each in deletions), key=len)
    keep = len(counts)
    return Deletion(
        counts,
        np.mean([each.strongest[:keep] for each in deletions], axis=0),
        np.mean([each.random[:, :keep] for each in deletions], axis=0),
    )
