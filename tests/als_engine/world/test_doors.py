"""Hinged doors: opened by hand, push or task; on both engines, in sight, ways and snapshots."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
from rooms import World

from als_engine import (
    Box,
    Cylinder,
    Hinge,
    Layout,
    Prop,
    Room,
    ScenarioSpec,
    Snapshot,
    Sphere,
    Task,
    hookimpl,
)
from als_engine.bodies.avatar import HAND_USE
from als_engine.errors import ArgumentError, LayoutError, SnapshotError
from als_engine.geometry.sight import visible
from als_engine.navigation.navigator import Navigator
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate

OUTSIDE = np.array([[4.0, 0.0, 1.5]])
WALK = (1.0, 0.0)


@pytest.fixture(params=list(ENGINES))
def engine(request) -> str:
    return request.param


def room(hinge: Hinge | None = None, spawns=((0.8, 0.0),), **more) -> Layout:
    """A room whose only gap, in the east, is filled by a door."""
    walls = Room(4.0, 4.0, doors=[("east", 0.0, 1.2)])
    return Layout(spawns, walls.walls(), {"door": walls.hang(0, hinge), **more})


def angle(world: World) -> float:
    return float(world.state.hinges.angle[0, 0])


def test_who_uses_a_door_opens_it_and_closes_it_again(engine):
    world = World(room(), physics=engine)
    state = world.state
    world.step(15, move=WALK)
    assert state.avatars.position[0, 0, 0] < 1.9
    assert state.avatars.touches_prop[0, 0, 0]
    world.step(1, hand=HAND_USE)
    assert world.event("used") == "door"
    world.step(20)
    assert angle(world) == math.pi / 2
    # It swings about its left edge, outwards.
    np.testing.assert_allclose(world.prop("door"), (2.675, 0.6, 1.2), atol=1e-9)
    world.step(20, move=WALK)
    assert state.avatars.position[0, 0, 0] > 3.5
    other = World(room(), physics=engine)
    other.step(3, move=WALK)
    other.step(1, hand=HAND_USE)
    other.step(20)
    other.step(1, hand=HAND_USE)
    other.step(20)
    assert angle(other) == 0.0
    np.testing.assert_allclose(other.prop("door"), (2.075, 0.0, 1.2), atol=1e-9)


def test_a_door_moves_no_faster_than_its_hinge_lets_it():
    world = World(room(Hinge(speed=0.75)))
    world.state.open("door", [0])
    seen = [angle(world)]
    for _ in range(40):
        world.step()
        seen.append(angle(world))
    steps = np.diff(seen)
    assert seen[-1] == math.pi / 2
    np.testing.assert_allclose(steps[:30], 0.75 / 15)
    assert (steps >= 0).all()


def test_a_door_is_pushed_open_from_either_side(engine):
    out = World(room(Hinge(opens="push")), physics=engine)
    out.step(40, move=WALK)
    assert out.state.avatars.position[0, 0, 0] > 2.6
    assert angle(out) > 0.5
    back = World(room(Hinge(opens="push"), [(3.4, 0.0)]), physics=engine)
    back.step(40, move=(-1.0, 0.0))
    assert back.state.avatars.position[0, 0, 0] < 1.4
    assert angle(back) < -0.5


def test_a_door_for_the_task_alone_stays_shut(engine):
    world = World(room(Hinge(opens="task")), physics=engine)
    world.step(3, move=WALK)
    world.step(1, hand=HAND_USE)
    world.step(20, move=WALK)
    assert angle(world) == 0.0
    assert world.state.avatars.position[0, 0, 0] < 1.9


def test_a_door_waits_for_who_stands_in_its_way(engine):
    # It opens inwards, over the place where the second avatar stands.
    layout = room(Hinge(angle=-math.pi / 2), [(0.9, -1.4), (1.5, 0.3)])
    world = World(layout, physics=engine)
    world.state.open("door", [0])
    world.step(30)
    here = world.state.avatars.position[0, 1].copy()
    assert -1.4 < angle(world) < -0.1
    np.testing.assert_allclose(here[:2], (1.5, 0.3), atol=0.01)
    world.step(25, move=(-1.0, 0.0), avatar=1)
    world.step(20)
    assert angle(world) == -math.pi / 2


def test_a_door_waits_for_a_crate(engine):
    crate = Prop(Box(0.4, 0.4, 0.4), (1.6, 0.2), mass=3.0)
    world = World(room(Hinge(angle=-math.pi / 2), crate=crate), physics=engine)
    world.state.open("door", [0])
    world.step(30)
    assert -1.4 < angle(world) < 0.0
    np.testing.assert_allclose(world.prop("crate")[:2], (1.6, 0.2), atol=0.01)


def test_a_door_hides_what_is_behind_it_until_it_is_open():
    world = World(room())
    state = world.state
    assert not visible(state, "avatars", OUTSIDE).any()
    assert visible(state, "avatars", "door").all()
    state.open("door", [0])
    world.step(30)
    assert visible(state, "avatars", OUTSIDE).all()
    assert visible(state, "avatars", "door").all()
    state.show("door", [0], False)
    state.open("door", [0], False)
    assert visible(state, "avatars", OUTSIDE).all()


def test_ways_lead_through_a_closed_door_for_who_opens_it():
    state = World(room()).state
    middle = np.array([[[2.075, 0.0]]])
    ways, opening = Navigator(state), Navigator(state, through_doors=True)
    ways.refresh(), opening.refresh()
    assert ways.blocked(middle).all()
    assert not opening.blocked(middle).any()
    goal = np.array([[4.0, 0.0]])
    np.testing.assert_allclose(opening.direction(goal)[0, 0], (1.0, 0.0), atol=0.2)
    open_world = World(room(Hinge(open=True))).state
    ways = Navigator(open_world)
    ways.refresh()
    assert not ways.blocked(middle).any()
    assert ways.blocked(np.array([[[2.675, 0.6]]])).all()


@pytest.mark.parametrize(
    ("prop", "wrong"),
    [
        (Prop(Cylinder(0.3, 2.0), (1, 1), usable=True, hinge=Hinge()), "solid Box of mass 0"),
        (Prop(Box(1, 0.1, 2), (1, 1), mass=2.0, hinge=Hinge()), "solid Box of mass 0"),
        (Prop(Box(1, 0.01, 2), (1, 1), hinge=Hinge()), "0.03 m thick"),
        (Prop(Box(1, 0.1, 2), (1, 1), hinge=Hinge()), "needs to be usable"),
        (Prop(Box(1, 0.1, 2), (1, 1), hinge=Hinge(edge="lft")), 'did you mean "left"'),
        (Prop(Box(1, 0.1, 2), (1, 1), hinge=Hinge(opens="psh")), 'did you mean "push"'),
        (Prop(Box(1, 0.1, 2), (1, 1), usable=True, hinge=Hinge(angle=0.0)), "angle 0.0"),
        (Prop(Box(1, 0.1, 2), (1, 1), usable=True, hinge=Hinge(speed=np.nan)), "speed nan"),
    ],
)
def test_a_door_that_cannot_swing_is_named(prop, wrong):
    with pytest.raises(LayoutError, match="prop 'door'") as error:
        Layout([(0, 0)], props={"door": prop}).check(1)
    assert wrong in str(error.value)


def test_only_doors_are_opened_and_doors_are_not_moved():
    state = World(room(ball=Prop(Sphere(0.1), (-1.0, -1.0)))).state
    with pytest.raises(ArgumentError, match="'ball' is no door"):
        state.open("ball", [0])
    with pytest.raises(ArgumentError, match="'door' is a door"):
        state.move("door", [0], (0.0, 0.0, 1.0))


class Doorway(Task):
    """A room with a door of a width that the level draws; the way out is worth something."""

    default_sensors: ClassVar = ("semantic", "entities", "audio", "touch")

    def layout(self, rng, level):
        wide = float(rng.uniform(1.0, 1.4))
        walls = Room(4.0, 4.0, doors=[("east", 0.0, wide)])
        opens = ("use", "push")[level % 2]
        props = {
            "door": walls.hang(0, Hinge(opens=opens)),
            "ball": Prop(Sphere(0.15), (-1.0, 1.0), mass=0.5, portable=True),
        }
        return Layout([(1.2, 0.1 * i * 7) for i in range(self.num_avatars)], walls.walls(), props)

    def reward(self, state):
        return self.everyone(state.avatars.position[:, 0, 0] > 2.5)


class Plugin:
    @hookimpl
    def als_scenarios(self):
        return [ScenarioSpec("Acme/Doorway-v0", f"{__name__}:Doorway", 200, max_avatars=2)]


@pytest.fixture
def _doorway():
    plugin = registry.add(Plugin(), "acme-doorway")
    yield
    registry.remove(plugin)


@pytest.mark.usefixtures("_doorway")
def test_a_moment_of_a_swinging_door_is_kept_exactly(engine, tmp_path):
    one = simulate("Acme/Doorway-v0", 2, physics=engine)
    twin = simulate("Acme/Doorway-v0", 2, physics=engine)
    one.reset([2, 5])
    one.state.open("door", [0, 1])
    for _ in range(6):
        one.step(np.full((2, 1), 1))
    assert (one.state.hinges.angle[:, 0] > 0.2).all()
    assert (one.state.hinges.angle[:, 0] < 1.5).all()
    one.snapshot().save(tmp_path / "moment")
    twin.restore(Snapshot.load(tmp_path / "moment"))
    twin.observe()
    for _ in range(20):
        for each in (one, twin):
            each.step(np.full((2, 1), 1))
        assert [one.state.digest(w) for w in (0, 1)] == [twin.state.digest(w) for w in (0, 1)]
        for key, seen in one.observations.items():
            np.testing.assert_array_equal(seen, twin.observations[key])
    assert (one.state.avatars.position[:, 0, 0] > 2.5).all()
    wrong = one.snapshot()
    wrong.arrays["hinges.opens"][:] = 9
    with pytest.raises(SnapshotError, match=r"hinges\.opens"):
        twin.restore(wrong)
    one.close(), twin.close()


@pytest.mark.usefixtures("_doorway")
def test_a_door_is_seen_as_it_stands(engine):
    simulation = simulate("Acme/Doorway-v0", 1, physics=engine)
    simulation.reset([2])
    simulation.observe()
    seen = simulation.observations
    closed, heard = seen["semantic"].copy(), seen["entities"][0, 0].copy()
    assert (closed[0, 0, 26, 20:44] == 3).all()
    doors = [row for row in heard if row[1] == 1]
    assert len(doors) == 1
    assert doors[0][24] or simulation.state.level[0] % 2  # Usable, unless it is pushed.
    simulation.state.open("door", [0])
    for _ in range(25):
        simulation.step(np.zeros((1, 1), int))
    assert (seen["semantic"][0, 0, 26, 28:36] != 3).all()
    now = next(row for row in seen["entities"][0, 0] if row[1] == 1)
    assert abs(now[12] - doors[0][12]) > 0.5  # It faces elsewhere.
    simulation.close()
