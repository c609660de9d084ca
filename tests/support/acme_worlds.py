"""Small tasks for tests of the engine; worker processes import them by this module's name."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import ClassVar

import numpy as np

from als_engine import Box, Layout, Prop, Quantity, Room, ScenarioSpec, Spawn, Sphere, Task
from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN
from als_engine.bodies.codec import LOCOMOTION
from als_engine.task import Behaviour, add_terms

BACKWARD = LOCOMOTION.index("backward")


class Reach(Task):
    """Walk to the flag, which is straight ahead; how far depends on the level."""

    default_sensors: ClassVar = ("proprioception", "touch")
    utterances: ClassVar = ("yes", "no")

    def __init__(self, num_avatars=1, reach=0.5, shaped=False):
        super().__init__(num_avatars)
        self.reach, self.shaped = reach, shaped

    def quantities(self):
        return {"walked": Quantity(), "last": Quantity((2,))}

    def layout(self, rng, level):
        far = float(rng.uniform(0.8, 2.2))
        room = Room(width=10.0, depth=8.0)
        return Layout(
            walls=room.walls(),
            props={
                "flag": Prop(Box(0.3, 0.3, 1.0), (far, 0.0), solid=False, color="red"),
                "ball": Prop(Sphere(0.15), (-1.0, 1.0), mass=0.5, portable=True),
                "crate": Prop(Box(0.5, 0.5, 0.5), (-1.0, -1.5), mass=8.0),
            },
            spawns=[Spawn((-0.5, 1.0 * i), 0.0) for i in range(self.num_avatars)],
            instruction=f"walk {far:.1f} metres",
        )

    def after_reset(self, state, worlds):
        state["last"][worlds] = state.avatars.position[worlds, 0, :2]

    def after_step(self, state):
        here = state.avatars.position[:, 0, :2]
        state["walked"][:] += np.hypot(*(here - state["last"]).T)
        state["last"][:] = here

    def terminated(self, state):
        return state.distance("avatar_0", "flag") < self.reach

    def reward(self, state):
        nearer = self.shaped * state.avatars.velocity[..., 0] * state.time_step
        return self.everyone(self.terminated(state) - 0.01) + nearer

    def metrics(self, state):
        return {"walked": state["walked"], "steps": state.step.astype(np.int32)}

    def behaviours(self):
        return {"idle": Behaviour(lambda state, who, commands: None), "roam": Behaviour(_roam)}

    def expert(self, state, who, commands):
        commands.move[who] = (1.0, 0.0)

    def heuristics(self):
        return {"stroll": _stroll, "retreat": _retreat}


class Trade(Reach):
    """Walk on, but walking fast is exhausting: two terms that nobody can have both of."""

    reward_names: ClassVar = ("progress", "effort")

    def terminated(self, state):
        return np.zeros(state.num_worlds, np.bool_)

    def reward(self, state):
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state):
        velocity = state.avatars.velocity
        return {
            "progress": velocity[..., 0] * state.time_step,
            "effort": -0.5 * (velocity**2).sum(-1) * state.time_step,
        }


class Mixed(Reach):
    """Every other level is solved whatever is done: it ends by itself, and pays nothing.

    Args:
        words: how many words avatars know, each of which is an action.
    """

    def __init__(self, num_avatars=1, reach=0.5, shaped=False, words=2):
        super().__init__(num_avatars, reach, shaped)
        self.utterances = ("yes", "no", "why")[:words]

    def layout(self, rng, level):
        laid = super().layout(rng, level)
        flag = replace(laid.props["flag"], present=level % 2 == 1)
        return replace(laid, props={**laid.props, "flag": flag})

    def terminated(self, state):
        solved = (state.level % 2 == 0) & (state.step >= 30)
        return solved | (super().terminated(state) & (state.level % 2 == 1))

    def reward(self, state):
        return np.where(self.everyone(state.level % 2 == 1), super().reward(state), 0.0)


class Onward(Reach):
    """Nobody can go backward, not even stand still; every second step nobody can say "no"."""

    def action_mask(self, state, possible):
        possible.locomotion[..., [0, BACKWARD]] = False
        possible.say[state.step % 2 == 1, :, 1] = False


def _roam(state, who, commands):
    drawn = state.uniform(3, (state.num_avatars, 4))
    commands.move[who] = 2 * drawn[who, :2] - 1
    commands.turn[who] = 2 * drawn[who, 2] - 1
    commands.hand[who] = np.where(drawn[who, 3] < 0.3, HAND_PICK_UP, HAND_PUT_DOWN)


def _stroll(state, who, commands):
    commands.move[who] = (0.5, 0.0)


def _retreat(state, who, commands):
    commands.move[who] = (-1.0, 0.0)


class Faulty(Reach):
    """Breaks in some levels.

    Args:
        faults: kind of fault to the level that has it: "layout", "physics", "key". The fault
            "start" is the only process in which it starts.
    """

    def __init__(self, num_avatars=1, faults=()):
        super().__init__(num_avatars)
        self.faults = dict(faults)
        if os.getpid() != self.faults.get("start", os.getpid()):
            raise ValueError("not in a worker")

    def layout(self, rng, level):
        laid = super().layout(rng, level)
        if level == self.faults.get("layout"):
            wall = Prop(Box(1.0, 1.0, 1.0), laid.spawns[0].position)
            laid = Layout(laid.spawns, [*laid.walls, wall], laid.props)
        return laid

    def after_step(self, state):
        super().after_step(state)
        exploding = (state.level == self.faults.get("physics", -1)) & (state.step == 3)
        if exploding.any():
            state.move("ball", exploding, (0.0, np.nan, 0.2))
        if ((state.level == self.faults.get("key", -1)) & (state.step == 3)).any():
            raise KeyError("no such patient")

    def expert(self, state, who, commands):
        raise NotImplementedError("Faulty has no expert")


REACH = ScenarioSpec(
    id="Acme/Reach-v0", task="acme_worlds:Reach", max_episode_steps=40, max_avatars=4
)
FAULTY = ScenarioSpec(id="Acme/Faulty-v0", task="acme_worlds:Faulty", max_episode_steps=40)


def level_of(seed: int) -> int:
    """The level that a world draws first when it is reset with this seed."""
    return int(np.random.default_rng(seed).integers(0, 10_000))
