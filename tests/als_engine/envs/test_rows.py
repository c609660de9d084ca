"""Rows: what learners learn from is what SB3's view shows, with nothing of SB3 in between."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from learn_worlds import TRADE, learn

from als_engine import Rows
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.errors import ActionError, ArgumentError, ResetNeededError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

GIVEN = {"num_avatars": 3, "max_episode_steps": 7}


@pytest.fixture
def rows():
    made = Rows(TRADE, 4, observers=2, **GIVEN)
    made.seed(3)
    made.reset()
    yield made
    made.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_they_are_what_sb3_s_view_shows(workers):
    rows = Rows(TRADE, 4, observers=2, workers=workers, **GIVEN)
    view = sb3_vec_env(TRADE, 4, observers=2, seed=3, **GIVEN)
    rows.seed(3)
    for seen, shown in zip(rows.reset().values(), view.reset().values(), strict=True):
        assert np.array_equal(seen, shown)
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(20):
        actions = rng.integers(rows.action_space.n, size=rows.num_rows)
        rows.step(actions)
        shown, rewards, dones, infos = view.step(actions)
        assert all(np.array_equal(rows.observations[key], shown[key]) for key in shown)
        assert np.array_equal(rows.rewards.astype(np.float32), rewards)
        assert np.array_equal(rows.terms, view.terms)
        assert np.array_equal(rows.ended, dones)
        for row in np.flatnonzero(dones):
            world, avatar = divmod(int(row), 2)
            assert rows.final_returns[world, avatar] == infos[row]["episode"]["r"]
            assert rows.final_lengths[world] == infos[row]["episode"]["l"]
            sums = rows.final_term_returns[world, avatar].tolist()
            assert sums == list(infos[row]["episode_terms"].values())
            last = infos[row]["terminal_observation"]
            assert all(np.array_equal(rows.final_observations[key][row], last[key]) for key in last)
            assert rows.terminated[row] != infos[row]["TimeLimit.truncated"]
        ended += int(dones.sum())
    assert ended >= 8
    assert rows.recent.episodes == view.recent.episodes > 0
    rows.close()
    view.close()


def test_sums_are_those_of_the_episode_that_ended(rows):
    total = np.zeros(rows.num_rows)
    for _ in range(7):
        rows.step(np.zeros(rows.num_rows, int))
        total += rows.rewards
    assert rows.ended.all()
    assert not rows.terminated.any()
    assert np.allclose(rows.final_returns.reshape(-1), total)
    assert np.allclose(rows.final_term_returns.sum(axis=2), rows.final_returns)
    assert (rows.final_lengths == 7).all()


def test_roles_name_every_row_once(rows):
    found = np.concatenate(list(rows.roles.values()))
    assert sorted(found.tolist()) == list(range(rows.num_rows))


def test_a_level_is_laid_out_once(rows):
    rows.reset([5, None, 5, 6])
    assert rows.worlds.metrics["level"][[0, 2, 3]].tolist() == [5, 5, 6]
    rows.reset()
    assert rows.worlds.metrics["level"].tolist() != [5, 5, 5, 6]


def test_a_wrong_action_changes_nothing(rows):
    before = [rows.worlds.simulation.state.digest(world) for world in range(4)]
    with pytest.raises(ActionError, match="8 rows"):
        rows.step(np.zeros(4, int))
    with pytest.raises(ActionError):
        rows.step(np.full(rows.num_rows, 10_000))
    assert before == [rows.worlds.simulation.state.digest(world) for world in range(4)]
    rows.step(np.zeros(rows.num_rows, int))


def test_what_broke_off_needs_a_reset(rows):
    rows.spoil()
    with pytest.raises(ResetNeededError, match="broke off"):
        rows.step(np.zeros(rows.num_rows, int))
    with pytest.raises(ResetNeededError, match="broke off"):
        rows.snapshot()
    rows.reset()
    rows.step(np.zeros(rows.num_rows, int))


def test_a_restored_moment_has_the_future_that_was_left(rows):
    for _ in range(4):
        rows.step(np.ones(rows.num_rows, int))
    moment = rows.snapshot()

    def future():
        for _ in range(5):
            rows.step(np.ones(rows.num_rows, int))
            ended = rows.ended_worlds
            yield rows.rewards.tolist(), ended.tolist(), rows.final_returns[ended].tolist()
            yield rows.recent.episodes, str(rows.recent.mean_return)

    first = list(future())
    rows.restore(moment)
    assert list(future()) == first


def test_an_argument_that_is_none_of_theirs_is_named():
    with pytest.raises(ArgumentError, match="render_mode"):
        Rows(TRADE, 2, render_mode="human")


def test_nothing_of_sb3_or_torch_comes_in():
    code = (
        "import sys, als_engine; "
        "rows = als_engine.Rows('ALS/Tag-v0', 2, observers=1, sensors=['touch']); "
        "rows.seed(0); rows.reset(); rows.step([0, 0]); rows.close(); "
        "sys.exit('torch' in sys.modules or 'stable_baselines3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
