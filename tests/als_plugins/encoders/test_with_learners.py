"""Every learner trains with every encoder, from scratch or from a pretrained one."""

from __future__ import annotations

import re

import gymnasium
import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine import sb3_vec_env
from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.registry import registry
from als_engine.seeding import Generators, spread
from als_plugins.encoders.saving import make_encoder, save_encoder
from als_plugins.mappo.learner import Mappo

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SMALL = {
    "attention": {"width": 16, "depth": 1, "heads": 2, "features": 16},
    "attention-cnn": {"channels": 4, "heads": 2, "features": 16},
    "graph-attention": {"width": 16, "depth": 1, "heads": 2, "features": 16},
    "recurrent": {"width": 16, "hidden": 16},
}
SENSORS = {"attention-cnn": ["rgb", "proprioception"]}


def takes_an_encoder(spec):
    parameters = getattr(registry.load(spec), "parameters_class", None)
    own = spec.id == "mbpo"  # It reads as mappo does, and has tests of its own.
    return not own and parameters is not None and "encoder" in parameters.model_fields


LEARNERS = [spec.id for spec in registry.agents() if spec.trainable and takes_an_encoder(spec)]
ENCODERS = [spec.id for spec in registry.encoders()]


def arguments(encoder):
    return {"sensors": SENSORS.get(encoder, ["entities", "proprioception"]), "frame_size": 12}


def by_rollouts(learner):
    return "rollout" in registry.load(registry.agent(learner)).parameters_class.model_fields


def config(learner, encoder, **changes):
    own = {"rollout": 64, "n_epochs": 1} if by_rollouts(learner) else {"learning_starts": 48}
    if learner == "recurrent-ppo":
        own["lstm_hidden_size"] = 16
    small = {"net_arch": [16], "batch_size": 32, **own}
    return {**small, "encoder": encoder, "encoder_config": SMALL.get(encoder, {}), **changes}


def trained(learner, encoder, **changes):
    steps = 128 if by_rollouts(learner) else 64
    job = {"worlds": 4, "arguments": arguments(encoder), "device": "cpu"}
    return train_agent(ID, learner, steps=steps, config=config(learner, encoder, **changes), **job)


def weights(agent):
    return {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}


def pretrained(encoder, folder):
    """A saved encoder, as if it had been trained."""
    space = make_agent("random", ID, arguments(encoder)).observation_space
    torch.manual_seed(5)
    made = make_encoder(encoder, space, SMALL.get(encoder, {}))
    save_encoder(made, encoder, folder)
    return made


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_pair_trains(learner, encoder):
    begun = beginning(learner, encoder)
    done = trained(learner, encoder)
    assert done.progress.steps >= 64
    after = weights(done.agent)
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert begun.keys() == after.keys()
    of_encoder = [name for name in after if re.search(r"(^|features_extractor\.)encoder\.", name)]
    assert any(not torch.equal(begun[name], after[name]) for name in of_encoder)


def beginning(learner, encoder):
    """The weights that a training begins with."""
    mode = registry.agent(learner).action_modes[0]
    given = {**arguments(encoder), "action_mode": mode}
    agent = make_agent(learner, ID, given, config(learner, encoder))
    if isinstance(agent, Mappo):
        with Generators(spread("learner", 0)):
            return {name: tensor.clone() for name, tensor in agent._build().state_dict().items()}
    env = sb3_vec_env(ID, 4, observers=1, **given)
    training = Training(steps=1, device="cpu")
    model = agent._build(agent.around(env, training), training)
    env.close()
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def test_what_is_tuned_of_a_pretrained_encoder_is_what_was_asked_for(tmp_path):
    made = pretrained("attention", tmp_path / "encoder")
    before = made.state_dict()
    used = [name for name, _ in made.named_parameters() if not name.startswith("answer.")]
    for tuning in ("frozen", "full", "lora", "adalora", "adapter"):
        done = trained("ppo", "attention", pretrained=str(tmp_path / "encoder"), tuning=tuning)
        after = done.agent.policy.features_extractor.encoder.state_dict()
        plain = {re.sub(r"\.base_layer|\.layer(?=\.)", "", n): t for n, t in after.items()}
        kept = {name for name in before if torch.equal(before[name], plain[name])}
        added = {n: t for n, t in after.items() if re.search(r"lora_|\.(down|up)\.", n)}
        if tuning == "full":
            assert not [name for name in used if name in kept]
        else:
            assert kept == set(before)
        assert bool(added) == (tuning in ("lora", "adalora", "adapter"))
        zeros_at_first = re.compile(
            r"lora_E|\.up\.weight" if tuning == "adalora" else r"lora_B|\.up\.weight"
        )
        moved = [n for n, tensor in added.items() if zeros_at_first.search(n) and tensor.any()]
        parts = ("reading.inwards", "blocks.0.inwards", "blocks.0.outwards", "head.1")
        if added:
            assert all(any(part in name for name in moved) for part in parts)


