"""Touch: pressure per body sector, what is touched, the weight in the hand."""

from __future__ import annotations

import math

import pytest

from als_engine.sensors.touch import COLUMNS
from als_engine.world.layout import Prop, Sphere

BALLS = {f"ball {i}": Prop(Sphere(0.1), (5 + i, 5), mass=10, portable=True) for i in range(3)}


def feel(observe, state, avatar=0):
    return dict(zip(COLUMNS, observe(state, "touch")[0, avatar].tolist(), strict=True))


def test_nothing_touched_is_all_zero(make_world, observe):
    assert not observe(make_world(spawns=[(0, 0)], props=BALLS), "touch").any()


@pytest.mark.parametrize(
    ("newtons", "pressure"), [(100.0, math.log(2) / math.log(101)), (1e4, 1.0), (1e7, 1.0)]
)
def test_pressure_is_felt_in_its_sector_alone(newtons, pressure, make_world, observe):
    state = make_world(spawns=[(0, 0)])
    state.avatars.touch[0, 0, 3] = newtons
    felt = feel(observe, state)
    assert felt.pop("pressure_3") == pytest.approx(pressure)
    assert set(felt.values()) == {0.0}


def test_flags_say_what_is_touched(make_world, observe):
    state = make_world(spawns=[(0, 0), (3, 0), (6, 0)], props=BALLS)
    avatars = state.avatars
    avatars.touches_wall[0, 0] = True
    avatars.touches_prop[0, 1, 2] = True
    avatars.touches_avatar[0, 2, 0] = True
    for avatar, name in enumerate(("touches_wall", "touches_prop", "touches_avatar")):
        felt = feel(observe, state, avatar)
        assert {key for key, value in felt.items() if value} == {name}
        assert felt[name] == 1.0


def test_ten_kilograms_in_the_hand_weigh_one_half(make_world, observe):
    state = make_world(spawns=[(0, 0)], props=BALLS)
    state.avatars.held[0, 0], state.props.holder[0, 1] = 1, 0
    assert feel(observe, state)["held_weight"] == 0.5
