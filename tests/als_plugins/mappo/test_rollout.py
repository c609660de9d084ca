"""Rollouts: advantages as the paper has them, and every transition once in its batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine import Rows
from als_plugins.mappo.network import Scale
from als_plugins.mappo.rollout import Rollout

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

STEPS, GAMMA, DECAY = 12, 0.9, 0.8


@pytest.fixture
def rollout():
    rows = Rows(ID, 3, observers=2, num_avatars=2, sensors=["proprioception"])
    rows.seed(0)
    rows.reset()
    made = Rollout(STEPS, rows, 4, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    for array in (made.rewards, made.values, made.log_probs):
        array.copy_(torch.randn(array.shape, generator=generator))
    made.ended.copy_(torch.rand(made.ended.shape, generator=generator) < 0.2)
    for step in range(STEPS):
        seen = {key: array.copy() for key, array in rows.observations.items()}
        seen["proprioception"][:, 0] = step + np.arange(6) / 100
        made.see(step, seen, np.ones((6, 4), bool))
    yield made
    rows.close()


def test_advantages_are_sums_of_what_was_better_than_expected(rollout):
    last = torch.randn(6, generator=torch.Generator().manual_seed(2))
    rollout.reckon(last, GAMMA, DECAY)
    rewards, values, ended = (
        array.numpy().astype(np.float64)
        for array in (rollout.rewards, rollout.values, rollout.ended)
    )
    follows = np.vstack([values[1:], last.numpy()[None]])
    deltas = rewards + GAMMA * follows * (1 - ended) - values
    for row in range(6):
        for step in range(STEPS):
            wanted, weight = 0.0, 1.0
            for later in range(step, STEPS):
                wanted += weight * deltas[later, row]
                if ended[later, row]:
                    break
                weight *= GAMMA * DECAY
            assert rollout.advantages[step, row] == pytest.approx(wanted, abs=1e-4)
    assert torch.equal(rollout.returns, rollout.advantages + rollout.values)


@pytest.mark.parametrize("size", [7, 24, 500])
def test_batches_hold_every_transition_once_with_all_that_belongs_to_it(rollout, size):
    rollout.reckon(torch.zeros(6), GAMMA, DECAY)
    batches = list(rollout.batches(size))
    assert [len(batch.values) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    values = torch.cat([batch.values for batch in batches])
    assert sorted(values.tolist()) == sorted(rollout.values.flatten().tolist())
    for batch in batches:
        tags = batch.observation["proprioception"][:, 0].double()
        steps, rows = tags.floor().long(), ((tags - tags.floor()) * 100).round().long()
        for name in ("values", "advantages", "returns", "log_probs"):
            assert torch.equal(getattr(batch, name), getattr(rollout, name)[steps, rows])


def test_a_critic_s_scale_is_that_of_the_returns():
    scale, generator = Scale(), torch.Generator().manual_seed(0)
    assert torch.equal(scale.back(torch.ones(3)), torch.ones(3))
    for _ in range(3):
        scale.learn(40.0 + 5.0 * torch.randn(4_000, generator=generator))
    given = torch.tensor([40.0, 45.0, 30.0])
    assert scale.scaled(given).tolist() == pytest.approx([0.0, 1.0, -2.0], abs=0.1)
    assert torch.allclose(scale.back(scale.scaled(given)), given, atol=1e-3)
