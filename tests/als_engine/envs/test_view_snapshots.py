"""Snapshots of every view: what comes after a restore is what came after the snapshot."""

from __future__ import annotations

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from acme_worlds import REACH
from gymnasium.utils.env_checker import data_equivalence

from als_engine import ScenarioSpec, Snapshot
from als_engine.envs.parallel import parallel_env
from als_engine.envs.recent import Recent
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ResetNeededError, SnapshotError

TRADE = ScenarioSpec(
    id="Acme/Trade-v0", task="acme_worlds:Trade", max_episode_steps=40, max_avatars=4
)
COUNT = 3
GIVEN = {"max_episode_steps": 13, "sensors": ["proprioception", "text", "entities"]}
MODES = ("NextStep", "SameStep", "Disabled")
VIEWS = {
    "single": partial(SingleEnv, TRADE, **GIVEN),
    **{mode: partial(VectorEnv, TRADE, COUNT, 1, mode, **GIVEN) for mode in MODES},
    "workers": partial(VectorEnv, TRADE, COUNT, 2, "NextStep", **GIVEN),
    "parallel": partial(parallel_env, TRADE, num_avatars=2, **GIVEN),
    "sb3": partial(sb3_vec_env, TRADE, COUNT, num_avatars=2, **GIVEN),
}


@pytest.fixture(scope="module")
def workers():
    """The one with workers, which take long to start; to be reset by whoever takes it."""
    env = VIEWS["workers"]()
    yield env
    env.close()


@pytest.fixture
def make(request):
    made = []

    def make(kind, fresh=False, **changed):
        if kind == "workers" and not fresh:
            return request.getfixturevalue("workers")
        made.append(VIEWS[kind](**changed))
        return made[-1]

    yield make
    for env in made:
        env.close()


def in_one_process(kind):
    """Worlds in one process have the same moments, and start faster."""
    return "NextStep" if kind == "workers" else kind


def begin(kind, env, seed):
    if kind.startswith("sb3"):
        env.seed(seed)
        return env.reset()
    return env.reset(seed=seed)


def act(kind, env, rng):
    """One step, and a reset where the view leaves that to its user; everything that was shown."""
    if kind == "single":
        shown = env.step(int(rng.integers(7)))
        again = env.reset() if shown[2] or shown[3] else None
        return shown, again, env.unwrapped.np_random.random()
    if kind == "parallel":
        shown = env.step({agent: int(rng.integers(7)) for agent in env.possible_agents})
        agents = list(env.agents)
        return shown, agents, None if agents else env.reset()
    shown = env.step(rng.integers(0, 7, env.num_envs))
    if kind == "Disabled" and (ended := shown[2] | shown[3]).any():
        return shown, env.reset(options={"reset_mask": ended})
    if kind.startswith("sb3"):
        recent = env.recent
        return shown, recent.episodes, str(recent.mean_return), env.terms.copy(), env.reset_infos[0]
    return shown


def future(kind, env, steps=20):
    rng = np.random.default_rng(1)
    return [act(kind, env, rng) for _ in range(steps)]


def equal(one, two):
    return data_equivalence(one, two, exact=True) or str(one) == str(two)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_s_future_comes_again_also_in_another_one(make, tmp_path, kind):
    env, fresh = make(kind), make(in_one_process(kind))
    begin(kind, env, 4)
    rng = np.random.default_rng(0)
    for _ in range(18):
        act(kind, env, rng)
    if kind == "single":
        env.np_random.random(3)
    snapshot = env.snapshot()
    snapshot.save(tmp_path / "moment.safetensors")
    ahead = future(kind, env)
    for other, moment in ((env, snapshot), (fresh, Snapshot.load(tmp_path / "moment.safetensors"))):
        shown = other.restore(moment)
        again = future(kind, other)
        assert str(ahead) == str(again)
        assert all(equal(*pair) for pair in zip(ahead, again, strict=True))
        assert shown is not None


