"""A small agent does what it was made of, in less room, and is an agent like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from als_command import als
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from als_engine.agents.saving import load_agent, open_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_engine.system.safe_files import read_bytes, unpack_tensors, write_tensors
from als_plugins.fitting.linear import SmallLinear, kept_of, replace_layers
from als_plugins.fitting.shrink import measure, shrink_agent

ID = "ALS/Tag-v0"
SENSED = {
    "max_episode_steps": 30,
    "sensors": ["proprioception", "entities"],
    "action_mode": "continuous",
}


def layer(inputs: int, outputs: int, seed: int = 0) -> nn.Linear:
    made = nn.Linear(inputs, outputs)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=drawn))
    return made


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from([8, 32]), st.floats(0.01, 1.0))
def test_the_largest_weights_are_kept_to_half_a_step(inputs, outputs, bits, kept) -> None:
    large = layer(inputs, outputs)
    small, weight = SmallLinear.of(large, bits, kept), large.weight.detach()
    found = small.weight
    stored = found != 0.0
    assert int(stored.sum()) <= kept_of(inputs * outputs, kept)
    step = weight.abs().amax(1, keepdim=True) / 127 if bits == 8 else torch.zeros(1, 1)
    dropped = weight.abs()[~stored]
    least = weight.abs()[stored].min() if stored.any() else torch.tensor(torch.inf)
    assert (dropped <= least + step.max()).all()
    assert ((found - weight).abs()[stored] <= 0.5001 * step.expand_as(weight)[stored] + 1e-7).all()
    assert torch.equal(small.bias, large.bias)


@pytest.mark.parametrize("inputs", [7, 1_024, 1_025, 3_000])
def test_eight_bits_are_whole_numbers_that_add_up_exactly(inputs: int) -> None:
    small = SmallLinear.of(layer(inputs, 5), 8, 1.0)
    x = torch.randn(6, inputs, generator=torch.Generator().manual_seed(1))
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
    whole = (x / scale).round().long()
    exact = whole @ small.get_buffer("values").view(5, inputs).long().t()
    expected = exact.float() * (scale * small.scale) + small.bias
    assert torch.equal(small(x), expected)
    assert torch.equal(small(x)[2:3], small(x[2:3])), "a row depends on itself alone"
    error = (small(x) - nn.functional.linear(x, small.weight, small.bias)).abs().max()
    assert error < 0.04 * inputs**0.5


def test_nothing_comes_of_nothing() -> None:
    small = SmallLinear.of(layer(4, 3), 8, 0.5)
    assert torch.equal(small(torch.zeros(2, 4)), small.bias.expand(2, 3))


def test_only_plain_linear_layers_are_replaced() -> None:
    inner = nn.Sequential(nn.Linear(3, 1), nn.GRU(1, 1))
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), inner)
    assert replace_layers(network, 8, 1.0) == 2
    assert replace_layers(network, 8, 1.0) == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained agent with attention, which is not good."""
    folder = tmp_path_factory.mktemp("fitting") / "run"
    config = {
        "encoder": "attention",
        "encoder_config": {"width": 32, "features": 32},
        "net_arch": [16], "batch_size": 128, "rollout": 128, "n_epochs": 1,
    }  # fmt: skip
    train_agent(
        ID, "mappo", steps=256, folder=folder, worlds=4, arguments=SENSED, config=config,
        device="cpu",
    )  # fmt: skip
    return folder / "agent"


@pytest.mark.parametrize(("bits", "kept"), [(8, 1.0), (32, 0.3), (8, 0.3)])
def test_a_small_agent_is_saved_loaded_and_evaluated_like_any_other(
    trained: Path, tmp_path: Path, bits: int, kept: float
) -> None:
    made = shrink_agent(trained, tmp_path / "small", bits, kept)
    large, loaded = open_agent(trained), open_agent(tmp_path / "small")
    assert loaded.record is not None
    assert loaded.record.training == large.record.training
    before, after = measure(trained), measure(tmp_path / "small")
    assert after.bytes < (0.45 if kept < 1.0 else 0.6) * before.bytes
    assert after.milliseconds > 0.0

    def play(agent, worlds):
        return evaluate(
            agent, ID, 6, split="validation", seed=1, num_worlds=worlds, arguments=SENSED
        ).returns

    assert np.array_equal(play(made, 3), play(loaded.agent, 2)), "nor do the other worlds matter"


def test_eight_bits_hardly_change_what_is_done(trained: Path, tmp_path: Path) -> None:
    small, large = shrink_agent(trained, tmp_path / "small"), load_agent(trained)[0]
    rng = np.random.default_rng(0)
    seen = {
        key: rng.uniform(-1, 1, (200, *space.shape)).astype(np.float32)
        for key, space in large.observation_space.spaces.items()
    }
    ours, theirs = small.act(seen)[0], large.act(seen)[0]
    assert np.abs(ours - theirs).max() < 0.1 * np.abs(theirs).max()


def test_the_command_makes_one_and_says_what_that_saves(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    run = als("shrink", trained, "--keep", "0.5", "--episodes", "2", "--out", out, "--json")
    found = json.loads(run.out)
    assert found["after"]["bytes"] < found["before"]["bytes"]
    assert found["after"]["mean_return"] is not None
    assert als("evaluate", out, "--episodes", "2", "--json").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["random"], "random is not a saved agent"),
        (["TRAINED", "--bits", "16"], "bits must be 8 or 32, got 16"),
        (["TRAINED", "--keep", "0"], "keep must be above 0"),
        (["nowhere/at/all"], "nowhere/at/all"),
    ],
)
def test_what_cannot_be_made_small_is_one_line(trained: Path, tmp_path: Path, words, says) -> None:
    words = [str(trained) if word == "TRAINED" else word for word in words]
    run = als("shrink", *words, "--out", tmp_path / "small")
    assert run.code == 2
    assert says in run.err
    assert len(run.err.splitlines()) == 1
    assert not (tmp_path / "small").exists()


def test_marks_that_do_not_fit_and_files_that_are_not_its_own_are_refused(
    trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    shrink_agent(trained, folder, 8, 0.3)
    path = folder / "weights.safetensors"
    arrays = unpack_tensors(read_bytes(path, 1 << 30), path)
    marks = next(name for name in arrays if name.endswith(".where"))
    arrays[marks] = np.full_like(arrays[marks], 255)
    write_tensors(path, arrays)
    with pytest.raises(SavedFileError, match="not as many are marked"):
        load_agent(folder)

    record = json.loads((folder / "agent.json").read_text())
    record["config"]["of_config"]["pretrained"] = "/etc"
    (folder / "agent.json").write_text(json.dumps(record))
    with pytest.raises(SavedFileError, match=r"of_config\.pretrained: a saved agent"):
        load_agent(folder)


def test_a_small_agent_is_not_made_small_again(trained: Path, tmp_path: Path) -> None:
    shrink_agent(trained, tmp_path / "small")
    with pytest.raises(ArgumentError, match="has no network that could be made small"):
        shrink_agent(tmp_path / "small", tmp_path / "smaller")
