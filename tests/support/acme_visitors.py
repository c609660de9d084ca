"""A scenario whose avatars come and go; worker processes import it by this module's name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from als_engine import Box, Layout, Prop, Room, ScenarioSpec, Spawn, Sphere, Task

COMES, MOVES, LEAVES, RETURNS = 3, 5, 8, 12
"""The steps in which the visitor comes, is moved, and the host's neighbour leaves and returns."""


class Visitors(Task):
    """Avatar 2 comes later, in another place in every world; avatar 1 leaves, and comes back."""

    default_sensors: ClassVar = ("entities", "audio", "text", "touch", "proprioception")
    utterances: ClassVar = ("yes", "no")

    def __init__(self, num_avatars=3):
        super().__init__(num_avatars)

    def layout(self, rng, level):
        room = Room(width=10.0, depth=8.0)
        return Layout(
            walls=room.walls(),
            props={
                "ball": Prop(Sphere(0.15), (0.6, 1.0), mass=0.5, portable=True),
                "crate": Prop(Box(0.5, 0.5, 0.5), (-1.0, -1.5), mass=8.0),
            },
            spawns=[Spawn((0.0, 0.0)), Spawn((0.0, 1.0)), Spawn((0.0, -1.0), present=False)],
            instruction="wait",
        )

    def after_step(self, state):
        x = 1.5 + 0.1 * np.arange(state.num_worlds)
        where = np.stack([x, np.zeros_like(x)], axis=-1)
        comes, moves = state.step == COMES, state.step == MOVES
        state.place(2, comes, where[comes], np.pi)
        state.place(2, moves, where[moves] + (1.0, 0.5))
        state.show(1, state.step == LEAVES, False)
        state.show(1, state.step == RETURNS)

    def reward(self, state):
        return np.ones((state.num_worlds, state.num_avatars))


VISITORS = ScenarioSpec(
    id="Acme/Visitors-v0",
    task="acme_visitors:Visitors",
    max_episode_steps=20,
    num_avatars=3,
    min_avatars=3,
    max_avatars=3,
)
