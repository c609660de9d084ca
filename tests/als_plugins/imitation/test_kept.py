"""Demonstrated steps in memory: what is replaced, what followed, and that nothing is mixed up."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st

from als_engine.errors import ArgumentError
from als_plugins.imitation.kept import Kept, Sequences, Trails, returns_to_go

SENSORS = gymnasium.spaces.Dict({"here": Box(-1e6, 1e6, (2,), np.float32)})
ACTIONS = Discrete(1_000_000)


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=30),
    st.floats(0.1, 1.0),
    st.floats(-5, 5),
)
def test_returns_are_the_discounted_sums_of_what_followed(rewards, gamma, follows):
    found = returns_to_go(np.array(rewards), gamma, follows)
    wanted, after = [], follows
    for reward in reversed(rewards):
        after = reward + gamma * after
        wanted.append(after)
    assert np.allclose(found, wanted[::-1])


@given(st.integers(1, 8), st.integers(8, 40), st.integers(0, 30))
def test_observation_action_and_return_stay_together_when_steps_are_replaced(rows, room, rounds):
    kept = Kept(SENSORS, ACTIONS, room, np.random.default_rng(0))
    for first in range(0, rounds * rows, rows):
        number = np.arange(first, first + rows)
        places, numbers = kept.add({"here": np.stack([number, -number], axis=1)}, number)
        kept.settle(places, numbers, number * 2.0)
    assert len(kept) == min(room, rounds * rows)
    if rounds:
        batch = kept.batch(64)
        assert np.array_equal(batch.observation["here"][:, 0], batch.actions)
        assert np.array_equal(batch.observation["here"][:, 1], -batch.actions)
        assert np.array_equal(batch.returns, batch.actions * 2.0)


def test_what_has_been_replaced_gets_no_return_of_what_stood_there():
    kept = Kept(SENSORS, ACTIONS, 4, np.random.default_rng(0))
    old = kept.add({"here": np.zeros((4, 2))}, np.arange(4))
    for _ in range(50):
        kept.add({"here": np.ones((4, 2))}, np.arange(4))
    kept.settle(*old, np.full(4, 7.0))
    assert np.isnan(kept.batch(64).returns).all()


def test_which_ones_are_replaced_depends_on_the_seed_alone():
    def filled(seed):
        kept = Kept(SENSORS, ACTIONS, 8, np.random.default_rng(seed))
        for first in range(0, 80, 4):
            kept.add({"here": np.zeros((4, 2))}, np.arange(first, first + 4))
        return kept.batch(64).actions

    assert np.array_equal(filled(1), filled(1))
    assert not np.array_equal(filled(1), filled(2))
    assert filled(1).min() < 72  # Not only the newest ones are left.


def test_an_episode_may_be_of_any_length():
    trails = Trails(2)
    for step in range(200):
        trails.add(np.array([step, 1_000 + step]), np.array([step, step]), np.array([step, -step]))
        if step == 9:
            assert np.array_equal(trails.end(1)[2], -np.arange(10.0))
    places, numbers, rewards = trails.end(0)
    assert np.array_equal(places, np.arange(200))
    assert np.array_equal(numbers, np.arange(200))
    assert np.array_equal(rewards, np.arange(200.0))
    assert np.array_equal(trails.end(1)[0], 1_000 + np.arange(10, 200))


def test_more_than_the_memory_is_refused_before_it_is_allocated():
    with pytest.raises(ArgumentError, match="demonstrated steps need"):
        Kept(SENSORS, ACTIONS, 1 << 50, np.random.default_rng(0))


@given(
    st.integers(1, 4), st.integers(2, 6), st.integers(1, 90), st.integers(1, 60), st.integers(0, 9)
)
def test_sequences_are_steps_of_one_row_in_their_order_and_count_what_can_be_known(
    rows, together, rounds, room, seed
):
    rng = np.random.default_rng(seed)
    kept = Kept(SENSORS, ACTIONS, room, np.random.default_rng(seed), Sequences(together, rows))
    began, starts = np.zeros((rounds, rows), np.int64), np.zeros((rounds, rows), np.bool_)
    for step in range(rounds):
        starts[step] = rng.random(rows) < 0.2 if step else True
        began[step] = np.where(starts[step], step, began[step - 1])
        number = step * rows + np.arange(rows)
        kept.add({"here": np.stack([number, -number], axis=1)}, number, starts[step])
    batch = kept.batch(32)
    length, count = batch.begins.shape
    step, row = np.divmod(batch.actions.reshape(length, count), rows)
    assert (row == row[0]).all()
    assert (np.diff(step, axis=0) == 1).all()
    assert (step >= rounds - kept.room // rows).all()
    assert np.array_equal(batch.begins, starts[step, row])
    # What is learnt from has its whole episode before it, or as much as is remembered.
    counted = batch.counted.reshape(length, count)
    assert np.array_equal(
        counted, (began[step, row] >= step[0]) | (np.arange(length) >= together)[:, None]
    )
    assert counted.any()
