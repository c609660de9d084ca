"""`role`: an avatar is told which of the scenario's roles it has, in whatever order they come."""

from __future__ import annotations

import pytest

from als_engine.simulation import simulate


@pytest.mark.parametrize("first", ["chaser", "evader"])
def test_a_role_is_the_same_column_whoever_comes_first(first):
    arguments = {"num_avatars": 4, "role": first, "sensors": ["role"]}
    simulation = simulate("ALS/Tag-v0", 2, None, **arguments)
    simulation.reset([0, 1])
    simulation.observe()
    own = [[1.0, 0.0] if role == "chaser" else [0.0, 1.0] for role in simulation.roles]
    assert simulation.observations["role"].tolist() == [own, own]
    simulation.close()


def test_where_all_have_the_same_role_it_is_one_column():
    simulation = simulate("ALS/Delivery-v0", 1, None, num_avatars=2, sensors=["role"])
    assert simulation.observation_space["role"].shape == (1,)
