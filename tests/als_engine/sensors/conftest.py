"""Worlds to look at, and a way to read one observation from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from als_engine.sensors import Setup, make_sensors
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Sign, SoundSource, Spawn, Sphere
from als_engine.world.state import WorldState

UTTERANCES = ("yes", "no", "help", "wait")
WORDS = ("", "stop", "take the red cup", "seven plus five", "a" * 90)


def build(layouts: Sequence[Layout], **kwargs: Any) -> WorldState:
    bodies = [Body() for _ in layouts[0].spawns]
    state = WorldState(len(layouts), bodies, layouts[0], {}, UTTERANCES, **kwargs)
    for world, layout in enumerate(layouts):
        state.load(world, layout, level=world, key=world)
    return state


def read(state: WorldState, name: str, observers: int | None = None) -> NDArray[Any]:
    """One observation, (worlds, observers, ...), every value of it written and in its space."""
    observers = state.num_avatars if observers is None else observers
    setup = Setup(state.num_worlds, state.num_avatars, observers, utterances=state.utterances)
    (sensor,) = make_sensors([name], setup)
    space = sensor.spaces()[name]
    rubbish = np.nan if space.dtype.kind == "f" else -77
    out = np.full((state.num_worlds, observers, *space.shape), rubbish, space.dtype)
    before = [state.digest(world) for world in range(state.num_worlds)]
    sensor.read(state, {name: out})
    assert [state.digest(world) for world in range(state.num_worlds)] == before
    for row in out.reshape(-1, *space.shape):
        assert space.contains(row), (name, row)
    return out


def _some_layout(
    rng: np.random.Generator, avatars: int, props: int, signs: int, sounds: int
) -> Layout:
    def spot() -> tuple[float, float]:
        return tuple(rng.uniform(-6, 6, 2))  # type: ignore[return-value]

    def prop() -> Prop:
        shape = [Box(*rng.uniform(0.1, 3, 3)), Sphere(rng.uniform(0.1, 1)), Cylinder(0.3, 1.0)]
        mass = float(rng.choice([0.0, 1.0, 500.0]))
        portable = mass > 0 and bool(rng.random() < 0.5)
        return Prop(shape[rng.integers(3)], spot(), mass=mass, portable=portable)

    return Layout(
        walls=[
            Prop(Box(rng.uniform(0.5, 4), 0.2, rng.uniform(0.5, 3)), spot(), rng.uniform(0, 7))
            for _ in range(rng.integers(0, 25))
        ],
        props={f"prop {i}": prop() for i in range(props)},
        signs={
            f"sign {i}": Sign(str(rng.choice(WORDS))[:16], (*spot(), 1.5), rng.uniform(0, 7))
            for i in range(signs)
        },
        sounds={
            f"sound {i}": SoundSource(
                (*spot(), 1.5),
                rng.uniform(0, 1e4, 8),
                bool(rng.random() < 0.7),
                str(rng.choice(WORDS)),
            )
            for i in range(sounds)
        },
        spawns=[Spawn((100.0 + 3 * i, 0.0)) for i in range(avatars)],
        instruction=[str(rng.choice(WORDS)) for _ in range(avatars)],
    )


def some_worlds(
    seeds: Sequence[int], avatars: int, props: int, signs: int, sounds: int
) -> WorldState:
    """Worlds full of chance, world by world a function of the seed and the sizes alone."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    state = build([_some_layout(rng, avatars, props, signs, sounds) for rng in rngs])
    for w, rng in enumerate(rngs):
        bodies, things = state.avatars, state.props
        bodies.position[w, :, :2] = rng.uniform(-6, 6, (avatars, 2)).round(int(rng.integers(0, 3)))
        bodies.velocity[w] = rng.normal(0, 10 ** rng.uniform(-3, 3), (avatars, 3))
        bodies.heading[w] = rng.uniform(-50, 50, avatars)
        bodies.turn_rate[w] = rng.normal(0, 10, avatars)
        bodies.touch[w] = rng.choice([0.0, 1.0, 1e3, 1e9], (avatars, 8))
        bodies.utterance[w] = rng.integers(-1, len(UTTERANCES), avatars)
        bodies.touches_wall[w] = rng.random(avatars) < 0.5
        bodies.touches_prop[w] = rng.random((avatars, props)) < 0.2
        bodies.touches_avatar[w] = rng.random((avatars, avatars)) < 0.2
        state.events.bumped[w] = rng.random(avatars) < 0.5
        things.velocity[w] = rng.normal(0, 3, (props, 3))
        things.present[w] = rng.random(props) < 0.8
        state.signs.present[w] = rng.random(signs) < 0.8
        state.step[w] = rng.integers(0, 2_000)
        turn = rng.normal(size=(props, 4))
        things.orientation[w] = turn / np.linalg.norm(turn, axis=1, keepdims=True)
        if props and rng.random() < 0.5:
            bodies.held[w, 0], things.holder[w, 0] = 0, 0
    return state


@pytest.fixture(scope="session")
def make_world() -> Callable[..., WorldState]:
    """Builds worlds of one layout: `make_world(spawns=..., walls=..., worlds=2)`."""

    def make(*, worlds: int = 1, **layout: Any) -> WorldState:
        return build([Layout(**layout)] * worlds)

    return make


@pytest.fixture(scope="session")
def observe() -> Callable[..., NDArray[Any]]:
    return read


@pytest.fixture(scope="session")
def make_random() -> Callable[..., WorldState]:
    return some_worlds
