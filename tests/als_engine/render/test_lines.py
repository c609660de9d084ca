"""Lines of a world lie on its picture where they are seen, and faintly where they are not."""

from __future__ import annotations

import numpy as np
from rooms import World

from als_engine import Box, Layout, Prop, Room, Sphere
from als_engine.render.lines import draw_lines
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import Camera, outlook, third_person
from als_engine.sensors.entities import Entities

RED = (255, 0, 0)


def state(props, spawns=((-2.0, 0.0),)):
    return World(Layout(spawns=spawns, walls=Room(8.0, 6.0).walls(), props=props)).state


def setup(worlds=1):
    return Setup(worlds, 1, 1)


def test_a_point_of_a_thing_is_where_the_picture_shows_it():
    seen = outlook(state({"ball": Prop(Sphere(0.4), (1.0, 1.0), color="red")}), 0)
    ((x, y, depth),) = seen.project(np.array([[1.0, 1.0, 0.4]]))
    red, green, blue = seen.picture[int(y), int(x)].astype(int)
    assert red > 2 * max(green, blue)
    assert abs(seen.depth[int(y), int(x)] - (depth - 0.4)) < 0.1


def test_the_picture_is_the_one_without_lines():
    world = state({})
    np.testing.assert_array_equal(outlook(world, 0).picture, third_person(world, 0))


def test_a_line_is_faint_behind_a_thing_and_clear_before_it():
    world = state({"block": Prop(Box(1.0, 3.0, 2.0), (0.0, 0.0))})
    seen = outlook(world, 0)
    through = np.array([[(-2.0, 0.5, 0.5), (2.0, 0.5, 0.5)]])
    picture = seen.picture.copy()
    draw_lines(seen, picture, through, RED)
    changed = (picture != seen.picture).any(-1)
    strength = np.abs(picture.astype(int) - seen.picture)[changed].max(-1)
    assert (strength > 100).sum() > 50
    assert (strength < 50).sum() > 20
    untouched = seen.picture.copy()
    draw_lines(seen, untouched, np.zeros((0, 2, 3)), RED)
    draw_lines(seen, untouched, seen.eye + np.array([[(0.0, 0.0, 5.0), (0.0, 0.0, 9.0)]]), RED)
    np.testing.assert_array_equal(untouched, seen.picture)


def test_entities_have_a_line_to_each_thing_in_sight():
    things = {"a": Prop(Sphere(0.2), (1.0, 1.0)), "b": Prop(Sphere(0.2), (0.0, -2.0))}
    rays = Entities(setup(), ("entities",)).rays(state(things), 0, 0)
    assert rays.shape == (2, 2, 3)
    np.testing.assert_allclose(sorted(rays[:, 1, 0]), [0.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(rays[:, 0, :2], [[-2.0, 0.0]] * 2)


def test_a_cameras_rays_end_where_it_looks():
    wall = {"wall": Prop(Box(0.2, 6.0, 2.4), (1.0, 0.0))}
    rays = Camera(setup(), ("rgb",)).rays(state(wall), 0, 0)
    middle = rays[len(rays) // 2]
    np.testing.assert_allclose(middle[1, :2], [0.9, 0.0], atol=0.02)
