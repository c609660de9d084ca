"""A task that nobody solves without a memory: what to do is shown at first, and done later."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import gymnasium
import numpy as np
import pytest

from als_engine import Layout, Quantity, Room, ScenarioSpec, Sensor, Spawn, Task, hookimpl
from als_engine.plugins.registry import registry

ID = "Recall/Turn-v0"
SHOWN, WAITS, ROUND, ROUNDS = 2, 3, 8, 10


class Cue(Sensor):
    """Which way to turn, -1 or 1, in a round's first steps, then 0; and how late in it it is."""

    provides: ClassVar = ("cue",)

    def spaces(self):
        return {"cue": gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)}

    def read(self, state, out):
        late = state.step % ROUND
        out["cue"][..., 0] = np.where(late < SHOWN, state["way"], 0.0)[:, None]
        out["cue"][..., 1] = (late / ROUND)[:, None]


class Turn(Task):
    """Turn to the side that was shown, once it is no longer shown; ten rounds of it."""

    extra_sensors: ClassVar = {"cue": Cue}
    default_sensors: ClassVar = ("cue",)

    def quantities(self):
        return {"way": Quantity(), "heading": Quantity(), "turned": Quantity()}

    def layout(self, rng, level):
        room = Room(width=6.0, depth=6.0)
        return Layout([Spawn((0.0, 0.0), 0.0)], room.walls(), {}, quantities={"way": 1.0})

    def after_reset(self, state, worlds):
        state["heading"][worlds] = state.avatars.heading[worlds, 0]

    def after_step(self, state):
        heading = state.avatars.heading[:, 0]
        state["turned"][:] = np.sign(np.sin(heading - state["heading"]))
        state["heading"][:] = heading
        drawn = np.where(state.uniform(0, ()) < 0.5, 1.0, -1.0)
        state["way"][:] = np.where(state.step % ROUND == 0, drawn, state["way"])

    def reward(self, state):
        late = (state.step - 1) % ROUND > WAITS
        return self.everyone(np.where(late, state["way"] * state["turned"], 0.0))

    def terminated(self, state):
        return np.zeros(state.num_worlds, np.bool_)

    def expert(self, state, who, commands):
        """Turns to the side that was shown once that counts; it does not have to remember."""
        turn = np.where(state.step % ROUND > WAITS, state["way"], 0.0)
        commands.turn[who] = np.broadcast_to(turn[:, None], who.shape)[who]


@hookimpl
def als_scenarios():
    return [ScenarioSpec(ID, task="recall_worlds:Turn", max_episode_steps=ROUND * ROUNDS)]


@pytest.fixture(scope="module")
def recall() -> Iterator[str]:
    """Registers the scenario, and takes it back."""
    plugin = registry.add(sys.modules[__name__], distribution="recall-worlds")
    yield ID
    registry.remove(plugin)
    gymnasium.registry.pop(ID, None)
