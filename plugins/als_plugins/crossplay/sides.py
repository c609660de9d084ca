"""Several agents in one world, each of which drives some of the avatars."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, ExpertSource, Observation, acting
from als_engine.agents.masks import ACTION_MASK, with_masks

__all__ = ["Sides"]


class Sides(Agent):
    """Acts in the rows of whole worlds: each agent for its own avatars, from what these see.

    Attributes:
        samples: true; each agent acts by the rule for itself.
        reads_masks: whether one of them does.
    """

    samples = True

    def __init__(self, agents: Sequence[Agent], drives: Sequence[int]) -> None:
        """Takes agents for the same actions.

        Args:
            agents: one after the other; the same one may be there twice.
            drives: for each avatar of a world, which of the agents drives it.
        """
        spaces = {key: part for each in agents for key, part in each.observation_space.items()}
        super().__init__(gymnasium.spaces.Dict(spaces), agents[0].action_space)
        # Each is attached to rows of its own, also one that is there twice.
        self._agents, self._drives = [copy(agent) for agent in agents], np.asarray(drives)
        self.reads_masks = any(agent.reads_masks for agent in agents)

    def attach(self, env: ExpertSource) -> None:
        """Shows each agent its own rows."""
        for i, agent in enumerate(self._agents):
            agent.attach(_Some(env, self._drives == i))

    def seed(self, seed: int) -> None:
        """Seeds all of them."""
        for agent in self._agents:
            agent.seed(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks each agent once, for all its rows."""
        states = state or [None] * len(self._agents)
        rows = len(next(iter(observation.values())))
        actions: NDArray[Any] | None = None
        after = []
        for i, (agent, own) in enumerate(zip(self._agents, states, strict=True)):
            mine = np.flatnonzero(self._mask(i, rows))
            seen = _seen_by(agent, {key: array[mine] for key, array in observation.items()})
            chosen, kept = agent.act(seen, own, acting(agent, deterministic) == "best")
            after.append(kept)
            if actions is None:
                actions = np.zeros((rows, *chosen.shape[1:]), chosen.dtype)
            actions[mine] = chosen
        assert actions is not None
        return actions, after

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Passes on which rows begin, and their seeds."""
        states = state or [None] * len(self._agents)
        after = []
        for i, (agent, own) in enumerate(zip(self._agents, states, strict=True)):
            mine = self._mask(i, len(rows))
            given = None if seeds is None else np.asarray(seeds, object)[mine[rows]].tolist()
            after.append(agent.restart(own, rows[mine], given))
        return after

    def _mask(self, agent: int, rows: int) -> NDArray[np.bool_]:
        """(rows,): those of one agent."""
        return np.tile(self._drives == agent, rows // len(self._drives))


def _seen_by(agent: Agent, observation: Observation) -> Observation:
    """The agent's own sensors, and masks if it reads them."""
    own = agent.observation_space.spaces
    sensed = {key: array for key, array in observation.items() if key in own}
    return with_masks(agent, sensed, lambda: observation[ACTION_MASK])


class _Some:
    """The rows of some avatars."""

    def __init__(self, env: ExpertSource, avatars: NDArray[np.bool_]) -> None:
        self._env, self._avatars = env, avatars

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        actions = self._env.expert_actions(rule)
        return actions[np.tile(self._avatars, len(actions) // len(self._avatars))]