def test_a_recurrent_learner_begins_from_the_memory_that_was_pretrained(tmp_path):
    made = pretrained("recurrent", tmp_path / "encoder")
    sizes = {"pretrained": str(tmp_path / "encoder"), "lstm_hidden_size": 16}
    agent = make_agent("recurrent-ppo", ID, arguments("recurrent"), sizes)
    policy = agent.policy
    for lstm in (policy.lstm_actor, policy.lstm_critic):
        for name, weight in made.memory.state_dict().items():
            assert torch.equal(lstm.state_dict()[name], weight)
    steps = policy.features_extractor.encoder.state_dict()
    assert all(torch.equal(steps[name], weight) for name, weight in made.steps.state_dict().items())
    assert not any("memory" in name for name in policy.state_dict())

    other = make_agent(
        "recurrent-ppo", ID, arguments("recurrent"), {**sizes, "lstm_hidden_size": 8}
    )
    assert other.policy.lstm_actor.hidden_size == 8
    assert other.policy.features_extractor.features_dim == 16


def test_the_learners_memory_and_the_encoders_say_the_same(tmp_path):
    """Steps through SB3's LSTM come out as the pretrained encoder reads the sequence."""
    made = pretrained("recurrent", tmp_path / "encoder").eval()
    sizes = {"pretrained": str(tmp_path / "encoder"), "lstm_hidden_size": 16}
    agent = make_agent("recurrent-ppo", ID, arguments("recurrent"), sizes)
    env = sb3_vec_env(ID, 3, observers=1, **arguments("recurrent"))
    seen = [env.reset()]
    for _ in range(3):
        env.step_async(np.array([env.action_space.sample() for _ in range(3)]))
        seen.append(env.step_wait()[0])
    env.close()
    state, last = None, None
    for observation in seen:
        _, state = agent.act(observation, state)
        last = state.memory[0][0]
    whole = {key: torch.as_tensor(np.stack([s[key] for s in seen], 1)) for key in seen[0]}
    assert np.allclose(last, made.sequence(whole)[:, -1].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("changes", [{"cell": "gru"}, {"bidirectional": True}])
def test_another_memory_is_read_a_step_at_a_time(changes, tmp_path):
    encoder = {**SMALL["recurrent"], **changes}
    agent = make_agent(
        "recurrent-ppo", ID, arguments("recurrent"),
        config("recurrent-ppo", "recurrent", encoder_config=encoder),
    )  # fmt: skip
    extractor = agent.policy.features_extractor
    assert any(name.startswith("memory.") for name in extractor.encoder.state_dict())
    assert extractor.features_dim == (32 if "bidirectional" in changes else 16)


@pytest.mark.parametrize("learner", ["ppo", "recurrent-ppo"])
def test_an_agent_with_an_encoder_comes_back_from_its_folder(learner, tmp_path):
    encoder = "recurrent" if learner == "recurrent-ppo" else "attention"
    pretrained(encoder, tmp_path / "encoder")
    job = {"worlds": 8, "arguments": arguments(encoder), "device": "cpu"}
    done = train_agent(
        ID, learner, steps=128, folder=tmp_path / "run", **job,
        config={**config(learner, encoder), "pretrained": str(tmp_path / "encoder")},
    )  # fmt: skip
    (tmp_path / "encoder").rename(tmp_path / "gone")
    loaded, record = load_agent(tmp_path / "run")
    assert record.config["encoder"] == encoder
    after = weights(done.agent)
    assert all(torch.equal(after[name], tensor) for name, tensor in weights(loaded).items())
    space: gymnasium.spaces.Dict = loaded.observation_space
    observation = {key: np.stack([part.sample() for _ in range(5)]) for key, part in space.items()}
    assert np.array_equal(loaded.act(observation)[0], done.agent.act(observation)[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"encoder": "mlp"}, 'holds the encoder "attention", not "mlp": leave it out'),
        ({"encoder_config": {"width": 64}}, "'width': 16.*leave it out"),
    ],
)
def test_a_pretrained_encoder_is_not_asked_to_be_another(given, words, tmp_path):
    pretrained("attention", tmp_path / "encoder")
    with pytest.raises(ArgumentError, match=words):
        make_agent(
            "ppo", ID, arguments("attention"), {"pretrained": str(tmp_path / "encoder"), **given}
        )


