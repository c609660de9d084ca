"""Two agents in one world: each drives one avatar and sees what that one sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, ExpertSource, Observation, acting
from als_engine.agents.masks import ACTION_MASK, with_masks

__all__ = ["Pair"]


class Pair(Agent):
    """Rows come world by world, two for each: the first agent's avatar, then the second's.

    Attributes:
        samples: true; each of the two acts by the rule for itself.
        reads_masks: whether one of the two does.
    """

    samples = True

    def __init__(self, first: Agent, second: Agent) -> None:
        """Takes two agents for the same spaces."""
        super().__init__(first.observation_space, first.action_space)
        self.agents = (first, second)
        self.reads_masks = first.reads_masks or second.reads_masks

    def attach(self, env: ExpertSource) -> None:
        """Shows each agent its own rows."""
        for turn, agent in enumerate(self.agents):
            agent.attach(_Half(env, turn))

    def seed(self, seed: int) -> None:
        """Seeds both."""
        for agent in self.agents:
            agent.seed(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks both and puts their actions together again."""
        states = state or (None, None)
        acted = [
            agent.act(
                _seen_by(agent, {key: a[turn::2] for key, a in observation.items()}),
                own,
                acting(agent, deterministic) == "best",
            )
            for turn, (agent, own) in enumerate(zip(self.agents, states, strict=True))
        ]
        (first, one), (second, other) = acted
        actions = np.stack([first, second], axis=1)
        return actions.reshape(-1, *first.shape[1:]), (one, other)

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Passes on which rows begin, and their seeds."""
        states = state or (None, None)
        numbers = np.flatnonzero(rows)
        return tuple(
            agent.restart(
                own,
                rows[turn::2],
                None
                if seeds is None
                else [s for s, n in zip(seeds, numbers, strict=True) if n % 2 == turn],
            )
            for turn, (agent, own) in enumerate(zip(self.agents, states, strict=True))
        )


def _seen_by(agent: Agent, observation: Observation) -> Observation:
    """What one of the two sees: masks are for those that read them."""
    sensed = {key: array for key, array in observation.items() if key != ACTION_MASK}
    return with_masks(agent, sensed, lambda: observation[ACTION_MASK])


class _Half:
    """The rows of one of the two."""

    def __init__(self, env: ExpertSource, turn: int) -> None:
        self._env, self._turn = env, turn

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        return self._env.expert_actions(rule)[self._turn :: 2]
