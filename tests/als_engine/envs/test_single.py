"""The single environment, with and without what `gymnasium.make` puts around it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from acme_worlds import REACH, level_of

from als_engine.envs.parallel import parallel_env
from als_engine.envs.single import SingleEnv
from als_engine.errors import ALSError, ArgumentError


@pytest.fixture
def env():
    env = SingleEnv(REACH)
    yield env
    env.close()


def test_the_expert_s_action_solves_it(env):
    env.reset(seed=0)
    terminated = truncated = False
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(env.expert_action())
    assert terminated
    assert info["success"]
    assert reward == pytest.approx(0.99)


def test_a_seed_draws_the_level_and_the_next_reset_another(env):
    assert env.reset(seed=4)[1]["level"] == level_of(4)
    follower = env.reset()[1]["level"]
    assert follower != level_of(4)
    env.reset(seed=4)
    assert env.reset()[1]["level"] == follower


def test_a_level_decides_the_layout_whatever_the_seed_and_the_split(env):
    test = SingleEnv(REACH, split="test")
    told = set()
    for seed, view in ((1, env), (2, env), (3, test)):
        view.reset(seed=seed, options={"level": 77})
        told.add(view.simulation.state.instructions[0][0])
    test.close()
    assert len(told) == 1


def test_the_info_is_plain_data(env):
    _, info = env.reset(seed=0)
    assert json.loads(json.dumps(info)) == info
    assert {name: type(value) for name, value in info.items()} == {
        "success": bool, "level": int, "walked": float, "steps": int,
    }  # fmt: skip


def test_an_observation_is_never_overwritten(env):
    first, _ = env.reset(seed=0)
    kept = {key: value.copy() for key, value in first.items()}
    env.step(1)
    assert all((first[key] == kept[key]).all() for key in kept)


def test_a_picture_is_taken_in_its_mode_only():
    env = SingleEnv(REACH, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert (picture.shape, picture.dtype) == ((480, 640, 3), np.uint8)
    assert picture.std() > 5
    env.close()
    env = SingleEnv(REACH)
    env.reset(seed=0)
    assert env.render() is None
    env.close()


@pytest.mark.parametrize("make", [SingleEnv, parallel_env])
def test_captions_are_on_pictures_where_they_are_asked_for(make):
    pictures = {}
    for captions in (None, False, True):
        env = make(REACH, render_mode="rgb_array", captions=captions)
        env.reset(seed=0)
        pictures[captions] = env.render()
        assert (env.simulation.render() == pictures[None]).all()
        env.close()
    assert (pictures[False] == pictures[None]).all()
    assert (pictures[True] != pictures[None]).any()
    with pytest.raises(ArgumentError, match="captions must be True or False"):
        make(REACH, render_mode="rgb_array", captions="yes")


def test_without_a_screen_a_window_is_refused_in_one_line(monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    env = SingleEnv(REACH, render_mode="human")
    with pytest.raises(ALSError, match='use render_mode="rgb_array" here') as error:
        env.reset(seed=0)
    assert "\n" not in str(error.value)
    env.close()


def test_a_window_shows_the_picture(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = SingleEnv(REACH, render_mode="human")
    env.reset(seed=0)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    plain = env.simulation.render()
    assert (shown[60:] == plain[60:]).all()
    assert (shown[:60] != plain[:60]).any()  # Captions: rewards and metrics at the top.
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
