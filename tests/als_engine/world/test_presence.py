"""Avatars that come and go, and are placed: engines, sensors, rewards, snapshots, views."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from acme_visitors import COMES, LEAVES, MOVES, RETURNS, VISITORS
from rooms import World

from als_engine import Box, Layout, Prop, Snapshot, Spawn, Sphere
from als_engine.bodies.avatar import HAND_PICK_UP
from als_engine.envs.parallel import parallel_env
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ActionError, ArgumentError, LayoutError
from als_engine.physics.engines import ENGINES
from als_engine.simulation import simulate
from als_engine.world.arrays import NOTHING


@pytest.fixture(params=list(ENGINES))
def engine(request) -> str:
    return request.param


def corridor(**more) -> Layout:
    """Two avatars, the one in the other's way."""
    return Layout([Spawn((0.0, 0.0)), Spawn((1.0, 0.0), np.pi)], **more)


def test_an_absent_avatar_is_in_nobody_s_way(engine):
    there, gone = World(corridor(), physics=engine), World(corridor(), physics=engine)
    gone.state.show(1, 0, False)
    for world in (there, gone):
        world.step(30, move=(1.0, 0.0), avatar=0)
    assert there.state.avatars.touches_avatar[0, 0, 1]
    assert there.state.avatars.position[0, 0, 0] < gone.state.avatars.position[0, 0, 0] - 0.3
    assert not gone.state.avatars.touching[0].any()
    np.testing.assert_array_equal(gone.state.avatars.position[0, 1], (1.0, 0.0, 0.0))


def test_a_placed_avatar_stands_there_at_rest_and_is_met_there(engine):
    world = World(corridor(), worlds=2, physics=engine)
    world.step(5, move=(0.5, 0.0), avatar=0)
    world.state.place(1, [0, 1], [(3.0, 1.0), (2.0, 0.0)], 4.0)
    np.testing.assert_allclose(world.state.avatars.heading[:, 1], 4.0 - 2 * np.pi)
    world.step(20, move=(1.0, 0.0), avatar=0)
    np.testing.assert_allclose(world.state.avatars.position[0, 1], (3.0, 1.0, 0.0), atol=1e-3)
    assert world.state.avatars.touches_avatar[:, 0, 1].tolist() == [False, True]


def test_who_comes_into_the_world_is_a_body_from_then_on(engine):
    layout = Layout([Spawn((0.0, 0.0)), Spawn((5.0, 5.0), present=False)])
    world = World(layout, physics=engine)
    world.step(3)
    world.state.place(1, 0, (0.9, 0.0))
    world.step(15, move=(1.0, 0.0), avatar=0)
    assert world.state.avatars.touches_avatar[0, 0, 1]
    assert not world.state.avatars.left.any()


def test_an_avatar_that_comes_back_stands_where_it_left(engine):
    world = World(corridor(), physics=engine)
    world.step(3, move=(0.0, 1.0), avatar=1)
    place = world.state.avatars.position[0, 1].copy()
    world.state.show(1, 0, False)
    world.step(10, move=(1.0, 0.0), avatar=1)
    world.state.show(1, 0)
    world.step(1)
    np.testing.assert_allclose(world.state.avatars.position[0, 1], place, atol=1e-3)
    assert world.state.avatars.left[0].tolist() == [False, True]


def test_who_leaves_lays_down_what_it_carries_and_who_is_placed_takes_it_along(engine):
    props = {"ball": Prop(Sphere(0.15), (0.6, 0.0), mass=0.5, portable=True)}
    world = World(Layout([Spawn((0.0, 0.0)), Spawn((0.0, 3.0))], props=props), physics=engine)
    world.step(1, hand=HAND_PICK_UP, avatar=0)
    assert world.held() == "ball"
    world.state.place(0, 0, (2.0, 1.0))
    assert world.held() == "ball"
    assert np.hypot(*(world.prop("ball")[:2] - (2.0, 1.0))) < 0.6
    world.state.show(0, 0, False)
    assert world.held() is None
    np.testing.assert_allclose(world.prop("ball"), (2.0, 1.0, 0.15))
    world.step(10)
    np.testing.assert_allclose(world.prop("ball"), (2.0, 1.0, 0.15), atol=0.01)