@pytest.mark.parametrize(
    "learner", ["ppo", "maskable-ppo", "recurrent-ppo", "sac", "dqn", "multi-objective"]
)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_learner_acts_where_a_sensor_is_missing_and_another_is_there(learner, encoder):
    given = {**arguments(encoder), "action_mode": registry.agent(learner).action_modes[0]}
    agent = make_agent(learner, ID, given, config(learner, encoder))
    space: gymnasium.spaces.Dict = agent.observation_space
    seen = {key: np.stack([part.sample() for _ in range(3)]) for key, part in space.items()}
    for key in seen:
        fewer = {other: array for other, array in seen.items() if other != key}
        assert np.isfinite(agent.act(fewer)[0]).all()
    whole = agent.act(seen)[0]
    assert np.array_equal(agent.act({**seen, "smell": np.zeros((3, 2))})[0], whole)
    with pytest.raises(ArgumentError, match=f"{learner} needs at least one of these sensors: "):
        agent.act({"smell": np.zeros((3, 2))})


LEARNING = {"net_arch": [32], "rollout": 256, "batch_size": 128, "n_epochs": 4, "anneal": False}


def reaches(learner, sensors, **config):
    """Whether what was trained for a few seconds reaches the flag on levels it has not seen."""
    given = {"sensors": sensors, "frame_size": 12, "shaped": True}
    job = {"worlds": 16, "device": "cpu", "config": {**LEARNING, "learning_rate": 4e-3, **config}}
    agent = train_agent(ID, learner, steps=2_048, arguments=given, **job).agent
    return evaluate(agent, ID, 20, arguments=given).success.low > 0.5


@pytest.mark.parametrize(
    ("encoder", "learner", "changes"),
    [
        ("attention-cnn", "ppo", {}),
        ("graph-attention", "ppo", {}),
        ("recurrent", "recurrent-ppo", {}),
        ("recurrent", "ppo", {"cell": "gru"}),
        ("recurrent", "ppo", {"bidirectional": True}),
    ],
)
def test_one_pair_of_each_encoder_learns(encoder, learner, changes):
    own = {"lstm_hidden_size": 32} if learner == "recurrent-ppo" else {}
    config = {"encoder": encoder, "encoder_config": {**SMALL[encoder], **changes}, **own}
    assert reaches(learner, arguments(encoder)["sensors"], **config)


@pytest.mark.parametrize("tuning", ["scratch", "frozen", "full", "lora", "adapter"])
def test_every_way_to_tune_an_encoder_learns(tuning, tmp_path):
    sensors = ["proprioception", "touch"]
    if tuning == "scratch":
        given = {"encoder": "attention", "encoder_config": SMALL["attention"]}
    else:
        space = make_agent("random", ID, {"sensors": sensors}).observation_space
        torch.manual_seed(5)
        encoder = make_encoder("attention", space, SMALL["attention"])
        save_encoder(encoder, "attention", tmp_path / "encoder")
        given = {"pretrained": str(tmp_path / "encoder"), "tuning": tuning}
    assert reaches("ppo", sensors, **given)
