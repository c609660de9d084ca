"""Copies of what holds worlds are right, or refused in one line: no handle has two owners."""

from __future__ import annotations

import copy
import os
import pickle
import traceback

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from acme_worlds import REACH
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from pettingzoo.utils.conversions import parallel_to_aec

from als_engine import ScenarioSpec
from als_engine.envs.batch import Batch
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ALSError, CopyError
from als_engine.physics.bullet import backend as bullet
from als_engine.simulation import simulate

TRADE = ScenarioSpec(id="Acme/Trade-v0", task="acme_worlds:Trade", max_episode_steps=40)
VIEWS = {
    "single": SingleEnv,
    "vector": lambda spec: VectorEnv(spec, 2, 1, "SameStep"),
    "parallel": parallel_env,
    "aec": lambda spec: parallel_to_aec(parallel_env(spec)),
    "sb3": lambda spec: sb3_vec_env(spec, 2, seed=1),
    "simulation": simulate,
    "wrapped": lambda spec: gym.wrappers.RecordEpisodeStatistics(
        gym.wrappers.TimeLimit(SingleEnv(spec), 30)
    ),
}
COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: pickle.loads(cloudpickle.dumps(env)),
    "copy": copy.copy,
}
# A shallow copy of somebody else's wrapper holds the same environment, as everywhere in Python.
CASES = [
    (kind, copied)
    for kind in VIEWS
    for copied in COPIES
    if copied != "copy" or kind not in ("aec", "wrapped")
]


def begin(kind, env):
    """Resets a view and returns what it shows."""
    if kind == "sb3":
        return env.reset()
    if kind == "simulation":
        env.reset([1])
        return env.metrics()
    return env.reset(seed=1)


def go_on(kind, env):
    """Three steps ahead, and what they show."""
    seen = []
    for _ in range(3):
        if kind in ("vector", "sb3"):
            seen.append(env.step(np.ones(2, np.int64)))
        elif kind == "parallel":
            seen.append(env.step({"avatar_0": 1}))
        elif kind == "aec":
            env.step(1)
            seen.append(env.last())
        elif kind == "simulation":
            env.step([[1]])
            seen.append((env.rewards.copy(), env.terms.copy(), copy.deepcopy(env.observations)))
        else:
            seen.append(env.step(1))
    return seen


@pytest.fixture
def make():
    made = []

    def make(kind, spec=REACH):
        made.append(VIEWS[kind](spec))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.mark.parametrize(("kind", "copied"), CASES)
def test_what_has_been_reset_is_not_copied(make, kind, copied):
    env = make(kind)
    begin(kind, env)
    with pytest.raises(CopyError, match="reset can be neither copied nor pickled") as error:
        COPIES[copied](env)
    assert "\n" not in str(error.value)
    assert go_on(kind, env)


@pytest.mark.parametrize(("kind", "copied"), CASES)
def test_a_copy_before_the_first_reset_has_worlds_of_its_own(make, kind, copied):
    env, fresh = make(kind, TRADE), make(kind, TRADE)
    twin = COPIES[copied](env)
    shown = [begin(kind, one) for one in (env, twin, fresh)]
    assert data_equivalence(shown[0], shown[2], exact=True)
    assert data_equivalence(shown[1], shown[2], exact=True)
    ahead = [go_on(kind, one) for one in (env, twin, fresh)]
    assert str(ahead[0]) == str(ahead[1]) == str(ahead[2])
    assert str(ahead[0][0]) != str(ahead[0][1])
    twin.close()
    assert len(go_on(kind, env)) == 3


def test_a_copy_keeps_what_was_set_later_and_that_it_is_closed():
    simulation = simulate(REACH)
    simulation.set_time_limit(7)
    simulation.level_key = 5
    twin = copy.deepcopy(simulation)
    assert (twin.state.max_episode_steps, twin.level_key) == (7, 5)
    simulation.reset([0])
    simulation.close()
    with pytest.raises(ALSError, match="closed"):
        copy.deepcopy(simulation).reset([0])


@pytest.mark.parametrize("copied", COPIES)
def test_neither_a_batch_nor_the_physics_is_copied(copied):
    batch = Batch(simulate(REACH), AutoresetMode.SAME_STEP)
    batch.reset([0])
    for holder in (batch, batch.simulation.moving.physics):
        with pytest.raises(CopyError):
            COPIES[copied](holder)
    batch.close()


def test_an_agent_that_holds_an_environment_is_not_copied_with_it():
    class Agent:
        def __init__(self):
            self.env = SingleEnv(REACH)

    agent = Agent()
    copy.deepcopy(agent).env.reset(seed=0)
    agent.env.reset(seed=0)
    with pytest.raises(CopyError):
        copy.deepcopy(agent)
    agent.env.close()


def test_a_spec_is_copied_and_made_again_as_ever():
    env = gym.make("ALS/Tag-v0", sensors=["touch"], max_episode_steps=5)
    env.reset(seed=3)
    again = gym.make(copy.deepcopy(env.spec))
    assert again.reset(seed=3)[1] == env.reset(seed=3)[1]
    env.close()
    again.close()


def forked(work):
    """What a forked process says of some work: its result or its error, as text."""
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            said = repr(work())
        except ALSError as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException:
            said = traceback.format_exc()
        os.write(theirs, said.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        return pipe.read()


@pytest.mark.parametrize("kind", VIEWS)
def test_a_forked_process_cannot_go_on_with_the_worlds_of_its_parent(make, kind):
    env, twin = make(kind), make(kind)
    begin(kind, env)
    begin(kind, twin)
    for use in (go_on, begin):
        said = forked(lambda use=use: use(kind, env))
        assert said.startswith(f"CopyError: these worlds belong to process {os.getpid()}, from"), (
            said
        )
        assert "\n" not in said
    assert forked(env.close) == "None"
    assert str(go_on(kind, env)) == str(go_on(kind, twin))


def test_a_forked_process_has_worlds_of_its_own_and_frees_nobody_else_s(monkeypatch):
    waiting = simulate(REACH)
    waiting.reset([0])
    waiting.close()
    assert bullet._idle

    def work():
        assert bullet._idle == []
        simulation = simulate(REACH)
        simulation.reset([4])
        return simulation.state.level.tolist(), len(bullet._idle)

    simulation = simulate(REACH)
    simulation.reset([4])
    assert forked(work) == repr((simulation.state.level.tolist(), 0))
    # Made before the fork and not reset yet: it belongs to whoever resets it.
    fresh = simulate(REACH)
    assert forked(lambda: begin("simulation", fresh)["level"][0]) == repr(
        np.int64(np.random.default_rng(1).integers(0, 10_000))
    )
    simulation.close()
