"""Decisions that last several steps: in between the feet go on, and all else rests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import MultiDiscrete
from numpy.typing import NDArray

from als_engine.agents.agent import Observation
from als_plugins.learners.row_wise import Held, RowStates

__all__ = ["act_and_hold", "decide_anew", "going_on"]

Decide = Callable[[Observation, RowStates], tuple[NDArray[Any], RowStates]]
Memory = tuple[NDArray[Any], ...] | None


def going_on(actions: NDArray[Any], space: gymnasium.Space[Any]) -> NDArray[Any]:
    """What goes on of actions, (rows, ...), after their first step; a copy.

    Of actions in parts the feet do, and the others rest: nothing is said or used twice. Any other
    action goes on whole.
    """
    if not isinstance(space, MultiDiscrete):
        return actions.copy()
    feet = np.zeros_like(actions)
    feet[:, 0] = actions[:, 0]
    return feet


def act_and_hold(
    decide: Decide,
    hold: int,
    space: gymnasium.Space[Any],
    observation: Observation,
    state: RowStates | None,
) -> tuple[NDArray[Any], RowStates]:
    """Acts in all rows, and decides in those alone whose last decision is over.

    Args:
        decide: takes what some rows see and their states, and returns their actions and states.
        hold: steps that a decision lasts.
        space: of actions.
        observation: key to (rows, ...).
        state: of the rows; None where all begin.

    Returns:
        Actions, (rows, ...), and the states.
    """
    before = state or RowStates()
    rows = len(next(iter(observation.values())))
    nothing = np.zeros((rows, *(space.shape or ())), space.dtype)
    held = before.held or Held(nothing, np.zeros(rows, np.int64))
    due = np.flatnonzero(held.left == 0)
    actions, left = going_on(held.actions, space), held.left - 1
    memory, generators = before.memory, before.generators
    if due.size:
        some = RowStates(
            memory and tuple(each[:, due] for each in memory),
            generators and [generators[row] for row in due.tolist()],
        )
        seen = {key: array[due] for key, array in observation.items()}
        actions[due], after = decide(seen, some)
        left[due] = hold - 1
        memory = _put(memory, after.memory, due)
        generators = generators or after.generators  # Those of some rows are drawn from in place.
    return actions, RowStates(memory, generators, Held(actions, left))


def decide_anew(state: RowStates, held: Held | None, rows: NDArray[np.bool_]) -> RowStates:
    """The states with the decisions that were held, which are over in rows that begin."""
    if held is None:
        return state
    return replace(state, held=Held(held.actions, np.where(rows, 0, held.left)))


def _put(memory: Memory, some: Memory, rows: NDArray[np.intp]) -> Memory:
    """What all rows remember, (layers, rows, size) each, once some of them have gone on."""
    if memory is None or some is None:
        return some
    found = tuple(each.copy() for each in memory)
    for whole, part in zip(found, some, strict=True):
        whole[:, rows] = part
    return found
