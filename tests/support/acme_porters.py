"""A scenario whose roles differ: a porter with a gripper, and a caller who only turns and talks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from acme_gripper import Gripper
from acme_shapes import Arch

from als_engine import (
    Body,
    Box,
    Layout,
    Prop,
    Role,
    Room,
    ScenarioSpec,
    Spawn,
    Sphere,
    Task,
    Verb,
    hookimpl,
)

CALLS = ("stop", Verb("bring", ("ball", "box")))


class Porters(Task):
    """Bring the caller what it asks for."""

    default_sensors: ClassVar = ("entities", "text", "proprioception")
    utterances: ClassVar = ("yes", "no")

    def __init__(self, num_avatars=2, arch=True):
        super().__init__(num_avatars)
        self.arch = arch

    def roles(self):
        caller = Body(commands=("turn left", "turn right"), color="red")
        porter = Body(effectors=[Gripper()])
        return [
            Role("porter", porter),
            Role("caller", caller, sensors=("rgb",), utterances=CALLS),
        ][: self.num_avatars]

    def layout(self, rng, level):
        room = Room(width=10.0, depth=8.0)
        shape = Arch() if self.arch else Box(0.5, 0.5, 0.5)
        return Layout(
            walls=room.walls(),
            props={
                "ball": Prop(Sphere(0.15), (0.7, 0.1), mass=0.5, portable=True),
                "box": Prop(Box(0.3, 0.3, 0.3), (0.4, 0.7), mass=2.0, portable=True),
                "arch": Prop(shape, (-2.0, 0.0), np.pi / 2, color="red"),
            },
            spawns=[Spawn((0.0, 0.0)), Spawn((2.5, 0.0), np.pi)][: self.num_avatars],
        )

    def reward(self, state):
        return self.everyone(self.terminated(state) - 0.01)

    def terminated(self, state):
        return state.near("ball", "avatar_0", 0.1)


PORTERS = ScenarioSpec(
    id="Acme/Porters-v0",
    task="acme_porters:Porters",
    max_episode_steps=40,
    num_avatars=2,
    max_avatars=2,
)


class Plugin:
    """Offers the scenario; here, since worker processes import what its class is defined in."""

    @hookimpl
    def als_scenarios(self):
        return [PORTERS]
