"""Rooms: what they hand out never overlaps, "full" is true, walls close, doors open."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.errors import LayoutError
from als_engine.world import furniture
from als_engine.world.building import grid_of_rooms
from als_engine.world.layout import Box, Layout, Prop
from als_engine.world.room import SIDES, Door, Room, corridor

SLACK = 1e-6
sizes = st.floats(2.0, 12.0)
seeds = st.integers(0, 2**32 - 1)


def inside(walls: list[Prop], x: float, y: float) -> bool:
    """Whether a point is inside one of the (unturned) walls."""
    return any(
        abs(x - w.center[0]) <= w.shape.half[0] and abs(y - w.center[1]) <= w.shape.half[1]
        for w in walls
    )


def outline(prop: Prop, steps: int = 41) -> np.ndarray:
    """Points all over a prop's footprint, (n, 2)."""
    half_x, half_y, _ = prop.shape.half
    if isinstance(prop.shape, Box):
        u, v = np.meshgrid(np.linspace(-half_x, half_x, steps), np.linspace(-half_y, half_y, steps))
    else:
        angle, r = np.meshgrid(np.linspace(0, 2 * np.pi, steps), np.linspace(0, half_x, steps))
        u, v = r * np.cos(angle), r * np.sin(angle)
    c, s = math.cos(prop.heading), math.sin(prop.heading)
    x, y, _ = prop.center
    return np.stack([x + c * u - s * v, y + s * u + c * v], -1).reshape(-1, 2)


def covers(prop: Prop, points: np.ndarray, grow: float) -> np.ndarray:
    """Which points are less than `grow` from a prop, seen from above."""
    half_x, half_y, _ = prop.shape.half
    dx, dy = (points - prop.center[:2]).T
    if not isinstance(prop.shape, Box):
        return np.hypot(dx, dy) < half_x + grow
    c, s = math.cos(prop.heading), math.sin(prop.heading)
    out_x = np.maximum(np.abs(c * dx + s * dy) - half_x, 0)
    out_y = np.maximum(np.abs(c * dy - s * dx) - half_y, 0)
    return np.hypot(out_x, out_y) < grow


@given(sizes, sizes, st.floats(0.1, 0.8), st.floats(0, 0.3), seeds)
def test_free_spots_keep_clear_of_walls_and_of_each_other(width, depth, radius, margin, seed):
    room, rng, spots = Room(width, depth, center=(3, -2)), np.random.default_rng(seed), []
    for _ in range(12):
        try:
            spots.append(room.free_spot(rng, radius, margin))
        except LayoutError:
            break
    x0, y0, x1, y1 = room.bounds
    for x, y in spots:
        assert min(x - x0, x1 - x, y - y0, y1 - y) >= radius + margin - SLACK
    for one, two in itertools.combinations(spots, 2):
        assert math.dist(one, two) >= 2 * radius + margin - SLACK


@given(seeds)
def test_everything_in_a_furnished_room_stands_apart(seed):
    rng = np.random.default_rng(seed)
    room = Room(9, 7, doors=[Door("north", 1.0), Door("west", 0.0, 1.0)])
    props = [room.add(furniture.table((0.5, 0.5), heading=0.7))]
    props += [room.place_along(rng, side, furniture.shelf(), margin=0.05) for side in SIDES]
    props += [room.place(rng, furniture.pillar(), margin=0.05)]
    props += [room.place(rng, furniture.crate(heading=h), margin=0.05) for h in (0.0, 0.4)]
    walls = room.walls()
    for one, two in itertools.permutations(props, 2):
        assert not covers(one, outline(two), 0.05 - SLACK).any()
    for prop in props:
        assert not any(inside(walls, x, y) for x, y in outline(prop, 5) * (1 - 1e-9))
    for door in room.doors:
        (x, y, _), _ = room.on_wall(door.side, door.offset)
        for prop in props:
            assert not covers(prop, np.array([[x, y]]), door.width / 2).any()


@settings(max_examples=25)
@given(st.floats(1, 5), st.floats(1, 5), st.floats(0.3, 0.6), seeds)
def test_full_means_that_no_spot_is_left(width, depth, radius, seed):
    room, rng, spots = Room(width, depth), np.random.default_rng(seed), []
    while True:
        try:
            spots.append(room.free_spot(rng, radius, margin=0.0))
        except LayoutError:
            break
    reach_x, reach_y = width / 2 - radius, depth / 2 - radius
    if min(reach_x, reach_y) <= 0:
        return
    grid = np.stack(
        np.meshgrid(np.linspace(-reach_x, reach_x, 200), np.linspace(-reach_y, reach_y, 200)), -1
    ).reshape(-1, 2)
    gap = np.min([np.hypot(*(grid - spot).T) for spot in spots], axis=0)
    # The search looks at cells down to 1 cm.
    assert gap.max() < 2 * radius + 0.012


