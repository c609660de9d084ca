"""Scenarios to collect experience from: one that works, and some that break in some levels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from acme_worlds import Reach
from broken_worlds import Thermometer

from als_engine import Layout, Prop, ScenarioSpec, Spawn, Sphere, hookimpl
from als_engine.plugins.registry import registry
from als_engine.world.layout import Box, Sign, SoundSource

WALK, NO_EXPERT = "Trail/Walk-v0", "Trail/NoExpert-v0"
FEVER, DEBT, BANG, TALK = "Trail/Fever-v0", "Trail/Debt-v0", "Trail/Bang-v0", "Trail/Talk-v0"


class Walk(Reach):
    """Walk to the flag, with something to look at, to hear and to read."""

    default_sensors: ClassVar = ("rgb", "text", "proprioception")


def unlucky(state):
    """The worlds whose level makes them break, once they have gone three steps."""
    return (state.level % 3 == 0) & (state.step >= 3)


class Fevered(Thermometer):
    def read(self, state, out):
        out["thermometer"][:] = np.where(unlucky(state), np.nan, 0.5)[:, None, None]


class Fever(Reach):
    """Its thermometer reads NaN in one level of three."""

    default_sensors: ClassVar = ("proprioception", "thermometer")
    extra_sensors: ClassVar = {"thermometer": Fevered}


class Debt(Reach):
    """Its reward is infinite in one level of three."""

    def reward(self, state):
        return super().reward(state) - self.everyone(np.where(unlucky(state), np.inf, 0.0))


class Bang(Reach):
    """Its ball flies to nowhere in one level of three, and the physics with it."""

    def after_step(self, state):
        super().after_step(state)
        broken = np.flatnonzero(unlucky(state))
        if len(broken):
            state.move("ball", broken, (np.nan, 0.0, 0.0))


class NoExpert(Reach):
    def expert(self, state, who, commands):
        raise NotImplementedError("NoExpert has no expert")


class Talk(Reach):
    """Two avatars, a sign, a voice and a wall, all in places that a test knows."""

    def layout(self, rng, level):
        return Layout(
            walls=[Prop(Box(0.2, 4.0, 2.5), (3.0, 0.0))],
            props={
                "flag": Prop(Sphere(0.2), (4.0, 0.0), solid=False),
                "ball": Prop(Sphere(0.15), (1.0, 2.0), mass=0.5, portable=True),
                "crate": Prop(Box(0.5, 0.5, 0.5), (-2.0, -2.0), mass=8.0),
            },
            signs={"panel": Sign("room 42\nfloor 3", (2.8, 0.0, 1.5), heading=np.pi)},
            sounds={
                "hum": SoundSource((0.0, 0.5, 1.0)),
                "voice": SoundSource((-5.0, 0.0, 1.0), text="come here"),
            },
            spawns=[Spawn((0.0, 0.0), 0.0), Spawn((0.0, 2.0), np.pi)],
        )


@hookimpl
def als_scenarios():
    names = {WALK: "Walk", FEVER: "Fever", DEBT: "Debt", BANG: "Bang", NO_EXPERT: "NoExpert"}
    specs = [
        ScenarioSpec(scenario, task=f"{__name__}:{name}", max_episode_steps=12, max_avatars=3)
        for scenario, name in names.items()
    ]
    talk = ScenarioSpec(
        TALK, task=f"{__name__}:Talk", max_episode_steps=12, num_avatars=2, min_avatars=2
    )
    return [*specs, talk]


def install() -> None:
    """Registers the scenarios in a process of their own."""
    registry.add(sys.modules[__name__], distribution="trail-worlds")


@pytest.fixture(scope="module")
def trail() -> Iterator[str]:
    """Registers the scenarios, and takes them back: nobody else's tests may see them."""
    plugin = registry.add(sys.modules[__name__], distribution="trail-worlds")
    yield WALK
    registry.remove(plugin)
    for scenario in (WALK, FEVER, DEBT, BANG, NO_EXPERT, TALK):
        gymnasium.registry.pop(scenario, None)
