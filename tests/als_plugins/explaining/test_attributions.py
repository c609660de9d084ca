"""Attributions add up, say what a trained network does, and change when its weights do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine.agents.saving import make_agent
from als_engine.errors import ArgumentError
from als_plugins.explaining.attributions import Question, attribute, saliency
from als_plugins.explaining.checks import delete, randomised
from als_plugins.explaining.decisions import Decider

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSORS = {"sensors": ["proprioception", "entities", "text", "rgb"], "frame_size": 16}
SMALL = {"net_arch": [16]}
CONTINUOUS = ("sac", "td3", "ddpg")
LEARNERS = ["mappo", "ppo", "recurrent-ppo", "dqn", "qrdqn", *CONTINUOUS]


def make(name="ppo", encoder="mlp", sensors=None, seed=0):
    mode = "continuous" if name in CONTINUOUS else "discrete"
    arguments = {**SENSORS, "action_mode": mode}
    if sensors:
        arguments["sensors"] = list(sensors)
    config = {**SMALL, "encoder": encoder}
    if name in (*CONTINUOUS, "dqn", "qrdqn"):
        config["learning_starts"] = 64
    agent = make_agent(name, ID, arguments, config)
    torch.manual_seed(seed)
    _ = agent.policy
    return agent


def seen(agent, rows=1, seed=0):
    rng = np.random.default_rng(seed)
    found = {
        key: rng.uniform(space.low, space.high, (rows, *space.shape)).astype(space.dtype)
        for key, space in agent.observation_space.spaces.items()
    }
    if "entities" in found:
        found["entities"][:, :, 0] = np.arange(found["entities"].shape[1]) < 5
        found["entities"][:, 5:] = 0
    if "text" in found:
        found["text"][:, :12] = rng.integers(4, 1024, (rows, 12))
        found["text"][:, 12:] = 0
    return found


def first(observation):
    return {key: array[0] for key, array in observation.items()}


@pytest.mark.parametrize("name", LEARNERS)
def test_the_numbers_are_what_the_learner_decides_by(name):
    agent = make(name)
    observation = seen(agent, rows=4)
    decider = Decider(agent)
    rows = {key: torch.as_tensor(array) for key, array in observation.items()}
    numbers = decider(rows).detach().numpy()
    actions, _ = agent.act(observation)
    if decider.discrete:
        assert (numbers.argmax(axis=1) == actions).all()
    else:
        np.testing.assert_allclose(numbers, actions, atol=1e-5)


def test_a_sensor_of_the_critic_alone_decides_nothing():
    arguments = {**SENSORS, "action_mode": "continuous"}
    agent = make_agent("mappo", ID, arguments, {**SMALL, "critic": ["rgb"]})
    decider, observation = Decider(agent), seen(agent, rows=4)
    assert "rgb" not in decider.observation_space.spaces
    rows = {key: torch.as_tensor(array) for key, array in observation.items() if key != "rgb"}
    np.testing.assert_allclose(decider(rows).detach(), agent.act(observation)[0], atol=1e-5)


def test_a_recurrent_learners_memory_counts():
    agent = make("recurrent-ppo")
    observation = seen(agent)
    rows = {key: torch.as_tensor(array) for key, array in observation.items()}
    decider = Decider(agent)
    _, state = agent.act(observation)
    actions, _ = agent.act(observation, state)
    with_memory, without = decider(rows, state.memory), decider(rows)
    assert not torch.allclose(with_memory, without)
    assert int(with_memory.argmax()) == int(actions[0])


@pytest.mark.parametrize("name", ["random", "expert"])
def test_an_agent_without_a_network_is_refused_in_one_line(name):
    with pytest.raises(ArgumentError, match=f"{name} has no network to look into.*ppo") as caught:
        Decider(make_agent(name, ID, SENSORS), name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("encoder", ["mlp", "attention"])
def test_the_amounts_add_up_to_the_difference_from_the_baseline(name, encoder):
    agent = make(name, encoder)
    question = Question(Decider(agent), first(seen(agent)), 1)
    assert set(question.inputs) == set(SENSORS["sensors"])
    assert question.held == ()
    found = attribute(question)
    difference = found.value - found.baseline
    assert abs(difference) > 1e-5
    # What speaks for and against may be much more than the difference.
    assert abs(found.delta) < 0.02 * max(abs(difference), np.abs(found.amounts).sum())
    assert sum(found.shares.values()) == pytest.approx(1.0)


def test_a_sensor_that_cannot_be_followed_is_held_and_named():
    agent = make(sensors=("proprioception", "semantic"))
    question = Question(Decider(agent), first(seen(agent)), 0)
    assert question.held == ("semantic",)
    assert {part.sensor for part in question.parts} == {"proprioception"}
    assert abs(attribute(question).delta) < 1e-4


def test_a_gate_that_is_open_or_shut_is_the_word_or_padding():
    agent = make(encoder="attention", sensors=("text",))
    observation = first(seen(agent))
    question = Question(Decider(agent), observation, 0)
    gates = question.inputs["text"]
    rows = {"text": torch.as_tensor(observation["text"])[None]}
    as_seen = Decider(agent)(rows)[0, 0]
    assert float(question(gates).detach()) == pytest.approx(float(as_seen.detach()), abs=1e-6)
    other = {"text": rows["text"].clone()}
    table = agent.policy.pi_features_extractor.encoder.embeddings["of_text"].table
    with torch.no_grad():
        # A word whose embedding is that of padding, though it stands there.
        table.weight[1023] = table.weight[0]
    other["text"][0, 3] = 1023
    shut = gates.clone()
    shut[0, 3] = 0
    closed = Decider(agent)(other)[0, 0].detach()
    assert float(question(shut).detach()) == pytest.approx(float(closed), abs=1e-6)


def test_saliency_is_one_in_all_and_has_a_part_for_each_thing():
    agent = make()
    weights = saliency(Question(Decider(agent), first(seen(agent)), 0))
    sizes = {key: array.size for key, array in weights.items()}
    assert sizes == {"proprioception": 11, "entities": 16, "text": 128, "rgb": 256}
    assert sum(float(array.sum()) for array in weights.values()) == pytest.approx(1.0)
    assert all((array >= 0).all() for array in weights.values())


@pytest.fixture(scope="module")
def pupil():
    """It has learnt to choose action 1 where `heading_sin` is positive, and 2 elsewhere."""
    agent = make(sensors=("proprioception",), seed=1)
    policy = agent.policy
    policy.set_training_mode(True)
    optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
    for step in range(400):
        body = torch.as_tensor(seen(agent, 128, step)["proprioception"])
        logits = policy.get_distribution({"proprioception": body}).distribution.logits
        loss = torch.nn.functional.cross_entropy(logits, 2 - (body[:, 3] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.15
    return agent


def asked(agent, seed):
    decider = Decider(agent)
    body = first(seen(agent, seed=seed))
    rows = {key: torch.as_tensor(array)[None] for key, array in body.items()}
    question = Question(decider, body, int(decider(rows).argmax()))
    return decider, question, attribute(question)


def test_what_a_trained_network_goes_by_is_found(pupil):
    for seed in range(1_000, 1_010):
        _, _, found = asked(pupil, seed)
        part, amount = found.strongest(1)[0]
        assert part.name == "heading sin"
        assert amount > 0


def test_taking_away_what_matters_costs_more_than_chance(pupil):
    beaten = []
    for seed in range(1_000, 1_010):
        _, question, found = asked(pupil, seed)
        deletion = delete(question, found)
        assert deletion.strongest[0] > deletion.random[:, 0].mean()
        beaten.append(deletion.beaten)
    assert np.mean(beaten) > 0.8


def test_shuffled_weights_explain_something_else_and_come_back(pupil):
    before = {name: tensor.clone() for name, tensor in pupil.policy.state_dict().items()}
    resemblance = []
    for seed in range(1_000, 1_005):
        decider, question, found = asked(pupil, seed)
        resemblance.append(randomised(decider, question, found).mean())
        assert np.allclose(attribute(question).amounts, found.amounts)
    assert np.mean(resemblance) < 0.5
    after = pupil.policy.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
