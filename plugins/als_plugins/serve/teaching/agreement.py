"""How far actions agree, and how far an agent agrees with the actions of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from numpy.typing import NDArray

from als_engine.agents.agent import acting
from als_engine.agents.masks import mask_size, with_masks

if TYPE_CHECKING:
    import gymnasium

    from als_engine.agents.agent import Agent
    from als_plugins.experience.dataset import Part

__all__ = ["agreement", "agreement_with"]


def agreement(space: gymnasium.Space[Any], one: NDArray[Any], other: NDArray[Any]) -> float:
    """How far two actions agree, from 0 to 1.

    An action that is one of several is the same or is not; of several choices it is the part that
    is the same; of numbers it is 1 less their mean distance in parts of their range.
    """
    if isinstance(space, Box):
        wide = np.asarray(space.high, np.float64) - space.low
        return float(1.0 - (np.abs(np.asarray(one, np.float64) - other) / wide).mean())
    if isinstance(space, MultiDiscrete):
        return float((np.asarray(one) == other).mean())
    return float(np.asarray(one) == other)


def agreement_with(agent: Agent, part: Part) -> float | None:
    """How far an agent agrees with what was done in a part of a dataset; None where it is empty.

    It acts as in an evaluation, in all stretches at once, and begins each of them anew.
    """
    stretches = [
        (chosen.arrays.arrays, start, length)
        for chosen in part.sources
        for start, length in zip(chosen.starts.tolist(), chosen.lengths.tolist(), strict=True)
    ]
    if not stretches:
        return None
    agent.seed(0)
    rows, best = len(stretches), acting(agent) == "best"
    memory = agent.restart(None, np.ones(rows, np.bool_), range(rows))
    # Whatever was recorded could be done.
    masks = np.ones((rows, mask_size(agent.action_space)), np.bool_)
    agreed: list[float] = []
    for step in range(max(length for _, _, length in stretches)):
        at = [(arrays, start + min(step, length - 1)) for arrays, start, length in stretches]
        sensed = {
            key: np.stack([arrays[f"observations/{key}"][i] for arrays, i in at])
            for key in agent.observation_space.spaces
        }
        acted, memory = agent.act(with_masks(agent, sensed, lambda: masks), memory, best)
        agreed += [
            agreement(agent.action_space, acted[row], at[row][0]["actions"][at[row][1]])
            for row, (_, _, length) in enumerate(stretches)
            if step < length
        ]
    return float(np.mean(agreed))
