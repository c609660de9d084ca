"""The ground is what a navigator can walk on, in areas that no way connects."""

from __future__ import annotations

import numpy as np
from rooms import World

from als_engine import Box, Layout, Prop, Room, Spawn
from als_engine.navigation import Navigator
from als_engine.navigation.ground import Ground


def ground(spawns, props=None, **options):
    layout = Layout(spawns=spawns, walls=Room(8.0, 6.0).walls(), props=props or {})
    state = World(layout).state
    navigator = Navigator(state, **options)
    navigator.refresh()
    return Ground.of(navigator), navigator


FENCE = {"fence": Prop(Box(0.3, 6.0, 1.5), (1.0, 0.0))}


def test_a_fence_cuts_off_the_floor_behind_it():
    open_ground, _ = ground([(-2.0, 0.0)])
    assert not open_ground.cut_off.any()
    behind, _ = ground([(-2.0, 0.0)], FENCE)
    cut = behind.middles(behind.cut_off)
    assert len(cut) > 100
    assert (cut[:, 0] > 1.0).all()


def test_each_avatar_is_in_an_area_and_absent_ones_in_none():
    found, _ = ground([(-2.0, 0.0), (3.0, 0.0), Spawn((0.0, 0.0), present=False)], FENCE)
    left, right, absent = found.areas.tolist()
    assert left != right
    assert absent == 0
    assert not found.cut_off.any()


def test_ways_go_around_what_stands_there_and_enter_no_blocked_cell():
    block = {"block": Prop(Box(1.0, 3.0, 1.0), (0.0, 0.0))}
    found, navigator = ground([(-2.5, 0.0)], block)
    (way,) = found.ways(np.array([[2.5, 0.0]]))
    assert np.hypot(*(way[0] - (-2.5, 0.0))) < 0.25
    assert np.hypot(*(way[-1] - (2.5, 0.0))) < 0.25
    assert np.abs(way[:, 1]).max() > 1.5
    assert not navigator.blocked(way[None]).any()
    steps = np.hypot(*np.diff(way, axis=0).T)
    assert steps.max() < 0.36


def test_corners_that_are_too_small_to_be_a_place_are_no_floor():
    nook = {
        "a": Prop(Box(0.2, 1.6, 1.0), (2.9, 2.2)),
        "b": Prop(Box(1.6, 0.2, 1.0), (3.2, 1.6)),
    }
    found, _ = ground([(-2.0, 0.0)], nook)
    assert not found.cut_off.any()