def test_the_last_spot_of_a_nearly_full_room_is_found():
    room = Room(10, 10)
    room.occupy((0, 0), box=(10, 10))
    room._footprints.clear()
    room.occupy((-0.5, 0), box=(9, 10))  # Leaves a strip 1 m wide in the east.
    room.occupy((4.5, -1), box=(1, 8))  # Leaves its uppermost 2 metres...
    room.occupy((4.5, 4.5), radius=0.5)  # ... less a pillar: a disc of 0.5 m just fits.
    x, y = room.free_spot(np.random.default_rng(0), radius=0.49, margin=0.0)
    assert (x, y) == pytest.approx((4.5, 3.5), abs=0.02)


def test_a_full_room_says_how_large_and_how_full_it_is():
    room = Room(2, 1)
    room.occupy((-0.5, 0.0), radius=0.4)
    room.occupy((0.5, 0.0), radius=0.4)
    with pytest.raises(LayoutError) as error:
        room.free_spot(np.random.default_rng(0), radius=0.4, margin=0.0)
    message = str(error.value)
    assert message.startswith("room of 2 x 1 m is full: no free spot of radius 0.40 m")
    assert message.endswith("2 things occupy 1.0 of 2.0 square metres")
    assert "\n" not in message


@given(seeds)
def test_near_and_away_from_hold(seed):
    room, rng = Room(10, 10), np.random.default_rng(seed)
    for _ in range(5):
        spot = room.free_spot(rng, 0.2, near=(2, 3), within=2, away_from=(2, 3), beyond=0.5)
        assert 0.5 - SLACK <= math.dist(spot, (2, 3)) <= 2 + SLACK
    spot = room.free_spot(rng, 0.2, away_from=[(-5, -5), (5, 5)], beyond=6)
    assert min(math.dist(spot, (-5, -5)), math.dist(spot, (5, 5))) >= 6 - SLACK


def test_near_and_away_from_that_contradict_each_other_are_named():
    with pytest.raises(LayoutError, match=r"within 1 m of \(2.00, 3.00\) beyond 2 m from"):
        Room(10, 10).free_spot(
            np.random.default_rng(0), near=(2, 3), within=1, away_from=[(2, 3)], beyond=2
        )