@pytest.mark.parametrize("kind", ["NextStep", "workers", "sb3"])
def test_some_worlds_go_back_and_the_others_do_not_notice(make, kind):
    env = make(kind)
    begin(kind, env, 4)
    rng = np.random.default_rng(0)
    for _ in range(5):
        act(kind, env, rng)
    early = env.snapshot([2, 0])
    for _ in range(4):
        act(kind, env, rng)
    now = env.state()
    env.restore(early, [2, 0])
    assert np.array_equal(env.state()[1], now[1])
    assert not np.array_equal(env.state()[0], now[0])
    then = env.state()
    env.restore(early, [0, 2])  # The other way round.
    assert np.array_equal(env.state()[[0, 2]], then[[2, 0]])
    act(kind, env, rng)


@pytest.mark.parametrize("kind", ["single", "NextStep", "sb3", "parallel"])
def test_a_view_is_forked(make, kind):
    env = make(kind)
    begin(kind, env, 4)
    rng = np.random.default_rng(0)
    for _ in range(6):
        act(kind, env, rng)
    if kind == "parallel":
        twins = env.fork(2)
        shown = [one.step({"avatar_0": 1, "avatar_1": 2}) for one in (env, *twins)]
        for twin in twins:
            twin.close()
        assert equal(shown[0], shown[1])
        assert equal(shown[0], shown[2])
        return
    if kind == "single":
        twin, here = env.fork(4, autoreset_mode="Disabled"), env.state()
    else:
        twin, here = env.fork(4, world=1), env.state()[1]
    states = twin.state()
    assert all(np.array_equal(state, here) for state in states)
    twin.step(np.arange(twin.num_envs) % 5)
    assert not np.array_equal(twin.state()[0], twin.state()[1])
    twin.close()
    assert future(kind, env, 3)


def test_a_single_environment_s_moment_fits_a_vector_environment(make):
    env, many = make("single"), make("NextStep")
    begin("single", env, 4)
    env.step(1)
    many.restore(env.snapshot().select([0] * COUNT))
    alone = env.step(1)
    shown = many.step(np.ones(COUNT, np.int64))
    assert shown[1].tolist() == [alone[1]] * COUNT
    assert all((shown[0][key] == value).all() for key, value in alone[0].items())


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_refuses_what_is_not_of_it_and_goes_on(make, kind):
    env, twin = make(kind, fresh=True), make(in_one_process(kind))
    with pytest.raises(ResetNeededError, match=r"reset\(\)"):
        env.snapshot()
    for one in (env, twin):
        begin(kind, one, 4)
    other = make(in_one_process(kind), max_episode_steps=14)
    begin(kind, other, 4)
    damaged = env.snapshot()
    damaged = damaged.with_view({}, {"physics.steps": damaged.arrays["physics.steps"] + 7})
    for wrong in (other.snapshot(), damaged, env.snapshot().select([0, 0, 0, 0]), None):
        with pytest.raises(SnapshotError) as said:
            env.restore(wrong)
        assert "\n" not in str(said.value)
    ours, theirs = future(kind, env, 20), future(kind, twin, 20)
    assert all(equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_a_client_s_generators_come_along(make):
    env, fresh = make("NextStep"), make("NextStep")
    env.reset(seed=3)
    env.np_random[1].random(5)
    fresh.restore(env.snapshot())
    drawn = [[one.random() for one in each.np_random] for each in (env, fresh)]
    assert drawn[0] == drawn[1]
    assert env.np_random_seed == fresh.np_random_seed == (3, 4, 5)


@pytest.mark.parametrize(
    "wrong", [None, {}, {"episodes": -1}, {"began": [0]}, {"waiting": [[0, 0]]}, {"more": 1}]
)
def test_recent_episodes_of_no_view_are_refused(wrong):
    saved = Recent(2).saved()
    assert Recent.of(saved, 2).saved() == saved
    with pytest.raises(SnapshotError):
        Recent.of({**saved, **wrong} if wrong else wrong, 2)


def test_made_by_gymnasium_the_environment_is_below_its_wrappers():
    env = gym.make("ALS/Tag-v0", sensors=["touch"])
    env.reset(seed=1)
    snapshot = env.get_wrapper_attr("snapshot")()
    ahead = [env.step(1) for _ in range(5)]
    env.get_wrapper_attr("restore")(snapshot)
    assert str(ahead) == str([env.step(1) for _ in range(5)])
    env.close()


def test_specs_that_are_registered_nowhere_are_forked_too():
    env = SingleEnv(REACH)
    env.reset(seed=0)
    env.fork(2).close()
    env.close()
