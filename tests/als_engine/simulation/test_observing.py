"""Only what has changed is looked at anew: the worlds that ended, at an autoreset."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.plugins.registry import registry
from als_engine.sensors import SENSORS
from als_engine.simulation import simulate

MARK = 77


@pytest.mark.parametrize("id", [spec.id for spec in registry.scenarios()])
def test_some_worlds_are_observed_as_all_are_and_the_others_are_left_alone(id):
    simulation = simulate(id, 3, sensors=[*SENSORS], frame_size=16)
    simulation.reset([1, 2, 3])
    actions = np.zeros((3, simulation.observers), np.int64)
    for _ in range(3):
        simulation.step(actions)
    simulation.observe()
    simulation.reset([9], worlds=[1])
    for array in simulation.observations.values():
        array[[0, 2]] = MARK
    simulation.observe([1])
    some = {key: array.copy() for key, array in simulation.observations.items()}
    simulation.observe()
    for key, array in simulation.observations.items():
        assert (some[key][[0, 2]] == MARK).all(), key
        assert some[key][1].tobytes() == array[1].tobytes(), key
    simulation.close()


def test_a_flat_observation_of_some_worlds_is_that_of_all():
    simulation = simulate("ALS/Tag-v0", 2, sensors=("proprioception", "entities"), flatten=True)
    simulation.reset([1, 2])
    simulation.observe()
    simulation.reset([9], worlds=[1])
    simulation.observe([1])
    some = simulation.observations["flat"].copy()
    simulation.observe()
    assert some.tobytes() == simulation.observations["flat"].tobytes()
    simulation.close()
