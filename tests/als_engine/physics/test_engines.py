"""What the worlds of every engine do: things fall, slide, sleep and can be pushed, always alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bodies import pose_of_prop, sleeping_props, throw_avatar
from rooms import World, messy, play

from als_engine.bodies.avatar import HAND_PICK_UP
from als_engine.errors import PhysicsError
from als_engine.physics.engines import ENGINES
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Spawn, Sphere

FAR_AWAY = Spawn((-20.0, -20.0))


@pytest.fixture(params=ENGINES)
def build(request):
    made = []

    def build(props=None, walls=(), spawns=((0.0, 0.0),), worlds=1, layout=None, **options):
        layout = layout or Layout(spawns, walls, props or {})
        made.append(World(layout, worlds, physics=request.param, **options))
        return made[-1]

    yield build
    for world in made:
        world.physics.close()


def crate(mass, x=1.0, y=0.0, size=0.6):
    return Prop(Box(size, size, size), (x, y), mass=mass)


def test_a_light_crate_is_pushed_along(build):
    world = build({"crate": crate(10.0)})
    world.step(30, move=(1, 0))
    assert world.prop("crate")[0] > 2.0
    assert world.prop("crate")[2] == pytest.approx(0.3, abs=0.1)  # It rears up a little.
    world.step(30, move=(-1, 0))
    assert world.prop("crate")[2] == pytest.approx(0.3, abs=0.005)


def test_a_heavy_crate_moves_for_two_but_not_for_one(build):
    """One avatar's push is at most 60 kg times 8 m/s²; the crate's friction is above that."""
    heavy = crate(120.0, size=1.0)
    alone = build({"crate": heavy}, spawns=[Spawn((0, 0.25))])
    alone.step(30, move=(1, 0))
    after_the_impact = alone.prop("crate")
    assert after_the_impact[0] < 1.3
    alone.step(30, move=(1, 0))
    assert alone.prop("crate") == pytest.approx(after_the_impact, abs=0.01)
    together = build({"crate": heavy}, spawns=[Spawn((0, 0.27)), Spawn((0, -0.27))])
    together.step(60, move=(1, 0))
    assert together.prop("crate")[0] > 2.0


def test_gravity_pulls_at_9_81(build):
    world = build({"ball": Prop(Sphere(0.2), (3, 0, 5.0), mass=1.0)})
    world.step(6)
    seconds = 6 * world.state.time_step
    assert 5.0 - world.prop("ball")[2] == pytest.approx(9.81 * seconds**2 / 2, rel=0.1)
    world.step(60)
    assert world.prop("ball")[2] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    "thing",
    [Box(0.5, 0.5, 0.5), Sphere(0.3), Cylinder(0.3, 0.6)],
    ids=["box", "sphere", "cylinder"],
)
def test_what_stands_on_the_floor_stays_where_it_is(build, thing):
    world = build({"thing": Prop(thing, (2.0, 1.0), mass=3.0)})
    before = world.prop("thing")
    world.step(100)
    assert world.prop("thing") == pytest.approx(before, abs=0.01)


def test_a_fixed_prop_cannot_be_pushed_and_a_mat_can_be_walked_on(build):
    props = {
        "statue": Prop(Box(0.6, 0.6, 1.0), (2.0, 0.0)),
        "mat": Prop(Box(1.0, 1.0, 0.02), (0.8, 0.0), solid=False),
    }
    world = build(props)
    world.step(40, move=(1, 0))
    assert world.prop("statue").tolist() == [2.0, 0.0, 0.5]
    assert world.prop("mat").tolist() == [0.8, 0.0, 0.01]
    assert world.state.avatars.position[0, 0, 0] == pytest.approx(2.0 - 0.3 - 0.25, abs=0.03)


def test_a_wall_stops_an_avatar_and_is_felt_ahead(build):
    world = build(walls=[Prop(Box(0.2, 4.0, 2.0), (1.0, 0.0))])
    avatars = world.step(30, move=(1, 0)).avatars
    assert avatars.position[0, 0, 0] == pytest.approx(1.0 - 0.1 - 0.25, abs=0.02)
    assert avatars.touches_wall[0, 0]
    assert avatars.touch[0, 0].argmax() == 0
    # It pushes with all it has, its mass times its acceleration, and no more.
    assert avatars.touch[0, 0, 0] == pytest.approx(60.0 * 8.0, rel=0.05)
    assert avatars.touch[0, 0, 1:].max() < 5.0
    world.step(5, move=(-1, 0))
    assert not avatars.touches_wall[0, 0]
    assert (avatars.touch == 0).all()


@pytest.mark.parametrize(("heading", "sector"), [(0.0, 0), (math.pi / 2, 6), (math.pi, 4)])
def test_touch_is_felt_on_the_side_that_is_touched(build, heading, sector):
    """The wall is in the east; whoever looks north has it on the right, sector 6."""
    walls = [Prop(Box(0.2, 4.0, 2.0), (0.5, 0.0))]
    world = build(walls=walls, spawns=[Spawn((0.0, 0.0), heading)])
    east = {0.0: (1, 0), math.pi / 2: (0, -1), math.pi: (-1, 0)}[heading]
    avatars = world.step(15, move=east).avatars
    assert avatars.touch[0, 0].argmax() == sector


def test_avatars_bump_into_each_other(build):
    world = build(spawns=[Spawn((0, 0), 0.0), Spawn((2, 0), math.pi)])
    avatars = world.step(20, move=(1, 0)).avatars
    assert avatars.touches_avatar[0].tolist() == [[False, True], [True, False]]
    gap = avatars.position[0, 1, 0] - avatars.position[0, 0, 0]
    assert gap == pytest.approx(0.5, abs=0.03)


def test_an_avatar_stays_upright_and_on_the_floor(build):
    world = build({"crate": crate(30.0, 0.7), "step": Prop(Box(1, 1, 0.1), (0, 1.2))})
    rng = np.random.default_rng(0)
    for _ in range(100):
        world.step(1, move=rng.uniform(-1, 1, 2), turn=rng.uniform(-1, 1))
        assert -0.02 < world.state.avatars.position[0, 0, 2] < 0.15


def test_what_sleeps_is_read_again_when_it_is_touched(build):
    """A crate that lay still for long moves on being pushed, and pushes the next one."""
    world = build({"near": crate(4.0, 2.0), "next": crate(4.0, 2.61)})
    world.step(80)
    assert sleeping_props(world.physics, 0) == 2
    before = world.prop("next")
    world.step(40, move=(1, 0))
    assert world.prop("near")[0] > 2.2
    assert world.prop("next")[0] > before[0] + 0.2
    for name in ("near", "next"):
        pose = pose_of_prop(world.physics, 0, world.state.prop(name))
        assert world.prop(name).tolist() == pose[:3].tolist()


def test_what_rests_on_something_falls_when_that_is_taken_away(build):
    table = Prop(Box(0.8, 0.8, 0.6), (2.0, 0.0))
    props = {"table": table, "vase": Prop(Cylinder(0.1, 0.3), (2.0, 0.0, 0.75), mass=1.0)}
    for take_away in (
        lambda state: state.show("table", [0], present=False),
        lambda state: state.move("table", [0], (6.0, 0.0, 0.3)),
    ):
        world = build(props)
        world.step(80)
        assert world.prop("vase")[2] == pytest.approx(0.75, abs=0.01)
        take_away(world.state)
        world.step(30)
        assert world.prop("vase")[2] < 0.2


def test_what_rests_on_a_thing_falls_when_a_hand_takes_that(build):
    props = {
        "box": Prop(Box(0.4, 0.4, 0.4), (0.7, 0.0), mass=2.0, portable=True),
        "ball": Prop(Sphere(0.1), (0.7, 0.0, 0.5), mass=0.3),
    }
    world = build(props)
    world.step(80)
    assert world.prop("ball")[2] == pytest.approx(0.5, abs=0.02)
    world.step(1, hand=HAND_PICK_UP)
    assert world.held() == "box"
    world.step(30)
    assert world.prop("ball")[2] < 0.2


def test_absent_and_carried_things_are_in_nobody_s_way(build):
    props = {
        "ghost": Prop(Box(1.0, 4.0, 1.0), (1.5, 0.0), present=False),
        "ball": Prop(Sphere(0.2), (0.6, 0.0), mass=1.0, portable=True),
    }
    world = build(props, spawns=[Spawn((0, 0)), Spawn((-3.0, 0.0))])
    world.step(1, hand=HAND_PICK_UP, avatar=0)
    world.step(40, move=(1, 0), avatar=0)
    assert world.state.avatars.position[0, 0, 0] > 3.0
    world.state.show("ghost", [0])
    assert world.state.moved.any()


def test_a_reset_is_bit_exact_after_whatever_was_played(build):
    world = build(layout=messy())
    first = play(world, 1)
    assert len({digest for (digest,) in first}) == len(first)
    for seed in (2, 3):
        world.reset()
        play(world, seed, steps=25)
        world.reset()
        assert play(world, 1) == first


def test_worlds_do_not_know_of_each_other(build):
    """Resetting one world leaves no trace in the others, and all play alike."""
    world = build(layout=messy(), worlds=3)
    seen = play(world, 1)
    assert all(len(set(digests)) == 1 for digests in seen)
    world.reset(1)
    again = play(world, 4, steps=10)
    alone = build(layout=messy())
    alone_seen = play(alone, 1)
    assert [digests[0] for digests in seen] == [digest for (digest,) in alone_seen]
    assert all(a == c != b for a, b, c in again)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e9])
def test_a_world_that_is_not_finite_or_explodes_is_an_error(build, axis, value):
    world = build({"ball": Prop(Sphere(0.2), (2.0, 0.0), mass=1.0)}, worlds=3)
    position = [2.0, 0.0, 0.2]
    position[axis] = value
    world.step(2)
    world.state.move("ball", [1], position)
    with pytest.raises(PhysicsError, match=r"^the physics of world 1 \(level 0, step 2\)") as error:
        world.step(2)
    assert error.value.world == 1
    world.reset(1)
    world.step(5)
    assert np.isfinite(world.state.props.position).all()


def test_an_avatar_that_is_lost_is_an_error(build):
    world = build(worlds=2)
    throw_avatar(world.physics, 1, 0, (math.nan, 0.0, 0.0))
    with pytest.raises(PhysicsError, match="world 1") as error:
        world.step(1)
    assert error.value.world == 1


def test_a_body_s_own_speed_is_its_limit(build):
    world = build(spawns=[Spawn((0, 0)), Spawn((0, 3))], bodies=[Body(speed=1.0), Body(speed=3.0)])
    avatars = world.step(40, move=(1, 0)).avatars
    assert avatars.velocity[0, :, 0].tolist() == pytest.approx([1.0, 3.0], abs=0.02)
