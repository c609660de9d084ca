"""Own-body sense: velocities in body axes, heading, what is held, time left."""

from __future__ import annotations

import math

import numpy as np
import pytest

from als_engine.sensors.columns import PROPRIOCEPTION as COLUMNS
from als_engine.world.layout import Prop, Spawn, Sphere


def feel(observe, state):
    return dict(zip(COLUMNS, observe(state, "proprioception")[0, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("heading", "forward", "left"),
    [(0.0, 0.5, 0.0), (math.pi / 2, 0.0, -0.5), (math.pi, -0.5, 0.0), (-math.pi / 2, 0.0, 0.5)],
)
def test_velocity_is_in_body_axes_over_the_walking_speed(
    heading, forward, left, make_world, observe
):
    state = make_world(spawns=[Spawn((0, 0), heading)])
    state.avatars.velocity[0, 0] = (0.5 * state.bodies.speed[0], 0.0, -9.0)
    felt = feel(observe, state)
    assert felt["forward_velocity"] == pytest.approx(forward, abs=1e-6)
    assert felt["left_velocity"] == pytest.approx(left, abs=1e-6)
    assert felt["heading_sin"] == pytest.approx(math.sin(heading), abs=1e-6)
    assert felt["heading_cos"] == pytest.approx(math.cos(heading), abs=1e-6)


def test_turn_rate_is_over_the_turning_speed_and_cut_off_at_twice_that(make_world, observe):
    state = make_world(spawns=[(0, 0)])
    state.avatars.turn_rate[0, 0] = -0.25 * state.bodies.turn_speed[0]
    assert feel(observe, state)["turn_rate"] == -0.25
    state.avatars.turn_rate[0, 0] = 100.0
    assert feel(observe, state)["turn_rate"] == 2.0


def test_what_is_held_is_told_by_colour_and_identity(make_world, observe):
    ball = Prop(Sphere(0.1), (5, 5), mass=1, portable=True, color=(255, 0, 51))
    state = make_world(spawns=[(0, 0)], props={f"ball {i}": ball for i in range(4)})
    empty = feel(observe, state)
    assert [empty[name] for name in COLUMNS[5:10]] == [0.0] * 5
    state.avatars.held[0, 0], state.props.holder[0, 2] = 2, 0
    full = feel(observe, state)
    expected = [1.0, 1.0, 0.0, 0.2, 0.75]
    assert [full[name] for name in COLUMNS[5:10]] == pytest.approx(expected)


@pytest.mark.parametrize(("step", "left"), [(0, 1.0), (250, 0.75), (1_000, 0.0), (1_200, 0.0)])
def test_time_left_runs_from_one_to_zero(step, left, make_world, observe):
    state = make_world(spawns=[(0, 0)])
    state.step[0] = step
    assert feel(observe, state)["time_left"] == left


def test_a_body_that_cannot_move_feels_finite(make_world, observe):
    state = make_world(spawns=[(0, 0)])
    state.bodies.speed[0] = state.bodies.turn_speed[0] = 0.0
    assert np.isfinite(observe(state, "proprioception")).all()
