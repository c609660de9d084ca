"""A plugin of one file that brings three shapes, and a scenario with props of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from als_engine import (
    Box,
    Cylinder,
    Layout,
    Part,
    Prop,
    Room,
    ScenarioSpec,
    Shape,
    ShapeSpec,
    Spawn,
    Sphere,
    Task,
    hookimpl,
)


@dataclass(frozen=True, slots=True)
class Arch(Shape):
    """Two posts and a beam on top: one can walk through."""

    opening: float = 1.0
    clear: float = 2.0
    thickness: float = 0.2

    def parts(self) -> Sequence[Part]:
        t, wide = self.thickness, self.opening + 2 * self.thickness
        post, away = Box(t, t, self.clear), (self.opening + t) / 2
        return (
            Part(post, (-away, 0.0, self.clear / 2)),
            Part(post, (away, 0.0, self.clear / 2)),
            Part(Box(wide, t, t), (0.0, 0.0, self.clear + t / 2)),
        )


@dataclass(frozen=True, slots=True)
class Corner(Shape):
    """An L: two walls that meet, seen from above along +x and along +y from their corner."""

    length: float = 1.0
    thickness: float = 0.2
    height: float = 0.5

    def parts(self) -> Sequence[Part]:
        long, thin, high = self.length, self.thickness, self.height
        return (
            Part(Box(long, thin, high), (long / 2, thin / 2, 0.0)),
            Part(Box(long, thin, high), (thin / 2, long / 2, 0.0), np.pi / 2),
        )


@dataclass(frozen=True, slots=True)
class Pill(Shape):
    """An upright capsule."""

    radius: float = 0.15
    height: float = 0.6

    def parts(self) -> Sequence[Part]:
        middle = self.height - 2 * self.radius
        return (
            Part(Cylinder(self.radius, middle)),
            Part(Sphere(self.radius), (0.0, 0.0, middle / 2)),
            Part(Sphere(self.radius), (0.0, 0.0, -middle / 2)),
        )


@dataclass(frozen=True, slots=True)
class Disc(Shape):
    """One part alone: the engine's own cylinder."""

    def parts(self) -> Sequence[Part]:
        return [Part(Cylinder(0.4, 0.1))]


@dataclass(frozen=True, slots=True)
class Stranger(Shape):
    """A shape that nobody offers."""

    def parts(self) -> Sequence[Part]:
        return [Part(Sphere(0.2))]


class Gallery(Task):
    """Walk through the arch; how far it is depends on the level."""

    default_sensors: ClassVar = ("rgb", "depth", "semantic", "entities", "touch")

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        far = float(rng.uniform(1.4, 2.2))
        room = Room(width=9.0, depth=7.0)
        return Layout(
            walls=room.walls(),
            props={
                "arch": Prop(Arch(), (far, 0.0), np.pi / 2, color="red"),
                "corner": Prop(Corner(), (-1.0, 1.4), 0.4, mass=5.0, color="teal"),
                "pill": Prop(Pill(), (-1.2, -1.4), mass=1.0, portable=True),
                "disc": Prop(Disc(), (2.5, 2.5), solid=False),
            },
            spawns=[Spawn((-0.5, 0.7 * i)) for i in range(self.num_avatars)],
        )

    def reward(self, state):
        return self.everyone(self.terminated(state))

    def terminated(self, state):
        return state.avatars.position[:, 0, 0] > state.position("arch")[:, 0] + 0.5


SHAPES = ("arch", "corner", "pill", "disc")


class Plugin:
    @hookimpl
    def als_shapes(self) -> list[ShapeSpec]:
        return [ShapeSpec(f"acme/{name}", f"acme_shapes:{name.title()}") for name in SHAPES]

    @hookimpl
    def als_scenarios(self) -> list[ScenarioSpec]:
        return [ScenarioSpec("Acme/Gallery-v0", "acme_shapes:Gallery", 60, max_avatars=2)]
