"""Worlds for tests of bodies and hands: a layout, some avatars, and commands step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from als_engine.bodies import interaction
from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_REST, Commands, drive
from als_engine.physics.base import Physics
from als_engine.physics.engines import DEFAULT, make_physics
from als_engine.world.arrays import NOTHING, Body
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Spawn, Sphere
from als_engine.world.state import WorldState


class World:
    """One layout in `worlds` worlds, with physics and hands but without a task."""

    def __init__(
        self,
        layout: Layout,
        worlds: int = 1,
        bodies: list[Body] | None = None,
        physics: str | Callable[[int], Physics] = DEFAULT,
    ):
        bodies = bodies or [Body()] * len(layout.spawns)
        self.layout = layout
        self.state = WorldState(worlds, bodies, layout, {}, ())
        self.physics = (
            make_physics(physics, worlds) if isinstance(physics, str) else physics(worlds)
        )
        self.commands = Commands(worlds, len(bodies))
        self.force = np.zeros((worlds, len(bodies), 3))
        self.reset()

    def reset(self, world: int | None = None) -> None:
        for w in range(self.state.num_worlds) if world is None else [world]:
            self.state.load(w, self.layout, level=0, key=0)
            self.physics.build(w, self.state)

    def step(self, steps=1, *, move=None, turn=0.0, hand=HAND_REST, avatar=None) -> WorldState:
        """Gives one command, to all avatars or to one, for some steps."""
        self.commands.clear()
        who = slice(None) if avatar is None else avatar
        self.commands.move[:, who] = (0.0, 0.0) if move is None else move
        self.commands.turn[:, who] = turn
        self.commands.hand[:, who] = hand
        for _ in range(steps):
            drive(self.state, self.commands, self.force)
            self.physics.step(self.state, self.force)
            interaction.resolve(self.state, self.commands)
            self.state.step += 1
        return self.state

    def prop(self, name: str, world: int = 0) -> np.ndarray:
        """Where a prop is, (3,)."""
        return self.state.props.position[world, self.state.prop(name)].copy()

    def held(self, avatar: int = 0) -> str | None:
        index = self.state.avatars.held[0, avatar]
        return None if index == NOTHING else self.state.props.names[index]

    def event(self, kind: str, avatar: int = 0) -> str | None:
        index = getattr(self.state.events, kind)[0, avatar]
        return None if index == NOTHING else self.state.props.names[index]


def messy() -> Layout:
    """Things of every shape, some on top of others, between two walls; two avatars."""
    props = {
        "ball": Prop(Sphere(0.2), (0.6, 0.0), mass=1.0, portable=True),
        "crate": Prop(Box(0.4, 0.4, 0.4), (1.2, 0.0), mass=8.0),
        "tower": Prop(Box(0.3, 0.3, 0.3), (1.2, 0.4, 0.76), mass=1.0),
        "drum": Prop(Cylinder(0.3, 0.6), (-0.8, 0.3), mass=5.0),
    }
    walls = [Prop(Box(0.2, 4.0, 2.0), (2.0, 0.0)), Prop(Box(4.0, 0.2, 2.0), (0.0, 1.5), 0.3)]
    spawns = [Spawn((0, 0)), Spawn((-0.5, -0.8), 2.0)]
    return Layout(spawns, walls, props)


def play(world: World, seed: int, steps: int = 40) -> list[list[bytes]]:
    """Walks, carries and pushes by chance; gives every world's digest after every step."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(steps):
        hand = int(rng.choice([0, 0, HAND_PICK_UP, HAND_PUT_DOWN]))
        world.step(1, move=rng.uniform(-1, 1, 2), turn=rng.uniform(-1, 1), hand=hand)
        seen.append([world.state.digest(w) for w in range(world.state.num_worlds)])
    return seen
