"""What MuJoCo's worlds do: moments are exact, sleepers and what is away are where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import World, messy, play

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN
from als_engine.errors import PhysicsError, SnapshotError
from als_engine.physics.mujoco import backend
from als_engine.world.layout import Box, Layout, Prop, Spawn, Sphere


@pytest.fixture
def build():
    made = []

    def build(layout=None, worlds=1):
        made.append(World(layout or messy(), worlds, physics="mujoco"))
        return made[-1]

    yield build
    for world in made:
        world.physics.close()


@pytest.mark.parametrize("steps", [0, 1, 5, 20, 45, 80])
def test_a_moment_is_exact_also_in_new_worlds_and_whoever_sleeps(build, steps):
    """Some props sleep, some fall, some are carried; the other worlds have a past of their own."""
    ours, theirs = build(), build(worlds=2)
    play(ours, 1, steps)
    play(theirs, 9, 13)
    rows = np.array([0])
    saved = ours.physics.snapshot(rows)
    state = {name: array.copy() for name, array in arrays(ours.state)}
    future = play(ours, 2, 60)
    for world, row in ((ours, 0), (theirs, 1)):
        for name, array in arrays(world.state):
            array[row] = state[name][0]
        world.physics.restore(np.array([row]), world.state, saved)
        assert [digests[row] for digests in play(world, 2, 60)] == [d[0] for d in future]


def arrays(state):
    for group in (state.avatars, state.props, state.walls, state.events):
        for name, array in group.arrays():
            yield f"{type(group).__name__}.{name}", array
    yield from (("step", state.step), ("key", state.key), ("moved", state.moved))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("moment", lambda array: array[:, :-1]),
        ("moment", lambda array: array.astype(np.float32)),
        ("moment", lambda array: array * np.nan),
        ("asleep", lambda array: array * 0 + 3),
        ("asleep", lambda array: array * 0),
        ("asleep", lambda array: array * 0 + (1 << 30)),
        ("asleep", lambda array: array * 0 - 1000),
    ],
)
def test_a_moment_of_no_such_world_is_refused(build, name, change):
    world = build()
    play(world, 1, 10)
    rows = np.array([0])
    saved = world.physics.snapshot(rows)
    before = {key: array.copy() for key, array in saved.items()}
    saved[name] = change(saved[name])
    with pytest.raises(SnapshotError, match=f'"physics.{name}"'):
        world.physics.restore(rows, world.state, saved)
    for key, array in world.physics.snapshot(rows).items():
        assert np.array_equal(array, before[key])


def test_a_moment_that_is_not_the_state_s_is_an_error(build):
    world = build()
    play(world, 1, 10)
    saved = world.physics.snapshot(np.array([0]))
    saved["moment"][:, 1] += 0.1
    with pytest.raises(PhysicsError, match="at another moment than its snapshot"):
        world.physics.restore(np.array([0]), world.state, saved)


def test_a_thing_that_was_taken_away_is_not_bumped_into_where_it_was(build):
    """It sleeps far away from the first substep on, not where MuJoCo saw it last."""
    ball = Prop(Sphere(0.3), (0.7, 0.0), mass=1.0, portable=True)
    world = build(Layout([Spawn((0.0, 0.0))], (), {"ball": ball}))
    world.step(30)
    world.step(1, hand=HAND_PICK_UP)
    assert world.held() == "ball"
    for _ in range(20):
        world.step(1, move=(1, 0))
        assert not world.state.avatars.touches_prop.any()
    assert world.state.avatars.position[0, 0, 0] > 1.5
    world.step(1, hand=HAND_PUT_DOWN)
    assert world.held() is None


def test_levels_of_another_structure_come_and_go_without_a_trace(build):
    """A world whose props change between free, fixed and absent, among walls of other numbers."""
    layouts = [
        messy(),
        Layout(
            messy().spawns,
            [Prop(Box(0.2, 1.0, 1.0), (3.0, float(y))) for y in range(20)],
            {name: Prop(prop.shape, prop.position) for name, prop in messy().props.items()},
        ),
    ]
    fresh = [play(build(layout), 1, 20) for layout in layouts]
    world = build(layouts[0])
    for turn in (0, 1, 0, 1, 1, 0):
        world.layout = layouts[turn]
        world.reset()
        assert play(world, 1, 20) == fresh[turn]


def test_models_of_other_structures_are_kept_for_later_and_not_without_end(build, monkeypatch):
    monkeypatch.setattr(backend, "_KEPT", 2)
    world = build()
    for walls in range(0, 200, 20):
        world.layout = Layout(
            messy().spawns,
            [Prop(Box(0.1, 0.1, 1.0), (5.0, float(y))) for y in range(walls)],
            messy().props,
        )
        world.reset()
        world.step(1)
    assert len(world.physics._pool) == 2
