"""What an agent senses of a trial: what it did last, what came of it, and what begins."""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.errors import ArgumentError

__all__ = [
    "ACTION",
    "BEGINS",
    "FIRST",
    "REWARD",
    "TRIAL",
    "trial_space",
    "trial_values",
    "with_trial",
]

TRIAL: Final = "trial"

BEGINS, FIRST, REWARD, ACTION = range(4)
"""Columns of `TRIAL`: an episode begins, a trial begins, the last reward, and then the action."""

SCALE: Final = 5.0
"""A told reward r is shown as tanh(r / SCALE)."""


def trial_space(action_space: gymnasium.Space[Any]) -> Box:
    """The space of `TRIAL`: float32 (3 + n,), -1 to 1, where n numbers say what was done."""
    return Box(-1.0, 1.0, (ACTION + _width(action_space),), np.float32)


def with_trial(
    observations: gymnasium.spaces.Dict, action_space: gymnasium.Space[Any]
) -> gymnasium.spaces.Dict:
    """An observation space with `TRIAL` beside what it has.

    Raises:
        ArgumentError: it has such a key already.
    """
    if TRIAL in observations.spaces:
        raise ArgumentError(f'the scenario has a sensor "{TRIAL}" of its own: leave it out')
    return gymnasium.spaces.Dict({**observations.spaces, TRIAL: trial_space(action_space)})


def _width(space: gymnasium.Space[Any]) -> int:
    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, MultiDiscrete):
        return int(space.nvec.sum())
    return int(np.prod(space.shape or (1,)))


def trial_values(
    space: gymnasium.Space[Any],
    actions: NDArray[Any] | None,
    rewards: NDArray[np.float64],
    begins: NDArray[np.bool_],
    first: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """What `TRIAL` shows, float32 (rows, 3 + n).

    Args:
        space: of an action.
        actions: (rows, ...), the last ones; None before any.
        rewards: (rows,), what came of them, as far as it is told.
        begins: (rows,), where an episode begins.
        first: (rows,), where a trial begins: nothing was done before.
    """
    found = np.zeros((len(begins), ACTION + _width(space)), np.float32)
    if actions is not None:
        found[:, ACTION:] = _shown(space, actions)
        found[:, REWARD] = np.tanh(rewards / SCALE)
    found[first] = 0.0
    found[:, BEGINS], found[:, FIRST] = begins, first
    return found


def _shown(space: gymnasium.Space[Any], actions: NDArray[Any]) -> NDArray[np.float32]:
    if isinstance(space, Discrete):
        one: NDArray[np.float32] = np.eye(int(space.n), dtype=np.float32)[actions]
        return one
    if isinstance(space, MultiDiscrete):
        parts = [np.eye(int(n), dtype=np.float32)[actions[:, i]] for i, n in enumerate(space.nvec)]
        return np.concatenate(parts, axis=1)
    clipped: NDArray[np.float32] = np.clip(actions, -1.0, 1.0).astype(np.float32)
    return clipped.reshape(len(actions), -1)
