"""Every view takes the same seeds, and refuses the same ones, in one line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from acme_worlds import REACH

from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ALSError, ArgumentError
from als_engine.plugins.registration import aec_env
from als_engine.simulation import simulate

VIEWS = ["single", "vector", "workers", "parallel", "aec", "sb3", "simulation"]


class View:
    """Any view, of worlds with one avatar, and the level of its first world."""

    def __init__(self, kind, given):
        self.kind = kind
        self.env = {
            "single": lambda: SingleEnv(REACH),
            "vector": lambda: VectorEnv(REACH, np.int64(2)),
            "workers": lambda: given("workers"),
            "parallel": lambda: parallel_env(REACH),
            "aec": lambda: aec_env(REACH),
            "sb3": lambda: sb3_vec_env(REACH, np.int64(2), observers=np.int64(1)),
            "simulation": lambda: simulate(REACH),
        }[kind]()

    def reset(self, seed):
        env = self.env
        if self.kind == "simulation":
            env.reset([seed])
        elif self.kind == "sb3":
            env.seed(seed)
            env.reset()
        else:
            env.reset(seed=seed)

    @property
    def level(self):
        if self.kind in ("vector", "workers", "sb3"):
            return int(self.env.worlds.metrics["level"][0])
        simulation = self.env if self.kind == "simulation" else self.env.unwrapped.simulation
        return int(simulation.state.level[0])


@pytest.fixture(scope="module")
def workers():
    env = VectorEnv(REACH, np.int64(2), np.int64(2))
    yield env
    env.close()


@pytest.fixture(scope="module", params=VIEWS)
def view(request):
    made = View(request.param, request.getfixturevalue)
    yield made
    if made.kind != "workers":
        made.env.close()


@pytest.mark.parametrize(
    "seed", [-1, 2**64, 2**70, math.nan, math.inf, 1.0, "1", True, np.int64(-1), np.float32(2)],
    ids=repr,
)  # fmt: skip
def test_what_is_no_seed_is_refused_by_every_view(view, seed):
    with pytest.raises(ArgumentError, match=r"^seed must be a whole number from 0 to 18446744"):
        view.reset(seed)
    view.reset(5)
    assert view.level == int(np.random.default_rng(5).integers(0, 10_000))


@pytest.mark.parametrize("seed", [7, np.int64(7), np.uint8(7), np.uint64(7), np.array(7)], ids=repr)
def test_a_numpy_integer_is_a_seed_like_any(view, seed):
    view.reset(seed)
    assert view.level == int(np.random.default_rng(7).integers(0, 10_000))


def test_the_largest_seed_is_one(view):
    last = 2**64 - (2 if view.kind in ("vector", "workers", "sb3") else 1)
    view.reset(last)
    assert view.level == int(np.random.default_rng(last).integers(0, 10_000))


@pytest.mark.parametrize("count", [1, 2])
def test_a_vector_environment_takes_a_seed_for_each_world(count, workers):
    env = workers if count == 2 else VectorEnv(REACH, 2)
    for seeds in ([3, 4], (np.int64(3), 4), np.array([3, 4]), range(3, 5)):
        assert env.reset(seed=seeds)[1]["level"].tolist() == env.reset(seed=3)[1]["level"].tolist()
    for wrong in ([3], [3, -1], [3, None, 4], np.array([3.0, 4.0]), [2**64, 1], 2**64 - 1):
        with pytest.raises(ALSError) as error:
            env.reset(seed=wrong)
        assert "\n" not in str(error.value)
    if count == 1:
        env.close()
