"""What holds for each of the state sensors, on worlds full of chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.sensors import Setup, make_sensors

NAMES = ("audio", "text", "touch", "proprioception", "entities", "role")
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3)
SIZES = st.tuples(st.integers(1, 5), st.integers(0, 20), st.integers(0, 3), st.integers(0, 3))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(seeds=SEEDS, sizes=SIZES)
def test_observation_is_finite_and_in_its_space_whatever_the_world(
    name, seeds, sizes, make_random, observe
):
    assert np.isfinite(observe(make_random(seeds, *sizes), name)).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seeds=SEEDS, sizes=SIZES)
def test_a_world_alone_gives_the_same_bits_as_among_others(
    name, seeds, sizes, make_random, observe
):
    together = observe(make_random(seeds, *sizes), name)
    for world, seed in enumerate(seeds):
        alone = observe(make_random([seed], *sizes), name)
        assert alone[0].tobytes() == together[world].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_only_the_observers_are_filled_and_see_the_same(name, make_random, observe):
    state = make_random([1, 2], 4, 6, 2, 2)
    some = observe(state, name, observers=2)
    assert some.shape[1] == 2
    assert (some == observe(state, name)[:, :2]).all()


@pytest.mark.parametrize("name", NAMES)
def test_reading_survives_walls_that_grow(name, make_random, observe):
    state = make_random([1, 2], 3, 6, 2, 2)
    (sensor,) = make_sensors([name], Setup(2, 3, 3, utterances=state.utterances))
    space = sensor.spaces()[name]
    out = np.zeros((2, 3, *space.shape), space.dtype)
    sensor.read(state, {name: out})
    state.walls.make_room(2 * state.walls.position.shape[1])
    again = np.ones_like(out)
    sensor.read(state, {name: again})
    assert (again == out).all()


@pytest.mark.parametrize("name", ["touch", "proprioception", "entities"])
def test_every_column_has_a_name(name):
    import importlib

    columns = importlib.import_module(f"als_engine.sensors.{name}").COLUMNS
    (sensor,) = make_sensors([name], Setup(1, 1, 1))
    assert sensor.spaces()[name].shape[-1] == len(columns) == len(set(columns))
    documented = type(sensor).__doc__
    for column in columns:
        assert column in documented or column.startswith("pressure_")
