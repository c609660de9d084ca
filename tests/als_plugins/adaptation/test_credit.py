"""From late, rare and noisy feedback comes what to think of every single action."""

from __future__ import annotations

import functools

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from als_plugins.adaptation.credit import FEW, Agreement, Credit
from als_plugins.learners.on_policy import PPO

ROWS, STEPS = 8, 240


@pytest.fixture(autouse=True)
def one_thread():
    """As within a training: two that wait for each other are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SPACE = gymnasium.spaces.Dict({"seen": Box(-1.0, 1.0, (2,), np.float32)})


def credit_of(actions=Discrete(2), rows=ROWS):  # noqa: B008 - a space is never changed
    reader = PPO(SPACE, actions, net_arch=[8]).reader()
    return Credit(reader, actions, rows, (0.2, 0.8), 0)


@functools.cache
def taught(noise, rate=0.3):
    """Action 1 is good where the first number is positive; says so with slips, 3 to 12 late."""
    credit, rng = credit_of(), np.random.default_rng(0)
    waiting = []
    for step in range(STEPS):
        seen = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
        action = rng.integers(2, size=ROWS)
        credit.remember(step, {"seen": seen}, action)
        right = (action == 1) == (seen[:, 0] > 0)
        values = np.where(right ^ (rng.random(ROWS) < noise), 1.0, -1.0)
        waiting += [
            (step + int(rng.integers(3, 13)), row, values[row])
            for row in range(ROWS)
            if rng.random() < rate
        ]
        credit.hear([event for event in waiting if event[0] == step])
        credit.learn(2)
    return credit


def agreement(credit):
    """How often the signal has the sign that it should have, in places never seen."""
    rng, right = np.random.default_rng(1), []
    for step in range(10_000, 10_050):
        seen = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
        action = rng.integers(2, size=ROWS)
        credit.remember(step, {"seen": seen}, action)
        right.append((credit.signal(step) > 0) == ((action == 1) == (seen[:, 0] > 0)))
    return np.mean(right)


def test_late_feedback_reaches_the_action_that_it_was_meant_for():
    credit = taught(0.1)
    assert credit.agreement.trust > 0.5
    assert agreement(credit) > 0.7


def test_feedback_that_means_nothing_earns_no_trust():
    assert taught(0.5).agreement.trust < 0.35


def test_what_was_said_about_another_world_counts_no_more_until_trust_is_earned_anew():
    known = taught(0.1).tensors()
    credit = credit_of()
    credit.restore(known)
    rng = np.random.default_rng(2)
    assert credit.agreement.trust > 0.5
    credit.forget()
    assert credit.agreement.trust == 0.0
    for step in range(STEPS):  # What was good is bad now.
        seen = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
        action = rng.integers(2, size=ROWS)
        credit.remember(step, {"seen": seen}, action)
        right = (action == 1) == (seen[:, 0] <= 0)
        credit.hear([(step + 3, row, 1.0 if right[row] else -1.0) for row in range(ROWS)])
        if step == 2 * FEW // ROWS:
            assert not credit.signal(step).any()
        credit.learn(2)
    assert credit.agreement.trust > 0.5
    assert agreement(credit) < 0.15


def test_the_signal_adds_up_to_nothing_for_what_is_usual():
    """Praise for everything is no reason to go on for ever, nor blame to make an end."""
    for value in (1.0, -1.0):
        credit, rng = credit_of(), np.random.default_rng(0)
        for step in range(150):
            seen = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
            credit.remember(step, {"seen": seen}, rng.integers(2, size=ROWS))
            credit.hear([(step, row, value) for row in range(ROWS)])
            credit.learn(1)
        mean = np.mean([credit.signal(step).mean() for step in range(100, 150)])
        assert abs(mean) < 0.2


def test_nothing_is_said_before_enough_was_heard():
    credit = credit_of()
    seen = {"seen": np.zeros((ROWS, 2), np.float32)}
    credit.remember(0, seen, np.zeros(ROWS, np.int64))
    credit.hear([(5, 0, 1.0)] * (FEW - 1))
    credit.learn(10)
    assert not credit.signal(0).any()


def test_feedback_about_what_is_forgotten_is_dropped():
    credit = credit_of(rows=1)
    seen = {"seen": np.zeros((1, 2), np.float32)}
    for step in range(20, 40):
        credit.remember(step, seen, np.zeros(1, np.int64))
    credit.hear([(0, 0, 1.0), (10, 0, 1.0), (500, 0, 1.0), (30, 0, 1.0)])
    assert credit._memory.heard == 1


def test_it_comes_back_from_its_tensors():
    credit, other = taught(0.1), credit_of()
    other.restore(credit.tensors())
    for name, array in credit.tensors().items():
        assert np.array_equal(array, other.tensors()[name]), name
    assert other.agreement.trust == credit.agreement.trust


def test_continuous_actions_are_taken_too():
    credit = credit_of(Box(-1.0, 1.0, (3,), np.float32))
    rng = np.random.default_rng(0)
    for step in range(20):
        seen = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
        credit.remember(step, {"seen": seen}, rng.uniform(-1, 1, (ROWS, 3)))
        credit.hear([(step, row, 1.0) for row in range(ROWS)])
    credit.learn(2)
    assert credit.signal(19).shape == (ROWS,)


def test_what_always_turns_out_as_foreseen_is_trusted_and_what_never_does_is_not():
    rng = np.random.default_rng(0)
    for said, trust in ((np.full(400, -1.0), 1.0), (rng.choice([-1.0, 1.0], 400), 0.0)):
        found = Agreement()
        found.add(np.full(400, -0.5), said)
        assert found.trust == pytest.approx(trust, abs=0.5)
