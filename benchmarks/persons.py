"""Simulated persons who play tag, each with habits: the agent `simulated-person:number=N`.

A person goes by the expert or by the scenario's simple rule, hesitates now and then, and sometimes
veers to one side for a moment. How often, how long and which way are the person's own.
"""

from __future__ import annotations

import numpy as np

from als_engine import AgentSpec, hookimpl
from als_engine.agents.agent import Agent
from als_engine.plugins.registry import registry
from als_engine.seeding import spread

ID = "simulated-person"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
REST = 0
_DISTRIBUTION = "benchmark-persons"


@hookimpl
def als_agents():
    return [AgentSpec(ID, "persons:Person", action_modes=("discrete",))]


def introduce() -> None:
    """Lets this process know the persons."""
    import persons  # By this name alone; run as a script it would be another.

    if all(spec.id != ID for spec in registry.agents()):
        registry.add(persons, distribution=_DISTRIBUTION)


class Person(Agent):
    """One of them."""

    def __init__(self, observation_space, action_space, number: int = 0):
        super().__init__(observation_space, action_space, number=number)
        habits = np.random.default_rng(spread("a person", number))
        self._rule = (None, "straight")[habits.integers(2)]
        self._hesitates, self._veers = habits.uniform(0.0, 0.06, 2)
        self._lasts = habits.integers(2, 12, 2)
        self._side = int(habits.integers(1, action_space.n))

    def attach(self, env):
        self._env = env

    def restart(self, state, rows, seeds=None):
        if state is None:
            state = [None, np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)]
            state[0] = [None] * len(rows)
        for row, seed in zip(
            np.flatnonzero(rows).tolist(), seeds or range(len(rows)), strict=False
        ):
            state[0][row] = np.random.default_rng(spread("habits", seed))
        state[1][rows] = 0
        return state

    def act(self, observation, state=None, deterministic=True):
        actions = np.array(
            self._env.expert_actions()
            if self._rule is None
            else self._env.expert_actions(self._rule)
        )
        generators, left, what = state
        for row, rng in enumerate(generators):
            if left[row] == 0:
                drawn = rng.random()
                if drawn < self._hesitates + self._veers:
                    veers = drawn >= self._hesitates
                    left[row], what[row] = self._lasts[int(veers)], self._side if veers else REST
            if left[row] > 0:
                left[row] -= 1
                actions[row] = what[row]
        return actions, state
