"""What every encoder promises, whatever it is and whatever there is to sense."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_engine.plugins.registry import registry
from als_plugins.encoders.base import rows_together
from als_plugins.encoders.saving import load_encoder, make_encoder, save_encoder

ENCODERS = [spec.id for spec in registry.encoders()]


def set_of(rows, columns=6):
    low, high = -np.ones((rows, columns), np.float32), np.ones((rows, columns), np.float32)
    low[:, 0] = 0.0
    return Box(low, high, dtype=np.float32)


BUNDLED = {
    "rgb": Box(0, 255, (12, 20, 3), np.uint8),
    "depth": Box(0.0, 20.0, (12, 20, 1), np.float32),
    "semantic": Box(0, 7, (12, 20, 1), np.uint8),
    "audio": Box(0.0, 1.0, (2, 8), np.float32),
    "text": Box(0, 99, (10,), np.int32),
    "touch": Box(0.0, 1.0, (12,), np.float32),
    "proprioception": Box(-2.0, 2.0, (11,), np.float32),
    "entities": set_of(8),
}
FOREIGN = {
    "acme/unbounded": Box(-np.inf, np.inf, (3,), np.float32),
    "acme/table": Box(-1.0, 1.0, (2, 3), np.float32),
    "acme/cube": Box(-1.0, 1.0, (2, 3, 4), np.float32),
    "acme/one. number": Box(0.0, 1.0, (1,), np.float32),
    "acme/set": set_of(5, 3),
    "acme/heat": Box(0.0, np.inf, (9, 9, 1), np.float32),
    "acme/words": Box(0, 30, (4,), np.int64),
    "forward": Box(0.0, 1.0, (2,), np.float32),
}
COMBINATIONS = {
    **{key: (key,) for key in BUNDLED},
    "things and words": ("entities", "text", "proprioception"),
    "a picture and words": ("rgb", "text"),
    "all": tuple(BUNDLED),
    "all and others'": (*BUNDLED, *FOREIGN),
}


def small(name):
    """Arguments that make it quick."""
    return {
        "attention": {"width": 16, "heads": 2, "features": 24},
        "attention-cnn": {"channels": 8, "heads": 2, "features": 24},
        "graph-attention": {"width": 16, "heads": 2, "features": 24},
        "recurrent": {"width": 16, "hidden": 24},
    }.get(name, {})


def made(name, keys=None, seed=0, **config):
    torch.manual_seed(seed)
    keys = COMBINATIONS["all"] if keys is None else keys
    space = gymnasium.spaces.Dict({key: {**BUNDLED, **FOREIGN}[key] for key in keys})
    return make_encoder(name, space, {**small(name), **config})


def sensed(space, rows=6, seed=0):
    """What might be sensed: some words, then padding; some things, then none."""
    rng = np.random.default_rng(seed)
    observation = {}
    for key, part in space.spaces.items():
        low, high = (np.clip(bound.astype(float), -100, 100) for bound in (part.low, part.high))
        array = rng.uniform(low, high, (rows, *part.shape)).astype(part.dtype)
        if "words" in key or key == "text":
            array[:, 0] = 1
            array[:, part.shape[0] // 2 :] = 0
        if "set" in key or key == "entities":
            array[:, :3, 0] = 1.0
            array[:, 3:] = 0.0
        observation[key] = torch.as_tensor(array).float()
    return observation


def reads(name, keys):
    try:
        made(name, keys)
    except ArgumentError:
        return False
    return True


OFFERED = [
    (name, which) for name in ENCODERS for which, keys in COMBINATIONS.items() if reads(name, keys)
]


def test_every_encoder_reads_all_at_once_and_says_what_it_cannot_do_without():
    assert {name for name, which in OFFERED if which == "all and others'"} == set(ENCODERS)
    for name, words in [("attention-cnn", "needs a picture"), ("graph-attention", '"entities"')]:
        with pytest.raises(ArgumentError, match=words):
            made(name, ("text", "touch"))


@pytest.mark.parametrize(("name", "which"), OFFERED)
def test_any_combination_of_sensors_becomes_features(name, which):
    encoder = made(name, COMBINATIONS[which])
    observation = sensed(encoder.observation_space)
    features = encoder(observation)
    assert features.shape == (6, encoder.features)
    assert torch.isfinite(features).all()
    assert (features[0] - features[1]).abs().max() > 1e-4
    tokens = encoder.tokens(observation)
    assert tokens.present.shape == tokens.values.shape[:2]
    learns = dict(encoder.named_parameters())
    if learns:
        (features.square().sum() + tokens.values.square().sum()).backward()
    assert [key for key, weight in learns.items() if weight.grad is None] == []


@pytest.fixture(scope="module")
def seen():
    """A space, and what eight avatars sense in it in twenty steps."""
    env = gymnasium.make_vec(
        "als_engine:ALS/Vocabulary-v0",
        num_envs=8,
        sensors=["rgb", "entities", "text", "proprioception"],
        frame_size=16,
    )
    env.action_space.seed(0)
    steps = [env.reset(seed=0)[0]]
    for _ in range(20):
        steps.append({key: x.copy() for key, x in env.step(env.action_space.sample())[0].items()})
    observation = {key: np.concatenate([step[key] for step in steps]) for key in steps[0]}
    env.close()
    return env.single_observation_space, observation


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (name, keys)
        for keys in [("rgb",), ("rgb", "entities"), ("entities", "text")]
        for name in ENCODERS
        if reads(name, keys)
    ],
)
def test_observations_look_different_before_anything_is_learnt(name, keys, seen):
    """Else a learner stays for long where all look alike: see `initialise`."""
    space = gymnasium.spaces.Dict({key: seen[0][key] for key in keys})
    torch.manual_seed(0)
    encoder = make_encoder(name, space)
    with torch.no_grad():
        features = encoder({key: torch.as_tensor(seen[1][key]) for key in keys})
    share = features.var(0).mean() / features.square().mean()
    assert share.sqrt() > 0.08


@pytest.mark.parametrize(("name", "which"), OFFERED)
def test_attention_is_shared_out_over_the_parts(name, which):
    encoder = made(name, COMBINATIONS[which]).eval()
    observation = sensed(encoder.observation_space)
    attention = encoder.attention(observation)
    for key, weight in attention.items():
        assert weight.shape[0] == 6
        assert (weight >= 0).all()
        if key in encoder.grids():
            assert weight.shape[1] == np.prod(encoder.grids()[key])
    if attention:
        total = torch.stack([weight.sum(1) for weight in attention.values()]).sum(0)
        assert torch.allclose(total, torch.ones(6), atol=1e-5)
    else:
        assert name in ("mlp", "recurrent")
    for key in {"text", "entities"} & set(attention):
        absent = observation[key] == 0 if key == "text" else observation[key][..., 0] == 0
        assert (attention[key][absent] == 0).all()
    for key, span in encoder.tokens(observation).spans.items():
        assert span.stop - span.start == attention[key].shape[1]


@pytest.mark.parametrize("name", ENCODERS)
def test_any_sensor_may_be_missing(name):
    encoder = made(name).eval()
    observation = sensed(encoder.observation_space)
    whole = encoder(observation)
    for key in observation:
        alone = encoder({key: observation[key]})
        assert alone.shape == whole.shape
        assert torch.isfinite(alone).all()
        assert (alone[0] - alone[1]).abs().max() > 1e-5, key
        others = {other: x for other, x in observation.items() if other != key}
        assert (encoder(others) - whole).abs().max() > 1e-5, key
        assert key not in encoder.attention(others)


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_not_there_makes_no_difference_and_order_only_to_words(name):
    encoder = made(name).eval()
    observation = sensed(encoder.observation_space)
    features = encoder(observation)
    hidden = observation["entities"].clone()
    hidden[:, 3:, 1:] = 0.7
    assert torch.equal(encoder({**observation, "entities": hidden}), features)
    flipped = {**observation, "entities": observation["entities"].flip(1)}
    assert torch.allclose(encoder(flipped), features, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_same_seed_gives_the_same_bits_and_no_row_depends_on_another(name):
    encoder, again = made(name).eval(), made(name).eval()
    observation = sensed(encoder.observation_space)
    features = encoder(observation)
    assert torch.equal(features, again(observation))
    assert not torch.equal(features, made(name, seed=1).eval()(observation))
    other = sensed(encoder.observation_space, seed=1)
    mixed = {key: torch.cat([x[:2], other[key][2:]]) for key, x in observation.items()}
    assert torch.equal(encoder(mixed)[:2], features[:2])


@pytest.mark.parametrize("name", ENCODERS)
def test_rows_together_have_the_same_features_but_for_their_last_bits(name):
    encoder = made(name).eval()
    observation = sensed(encoder.observation_space)
    apart = encoder(observation)
    with rows_together(encoder):
        assert torch.allclose(encoder(observation), apart, atol=1e-5)
    assert torch.equal(encoder(observation), apart)


# Saving


@pytest.mark.parametrize("name", ENCODERS)
def test_a_saved_encoder_serves_other_worlds(name, tmp_path):
    """Fewer sensors, other frame sizes, more things, longer texts: the same weights."""
    encoder = made(name).eval()
    save_encoder(encoder, name, tmp_path / "encoder")
    same, record = load_encoder(tmp_path / "encoder", encoder.observation_space)
    observation = sensed(encoder.observation_space)
    assert torch.equal(same.eval()(observation), encoder(observation))
    assert record.config == encoder.config
    keys = ("rgb", "text", "entities")
    sizes = {"rgb": Box(0, 255, (16, 16, 3), np.uint8), "text": Box(0, 99, (17,), np.int32)}
    space = gymnasium.spaces.Dict({**sizes, "entities": set_of(11)})
    other, _ = load_encoder(tmp_path / "encoder", space)
    features = other.eval()(sensed(space))
    assert torch.isfinite(features).all()
    for key, weight in other.state_dict().items():
        assert torch.equal(weight, encoder.state_dict()[key])
    if name == "attention":
        # What is there is seen as before, however much room there is around it.
        some = {key: x for key, x in observation.items() if key in keys[1:]}
        roomy = {
            "text": torch.nn.functional.pad(some["text"], (0, 7)),
            "entities": torch.nn.functional.pad(some["entities"], (0, 0, 0, 3)),
        }
        assert torch.allclose(other(roomy), encoder(some), atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("damage", ["cut off", "other weights", "giant", "unknown", "code"])
def test_a_folder_that_is_not_right_is_one_line(name, damage, tmp_path):
    encoder = made(name)
    folder = tmp_path / "encoder"
    save_encoder(encoder, name, folder)
    record = json.loads((folder / "encoder.json").read_text())
    weights = folder / "weights.safetensors"
    if damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other weights":
        save_encoder(made("mlp", ("touch",)), "mlp", tmp_path / "other")
        weights.write_bytes((tmp_path / "other" / "weights.safetensors").read_bytes())
    elif damage == "giant":
        record["config"] = dict.fromkeys(record["config"] or ["width"], 10**9)
    elif damage == "unknown":
        record["config"]["colour"] = "red"
    else:
        record["encoder"] = "os:system"
    (folder / "encoder.json").write_text(json.dumps(record))
    with pytest.raises(ALSError) as error:
        load_encoder(folder, encoder.observation_space)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 2_000


def test_a_sensor_that_a_saved_encoder_has_never_seen_is_named(tmp_path):
    save_encoder(made("attention", ("text", "touch")), "attention", tmp_path / "encoder")
    with pytest.raises(SavedFileError, match='never seen the sensor "rgb": use sensors=text,touch'):
        load_encoder(tmp_path / "encoder", gymnasium.spaces.Dict({"rgb": BUNDLED["rgb"]}))


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("attention", {"width": 10**6}, "width must be a whole number from 8 to 512, got 1000000"),
        ("attention", {"width": "wide"}, "width must be a whole number .*got 'wide'"),
        ("attention", {"width": 18, "heads": 4}, "multiple of 4 and of heads=4, got 18"),
        ("attention", {"width": True}, "width must be a whole number"),
        ("attention", {"dropout": 1.0}, "dropout must be a number from 0 to 0.9"),
        ("attention", {"modality_dropout": "no"}, "modality_dropout must be a number"),
        ("attention", {"modality_dropout": float("nan")}, "modality_dropout must be a number"),
        ("attention", {"deep": 3}, "deep"),
        ("attention-cnn", {"heads": 0}, "heads must be a whole number from 1 to 32"),
        ("graph-attention", {"width": 30, "heads": 4}, "multiple of heads=4, got 30"),
        ("recurrent", {"cell": "rnn"}, 'cell must be "lstm" or "gru", got \'rnn\''),
        ("recurrent", {"cell": ["gru"]}, "cell must be"),
        ("recurrent", {"bidirectional": 1}, "bidirectional must be true or false"),
        ("mlp", {"width": 3}, "width"),
    ],
)
def test_a_wrong_argument_is_one_line(name, config, words):
    with pytest.raises(ArgumentError, match=words) as error:
        made(name, **config)
    assert "\n" not in str(error.value)


def test_too_many_tokens_are_refused_before_memory_is_full():
    space = gymnasium.spaces.Dict({"rgb": Box(0, 255, (256, 256, 3), np.uint8)})
    with pytest.raises(ArgumentError, match="16384 tokens, more than 2048: use a larger patch"):
        make_encoder("attention", space, {"patch": 2})


# Time


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_memory_knows_the_past_and_only_a_bidirectional_one_the_future(cell, bidirectional):
    keys = ("entities", "text", "touch")
    encoder = made("recurrent", keys, cell=cell, bidirectional=bidirectional).eval()
    steps = [sensed(encoder.observation_space, rows=3, seed=i) for i in range(4)]
    observation = {key: torch.stack([step[key] for step in steps], 1) for key in keys}
    whole = encoder.sequence(observation)
    assert whole.shape == (3, 4, encoder.features)
    changed = {key: x.clone() for key, x in observation.items()}
    changed["touch"][:, 2] += 0.5
    differs = (encoder.sequence(changed) != whole).any(-1).any(0).tolist()
    assert differs == ([True] * 4 if bidirectional else [False, False, True, True])
    first = {key: x[:, 0] for key, x in observation.items()}
    if not bidirectional:
        assert torch.allclose(encoder(first), whole[:, 0], atol=1e-6)
    del observation["text"]
    assert torch.isfinite(encoder.sequence(observation)).all()
