"""Plays one episode in each of a learner's worlds, outside of its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.envs.rows import Rows
from als_engine.seeding import row_seeds

__all__ = ["Played", "play_once"]


class Played(NamedTuple):
    """What came of an episode in each world.

    Attributes:
        success: (worlds,).
        returns: (worlds,), means over the avatars that the agent drove.
        lengths: (worlds,), steps.
    """

    success: NDArray[np.bool_]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]


def play_once(
    agent: Agent,
    rows: Rows,
    use: str,
    seed: int,
    should_stop: Callable[[], bool],
    levels: Sequence[int] | None = None,
) -> Played | None:
    """Plays one episode in each world, as an evaluation would.

    Args:
        agent: made for these worlds.
        rows: the worlds; they are reset.
        use: what the seeds are for, see `als_engine.seeding.spread`.
        seed: of the worlds.
        should_stop: asked before every step.
        levels: (worlds,), which ones are played; None where the worlds draw them.

    Returns:
        What came of it, or None where it was told to stop.
    """
    rows.spread_for(use)
    seeds: list[int] = []
    for world_seed in rows.seed(seed):
        assert world_seed is not None
        seeds += row_seeds(world_seed, rows.observers)
    rows.reset(levels)
    state = agent.restart(None, np.ones(rows.num_rows, np.bool_), seeds)
    best = acting(agent) == "best"
    running = np.ones(rows.num_worlds, np.bool_)
    success, returns = np.zeros(rows.num_worlds, np.bool_), np.zeros(rows.num_worlds)
    lengths = np.zeros(rows.num_worlds, np.int64)
    while running.any():
        if should_stop():
            return None
        seen = with_masks(agent, rows.observations, rows.action_masks)
        actions, state = agent.act(seen, state, best)
        rows.step(actions)
        ended = rows.ended_worlds & running
        success[ended] = rows.worlds.final_metrics["success"][ended]
        returns[ended] = rows.final_returns[ended].mean(axis=1)
        lengths[ended] = rows.final_lengths[ended]
        running &= ~ended
    return Played(success, returns, lengths)
