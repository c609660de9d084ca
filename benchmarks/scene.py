"""The scenes of the throughput benchmark, registered for the process that imports this file."""

from __future__ import annotations

import numpy as np

from als_engine import Box, Layout, Prop, Room, ScenarioSpec, Task, hookimpl
from als_engine.bodies.avatar import Commands
from als_engine.plugins.registry import registry
from als_engine.task import Behaviour
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

WALLS, CRATES = 20, 6


class Ring(Task):
    """A ring of walls around crates and avatars, the same in every level."""

    default_sensors = ("proprioception", "entities")

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """Twenty walls in a ring of 6 m, six crates of 10 kg, avatars in the middle."""
        angles = np.arange(WALLS) * (2 * np.pi / WALLS)
        return Layout(
            walls=[
                Prop(Box(1.8, 0.2, 2.0), (6 * np.cos(a), 6 * np.sin(a)), heading=a + np.pi / 2)
                for a in angles.tolist()
            ],
            props={
                f"crate_{i}": Prop(
                    Box(0.6, 0.6, 0.6), (3 * np.cos(i), 3 * np.sin(i)), mass=10, color="brown"
                )
                for i in range(CRATES)
            },
            spawns=[(i - (self.num_avatars - 1) / 2, 0.0) for i in range(self.num_avatars)],
        )

    def reward(self, state: WorldState) -> FloatArray:
        """Nothing to win."""
        return np.zeros((state.num_worlds, state.num_avatars))

    def behaviours(self) -> dict[str, Behaviour]:
        """The avatars that the caller does not drive stroll about."""
        return {"stroll": Behaviour(stroll)}


def stroll(state: WorldState, who: BoolArray, commands: Commands) -> None:
    """Walks in loops of its own: cheap, and it bumps into things."""
    phase = np.add.outer(state.step * 0.05, np.arange(state.num_avatars))
    commands.move[..., 0][who] = 1.0
    commands.turn[who] = np.sin(phase)[who]


class Procedural(Task):
    """A furnished room whose content is drawn anew for every level; for the cost of a reset."""

    default_sensors = ("proprioception", "entities")

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A room of 12 x 12 m with twelve pillars and eight crates on free spots."""
        room = Room(width=12.0, depth=12.0)
        pillars = [
            Prop(Box(0.5, 0.5, 2.0), room.free_spot(rng, radius=0.4), color="grey")
            for _ in range(12)
        ]
        return Layout(
            walls=[*room.walls(), *pillars],
            props={
                f"crate_{i}": Prop(Box(0.5, 0.5, 0.5), room.free_spot(rng, radius=0.4), mass=10)
                for i in range(8)
            },
            spawns=[room.free_spot(rng, radius=0.4) for _ in range(self.num_avatars)],
        )

    def reward(self, state: WorldState) -> FloatArray:
        """Nothing to win."""
        return np.zeros((state.num_worlds, state.num_avatars))


class Plugin:
    """Registers both, as a notebook would."""

    @hookimpl
    def als_scenarios(self) -> list[ScenarioSpec]:
        """Offers the two scenes."""
        return [
            ScenarioSpec(id=f"Bench/{name}-v0", task=f"scene:{name}", max_episode_steps=100_000,
                         num_avatars=4)
            for name in ("Ring", "Procedural")
        ]  # fmt: skip


registry.add(Plugin(), "als-benchmarks")
