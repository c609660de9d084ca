"""Navigation: where a way exists, following `direction` walks it, whatever else is computed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.bodies.avatar import Commands, drive
from als_engine.bodies.codec import Codec
from als_engine.errors import ArgumentError
from als_engine.navigation import Navigator, approach, face, reached, steer
from als_engine.world import furniture
from als_engine.world.arrays import Body
from als_engine.world.building import grid_of_rooms
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Spawn
from als_engine.world.room import Door, Room
from als_engine.world.state import WorldState

seeds = st.integers(0, 2**32 - 1)
STEP = 0.08
MODES = ("continuous", "discrete")


def worlds_of(layouts: list[Layout]) -> WorldState:
    state = WorldState(len(layouts), [Body()] * len(layouts[0].spawns), layouts[0], {})
    for world, layout in enumerate(layouts):
        state.load(world, layout, level=0, key=0)
    return state


def empty_room(*spawns, props=None, walls=(), size=10.0) -> WorldState:
    every = [*Room(size, size).walls(), *walls]
    return worlds_of([Layout(spawns=spawns, walls=every, props=props or {})])


def maze(seed: int, boxes: int = 14) -> Layout:
    """A room of 10 m full of walls; the avatars wait outside."""
    rng = np.random.default_rng(seed)
    walls = Room(10, 10).walls()
    for _ in range(boxes):
        shape = Box(rng.uniform(0.2, 3.5), rng.uniform(0.2, 0.8), 2.0)
        spot = rng.uniform(-5, 5, 2).tolist()
        walls.append(Prop(shape, spot, heading=rng.uniform(0, math.pi)))
    return Layout(spawns=[(-9, 0), (-9, 2)], walls=walls)


def free_points(navigator: Navigator, rng: np.random.Generator) -> np.ndarray:
    shape = navigator.state.avatars.position.shape
    points = rng.uniform(-4.7, 4.7, (*shape[:2], 2))
    while (taken := navigator.blocked(points)).any():
        points[taken] = rng.uniform(-4.7, 4.7, (taken.sum(), 2))
    return points


def connected(navigator: Navigator, start: np.ndarray, goal: np.ndarray) -> bool:
    """Whether free cells join two points of world 0, by a flood over the edges of cells alone."""
    origin = navigator._maps.origin[0]
    ticks_x = origin[0] + navigator.cell * (np.arange(navigator._maps.size[0, 0]) + 0.5)
    ticks_y = origin[1] + navigator.cell * (np.arange(navigator._maps.size[0, 1]) + 0.5)
    middles = np.stack(np.meshgrid(ticks_x, ticks_y), -1)
    free = ~navigator.blocked(middles[None])[0]
    free[[0, -1]] = free[:, [0, -1]] = False

    def at(point):
        return tuple(((point - origin) / navigator.cell).astype(int)[::-1])

    seen = np.zeros_like(free)
    seen[at(start)] = True
    while True:
        grown = seen.copy()
        for axis, by in itertools.product((0, 1), (-1, 1)):
            grown |= np.roll(seen, by, axis) & free
        if (grown == seen).all():
            return bool(seen[at(goal)])
        seen = grown


def follow(navigator: Navigator, goals: np.ndarray, steps: int = 700) -> np.ndarray:
    """Moves every avatar along its directions; returns the path (steps, worlds, avatars, 2)."""
    position, path = navigator.state.avatars.position, []
    for _ in range(steps):
        way = navigator.direction(goals)
        length = np.hypot(way[..., 0], way[..., 1])[..., None]
        left = np.hypot(*np.moveaxis(goals - position[..., :2], -1, 0))[..., None]
        position[..., :2] += np.minimum(STEP, left) * way / np.maximum(length, 1e-9)
        path.append(position[..., :2].copy())
        if not length.any():
            break
    return np.array(path)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_where_there_is_a_way_following_the_directions_walks_it(seed):
    state = worlds_of([maze(seed)])
    navigator = Navigator(state)
    navigator.refresh()
    rng = np.random.default_rng(seed)
    starts, goals = free_points(navigator, rng), free_points(navigator, rng)
    state.avatars.position[..., :2] = starts
    there = [connected(navigator, starts[0, a], goals[0, a]) for a in range(2)]
    path = follow(navigator, goals)
    for a in range(2):
        if there[a]:
            assert math.dist(path[-1, 0, a], goals[0, a]) <= navigator.arrive
            assert not navigator.blocked(path[None, :, 0, a]).any()
            length = np.hypot(*np.diff(path[:, 0, a], axis=0).T).sum()
            assert length < 60
    assert reached(state, goals, within=0.2).tolist() == [
        [bool(math.dist(path[-1, 0, a], goals[0, a]) <= 0.2) for a in range(2)]
    ]


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(0, 3))
def test_a_direction_depends_on_its_own_world_alone(seed, place):
    """Bit for bit: not on how many worlds there are, who else asks, or what was asked before."""
    layouts = [maze(seed + i, boxes=10 + 3 * i) for i in range(4)]
    together, alone = worlds_of(layouts), worlds_of([layouts[place]])
    many, one = Navigator(together), Navigator(alone)
    many.refresh()
    one.refresh()
    rng = np.random.default_rng(seed)
    for _ in range(6):
        spots, goals = rng.uniform(-5, 5, (2, 4, 2, 2))
        together.avatars.position[..., :2] = spots
        alone.avatars.position[..., :2] = spots[[place]]
        fresh = Navigator(together)
        fresh.refresh([place])
        only = np.zeros((4, 2), np.bool_)
        only[place] = True
        expected = one.direction(goals[[place]])[0]
        assert (many.direction(goals)[place] == expected).all()
        assert (many.direction(goals)[place] == expected).all()
        assert (fresh.direction(goals, only)[place] == expected).all()
        assert (fresh.direction(goals, only)[~only] == 0).all()
        # Two who share a goal share its distances.
        shared = np.repeat(goals[[place]][:, :1], 2, axis=1)
        many_shared = many.direction(np.repeat(goals[:, :1], 2, axis=1))
        assert (many_shared[place] == one.direction(shared)[0]).all()


def test_a_clear_line_is_walked_straight_and_slower_in_the_end():
    state = empty_room((-3, 0), (3, 1))
    navigator = Navigator(state)
    navigator.refresh()
    way = navigator.direction(np.array([[(1, 3), (3, 1.3)]]))
    assert way[0, 0] == pytest.approx(np.array([0.8, 0.6]))
    assert way[0, 1] == pytest.approx(np.array([0, 0.5]))
    assert (navigator.direction(np.array([[(-3, 0.05), (np.nan, 0)]])) == 0).all()


@pytest.mark.parametrize("start", [(0, -3), (0, 3), (3.5, 0), (-3.5, -3.5)])
def test_a_goal_inside_a_desk_leads_beside_the_desk(start):
    desk = furniture.desk((0.3, 0.2), heading=0.5)
    state = empty_room(start, props={"desk": desk})
    navigator = Navigator(state)
    navigator.refresh()
    path = follow(navigator, state.position("desk")[:, None, :2])
    assert math.dist(path[-1, 0, 0], desk.position) < 1.1
    assert (navigator.direction(state.position("desk")[:, :2]) == 0).all()
    assert not navigator.blocked(path[None, :, 0, 0]).any()


def test_a_goal_at_a_wall_is_reached_on_its_own_side():
    middle = Prop(Box(0.15, 8.0, 2.4), (0, 1))  # From the north wall to y = -3.
    for x in (0.08, 0.2, -0.08, -0.2):
        for start in ((-3, 2), (3, 2)):
            state = empty_room(start, walls=[middle])
            navigator = Navigator(state)
            navigator.refresh()
            path = follow(navigator, np.array([[(x, 2.0)]]))
            assert path[-1, 0, 0, 0] * x > 0
            assert math.dist(path[-1, 0, 0], (x, 2.0)) < 0.6


def test_someone_who_stands_at_a_wall_is_walked_up_to():
    state = empty_room((3, 3))
    navigator = Navigator(state)
    navigator.refresh()
    goal = np.array([[(-4.74, -4.74)]])  # In the corner, with a body's width to the walls.
    path = follow(navigator, goal)
    assert math.dist(path[-1, 0, 0], goal[0, 0]) <= 0.1


@pytest.mark.parametrize("spot", [(0.0, 0.55), (0.6, 0.3), (-0.55, -0.5), (0.0, 0.0)])
def test_who_was_pushed_against_something_gets_away(spot):
    state = empty_room((3, 3), props={"block": Prop(Box(1, 1, 1), (0, 0))})
    state.avatars.position[0, 0, :2] = spot
    navigator = Navigator(state)
    navigator.refresh()
    assert navigator.blocked(np.array([[spot]])).all()
    path = follow(navigator, np.array([[(-4, -4)]]))
    assert math.dist(path[-1, 0, 0], (-4, -4)) <= 0.1


def test_without_a_way_the_goal_is_walked_at():
    closed = [Prop(Box(0.2, 10, 2), (0, 0))]
    state = empty_room((-3, 0), walls=closed)
    navigator = Navigator(state)
    navigator.refresh()
    assert navigator.direction(np.array([[(3, 4)]]))[0, 0] == pytest.approx(
        np.array([6, 4]) / math.sqrt(52)
    )


def test_only_what_stands_in_the_way_of_a_body_counts():
    props = {
        "mat": Prop(Box(2, 2, 0.02), (-3, -3), solid=False),
        "crate": furniture.crate((3, -3)),
        "absent": Prop(Box(1, 1, 1), (-3, 3), present=False),
        "pillar": Prop(Cylinder(0.5, 2), (0, 3)),
        "lintel": Prop(Box(1, 1, 0.2), (0, 0, 2.2)),
    }
    state = empty_room((4, 4), props=props)
    centers = state.props.position[..., :2]
    plain = Navigator(state)
    plain.refresh()
    assert plain.blocked(centers).tolist() == [[False, False, False, True, False]]
    careful = Navigator(state, blockers=("crate",))
    careful.refresh()
    assert careful.blocked(centers).tolist() == [[False, True, False, True, False]]


def test_refresh_sees_what_was_moved_and_forgets_the_old_ways():
    props = {"crate": furniture.crate((0, 0), size=2.0), "spare": furniture.crate((-4, 4))}
    state = empty_room((-3, 0), props=props)
    navigator = Navigator(state, blockers=("crate",))
    navigator.refresh()
    goal = np.array([[(3, 0)]])
    around = navigator.direction(goal)
    assert abs(around[0, 0, 1]) > 0.1
    state.move("crate", [0], (0, -3.5, 1.0))
    assert (navigator.direction(goal) == around).all()
    navigator.refresh(np.array([True]))
    assert navigator.direction(goal)[0, 0] == pytest.approx(np.array([1, 0]))


def test_a_round_obstacle_is_walked_around():
    state = empty_room((-3, 0.01), props={"pillar": Prop(Cylinder(1.0, 2), (0, 0))})
    navigator = Navigator(state)
    navigator.refresh()
    path = follow(navigator, np.array([[(3, 0)]]))
    assert np.hypot(*path[:, 0, 0].T).min() > 1.15
    assert np.hypot(*np.diff(path[:, 0, 0], axis=0).T).sum() < 7.5


def test_worlds_of_different_sizes_and_off_grid_places():
    small, large = Room(4, 4), Room(30, 20)
    state = worlds_of([Layout(spawns=[(1, 1)], walls=room.walls()) for room in (small, large)])
    navigator = Navigator(state)
    navigator.refresh([0])
    navigator.refresh([1])
    path = follow(navigator, np.array([[(-1.5, -1.5)], [(-14, 9)]]))
    assert reached(state, [[(-1.5, -1.5)], [(-14, 9)]], within=0.1).all()
    assert len(path) > 100
    state.avatars.position[:, 0, :2] = (100, 100)
    way = navigator.direction([[(90, 100)], [(100, 90)]])
    assert way[:, 0] == pytest.approx(np.array([(-1, 0), (0, -1)]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda s: Navigator(s, cell=0), "cell, clearance and arrive must be above 0, got 0"),
        (lambda s: Navigator(s, blockers=["crat"]), 'unknown prop "crat"; did you mean "crate"?'),
        (lambda s: Navigator(s, cell=0.001).refresh(), "world 0 is too large for cells of 0.001 m"),
        (lambda s: Navigator(s).direction([1, 2]), "goals have shape (2,), expected (1, 1, 2) or"),
        (lambda s: reached(s, np.zeros((2, 1, 2))), "goals have shape (2, 1, 2), expected (1, 1,"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(wrong, message):
    with pytest.raises(ArgumentError) as error:
        wrong(empty_room((0, 0), props={"crate": furniture.crate((2, 2))}))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


# -- steering -----------------------------------------------------------------------------------


def walk(state, goals, mode, steps, avoid=0.4):
    """Walks without obstacles' physics; returns positions and headings of every step."""
    navigator = Navigator(state)
    navigator.refresh()
    shape = (state.num_worlds, state.num_avatars)
    commands, codec = Commands(*shape), Codec(mode, ())
    force, who = np.zeros((*shape, 2)), np.ones(shape, np.bool_)
    positions, headings = [], []
    for _ in range(steps):
        commands.clear()
        navigator.walk(goals, commands, who, avoid=avoid)
        codec.decode(codec.encode(commands, shape[1]), commands, shape[1])
        drive(state, commands, force)
        state.avatars.velocity[..., :2] += force / state.bodies.mass[:, None] * state.time_step
        state.avatars.position += state.avatars.velocity * state.time_step
        positions.append(state.avatars.position[0, :, :2].copy())
        headings.append(state.avatars.heading[0].copy())
    return np.array(positions), np.array(headings)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("heading", [0.0, 0.3, -1.5, 3.1])
