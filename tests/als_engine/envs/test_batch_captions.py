"""Captions on the pictures of views that hold many worlds."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import REACH

from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ArgumentError

SAYS = 10


def single(actions, captions=True):
    env = SingleEnv(REACH, render_mode="rgb_array", captions=captions)
    env.reset(seed=1)
    for action in actions:
        env.step(action)
    picture = env.render()
    env.close()
    return picture


@pytest.mark.parametrize("workers", [1, 2])
def test_a_vector_environment_s_pictures_are_those_of_single_ones(workers):
    env = VectorEnv(REACH, num_envs=2, workers=workers, render_mode="rgb_array", captions=True)
    env.reset(seed=0)
    env.step(np.array([1, SAYS]))
    env.step(np.array([1, 0]))
    np.testing.assert_array_equal(env.render()[1], single([SAYS, 0]))
    assert (env.render()[1] != single([SAYS, 0], captions=False)).any()
    env.close()


def test_sb3_s_pictures_have_them_where_they_are_asked_for():
    pictures = []
    for captions in (True, False):
        env = sb3_vec_env(REACH, num_worlds=2, render_mode="rgb_array", captions=captions, seed=0)
        env.reset()
        env.step(np.array([1, SAYS]))
        pictures.append(env.get_images()[1])
        env.close()
    np.testing.assert_array_equal(pictures[0], single([SAYS]))
    np.testing.assert_array_equal(pictures[1], single([SAYS], captions=False))


def test_a_fork_and_the_next_episode_have_captions_of_their_own():
    env = VectorEnv(REACH, num_envs=1, render_mode="rgb_array", captions=True)
    env.reset(seed=1)
    env.step(np.array([SAYS]))
    twin = env.fork(2)
    assert (twin.render()[0] == twin.render()[1]).all()
    assert twin.render()[0].any()
    before = env.render()[0]
    env.reset(seed=1)
    assert (before != env.render()[0]).any()
    np.testing.assert_array_equal(env.render()[0], single([]))
    env.close()
    twin.close()


@pytest.mark.parametrize("make", [VectorEnv, sb3_vec_env])
def test_captions_are_true_or_false(make):
    with pytest.raises(ArgumentError, match="captions must be True or False, got 'yes'"):
        make(REACH, captions="yes")
