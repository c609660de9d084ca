"""The plain encoder reads every form of observation."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box

from als_plugins.encoders.saving import make_encoder

SPACES = {
    "bounded": Box(-5.0, 5.0, (3,), np.float32),
    "unbounded": Box(-np.inf, np.inf, (3,), np.float32),
    "a table": Box(-1.0, 1.0, (2, 3), np.float32),
    "a set": Box(np.float32([[0, -1]] * 6), np.float32([[1, 1]] * 6), dtype=np.float32),
    "tokens": Box(0, 99, (7,), np.int32),
    "a key. with a dot": Box(0.0, 1.0, (1,), np.float32),
}


def test_every_form_of_observation_becomes_finite_features():
    space = gymnasium.spaces.Dict(SPACES)
    encoder = make_encoder("mlp", space)
    observation = {
        key: torch.as_tensor(part.sample()[None] * (1e6 if key == "unbounded" else 1)).float()
        for key, part in space.spaces.items()
    }
    features = encoder(observation)
    assert features.shape == (1, encoder.features)
    assert torch.isfinite(features).all()
    assert features.abs().max() < 100


def test_the_order_and_the_absence_of_things_make_no_difference():
    encoder = make_encoder("mlp", gymnasium.spaces.Dict({"things": SPACES["a set"]}))
    things = torch.tensor([[[1.0, 0.5], [1.0, -0.5], [0, 0], [0, 0], [0, 0], [0, 0]]])
    features = encoder({"things": things})
    assert torch.allclose(features, encoder({"things": things.flip(1)}))
    hidden = things.clone()
    hidden[:, 2:, 1] = 0.9
    assert torch.equal(features, encoder({"things": hidden}))
