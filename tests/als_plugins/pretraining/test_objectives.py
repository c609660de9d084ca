"""Every objective is learnt by any encoder, and asks for what it says it asks for."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from made_experience import SPACES, MadeExperience

from als_engine.errors import ArgumentError
from als_engine.sensors.tokenizer import HIDDEN, decode, encode
from als_plugins.encoders.saving import make_encoder
from als_plugins.pretraining.batches import clip_of
from als_plugins.pretraining.group import Group
from als_plugins.pretraining.job import Job
from als_plugins.pretraining.objectives import OBJECTIVES, Clip, parse_weights
from als_plugins.pretraining.objectives.contrast import fingerprints, info_nce
from als_plugins.pretraining.objectives.crossmodal import pairs
from als_plugins.pretraining.objectives.hiding import hider_of
from als_plugins.pretraining.trainer import Trainer

SMALL = {"width": 16, "depth": 1, "heads": 2, "patch": 4, "features": 32}


def trained(objective, encoder="mlp", config=None, steps=60, keys=tuple(SPACES), **job):
    job = {"batch": 16, "learning_rate": 3e-3, "evaluate_every": steps, **job}
    asked = Job(
        dataset="-",
        encoder=encoder,
        config=config or {},
        objectives={objective: 1.0},
        steps=steps,
        **job,
    )
    trainer = Trainer(asked, MadeExperience(keys))
    before = trainer.evaluate()
    for clip in trainer.clips():
        logged, _ = trainer.step(clip)
    return trainer, before, trainer.evaluate(), logged


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("encoder", "config"), [("mlp", {}), ("attention", SMALL)])
def test_any_encoder_lowers_the_held_out_loss_of_every_objective(objective, encoder, config):
    keys = ("audio", "entities", "rgb")
    how = {"batch": 32, "learning_rate": 1e-3, "steps": 60}
    _, before, after, _ = trained(objective, encoder, config, keys=keys, **how)
    assert after < before


def test_masked_guesses_words_from_the_other_senses():
    trainer, _, _, _ = trained("masked", keys=("audio", "entities", "text"), steps=100)
    objective = trainer.network.objective("masked")
    window = trainer.experience.part("test").windows(1).take(np.arange(200))
    clip = clip_of(window, 0, Group(), torch.device("cpu"))
    true, guessed = objective.guess(trainer.network.eval().encoder, clip, "text")
    assert (true == guessed).float().mean() > 0.9


def test_dynamics_does_not_collapse():
    _, _, _, logged = trained("dynamics", keys=("entities", "rgb"), steps=60)
    assert logged["dynamics/spread"] > 0.5


def test_crossmodal_finds_the_sound_that_belongs_to_the_words():
    _, _, _, logged = trained("crossmodal", keys=("audio", "text"), steps=100)
    assert logged["crossmodal/audio to text"] > 0.9


def test_destination_asks_where_the_thing_is_that_the_episode_ends_at():
    spaces = gymnasium.spaces.Dict({"entities": SPACES["entities"]})
    objective = OBJECTIVES["destination"](encoder := make_encoder("mlp", spaces), Discrete(2))
    torch.nn.init.zeros_(objective.guess.weight)
    torch.nn.init.zeros_(objective.guess.bias)
    now, last = torch.zeros(2, 1, 4, 26), torch.zeros(2, 4, 26)
    for row, (identity, ahead) in enumerate([(0.5, 0.1), (1.0, 0.3)]):
        now[:, 0, row, [0, 1, 7, 8]] = torch.tensor([1, 1, identity, ahead])
    last[0, 0, [0, 1, 7, 8]] = torch.tensor([1, 1, 1.0, 0.05])  # The farther one, reached.
    last[1, 0, [0, 2, 7, 8]] = torch.tensor([1, 1, 1.0, 0.05])  # One that was not in sight.
    actions, draw = torch.zeros(2, 1), torch.Generator()
    clip = Clip({"entities": now}, actions, draw, last={"entities": last})
    loss, logged = objective.loss(encoder, clip)
    assert loss.item() == pytest.approx(3.0**2 / 2)
    assert logged == {"found": 0.0}
    objective.guess.bias.data = torch.tensor([3.0, 0.0])
    loss, logged = objective.loss(encoder, clip)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert logged == {"found": 1.0}


def test_destination_needs_things():
    encoder = make_encoder("mlp", gymnasium.spaces.Dict({"rgb": SPACES["rgb"]}))
    with pytest.raises(ArgumentError, match='needs the sensor "entities"'):
        OBJECTIVES["destination"](encoder, Discrete(2))


def test_momentum_encoders_follow_slowly_and_get_no_gradient():
    trainer, *_ = trained("temporal", steps=2)
    slow = trainer.network.objective("temporal").slow["encoder"]
    pairs = list(zip(slow.parameters(), trainer.network.encoder.parameters(), strict=True))
    assert all(not mine.requires_grad for mine, _ in pairs)
    apart = sum(float((mine - its).detach().abs().sum()) for mine, its in pairs)
    assert apart > 0
    trainer.network.update()
    assert sum(float((m - i).detach().abs().sum()) for m, i in pairs) < apart


@pytest.mark.parametrize("key", SPACES)
def test_what_is_hidden_cannot_be_seen_any_more_and_the_rest_is_left_alone(key):
    arrays = MadeExperience().part("train").arrays[key][:20]
    values = torch.from_numpy(arrays)
    hider = hider_of(SPACES[key], 0)
    there = hider.there(values)
    nothing = torch.zeros_like(there)
    assert torch.equal(hider.hide(values, nothing), values)
    # With everything hidden, no two rows differ but in how much there is to hide.
    bare = hider.hide(values, there)
    alike = there.sum(1) == there[0].sum()
    assert torch.equal(bare[alike], bare[:1].expand_as(bare[alike]))
    space = SPACES[key]
    assert bare.numpy().dtype == space.dtype
    assert (bare.numpy() >= space.low).all()
    assert (bare.numpy() <= space.high).all()


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 255, (20, 12, 3), np.uint8),
        Box(0.0, 10.0, (16, 16, 1), np.float32),
        Box(0, 7, (16, 16, 1), np.uint8),
        Box(0, 99, (6,), np.int64),
        Box(-np.inf, np.inf, (5,), np.float32),
        Box(-1.0, 1.0, (2, 3, 4), np.float32),
    ],
    ids=str,
)
def test_sensors_of_all_shapes_can_be_masked(space):
    spaces = gymnasium.spaces.Dict({"x": space})
    encoder = make_encoder("mlp", spaces)
    objective = OBJECTIVES["masked"](encoder, Discrete(2))
    spaces.seed(0)
    values = torch.from_numpy(np.stack([spaces.sample()["x"] for _ in range(8)])[:, None])
    window = torch.zeros(8, 1)
    clip = Clip({"x": values}, window, torch.Generator().manual_seed(0))
    loss, _ = objective.loss(encoder, clip)
    assert torch.isfinite(loss)
    loss.backward()


def test_the_hidden_token_is_in_no_text():
    everything = "".join(map(chr, [*range(1, 0x2FF), *range(0x1F600, 0x1F650)]))
    assert HIDDEN not in encode(everything)
    assert decode([HIDDEN]) == "\ufffd"


def test_the_same_words_told_twice_are_both_right():
    words = torch.tensor([[1, 2], [3, 4], [1, 2]])
    prints = fingerprints(words)
    same = prints[:, None] == prints
    assert same.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    unit = torch.eye(3)[[0, 1, 0]]
    assert info_nce(unit, unit, same, 100.0).allclose(torch.tensor([2.0, 1.0, 2.0]).log())


def test_pictures_are_compared_with_words_and_sound_and_else_what_there_is():
    assert pairs(SPACES) == [("rgb", "audio"), ("rgb", "text")]
    assert pairs({k: SPACES[k] for k in ("entities", "text")}) == [("entities", "text")]
    only = ("entities", "proprioception")
    assert pairs({k: SPACES[k] for k in only}) == [only]
    with pytest.raises(ArgumentError, match="there is only rgb"):
        pairs({"rgb": SPACES["rgb"]})


def test_weights_are_read_in_both_ways():
    assert parse_weights(["masked=1,dynamics=0.5"]) == {"masked": 1.0, "dynamics": 0.5}
    assert parse_weights(["masked", "dynamics"]) == {"masked": 1.0, "dynamics": 1.0}


@pytest.mark.parametrize("words", [["masked=x"], ["masked,masked"]])
def test_weights_that_are_none_are_refused(words):
    with pytest.raises(ArgumentError, match="masked"):
        parse_weights(words)