def test_an_avatar_turns_walks_and_stops_at_its_goal(mode, heading):
    state = empty_room(Spawn((-3, 0), heading))
    goals = np.array([[(2.0, 1.0)]])
    positions, _ = walk(state, goals, mode, 100)
    away = np.hypot(*(positions[:, 0] - goals[0, 0]).T)
    arrived = int(np.argmax(away < 0.3))
    assert 0 < arrived < 75
    assert away[arrived:].max() < 0.35
    assert np.hypot(*state.avatars.velocity[0, 0, :2]) < 0.1


@pytest.mark.parametrize("mode", MODES)
def test_turning_does_not_swing_past_the_direction(mode):
    for turn in (0.3, 1.0, 2.0, 3.0, -3.0, -0.6):
        state = empty_room(Spawn((0, 0), 0.0))
        commands, codec = Commands(1, 1), Codec(mode, ())
        force, who = np.zeros((1, 1, 2)), np.ones((1, 1), np.bool_)
        point, headings = np.array([[(4 * math.cos(turn), 4 * math.sin(turn))]]), []
        for _ in range(45):
            commands.clear()
            left = face(state, point, commands, who)
            codec.decode(codec.encode(commands, 1), commands, 1)
            drive(state, commands, force)
            headings.append(float(state.avatars.heading[0, 0]))
        assert not commands.move.any()
        assert left[0, 0] < 0.25
        assert max(h * np.sign(turn) for h in headings) < abs(turn) + (
            0.2 if mode == "discrete" else 0.05
        )


