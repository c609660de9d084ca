"""Lines of sight against walls and furniture, checked against plain sampling along the line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from als_engine.errors import ArgumentError
from als_engine.geometry.sight import SKIN, visible
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Layout, Prop, Sphere
from als_engine.world.state import WorldState

WALL = Prop(Box(0.2, 4.0, 3.0), (2.0, 0.0))


def world(count=1, **layout):
    made = Layout(**layout)
    state = WorldState(count, [Body()] * len(made.spawns), made, {})
    for w in range(count):
        state.load(w, made, w, w)
    return state


def test_names_and_shapes():
    ball = Prop(Sphere(0.2), (4.0, 0.0))
    state = world(2, spawns=[(0, 0), (4, 1), (2, 5)], walls=[WALL], props={"ball": ball})
    assert visible(state, "avatars", "ball").tolist() == [[False, True, True]] * 2
    assert visible(state, "ball", "avatars").shape == (2, 3)
    assert visible(state, "avatar_0", "avatar_1").tolist() == [False, False]
    between = visible(
        state, state.position("avatars")[:, :, None], state.position("avatars")[:, None]
    )
    assert between.shape == (2, 3, 3)
    assert (between == between.transpose(0, 2, 1)).all()
    assert between[:, range(3), range(3)].all()


def test_what_is_wrong_is_named():
    state = world(2, spawns=[(0, 0)])
    with pytest.raises(ArgumentError, match="unknown thing"):
        visible(state, "avatars", "kettle")
    with pytest.raises(ArgumentError, match="points must be"):
        visible(state, np.zeros((3, 3)), "avatars")


def test_walls_that_another_world_has_do_not_count():
    state = WorldState(2, [Body()], Layout(spawns=[(0, 0)]), {})
    state.load(0, Layout(spawns=[(0, 0)], walls=[WALL]), 0, 0)
    state.load(1, Layout(spawns=[(0, 0)]), 0, 0)
    assert visible(state, "avatars", np.full((2, 1, 3), [4.0, 0.0, 1.0])).tolist() == [
        [False],
        [True],
    ]


def test_fixed_props_hide_when_asked_but_not_themselves():
    shelf = Prop(Box(0.4, 3.0, 2.0), (2.0, 0.0))
    crate = Prop(Box(0.4, 3.0, 2.0), (-2.0, 0.0), mass=5.0)
    state = world(
        spawns=[(0, 0)],
        props={
            "shelf": shelf,
            "crate": crate,
            "behind": Prop(Sphere(0.1), (4, 0)),
            "far": Prop(Sphere(0.1), (-4, 0)),
        },
    )
    names = ("shelf", "crate", "behind", "far")
    assert all(visible(state, "avatar_0", name)[0] for name in names)
    seen = [bool(visible(state, "avatar_0", name, props=True)[0]) for name in names]
    assert seen == [True, True, False, True]


def test_a_thing_on_a_wall_is_visible_from_its_own_side():
    state = world(spawns=[(0, 0)], walls=[WALL])
    front, back = np.array([[1.9, 0.5, 1.0]]), np.array([[2.1, 0.5, 1.0]])
    eye = np.array([[0.0, 0.0, 1.5]])
    assert visible(state, eye, front).all()
    assert not visible(state, eye, back).any()


def test_agrees_with_sampling_along_the_line():
    rng = np.random.default_rng(5)
    walls = [
        Prop(Box(*rng.uniform(0.3, 2.0, 3)), (*rng.uniform(-3, 3, 2), 1.0), rng.uniform(0, 7))
        for _ in range(11)
    ]
    state = world(spawns=[(50, 50)], walls=walls)
    start, end = rng.uniform(-4, 4, (2, 1, 300, 3)) * (1, 1, 0.25) + (0, 0, 1)
    along = np.linspace(0, 1, 2_001)[:, None, None]
    points = start[0] + along * (end[0] - start[0])
    depth = np.full(300, np.inf)
    for i in range(len(walls)):
        x, y, z = np.moveaxis(points - state.walls.position[0, i], -1, 0)
        cos, sin = math.cos(walls[i].heading), math.sin(walls[i].heading)
        inside = np.stack([abs(x * cos + y * sin), abs(y * cos - x * sin), abs(z)], -1)
        depth = np.minimum(depth, (inside - state.walls.half[0, i] + SKIN).max(-1).min(0))
    # Lines that just graze an edge are left out: samples cannot tell.
    clear = abs(depth) > 0.005
    assert clear.sum() > 250
    assert (visible(state, start, end)[0, clear] == (depth > 0)[clear]).all()
    assert 50 < (depth > 0).sum() < 250
