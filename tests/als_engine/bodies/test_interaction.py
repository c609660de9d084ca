"""Hands: picking up, putting down and using, by one avatar or by several at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rooms import World

from als_engine.bodies import interaction
from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.world.layout import Box, Layout, Prop, SoundSource, Spawn, Sphere

RADIUS = 0.25  # Of an avatar.


@pytest.fixture
def build():
    made = []

    def build(props, walls=(), spawns=((0.0, 0.0),)):
        made.append(World(Layout(spawns, walls, props)))
        return made[-1]

    yield build
    for world in made:
        world.physics.close()


def ball(x, y=0.0, **more):
    return Prop(Sphere(0.1), (x, y), mass=0.5, portable=True, **more)


def test_a_thing_in_front_is_picked_up_carried_and_put_down(build):
    world = build({"ball": ball(0.6)})
    world.step(1, hand=HAND_PICK_UP)
    assert (world.held(), world.event("picked_up")) == ("ball", "ball")
    world.step(20, move=(1, 0), turn=0.3)
    assert world.event("picked_up") is None
    here = world.state.avatars.position[0, 0]
    assert np.hypot(*(world.prop("ball") - here)[:2]) < 0.5
    assert 0.8 < world.prop("ball")[2] < 1.4
    world.step(1, hand=HAND_PUT_DOWN)
    assert (world.held(), world.event("put_down")) == (None, "ball")
    world.step(20)
    assert world.prop("ball")[2] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("x", "y", "reached"),
    [
        (RADIUS + 0.1 + REACH - 0.02, 0.0, True),
        (RADIUS + 0.1 + REACH + 0.02, 0.0, False),
        (0.8 * math.cos(REACH_ANGLE - 0.05), 0.8 * math.sin(REACH_ANGLE - 0.05), True),
        (0.8 * math.cos(REACH_ANGLE + 0.05), 0.8 * math.sin(REACH_ANGLE + 0.05), False),
        (-0.6, 0.0, False),
    ],
    ids=["within reach", "too far", "still ahead", "too far aside", "behind"],
)
def test_a_hand_reaches_so_far(build, x, y, reached):
    world = build({"ball": ball(x, y)})
    world.step(1, hand=HAND_PICK_UP)
    assert (world.held() == "ball") == reached


def test_the_nearest_is_picked_up_and_only_one(build):
    world = build({"far": ball(0.9), "near": ball(0.5, 0.2), "aside": ball(0.5, -0.5)})
    world.step(1, hand=HAND_PICK_UP)
    assert world.held() == "near"
    world.step(1, hand=HAND_PICK_UP)
    assert world.held() == "near"
    assert world.event("picked_up") is None


def test_what_is_not_portable_or_not_there_stays(build):
    props = {
        "rock": Prop(Sphere(0.1), (0.5, 0.0), mass=1.0),
        "ghost": ball(0.6, 0.3, present=False),
    }
    world = build(props)
    world.step(1, hand=HAND_PICK_UP)
    assert world.held() is None


def test_of_two_hands_on_one_thing_the_first_avatar_s_wins(build):
    world = build({"ball": ball(0.6)}, spawns=[Spawn((0, 0)), Spawn((1.2, 0), math.pi)])
    world.step(1, hand=HAND_PICK_UP)
    assert (world.held(0), world.held(1)) == ("ball", None)
    assert world.event("picked_up", 1) is None
    assert world.state.props.holder[0].tolist() == [0]


def test_what_one_puts_down_another_can_pick_up(build):
    world = build({"ball": ball(0.6)}, spawns=[Spawn((0, 0)), Spawn((1.3, 0), math.pi)])
    world.step(1, hand=HAND_PICK_UP, avatar=0)
    world.step(1, hand=HAND_PUT_DOWN, avatar=0)
    world.step(1, hand=HAND_PICK_UP, avatar=1)
    assert (world.held(0), world.held(1)) == (None, "ball")


@pytest.mark.parametrize("heading", [0.0, 0.6, math.pi / 2])
def test_against_a_wall_a_thing_is_put_down_beside_it_and_not_into_it(build, heading):
    walls = [Prop(Box(0.2, 6.0, 2.0), (0.45, 0.0))]
    box = Prop(Box(0.2, 0.2, 0.2), (-0.7, 0.0), mass=1.0, portable=True)
    world = build({"box": box}, walls, spawns=[Spawn((0, 0), math.pi)])
    world.step(1, hand=HAND_PICK_UP)
    world.state.avatars.heading[0, 0] = heading
    world.step(1, hand=HAND_PUT_DOWN)
    assert world.held() is None
    placed = world.prop("box")
    assert placed[0] + 0.1 * math.sqrt(2) <= 0.35 + 1e-9
    world.step(20)  # Bullet would throw out what overlaps.
    assert np.hypot(*(world.prop("box") - placed)[:2]) < 0.02


def test_where_there_is_no_room_it_is_kept(build):
    walls = [
        Prop(Box(0.2, 3.0, 2.0), (0.45, 0.0)),
        Prop(Box(0.2, 3.0, 2.0), (-0.45, 0.0)),
        Prop(Box(0.7, 0.2, 2.0), (0.0, 0.45)),
        Prop(Box(0.7, 0.2, 2.0), (0.0, -0.45)),
    ]
    world = build({"ball": ball(0.7)}, walls)  # It is reached through the wall's corner.
    world.state.avatars.held[0, 0], world.state.props.holder[0, 0] = 0, 0
    world.state.moved[0, 0] = True
    world.step(1, hand=HAND_PUT_DOWN)
    assert (world.held(), world.event("put_down")) == ("ball", None)


def test_using_is_an_event_and_changes_nothing(build):
    bell = Prop(Box(0.3, 0.3, 1.0), (0.7, 0.0), usable=True)
    world = build({"bell": bell, "ball": ball(0.5, 0.2)})
    before = world.prop("bell")
    world.step(1, hand=HAND_USE)
    assert world.event("used") == "bell"
    world.step(1)
    assert world.event("used") is None
    assert world.prop("bell").tolist() == before.tolist()


def test_a_thing_can_be_used_with_something_in_the_hand(build):
    bell = Prop(Box(0.3, 0.3, 1.0), (0.7, 0.2), usable=True)
    world = build({"bell": bell, "ball": ball(0.5, -0.2)})
    world.step(1, hand=HAND_PICK_UP)
    world.step(1, hand=HAND_USE)
    assert (world.held(), world.event("used")) == ("ball", "bell")


def test_a_bump_is_an_event_once_for_each_contact(build):
    world = build({}, walls=[Prop(Box(0.2, 4.0, 2.0), (0.6, 0.0))])
    bumps = [bool(world.step(1, move=(1, 0)).events.bumped[0, 0]) for _ in range(15)]
    assert bumps.count(True) == 1
    world.step(5, move=(-1, 0))
    bumps = [bool(world.step(1, move=(1, 0)).events.bumped[0, 0]) for _ in range(15)]
    assert bumps.count(True) == 1


def test_a_task_can_take_a_thing_out_of_a_hand(build):
    world = build({"ball": ball(0.6)})
    world.step(1, hand=HAND_PICK_UP)
    world.state.move("ball", [0], (3.0, 3.0, 0.1))
    world.step(3)
    assert world.held() is None
    assert world.prop("ball") == pytest.approx([3.0, 3.0, 0.1], abs=0.01)
    world.step(1, hand=HAND_PUT_DOWN)
    assert world.event("put_down") is None


def test_using_a_switch_turns_its_sound_on_and_off():
    lever = Prop(Box(0.1, 0.1, 0.8), (0.6, 0.0), usable=True)
    sounds = {
        "hum": SoundSource((2.0, 0.0, 1.0), on=False, switch="lever"),
        "bell": SoundSource((2.0, 0.0, 1.0)),
        "fan": SoundSource((2.0, 0.0, 1.0), switch="lever"),
    }
    world = World(Layout([(0.0, 0.0)], props={"lever": lever}, sounds=sounds), worlds=2)
    try:
        on = world.state.sounds.on
        world.commands.clear()
        world.commands.hand[1] = HAND_USE  # In the second world alone.
        interaction.resolve(world.state, world.commands)
        assert on.tolist() == [[False, True, True], [True, True, False]]
        interaction.resolve(world.state, world.commands)
        assert on.tolist() == [[False, True, True], [False, True, True]]
        world.reset(1)
        assert on[1].tolist() == [False, True, True]
    finally:
        world.physics.close()
