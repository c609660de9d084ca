"""Action masks on their way to the agents that read them.

Where an agent acts, its observation goes through `with_masks`. An agent that has `reads_masks` then
finds under `ACTION_MASK` which of its actions are possible; all others see what they always saw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, Observation
from als_engine.plugins.specs import ACTION_MASK

__all__ = ["ACTION_MASK", "mask_size", "with_masks"]


def mask_size(space: gymnasium.Space[Any]) -> int:
    """The number of choices of an action space, those of all its parts; 0 where it has numbers."""
    if isinstance(space, Discrete):
        return int(space.n)
    return int(space.nvec.sum()) if isinstance(space, MultiDiscrete) else 0


def with_masks(
    agent: Agent, observation: Observation, masks: Callable[[], NDArray[np.bool_]]
) -> Observation:
    """Returns an observation as the agent is to see it.

    Args:
        agent: who is about to act.
        observation: key to (rows, ...).
        masks: returns which actions are possible, (rows, n); called only where it is needed.
    """
    if not agent.reads_masks or not mask_size(agent.action_space):
        return observation
    return {**observation, ACTION_MASK: masks()}