@pytest.mark.parametrize("mode", MODES)
def test_two_who_meet_pass_each_other(mode):
    state = empty_room(Spawn((-3, 0), 0.0), Spawn((3, 0), math.pi))
    positions, _ = walk(state, np.array([[(3, 0), (-3, 0)]]), mode, 90)
    assert np.hypot(*(positions[:, 0] - positions[:, 1]).T).min() > 0.5
    assert np.hypot(*(positions[-1] - [(3, 0), (-3, 0)]).T).max() < 0.3


def test_who_wants_to_meet_the_other_does():
    state = empty_room(Spawn((-3, 0), 0.0), Spawn((3, 0), math.pi))
    positions, _ = walk(state, np.array([[(3, 0), (3, 0)]]), "continuous", 60, avoid=0.0)
    assert np.hypot(*(positions[:, 0] - positions[:, 1]).T).min() < 0.3


def test_only_those_asked_for_are_steered_and_speed_is_theirs():
    state = empty_room(Spawn((-3, 0), 0.0), Spawn((3, 3), 0.0), Spawn((3, -3), 0.0))
    commands = Commands(1, 3)
    commands.move[:], commands.turn[:] = 0.7, 0.7
    who = np.array([[True, False, True]])
    steer(state, [[(1, 0)] * 3], commands, who, speed=[[0.4, 1.0, 0.2]])
    assert commands.move[0, 1].tolist() == [0.7, 0.7]
    assert commands.turn[0].tolist() == [0.0, 0.7, 0.0]
    assert commands.move[0, 0, 0] > commands.move[0, 2, 0] > 0
    steer(state, np.zeros((1, 3, 2)), commands, who)
    assert commands.move[0].tolist() == [[0, 0], [0.7, 0.7], [0, 0]]


