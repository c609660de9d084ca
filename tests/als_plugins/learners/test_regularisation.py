"""Weight decay, augmentation and dropout are arguments, and do what they say while learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine.agents.saving import make_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_plugins.learners.extractor import SHIFT, shifted

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

PICTURES = {"sensors": ["rgb", "proprioception"], "frame_size": 16}
SENSED = {"sensors": ["proprioception"]}
SMALL = {"net_arch": [8], "batch_size": 32, "rollout": 64, "n_epochs": 1}
TINY = {"width": 8, "depth": 1, "heads": 2, "features": 8}


def made(arguments=PICTURES, name="ppo", **config):
    agent = make_agent(name, ID, arguments, {**SMALL, **config})
    torch.manual_seed(0)
    assert agent.policy  # It is built when it is first asked for.
    return agent


def observed(rows=6):
    """As SB3 hands it over: pictures turned round, everything a tensor."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (rows, 3, 16, 16)).astype(np.uint8)
    return {
        "rgb": torch.tensor(pictures),
        "proprioception": torch.tensor(rng.uniform(0, 1, (rows, 11)).astype(np.float32)),
    }


def features(agent, learning):
    extractor = agent.policy.features_extractor
    extractor.train(learning)
    with torch.no_grad():
        return extractor(observed()).numpy()


def test_a_shift_moves_each_picture_as_a_whole_and_not_far():
    torch.manual_seed(1)
    pictures = torch.arange(20 * 24, dtype=torch.float32).reshape(1, 20, 24, 1).repeat(64, 1, 1, 2)
    moved = shifted(pictures, SHIFT)
    assert moved.shape == pictures.shape
    inner = moved[:, SHIFT:-SHIFT, SHIFT:-SHIFT, 0] - pictures[:, SHIFT:-SHIFT, SHIFT:-SHIFT, 0]
    offsets = inner.reshape(64, -1)
    assert (offsets == offsets[:, :1]).all()
    down, right = torch.round(offsets[:, 0] / 24), offsets[:, 0] % 24
    assert down.abs().max() == SHIFT
    assert len(right.unique()) > SHIFT
    assert torch.equal(moved[..., 0], moved[..., 1])


@pytest.mark.parametrize("encoder", ["mlp", "attention"])
def test_pictures_are_shifted_while_learning_and_never_in_use(encoder):
    config = {"encoder": encoder, "encoder_config": TINY if encoder == "attention" else {}}
    augmented, plain = made(augment="shift", **config), made(**config)
    assert np.array_equal(features(augmented, learning=False), features(plain, learning=False))
    assert np.allclose(features(plain, learning=True), features(plain, learning=False), atol=1e-5)
    once, again = (features(augmented, learning=True) for _ in range(2))
    assert not np.allclose(once, again, atol=1e-3)


def test_dropout_of_the_encoder_acts_while_learning_only():
    agent = made(SENSED, encoder="attention", encoder_config={**TINY, "dropout": 0.5})
    extractor, seen = agent.policy.features_extractor, {"proprioception": torch.ones(4, 11)}
    with torch.no_grad():
        extractor.train(True)
        assert not torch.equal(extractor(seen), extractor(seen))
        extractor.train(False)
        assert torch.equal(extractor(seen), extractor(seen))


@pytest.mark.parametrize("name", ["ppo", "sac", "attention-ddpg"])
def test_weight_decay_reaches_every_optimizer(name):
    config = {"net_arch": [8], "batch_size": 32, "weight_decay": 0.25}
    config["encoder"], config["encoder_config"] = "attention", TINY
    mode = "discrete" if name == "ppo" else "continuous"
    agent = make_agent(name, ID, {**SENSED, "action_mode": mode}, config)
    parts = [agent.policy] if name == "ppo" else [agent.policy.actor, agent.policy.critic]
    for part in parts:
        assert isinstance(part.optimizer, torch.optim.AdamW)
        assert all(group["weight_decay"] == 0.25 for group in part.optimizer.param_groups)


def test_weight_decay_makes_weights_smaller():
    def size(decay):
        job = {"worlds": 4, "arguments": SENSED, "device": "cpu"}
        config = {**SMALL, "weight_decay": decay, "learning_rate": 1e-2, "anneal": False}
        agent = train_agent(ID, "ppo", steps=256, config=config, **job).agent
        return sum(float((p.detach() ** 2).sum()) for p in agent.policy.parameters())

    assert size(1.0) < 0.95 * size(0.0)


def test_shifting_where_there_are_no_pictures_is_refused():
    with pytest.raises(ArgumentError, match='augment="shift" moves pictures: there is none'):
        made(SENSED, augment="shift")
