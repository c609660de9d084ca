"""Worlds for tests of bodies and hands: a layout, some avatars, and commands step by step."""

from __future__ import annotations

import numpy as np

from als_engine import interaction
from als_engine.arrays import NOTHING, Body
from als_engine.avatar import HAND_REST, Commands, drive
from als_engine.layout import Layout
from als_engine.physics.bullet import Bullet
from als_engine.state import WorldState

SUBSTEPS = 4


class World:
    """One layout in `worlds` worlds, with physics and hands but without a task."""

    def __init__(self, layout: Layout, worlds: int = 1, bodies: list[Body] | None = None):
        bodies = bodies or [Body()] * len(layout.spawns)
        self.layout = layout
        self.state = WorldState(worlds, bodies, layout, {}, ())
        self.bullet = Bullet(worlds, SUBSTEPS)
        self.commands = Commands(worlds, len(bodies))
        self.force = np.zeros((worlds, len(bodies), 3))
        self.reset()

    def reset(self, world: int | None = None) -> None:
        for w in range(self.state.num_worlds) if world is None else [world]:
            self.state.load(w, self.layout, level=0, key=0)
            self.bullet.build(w, self.state)

    def step(self, steps=1, *, move=None, turn=0.0, hand=HAND_REST, avatar=None) -> WorldState:
        """Gives one command, to all avatars or to one, for some steps."""
        self.commands.clear()
        who = slice(None) if avatar is None else avatar
        self.commands.move[:, who] = (0.0, 0.0) if move is None else move
        self.commands.turn[:, who] = turn
        self.commands.hand[:, who] = hand
        for _ in range(steps):
            drive(self.state, self.commands, self.force)
            self.bullet.step(self.state, self.force)
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