def test_who_approaches_a_goal_goes_straight_at_it_and_slows_down():
    state = empty_room(Spawn((-3, 0), 0.0), Spawn((2.95, 0), 0.0), Spawn((3, 3), 0.0))
    commands = Commands(1, 3)
    approach(state, [(3.0, 0.0)], commands, np.array([[True, True, False]]))
    far, near, stays = commands.move[0]
    assert far[0] > near[0] > 0
    assert (far[1], near[1]) == pytest.approx((0, 0))
    assert stays.tolist() == [0, 0]


def office(seed: int) -> Layout:
    rng = np.random.default_rng(seed)
    grid = grid_of_rooms(1, 3, 4, 4, door_width=1.2, rng=rng)
    props = {}
    for i, room in enumerate(grid.rooms):
        props[f"desk_{i}"] = room.place_along(rng, "north", furniture.desk())
        props[f"plant_{i}"] = room.place(rng, furniture.plant())
    spawns = [grid.rooms[i].free_spot(rng, 0.3) for i in (0, 2)]
    return Layout(spawns=spawns, walls=grid.walls(), props=props)


@pytest.mark.parametrize("form", [np.array, np.ndarray.tolist, np.float32, np.asfortranarray])
def test_what_is_given_for_each_may_come_in_any_form_and_is_not_written(form):
    state = empty_room(Spawn((0, 0)), Spawn((2, 0)))
    who, both = np.ones((1, 2), bool), np.full((1, 2), 0.5)
    wanted = np.array([[[1.0, 0.0], [-0.5, 0.25]]])
    plain, other = Commands(1, 2), Commands(1, 2)
    steer(state, wanted, plain, who, 0.5, 0.5)
    given = form(wanted)
    before = np.array(given)
    steer(state, given, other, who, form(both), both[:, :1])
    assert np.array_equal(plain.move, other.move)
    assert np.array_equal(plain.turn, other.turn)
    assert np.array_equal(given, before)


