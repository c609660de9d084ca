"""The distances behind the ways: found only as far as somebody asks, yet the same."""

from __future__ import annotations

import heapq
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.navigation import Navigator
from als_engine.navigation.pathfinding import DIAGONAL, FAR, STRAIGHT
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Layout, Prop
from als_engine.world.room import Room
from als_engine.world.state import WorldState

seeds = st.integers(0, 2**32 - 1)


def maze(seed: int) -> WorldState:
    """Two avatars outside a room of 10 m full of walls."""
    rng = np.random.default_rng(seed)
    walls = Room(10, 10).walls()
    for _ in range(14):
        shape = Box(rng.uniform(0.2, 3.5), rng.uniform(0.2, 0.8), 2.0)
        walls.append(Prop(shape, rng.uniform(-5, 5, 2).tolist(), heading=rng.uniform(0, math.pi)))
    layout = Layout(spawns=[(-9, 0), (-9, 2)], walls=walls)
    state = WorldState(1, [Body()] * 2, layout, {})
    state.load(0, layout, level=0, key=0)
    return state


def looking(state: WorldState) -> Navigator:
    navigator = Navigator(state)
    navigator.refresh()
    return navigator


def distances(blocked: np.ndarray, goal: tuple[int, int]) -> np.ndarray:
    """Every free cell's distance from a free one, by Dijkstra's algorithm on a heap."""
    found = np.full(blocked.shape, FAR)
    found[goal] = 0
    waiting = [(0, goal)]
    while waiting:
        cost, (j, i) = heapq.heappop(waiting)
        if cost > found[j, i]:
            continue
        for dj in (-1, 0, 1):
            for di in (-1, 0, 1):
                cut = blocked[j + dj, i + di] or blocked[j + dj, i] or blocked[j, i + di]
                step = DIAGONAL if di and dj else STRAIGHT
                if not cut and cost + step < found[j + dj, i + di]:
                    found[j + dj, i + di] = cost + step
                    heapq.heappush(waiting, (cost + step, (j + dj, i + di)))
    return found


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_what_is_known_of_the_distances_is_what_dijkstra_finds(seed):
    state = maze(seed)
    navigator = looking(state)
    rng = np.random.default_rng(seed)
    state.avatars.position[..., :2], goals = rng.uniform(-4.7, 4.7, (2, 1, 2, 2))
    navigator.direction(goals)
    nx, ny = navigator._maps.size[0].tolist()
    blocked = navigator._maps.blocked[0, : nx * ny].reshape(ny, nx)
    for avatar in range(2):
        cell = int(navigator._ways.goal_cell[0, avatar])
        if cell < 0 or blocked.flat[cell]:  # Walked straight to, or searched from around it.
            continue
        field = navigator._ways.field[0, avatar, : nx * ny].reshape(ny, nx)
        known = int(navigator._ways.known[0, avatar])
        expected = distances(blocked, divmod(cell, nx))
        near = expected <= known
        assert np.array_equal(field[near], expected[near])
        assert (field[~near] > known).all()


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_who_asks_from_elsewhere_is_led_as_if_nobody_had_asked_before(seed):
    state = maze(seed)
    navigator, rng = looking(state), np.random.default_rng(seed)
    goals = rng.uniform(-5, 5, (1, 2, 2))
    goals[0, 1] = goals[0, 0] if seed % 2 else goals[0, 1]
    for _ in range(6):
        state.avatars.position[..., :2] = rng.uniform(-5, 5, (1, 2, 2))
        assert np.array_equal(navigator.direction(goals), looking(state).direction(goals))
