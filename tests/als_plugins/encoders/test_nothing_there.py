"""An encoder that is learning reads a batch in which nobody speaks and nothing is in sight."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from als_engine.plugins.registry import registry


@pytest.mark.parametrize("name", ["mlp", "attention"])
def test_a_table_that_is_empty_in_every_row_counts_for_nothing(name):
    low, high = np.zeros((6, 5), np.float32), np.ones((6, 5), np.float32)
    space = gymnasium.spaces.Dict(
        {
            "heard": gymnasium.spaces.Box(low, high),
            "touch": gymnasium.spaces.Box(0.0, 1.0, (4,), np.float32),
        }
    )
    encoder = registry.load(registry.encoder(name))(space)
    seen = {"heard": torch.zeros(3, 6, 5), "touch": torch.rand(3, 4)}
    learning = encoder.train()(seen)
    learning.sum().backward()
    with torch.no_grad():
        assert torch.allclose(learning, encoder.eval()(seen), atol=1e-5)