def test_a_step_to_another_place_leaves_the_hand_of_others_alone(engine):
    props = {
        "ball": Prop(Sphere(0.15), (0.6, 0.0), mass=0.5, portable=True),
        "box": Prop(Box(0.2, 0.2, 0.2), (0.6, 3.0), mass=0.5, portable=True),
    }
    world = World(Layout([Spawn((0.0, 0.0)), Spawn((0.0, 3.0))], props=props), physics=engine)
    world.step(1, hand=HAND_PICK_UP)
    world.state.show(0, 0, False)
    assert (world.held(0), world.held(1)) == (None, "box")


@pytest.mark.parametrize(
    ("avatar", "worlds", "position", "heading", "said"),
    [
        (2, 0, (0, 0), None, "avatar must be a whole number"),
        ("ball", 0, (0, 0), None, "avatar must be a whole number"),
        (0, 3, (0, 0), None, "worlds [3]"),
        (0, 0, (0, 0, 0, 0), None, "a place is (x, y)"),
        (0, [0, 1], [(0, 0)] * 3, None, "one row for each of 2 worlds"),
        (0, 0, (np.nan, 0), None, "not finite"),
        (0, 0, (0, 0), np.inf, "not finite"),
        (0, [0, 1], (0, 0), [0, 0, 0], "one number for each world"),
    ],
)
def test_a_place_that_is_none_is_named_and_changes_nothing(avatar, worlds, position, heading, said):
    world = World(corridor(), worlds=2)
    before = [world.state.digest(w) for w in range(2)]
    with pytest.raises(ArgumentError) as error:
        world.state.place(avatar, worlds, position, heading)
    assert said in str(error.value)
    assert [world.state.digest(w) for w in range(2)] == before


def test_a_layout_in_which_nobody_is_present_is_refused():
    with pytest.raises(LayoutError, match="no spawn is present"):
        Layout([Spawn((0, 0), present=False)]).check(1)


def test_absent_avatars_may_wait_anywhere_even_in_a_wall():
    wall = Prop(Box(1, 1, 1), (2, 0))
    World(Layout([Spawn((0, 0)), Spawn((2, 0), present=False)], [wall]))
    with pytest.raises(LayoutError, match="spawn 1 is inside wall 0"):
        World(Layout([Spawn((0, 0)), Spawn((2, 0))], [wall]))


def visit(engine, worlds=2, **more):
    made = simulate(VISITORS, num_worlds=worlds, observers=None, physics=engine, **more)
    made.reset(list(range(worlds)))
    return made


SAY = 10  # `say 'yes'` of a discrete action.


def test_an_absent_avatar_senses_nothing_and_is_not_sensed(engine):
    sensors = ("rgb", "semantic", "entities", "audio", "text", "touch", "proprioception")
    made = visit(engine, sensors=sensors)
    made.observe()
    for step in range(RETURNS + 1):
        absent = [2] if step < COMES else [1] if LEAVES <= step < RETURNS else []
        for key, array in made.observations.items():
            for avatar in range(3):
                anything = array[:, avatar].any()
                assert anything == (avatar not in absent) or key in ("audio", "touch"), key
                assert not (anything and avatar in absent), key
        seen = made.observations["entities"][:, 0]
        avatars = ((seen[..., 0] > 0) & (seen[..., 4] > 0)).sum(1)
        assert (avatars == 2 - len(absent)).all()
        if absent == [1]:
            assert not made.observations["audio"].any()
        made.step([[0, SAY if step >= LEAVES else 0, 0]] * 2)
    assert made.observations["audio"][:, 0].any()


