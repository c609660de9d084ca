"""Heads: the distributions are those of torch, and nothing is drawn that is ruled out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch.distributions import Categorical, Independent, Normal

from als_engine.errors import ArgumentError
from als_plugins.mappo.heads import make_head

FEATURES = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("space", [Discrete(5), MultiDiscrete([3, 4])])
def test_choices_are_torch_s_own(space):
    head = make_head(6, space)
    found = head(FEATURES)
    parts = torch.split(head.linear(FEATURES), [5] if isinstance(space, Discrete) else [3, 4], 1)
    theirs = [Categorical(logits=part) for part in parts]
    actions = found.sample(torch.Generator())
    columns = actions.reshape(50, -1)
    wanted = sum(each.log_prob(columns[:, i]) for i, each in enumerate(theirs))
    assert torch.allclose(found.log_prob(actions), wanted, atol=1e-6)
    assert torch.allclose(found.entropy(), sum(each.entropy() for each in theirs), atol=1e-6)
    best = found.best().reshape(50, -1)
    assert all((best[:, i] == part.argmax(1)).all() for i, part in enumerate(parts))
    assert all(space.contains(action) for action in actions.numpy())


def test_numbers_are_torch_s_own():
    head = make_head(6, Box(-1.0, 1.0, (2, 2)))
    with torch.no_grad():
        head.log_deviation.copy_(torch.tensor([0.1, -0.5, 0.3, 0.0]))
    found = head(FEATURES)
    theirs = Independent(Normal(head.linear(FEATURES), head.log_deviation.exp()), 1)
    actions = found.sample(torch.Generator())
    assert actions.shape == (50, 2, 2)
    assert torch.allclose(found.log_prob(actions), theirs.log_prob(actions.flatten(1)), atol=1e-5)
    assert torch.allclose(found.entropy(), theirs.entropy(), atol=1e-5)
    assert torch.equal(found.best().flatten(1), theirs.mean)


@pytest.mark.parametrize("space", [Discrete(7), MultiDiscrete([3, 4])])
def test_what_is_ruled_out_is_never_drawn(space):
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((50, 7)) < 0.4)
    first = 0
    for size in [7] if isinstance(space, Discrete) else [3, 4]:
        masks[:, first] = True  # One choice is always possible.
        first += size
    found = make_head(6, space)(FEATURES, masks)
    for _ in range(50):
        columns = found.sample(torch.Generator()).reshape(50, -1)
        first = 0
        for i, log in enumerate(found.logs):
            assert masks[torch.arange(50), first + columns[:, i]].all()
            first += log.shape[1]
    assert torch.isfinite(found.entropy()).all()
    assert torch.isfinite(found.log_prob(found.best())).all()


def test_a_space_without_a_policy_is_named():
    with pytest.raises(ArgumentError, match="MultiBinary"):
        make_head(6, MultiBinary(3))
    with pytest.raises(ArgumentError, match="counted from 0"):
        make_head(6, Discrete(3, start=1))
