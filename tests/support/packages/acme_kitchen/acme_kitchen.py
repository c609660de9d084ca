"""A good package: a scenario, in a namespace that it declares to be its own."""

from __future__ import annotations

import numpy as np

from als_engine import Box, Layout, Prop, Room, ScenarioSpec, Sphere, Task, hookimpl


class FetchKettle(Task):
    """Go to the kettle."""

    def layout(self, rng, level):
        room = Room(width=8.0, depth=6.0)
        kettle = Prop(Sphere(0.15), room.free_spot(rng), mass=0.5, portable=True, color="red")
        table = Prop(Box(1.0, 0.6, 0.7), room.free_spot(rng), color="brown")
        return Layout(
            walls=room.walls(),
            props={"kettle": kettle, "table": table},
            spawns=[room.free_spot(rng) for _ in range(self.num_avatars)],
            instruction="go to the kettle",
        )

    def terminated(self, state):
        away = state.avatars.position[:, 0, :2] - state.position("kettle")[:, :2]
        return np.sum(away**2, axis=-1) < 0.8**2

    def reward(self, state):
        return self.everyone(1.0 * self.terminated(state) - 0.01)


@hookimpl
def als_scenarios():
    return [ScenarioSpec("Acme/FetchKettle-v0", "acme_kitchen:FetchKettle", 200)]
