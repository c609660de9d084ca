"""`hold`: a decision lasts several steps, in training as where the agent acts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from als_engine import Rows
from als_engine.agents.saving import make_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_plugins.imitation.imitate import imitate
from als_plugins.mappo.collecting import Collector
from als_plugins.mappo.rollout import Rollout

ID, HOLD, WORLDS = "ALS/Tag-v0", 4, 3
GIVEN = {"action_mode": "guided", "sensors": ["entities", "proprioception"]}
SMALL = {"encoder": "mlp", "net_arch": [16], "hold": HOLD, "use_masks": True}


@pytest.fixture(scope="module")
def agent():
    return make_agent("mappo", ID, GIVEN, SMALL)


@pytest.fixture
def rows():
    made = Rows(ID, WORLDS, observers=1, max_episode_steps=9, **GIVEN)
    made.seed(1)
    made.reset()
    yield made
    made.close()


def test_between_decisions_the_feet_go_on_and_the_rest_rests(agent, rows):
    seen, state, done = rows.observations, None, []
    for _ in range(3 * HOLD):
        actions, state = agent.act(seen, state, deterministic=False)
        done.append(actions.copy())
    for first in range(0, 3 * HOLD, HOLD):
        for step in range(first + 1, first + HOLD):
            assert np.array_equal(done[step][:, 0], done[first][:, 0])
            assert not done[step][:, 1:].any()
    assert any(not np.array_equal(done[0], done[first]) for first in (HOLD, 2 * HOLD))


def test_an_episode_that_begins_is_decided_upon_at_once_and_alone(agent, rows):
    everyone, first = np.ones(WORLDS, np.bool_), np.arange(WORLDS) == 0
    seen = rows.observations
    whole = agent.restart(None, everyone, [7, 8, 9])
    other = agent.restart(None, everyone, [7, 8, 9])
    for step in range(2 * HOLD):
        if step == 2:  # In one row something begins in the middle of a decision.
            other = agent.restart(other, first, [7])
        actions, whole = agent.act(seen, whole, deterministic=False)
        with_other, other = agent.act(seen, other, deterministic=False)
        assert np.array_equal(actions[1:], with_other[1:])
        assert other.held.left.tolist()[0] == (
            HOLD - 1 - (step - 2) % HOLD if step >= 2 else 3 - step
        )


@pytest.mark.parametrize("mode", ["discrete", "continuous"])
def test_an_action_of_one_part_goes_on_whole(mode):
    given = {**GIVEN, "action_mode": mode}
    agent = make_agent("mappo", ID, given, {**SMALL, "use_masks": False})
    made = Rows(ID, WORLDS, observers=1, **given)
    made.seed(1)
    made.reset()
    state, done = None, []
    for _ in range(2 * HOLD):
        actions, state = agent.act(made.observations, state, deterministic=False)
        done.append(actions)
    for first in (0, HOLD):
        assert all(np.array_equal(done[first], each) for each in done[first : first + HOLD])
    assert not np.array_equal(done[0], done[HOLD])
    made.close()


def test_an_evaluation_is_the_same_in_any_number_of_worlds(agent):
    few, many = (
        evaluate(agent, ID, 4, num_worlds=n, arguments={**GIVEN, "max_episode_steps": 30})
        for n in (1, 4)
    )
    assert np.array_equal(few.returns, many.returns)


def test_a_rollout_keeps_the_sum_of_what_the_steps_earned(agent, rows):
    """Whose episode ends in the middle of a decision earns nothing for the rest of it."""
    twin = Rows(ID, WORLDS, observers=1, max_episode_steps=9, **GIVEN)
    twin.seed(1)
    twin.reset()
    draws = torch.Generator().manual_seed(0)
    rollout = Rollout(6, rows, sum(rows.action_space.nvec), torch.device("cpu"))
    assert Collector(rows, agent.parameters, draws).collect(agent.policy, rollout, lambda: False)
    for step in range(6):
        actions, over = rollout.actions[step].numpy().copy(), np.zeros(WORLDS, np.bool_)
        earned = np.zeros(WORLDS)
        for k in range(HOLD):
            if k:
                actions[:, 1:] = 0
                actions[over] = 0
            twin.step(actions)
            earned += np.where(over, 0.0, twin.rewards)
            over |= twin.ended
        assert np.array_equal(over, rollout.ended[step].numpy())
        if not over.any():  # There the value of what follows is added.
            np.testing.assert_allclose(rollout.rewards[step].numpy(), earned, rtol=1e-5, atol=1e-6)
    assert rollout.ended.any()
    twin.close()


def test_a_training_counts_the_steps_of_its_worlds():
    config = {**SMALL, "rollout": 64, "batch_size": 32, "n_epochs": 1}
    told = []
    trained = train_agent(
        ID, "mappo", steps=512, worlds=4, arguments=GIVEN, config=config,
        on_progress=lambda progress: told.append(progress.steps),
    )  # fmt: skip
    assert told[-1] == 512
    assert trained.agent.parameters.hold == HOLD


def test_what_cannot_be_held_is_refused_in_one_line():
    with pytest.raises(ArgumentError, match="hold goes without imitate"):
        make_agent("mappo", ID, GIVEN, {**SMALL, "imitate": 100})
    with pytest.raises(ArgumentError, match="hold=1 learns from demonstrations"):
        imitate(ID, agent="mappo", steps=100, worlds=2, arguments=GIVEN, config=SMALL)
