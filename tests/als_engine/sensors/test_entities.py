"""The rows of what is in sight: order, occlusion, presence and every column's meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.sensors.entities import ROWS
from als_engine.world.layout import Box, Cylinder, Prop, Sign, SoundSource, Spawn, Sphere

WALL = Prop(Box(0.2, 4.0, 3.0), (2.0, 0.0))


def look(observe, state, avatar=0):
    """The rows that are present, as dictionaries."""
    rows = observe(state, "entities")[0, avatar]
    present = rows[:, 0] == 1
    assert not rows[~present].any()
    assert present[: present.sum()].all()
    return [dict(zip(COLUMNS, row.tolist(), strict=True)) for row in rows[present]]


def ball(*position, **kwargs):
    return Prop(Sphere(0.2), position, **{"mass": 1.0, **kwargs})


def test_an_empty_world_has_no_rows(make_world, observe):
    assert look(observe, make_world(spawns=[(0, 0)])) == []


def test_nearest_first_and_ties_by_index(make_world, observe):
    props = {"far": ball(5, 0), "left": ball(0, 3), "near": ball(1, 0), "right": ball(0, -3)}
    rows = look(observe, make_world(spawns=[(0, 0)], props=props))
    assert [row["identity"] for row in rows] == [0.75, 0.5, 1.0, 0.25]
    assert [row["distance"] for row in rows] == pytest.approx([0.1, 0.3, 0.3, 0.5])


@pytest.mark.parametrize("heading", [0.0, 1.0, math.pi, -2.5])
def test_place_is_in_body_axes(heading, make_world, observe):
    state = make_world(spawns=[Spawn((1, 2), heading)], props={"ball": ball(4, 6, 1.5)})
    (row,) = look(observe, state)
    forward = 3 * math.cos(heading) + 4 * math.sin(heading)
    left = 4 * math.cos(heading) - 3 * math.sin(heading)
    assert (row["forward"], row["left"]) == pytest.approx((forward / 10, left / 10), abs=1e-6)
    assert (row["up"], row["distance"]) == pytest.approx((0.15, 0.5))


def test_a_wall_hides_what_is_behind_it_from_both_sides(make_world, observe):
    props = {"behind": ball(4, 0), "before": ball(1, 0)}
    state = make_world(spawns=[(0, 0), (4, 1)], walls=[WALL], props=props)
    mine, theirs = look(observe, state, 0), look(observe, state, 1)
    assert [row["identity"] for row in mine] == [1.0]
    assert [row["identity"] for row in theirs] == [0.5]


def test_one_looks_over_a_low_wall_and_past_its_end(make_world, observe):
    low = Prop(Box(0.2, 4.0, 0.8), (2.0, 0.0))
    props = {"over": ball(9, 0), "past": ball(0.5, 9)}
    rows = look(observe, make_world(spawns=[(0, 0)], walls=[low], props=props))
    assert len(rows) == 2


def test_a_turned_wall_hides_along_its_own_direction(make_world, observe):
    wall = Prop(Box(0.2, 4.0, 3.0), (2.0, 0.0), heading=math.pi / 2)
    props = {"hidden": ball(5, 0), "seen": ball(4, 2)}
    rows = look(observe, make_world(spawns=[(-1, 0)], walls=[wall], props=props))
    assert [row["identity"] for row in rows] == [1.0]


def test_what_is_beyond_ten_metres_or_absent_or_silent_has_no_row(make_world, observe):
    state = make_world(
        spawns=[(0, 0)],
        props={"far": ball(10.1, 0), "edge": ball(0, 10), "gone": ball(1, 1, present=False)},
        sounds={"silent": SoundSource((1, 0, 1), on=False)},
    )
    assert [row["identity"] for row in look(observe, state)] == pytest.approx([2 / 3])


def test_a_prop_in_the_own_hand_is_seen_by_others_alone(make_world, observe):
    state = make_world(spawns=[(0, 0), (3, 0)], props={"cup": ball(0.4, 0, portable=True)})
    state.avatars.held[0, 0], state.props.holder[0, 0] = 0, 0
    mine, theirs = look(observe, state, 0), look(observe, state, 1)
    assert [(row["avatar"], row["holding"]) for row in mine] == [(1.0, 0.0)]
    assert [(row["portable"], row["avatar"], row["holding"]) for row in theirs] == [
        (1.0, 0.0, 1.0),
        (0.0, 1.0, 1.0),
    ]


def test_each_kind_says_what_it_is(make_world, observe):
    state = make_world(
        spawns=[(0, 0), (4, 0)],
        props={
            "table": Prop(Box(1.0, 0.6, 0.8), (1, 0), color=(255, 0, 51), usable=True),
            "crate": Prop(Cylinder(0.3, 0.5), (2, 0), mass=20),
            "cup": ball(3, 0, portable=True),
        },
        signs={"sign": Sign("exit", (5, 0, 1.5), math.pi, width=1.0, height=0.5, paper="black")},
        sounds={"radio": SoundSource((6, 0, 1))},
    )
    rows = look(observe, state)
    kinds = ("fixed", "movable", "portable", "avatar", "sign", "sound")
    for row, kind in zip(rows, kinds, strict=True):
        assert [name for name in kinds if row[name]] == [kind]
    table, crate, _, avatar, sign, radio = rows
    size = ("length", "width", "height")
    assert [table[name] for name in size] == pytest.approx([0.5, 0.3, 0.4])
    assert [table[name] for name in ("red", "green", "blue")] == pytest.approx([1.0, 0.0, 0.2])
    assert (table["usable"], table["weight"], table["round"]) == (1.0, 1.0, 0.0)
    assert (crate["usable"], crate["weight"], crate["round"]) == (0.0, 0.5, 1.0)
    assert [avatar[name] for name in size] == pytest.approx([0.25, 0.25, 0.85])
    assert [sign[name] for name in size] == pytest.approx([0.0, 0.5, 0.25])
    assert (sign["facing_cos"], sign["red"]) == pytest.approx((-1.0, 38 / 255))
    assert [radio[name] for name in size] == [0.0, 0.0, 0.0]


def test_facing_and_velocity_are_relative(make_world, observe):
    state = make_world(spawns=[Spawn((0, 0), math.pi / 2), Spawn((0, 3), math.pi)])
    state.avatars.velocity[0, :, :2] = [(0.0, 1.0), (1.0, -1.0)]
    (row,) = look(observe, state)
    assert (row["facing_cos"], row["facing_sin"]) == pytest.approx((0.0, 1.0), abs=1e-6)
    velocity = (row["forward_velocity"], row["left_velocity"])
    assert velocity == pytest.approx((-0.5, -0.25), abs=1e-6)


def test_a_box_faces_along_its_x_axis_and_nowhere_on_end(make_world, observe):
    state = make_world(spawns=[(0, 0)], props={"box": Prop(Box(1, 1, 1), (3, 0), 0.5)})
    (row,) = look(observe, state)
    assert (row["facing_cos"], row["facing_sin"]) == pytest.approx((math.cos(0.5), math.sin(0.5)))
    state.props.orientation[0, 0] = (0.0, math.sqrt(0.5), 0.0, math.sqrt(0.5))
    (row,) = look(observe, state)
    assert (row["facing_cos"], row["facing_sin"]) == (0.0, 0.0)


def test_a_crowd_keeps_the_nearest_sixteen(make_world, observe):
    rng = np.random.default_rng(0)
    props = {str(i): ball(*rng.uniform(-6, 6, 2)) for i in range(40)}
    state = make_world(spawns=[(0, 0)], props=props)
    distance = np.hypot(*state.props.position[0, :, :2].T)
    nearest = np.argsort(distance, kind="stable")[:ROWS]
    rows = look(observe, state)
    assert [round(row["identity"] * 40) - 1 for row in rows] == nearest.tolist()
