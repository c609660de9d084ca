"""Decisions that last several steps: in between the feet go on, and all else rests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Observation
from als_plugins.learners.row_wise import Held, RowStates

__all__ = ["act_and_hold", "decide_anew", "feet_only"]

Decide = Callable[[Observation, RowStates], tuple[NDArray[Any], RowStates]]
Memory = tuple[NDArray[Any], ...] | None


def feet_only(actions: NDArray[Any]) -> NDArray[Any]:
    """Actions in parts, (rows, parts), of which the first goes on and the others rest; a copy."""
    going_on = np.zeros_like(actions)
    going_on[:, 0] = actions[:, 0]
    return going_on


def act_and_hold(
    decide: Decide, hold: int, parts: int, observation: Observation, state: RowStates | None
) -> tuple[NDArray[Any], RowStates]:
    """Acts in all rows, and decides in those alone whose last decision is over.

    Args:
        decide: takes what some rows see and their states, and returns their actions and states.
        hold: steps that a decision lasts.
        parts: of an action.
        observation: key to (rows, ...).
        state: of the rows; None where all begin.

    Returns:
        Actions, (rows, parts), and the states.
    """
    before = state or RowStates()
    rows = len(next(iter(observation.values())))
    held = before.held or Held(np.zeros((rows, parts), np.int64), np.zeros(rows, np.int64))
    due = np.flatnonzero(held.left == 0)
    actions, left = feet_only(held.actions), held.left - 1
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
