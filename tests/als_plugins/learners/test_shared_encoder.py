"""Actor and critic read one encoder, and only the critic's loss reaches it."""

from __future__ import annotations

import pytest
import torch
from learn_worlds import ID, learn

from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_plugins.explaining.decisions import Decider

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

GIVEN = {"sensors": ["proprioception"], "action_mode": "continuous"}
TINY = {"width": 8, "depth": 1, "heads": 2, "features": 8}
SMALL = {"encoder": "attention", "encoder_config": TINY, "net_arch": [8], "batch_size": 32}
LEARNERS = [
    spec.id
    for spec in registry.agents()
    if "share_encoder"
    in getattr(getattr(registry.load(spec), "parameters_class", None), "model_fields", {})
]


def made(name, **config):
    return make_agent(name, ID, GIVEN, {**SMALL, **config})


def parts(agent):
    policy = agent.policy
    return policy.actor, policy.critic, policy.critic.features_extractor.encoder


def test_it_is_every_learner_with_an_actor_and_a_replay_buffer():
    assert LEARNERS == ["sac", "td3", "ddpg", "attention-ddpg"]


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("name", LEARNERS)
def test_what_the_actor_learns_from_reaches_the_encoder_only_if_it_has_its_own(name, share):
    agent = made(name, share_encoder=share)
    actor, critic, encoder = parts(agent)
    assert (actor.features_extractor.encoder is encoder) is share
    agent.policy.set_training_mode(True)
    seen = {"proprioception": torch.rand(4, 11)}
    acted = actor(seen)
    (acted**2).sum().backward()
    assert all(parameter.grad is None for parameter in encoder.parameters())
    reached = [
        parameter.grad is not None
        for parameter_name, parameter in actor.named_parameters()
        if "features_extractor.encoder.blocks" in parameter_name
    ]
    assert all(reached)
    assert bool(reached) is not share
    torch.cat(critic(seen, acted.detach()), 1).sum().backward()
    assert all(p.grad is not None for n, p in encoder.named_parameters() if "blocks" in n)


@pytest.mark.parametrize("name", LEARNERS)
def test_no_weight_is_saved_or_trained_twice(name):
    actor, critic, encoder = parts(made(name))
    trained = [
        id(parameter)
        for part in (actor, critic)
        for group in part.optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(trained) == len(set(trained))
    assert {id(parameter) for parameter in encoder.parameters()} <= set(trained)
    assert not any("features_extractor" in key for key in actor.state_dict())


@pytest.mark.parametrize("name", LEARNERS)
def test_a_saved_agent_acts_as_before_and_says_what_its_decisions_hang_on(name, tmp_path):
    config = {**SMALL, "learning_starts": 32}
    job = {"worlds": 4, "arguments": GIVEN, "config": config, "device": "cpu"}
    done = train_agent(ID, name, steps=128, folder=tmp_path / "run", **job)
    loaded, _ = load_agent(tmp_path / "run")
    seen = {"proprioception": torch.rand(3, 11)}
    arrays = {key: x.numpy() for key, x in seen.items()}
    assert (loaded.act(arrays)[0] == done.agent.act(arrays)[0]).all()
    decide = Decider(open_agent(str(tmp_path / "run")).agent)
    seen["proprioception"].requires_grad_(True)
    decide(seen).sum().backward()
    assert seen["proprioception"].grad.abs().sum() > 0


def test_a_learner_without_an_actor_has_nothing_to_share():
    with pytest.raises(ArgumentError, match='hyperparameter of dqn "share_encoder"'):
        make_agent("dqn", ID, {"sensors": ["proprioception"]}, {"share_encoder": True})
