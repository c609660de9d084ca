"""Two-armed worlds: which way to turn pays is hidden, and the same in all levels of a task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import gymnasium
import numpy as np
import pytest

from als_engine import Layout, Quantity, Role, Room, ScenarioSpec, Sensor, Spawn, Task, hookimpl
from als_engine.plugins.registry import registry
from als_engine.world.body import Body

ID = "Sides/Turn-v0"
STEPS = 1


class Left(Sensor):
    """How much of the episode is left, which is all there is to see."""

    provides: ClassVar = ("left",)

    def spaces(self):
        return {"left": gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)}

    def read(self, state, out):
        out["left"][..., 0] = (1.0 - state.step / STEPS)[:, None]


class Turn(Task):
    """Turn to the side that pays, in one step: 1 for who does, -1 for who turns to the other."""

    extra_sensors: ClassVar = {"left": Left}
    default_sensors: ClassVar = ("left",)
    utterances: ClassVar = ()
    reward_names: ClassVar = ("pay", "bait")

    def roles(self):
        return [Role("turner", Body(commands=("turn left", "turn right")))]

    def quantities(self):
        return {"side": Quantity((), np.int32), "begun": Quantity(), "turned": Quantity()}

    def layout(self, rng, level):
        room = Room(width=6.0, depth=6.0)
        side = 1 if rng.random() < 0.5 else -1
        return Layout([Spawn((0.0, 0.0), 0.0)], room.walls(), {}, quantities={"side": side})

    def after_reset(self, state, worlds):
        state["begun"][worlds] = state.avatars.heading[worlds, 0]

    def after_step(self, state):
        state["turned"][:] = np.sin(state.avatars.heading[:, 0] - state["begun"])

    def reward_terms(self, state):
        over = state.step >= STEPS
        pays = np.where(over, np.sign(np.round(state["turned"], 6)) * state["side"], 0.0)
        return {"pay": self.everyone(pays), "bait": self.everyone(0.0 * pays)}

    def reward(self, state):
        return self.reward_terms(state)["pay"]

    def terminated(self, state):
        return state.step >= STEPS

    def success(self, state):
        return np.sign(np.round(state["turned"], 6)) == state["side"]

    def expert(self, state, who, commands):
        commands.turn[who] = np.broadcast_to(state["side"][:, None], who.shape)[who]


@hookimpl
def als_scenarios():
    return [ScenarioSpec(ID, task="side_worlds:Turn", max_episode_steps=STEPS)]


@pytest.fixture(scope="module")
def sides() -> Iterator[str]:
    """Registers the scenario, and takes it back."""
    plugin = registry.add(sys.modules[__name__], distribution="side-worlds")
    yield ID
    registry.remove(plugin)
    gymnasium.registry.pop(ID, None)
