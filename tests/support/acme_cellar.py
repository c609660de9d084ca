"""A scenario with things that nobody can reach: a closed cellar, a sign behind a wall."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from als_engine import Box, Hinge, Layout, Prop, Room, ScenarioSpec, Sign, Spawn, Sphere, Task
from als_engine.world.layout import SoundSource


class Cellar(Task):
    """A room with a door to a second one, and a cellar beside it without any door."""

    default_sensors: ClassVar = ("entities", "touch", "text")

    def layout(self, rng, level):
        hall = Room(6.0, 5.0, doors=[("east", 0.0, 1.2)])
        store = Room(3.0, 5.0, center=(4.65, 0.0), doors=[("west", 0.0, 1.2)])
        cellar = Room(3.0, 5.0, center=(-4.65, 0.0))
        return Layout(
            walls=[*hall.walls(), *store.walls(), *cellar.walls()],
            props={
                "door": hall.hang(0, Hinge()),
                "table": Prop(Box(1.2, 0.8, 0.7), (1.0, 1.5), heading=0.3, color="brown"),
                "ball 1": Prop(Sphere(0.2), (5.0, 1.0), mass=0.5, portable=True, color="red"),
                "ball 2": Prop(Sphere(0.2), (4.0, -1.0), mass=0.5, portable=True, color="red"),
                "chest": Prop(Box(0.8, 0.5, 0.5), (-5.0, 0.0), usable=True, color="yellow"),
                "lamp": Prop(Sphere(0.2), (0.0, 0.0, 2.2), color="white"),
                "mat": Prop(Box(2.0, 1.5, 0.02), (-1.0, -1.2), color="teal", solid=False),
                "late": Prop(Box(0.3, 0.3, 0.3), (0.0, 2.0), present=False),
            },
            signs={
                "notice": Sign("STORE", *hall.on_wall("north")),
                "secret": Sign("GOLD", *cellar.on_wall("north")),
            },
            sounds={"drip": SoundSource((-5.0, 1.0, 1.0))},
            spawns=[Spawn((-1.0 + 1.2 * i, -0.5), 0.5 * i) for i in range(self.num_avatars)],
            instruction="fetch the ball",
        )

    def reward(self, state):
        return np.zeros((state.num_worlds, state.num_avatars))


CELLAR = ScenarioSpec(
    id="Acme/Cellar-v0",
    task="acme_cellar:Cellar",
    max_episode_steps=20,
    num_avatars=2,
    min_avatars=1,
    max_avatars=4,
)