def test_the_same_seed_draws_the_same_spots():
    first, second = (Room(6, 6).spots(np.random.default_rng(7), 9) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("side", SIDES)
def test_along_wall_turns_the_back_to_the_wall(side):
    room, box = Room(6, 4, center=(1, 2)), Box(1.5, 0.5, 1.0)
    position, heading = room.along_wall(np.random.default_rng(0), side, 1.5, 0.5)
    points = outline(Prop(box, position, heading))
    x0, y0, x1, y1 = room.bounds
    edge = {"north": y1, "south": y0, "east": x1, "west": x0}[side]
    axis = 1 if side in ("north", "south") else 0
    assert np.abs(points[:, axis] - edge).min() == pytest.approx(0, abs=1e-9)
    assert np.ptp(points[:, axis]) == pytest.approx(0.5)
    front = np.array([math.sin(heading), -math.cos(heading)])  # Local -y.
    assert front @ (np.array(room.center) - position) > 0


@pytest.mark.parametrize("side", SIDES)
def test_a_sign_on_a_wall_looks_into_the_room(side):
    room = Room(6, 4, center=(1, 2))
    (x, y, z), heading = room.on_wall(side, z=1.2)
    assert z == 1.2
    assert room.contains((x + 0.1 * math.cos(heading), y + 0.1 * math.sin(heading)))
    assert not room.contains((x - 0.1 * math.cos(heading), y - 0.1 * math.sin(heading)))


def test_a_wall_fills_up():
    room, rng = Room(5, 5), np.random.default_rng(3)
    for _ in range(3):  # However they fall, three fit.
        room.along_wall(rng, "east", 1.0, 0.5, margin=0.0)
    room.occupy((2.4, 0.0), box=(0.1, 3.2))
    with pytest.raises(LayoutError, match=r"full along its east wall: 1\.00 x 0\.50 m"):
        room.along_wall(rng, "east", 1.0, 0.5, margin=0.0)
    with pytest.raises(LayoutError, match="full along its west wall"):
        room.along_wall(rng, "west", 6.0, 0.5)


def test_four_walls_close_the_room_and_a_door_opens_it():
    closed = Room(4, 3).walls()
    assert len(closed) == 4
    doored = Room(4, 3, doors=[("north", 1.0, 0.8), Door("north", -1.0), Door("west")]).walls()
    assert len(doored) == 7
    for t in np.linspace(-1.57, 1.57, 50):
        edge_points = [(2.05, t * 0.95), (-2.05, t * 0.95), (t * 1.3, 1.55), (t * 1.3, -1.55)]
        assert all(inside(closed, *point) for point in edge_points)
        in_gap = abs(t * 1.3 - 1.0) < 0.4 or abs(t * 1.3 + 1.0) < 0.6
        assert inside(doored, t * 1.3, 1.55) != in_gap
        assert inside(doored, -2.05, t * 0.95) != (abs(t * 0.95) < 0.6)


def test_walls_make_a_layout():
    room = Room(4, 3, doors=[Door("north")])
    Layout(spawns=[(0, 0)], walls=room.walls()).check(1)
    for make in vars(furniture).values():
        if callable(make) and getattr(make, "__module__", "") == furniture.__name__:
            Layout(spawns=[(0, 0)], props={"it": make((1, 1))}).check(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Room(0, 3), "room width must be above 0 metres, got 0"),
        (lambda: Room(3, math.nan), "room depth must be above 0 metres, got nan"),
        (lambda: Room(3, 3, doors=[Door("north", 1.0, 2.0)]), "north door of width 2 m at offset"),
        (lambda: Room(3, 3, doors=[Door("nort")]), 'unknown side "nort"; did you mean "north"'),
        (lambda: grid_of_rooms(0, 3), "a grid of rooms needs rows and columns, got 0 x 3"),
        (lambda: grid_of_rooms(1, 2, depth=1.0), "east door of width 1.2 m"),
    ],
)
def test_impossible_rooms_are_refused_in_one_line(make, message):
    with pytest.raises(LayoutError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_open_corridor_has_two_walls():
    assert len(corridor(10).walls()) == 4
    walls = corridor(10, 2, open_ends=True).walls()
    assert len(walls) == 2
    assert not inside(walls, -5.05, 0.0)


def flood(walls: list[Prop], bounds: tuple[float, float, float, float]) -> np.ndarray:
    """Which cells of 10 cm an ant reaches from the lower corner of `bounds`: (ys, xs)."""
    x0, y0, x1, y1 = bounds
    xs, ys = np.meshgrid(np.arange(x0 + 0.05, x1, 0.1), np.arange(y0 + 0.05, y1, 0.1))
    points = np.stack([xs, ys], -1).reshape(-1, 2)
    free = ~np.any([covers(wall, points, 1e-9) for wall in walls], axis=0).reshape(xs.shape)
    reached = np.zeros((xs.shape[0] + 2, xs.shape[1] + 2), np.bool_)
    reached[1, 1] = True
    while True:
        grown = reached.copy()
        for axis, by in itertools.product((0, 1), (-1, 1)):
            grown |= np.roll(reached, by, axis)
        grown[1:-1, 1:-1] &= free
        grown[[0, -1]] = grown[:, [0, -1]] = False
        if (grown == reached).all():
            return reached[1:-1, 1:-1]
        reached = grown


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), seeds, st.floats(0, 1))
def test_every_room_of_a_grid_is_reached_and_none_leaks(rows, columns, seed, extra):
    grid = grid_of_rooms(
        rows, columns, 2.0, 1.8, door_width=1.0, rng=np.random.default_rng(seed), extra_doors=extra
    )
    x0, y0, _, _ = grid.rooms[0].bounds
    _, _, x1, y1 = grid.rooms[-1].bounds
    from_within = flood(grid.walls(), (x0, y0, x1, y1))
    from_outside = flood(grid.walls(), (x0 - 0.5, y0 - 0.5, x1 + 0.5, y1 + 0.5))
    for index in range(rows * columns):
        x, y = grid.rooms[index].center
        i, j = int((y - y0) / 0.1), int((x - x0) / 0.1)
        assert from_within[i, j]
        assert not from_outside[i + 5, j + 5]
        assert grid.room_at((x, y)) == index


def test_without_a_generator_every_inner_wall_has_a_door():
    assert grid_of_rooms(2, 3).doors == ((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5))
    assert grid_of_rooms(3, 1).doors == ((0, 1), (1, 2))
    assert grid_of_rooms(3, 1).rooms[1].doors == (Door("south"), Door("north"))
