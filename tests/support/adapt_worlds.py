"""A scenario for the tests of adaptation: walk to a flag, which may stand elsewhere one day."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import gymnasium
import numpy as np
import pytest

from als_engine import Box, Layout, Prop, Quantity, Room, ScenarioSpec, Spawn, Task, hookimpl
from als_engine.plugins.registry import registry

ID = "Adapt/Find-v0"
NO_EXPERT = "Adapt/NoExpert-v0"


class Find(Task):
    """The flag stands in the direction `bearing`, degrees to the left, give or take 10."""

    default_sensors: ClassVar = ("proprioception", "entities")

    def __init__(self, num_avatars=1, bearing=0.0):
        super().__init__(num_avatars)
        self.bearing = bearing

    def quantities(self):
        return {"far": Quantity(), "gain": Quantity()}

    def layout(self, rng, level):
        angle = np.radians(self.bearing + rng.uniform(-10.0, 10.0))
        far = rng.uniform(1.2, 2.2)
        flag = (float(far * np.cos(angle)), float(far * np.sin(angle)))
        return Layout(
            walls=Room(width=10.0, depth=10.0).walls(),
            props={"flag": Prop(Box(0.3, 0.3, 1.0), flag, solid=False, color="red")},
            spawns=[Spawn((0.0, 0.0), 0.0) for _ in range(self.num_avatars)],
        )

    def after_reset(self, state, worlds):
        state["far"][worlds] = state.distance("avatar_0", "flag")[worlds]

    def after_step(self, state):
        far = state.distance("avatar_0", "flag")
        state["gain"][:] = state["far"] - far
        state["far"][:] = far

    def terminated(self, state):
        return state.distance("avatar_0", "flag") < 0.5

    def reward(self, state):
        return self.everyone(self.terminated(state) + state["gain"] - 0.01)

    def expert(self, state, who, commands):
        way = state.props.position[:, 0, None, :2] - state.avatars.position[..., :2]
        heading = state.avatars.heading
        ahead = way[..., 0] * np.cos(heading) + way[..., 1] * np.sin(heading)
        left = way[..., 1] * np.cos(heading) - way[..., 0] * np.sin(heading)
        way = np.stack([ahead, left], axis=-1)
        way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
        commands.move[who] = way[who]


class NoExpert(Find):
    """The same, and nobody knows how."""

    def expert(self, state, who, commands):
        raise NotImplementedError("NoExpert has no expert")


@hookimpl
def als_scenarios():
    return [
        ScenarioSpec(ID, task="adapt_worlds:Find", max_episode_steps=40),
        ScenarioSpec(NO_EXPERT, task="adapt_worlds:NoExpert", max_episode_steps=40),
    ]


@pytest.fixture(scope="module")
def find() -> Iterator[str]:
    """Registers the scenarios, and takes them back: nobody else's tests may see them."""
    plugin = registry.add(sys.modules[__name__], distribution="adapt-worlds")
    yield ID
    registry.remove(plugin)
    for scenario in (ID, NO_EXPERT):
        gymnasium.registry.pop(scenario, None)