@pytest.mark.parametrize("mode", MODES)
def test_in_the_real_physics_two_cross_an_office_through_its_doors(mode):
    from als_engine.physics.bullet.backend import Bullet

    layouts = [office(seed) for seed in range(3)]
    state, physics = worlds_of(layouts), Bullet(len(layouts))
    for world in range(len(layouts)):
        physics.build(world, state)
    navigator = Navigator(state)
    navigator.refresh()
    commands, codec = Commands(3, 2), Codec(mode, ())
    force, who = np.zeros((3, 2, 3)), np.ones((3, 2), np.bool_)
    goals = np.stack([state.position("desk_2"), state.position("desk_0")], 1)[..., :2]
    done = np.zeros((3, 2), np.bool_)
    for _ in range(350):
        commands.clear()
        navigator.walk(goals, commands, who)
        codec.decode(codec.encode(commands, 2), commands, 2)
        drive(state, commands, force)
        physics.step(state, force)
        done |= reached(state, goals, within=1.2)
        if done.all():
            break
    physics.close()
    assert done.all()


def test_a_room_with_a_door_is_left_through_the_door():
    state = worlds_of(
        [Layout(spawns=[(0, 0)], walls=Room(6, 6, doors=[Door("west", 1.0)]).walls())]
    )
    navigator = Navigator(state)
    navigator.refresh()
    path = follow(navigator, np.array([[(8, 0)]]))
    crossing = path[np.argmax(path[:, 0, 0, 0] < -3.0), 0, 0]
    assert abs(crossing[1] - 1.0) < 0.5
    assert math.dist(path[-1, 0, 0], (8, 0)) <= 0.1
