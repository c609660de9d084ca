"""A counter with two queues, for `privacy.py`: the scenario `Benchmark/Counter-v0`.

A clerk serves somebody quick or somebody slow, in each of 20 steps one of them. What each gets,
1 - exp(-rate * times served), grows the less the more often they were served, and four times as
fast for the quick one. Whoever looks at the mean of both serves the quick one nine or ten times,
and leaves the slow one with less than half of what the quick one has. For both to have the same
it takes 4 and 16 steps, and the mean is lower: nothing here is for free.
"""

from __future__ import annotations

from typing import ClassVar

import gymnasium
import numpy as np

from als_engine import Layout, Quantity, Room, ScenarioSpec, Spawn, Task, hookimpl
from als_engine.geometry import portable_math as pmath
from als_engine.plugins.registry import registry
from als_engine.sensors.base import Sensor
from als_engine.task import Outcomes, Role
from als_engine.world.body import Body

ID = "Benchmark/Counter-v0"
RATES = np.array([0.2, 0.05])
STEPS = 20
SCALE = 5.0
"""The reward of a mean outcome of 1."""


@hookimpl
def als_scenarios():
    return [ScenarioSpec(ID, task="counter:Counter", max_episode_steps=STEPS)]


def introduce() -> None:
    """Lets this process know the scenario."""
    import counter  # By this name alone; run as a script it would be another.

    if all(spec.id != ID for spec in registry.scenarios()):
        registry.add(counter, distribution="benchmark")


class Queues(Sensor):
    """How often each was served, and the time, over the length of an episode: float32 (3,)."""

    provides: ClassVar = ("queues",)

    def spaces(self):
        return {"queues": gymnasium.spaces.Box(0.0, 1.0, (3,), np.float32)}

    def read(self, state, out):
        out["queues"][..., :2] = state["served"][:, None] / STEPS
        out["queues"][..., 2] = state.step[:, None] / STEPS


class Counter(Task):
    """Serve the quick one, or the slow one."""

    default_sensors: ClassVar = ("queues",)
    extra_sensors: ClassVar = {"queues": Queues}
    utterances: ClassVar = ("quick", "slow")

    def __init__(self, num_avatars: int = 1):
        super().__init__(num_avatars)

    def roles(self):
        return [Role("clerk", Body(commands=()))] * self.num_avatars

    def quantities(self):
        return {"served": Quantity((2,)), "gained": Quantity()}

    def layout(self, rng, level):
        room = Room(width=4.0, depth=4.0)
        return Layout(walls=room.walls(), spawns=[Spawn((0.0, 0.0), 0.0)], instruction="serve")

    def after_step(self, state):
        before = _outcome(state).mean(1)
        state["served"][:] += state.avatars.utterance[:, :1] == np.arange(2)
        state["gained"][:] = _outcome(state).mean(1) - before

    def reward(self, state):
        return self.everyone(SCALE * state["gained"])

    def outcomes(self, state):
        groups = np.tile(np.arange(2), (state.num_worlds, 1))
        return Outcomes("what they get", ("quick", "slow"), groups, _outcome(state))


def _outcome(state):
    return 1.0 - pmath.exp(-RATES * state["served"])