def test_an_absent_avatar_gets_no_reward_and_its_action_is_ignored(engine):
    made = visit(engine)
    for step in range(1, 20):
        made.step([[0, 1, 1]] * 2)
        comes, gone = step > COMES, LEAVES < step <= RETURNS
        assert made.rewards[0].tolist() == [1.0, 1.0 - gone, 1.0 * comes]
    assert (made.returns[:, 1] == 19 - (RETURNS - LEAVES)).all()
    with pytest.raises(ActionError):
        made.step([[0, 99, 0]] * 2)


def test_snapshots_carry_who_is_there(engine, tmp_path):
    rng = np.random.default_rng(0)
    made = visit(engine)
    actions = rng.integers(0, 12, (19, 2, 3))
    moments, seen = [], []
    for each in actions:
        moments.append(made.snapshot())
        made.step(each)
        seen.append([made.state.digest(world) for world in range(2)])
    for step in (0, COMES - 1, COMES, COMES + 1, MOVES, LEAVES, LEAVES + 1, RETURNS, 15):
        moments[step].save(tmp_path / "moment.safetensors")
        twin = visit(engine)
        twin.restore(Snapshot.load(tmp_path / "moment.safetensors"))
        for later in range(step, 19):
            twin.step(actions[later])
            assert [twin.state.digest(world) for world in range(2)] == seen[later], (step, later)
        twin.close()


def test_a_batch_is_its_worlds_one_by_one(engine):
    both = visit(engine)
    one = simulate(VISITORS, num_worlds=1, observers=None, physics=engine)
    one.reset([0])
    for _ in range(15):
        both.step([[1, 2, 1]] * 2)
        one.step([[1, 2, 1]])
        assert both.state.digest(0) == one.state.digest(0)


def test_pettingzoo_lets_agents_come_and_ends_those_that_leave(engine):
    env = parallel_env(VISITORS, physics=engine)
    seen, _ = env.reset(seed=0)
    assert env.agents == ["avatar_0", "avatar_1"] == list(seen)
    for step in range(1, 21):
        acted = list(env.agents)
        seen, rewards, terminated, truncated, infos = env.step(dict.fromkeys(acted, 0))
        told = sorted({*acted, *env.agents}) if step < 20 else acted
        for answer in (seen, rewards, terminated, truncated, infos):
            assert list(answer) == told
        assert rewards == {agent: 1.0 * (agent in acted) for agent in told}
        assert [agent for agent, end in terminated.items() if end] == (
            ["avatar_1"] if step == LEAVES else []
        )
        assert ("avatar_2" in told) == (step >= COMES)
        assert ("avatar_1" in env.agents) == (step < LEAVES)
    assert env.agents == []
    assert all(truncated.values())
    env.close()


def test_pettingzoo_s_own_test_passes_while_agents_come_and_go():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test import parallel_api_test

        env = parallel_env(VISITORS)
        parallel_api_test(env, num_cycles=60)
    env.close()


def test_a_restored_parallel_environment_has_the_agents_of_that_moment():
    env = parallel_env(VISITORS)
    env.reset(seed=0)
    while env.agents:
        moment, agents = env.snapshot(), list(env.agents)
        env.step(dict.fromkeys(env.agents, 0))
        if moment.arrays["step"][0] in (COMES - 1, LEAVES, RETURNS):
            there = parallel_env(VISITORS)
            seen, _ = there.restore(moment)
            assert there.agents == agents == list(seen)
            there.close()
    env.close()


def test_other_views_show_an_absent_avatar_zeros(engine):
    env = VectorEnv(VISITORS, num_envs=2, physics=engine)
    env.reset(seed=0)
    env.worlds.simulation.state.show(0, [1], False)
    seen, rewards, *_ = env.step(np.array([1, 1]))
    assert rewards.tolist() == [1.0, 0.0]
    assert seen["entities"][0].any()
    assert not seen["entities"][1].any()
    env.close()


def test_a_scenario_in_which_nobody_leaves_hashes_as_ever():
    world = World(corridor())
    before = world.state.digest(0)
    world.state.avatars.placed[:] = True
    assert world.state.digest(0) == before
    world.state.show(1, 0, False)
    assert world.state.digest(0) != before
    assert world.state.avatars.held[0, 1] == NOTHING
