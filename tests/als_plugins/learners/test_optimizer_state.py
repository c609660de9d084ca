"""An optimizer takes from a file what it could have made itself, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

OPTIMIZERS: Mapping[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    "fused adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, fused=True),
    "amsgrad": lambda parameters: torch.optim.Adam(parameters, amsgrad=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9),
    "rmsprop": lambda parameters: RMSpropTFLike(parameters, lr=1e-3),
}


def made(name: str, steps: int = 3) -> torch.optim.Optimizer:
    """An optimizer of a small network, of which one parameter never has a gradient."""
    torch.manual_seed(0)
    network = torch.nn.Linear(5, 4)
    unused = torch.nn.Parameter(torch.ones(3))
    optimizer = OPTIMIZERS[name]([*network.parameters(), unused])
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.randn(6, 5)).square().mean().backward()
        optimizer.step()
    return optimizer


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_a_state_goes_there_and_back(name: str, steps: int) -> None:
    arrays = optimizer_arrays(made(name, steps))
    new = made(name, 0)
    restore_optimizer(new, arrays)
    assert same(optimizer_arrays(new), arrays)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_asking_what_is_expected_changes_nothing(name: str) -> None:
    optimizer = made(name)
    before = optimizer_arrays(optimizer)
    weights = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
    expected = expected_arrays(optimizer)
    assert same(optimizer_arrays(optimizer), before)
    for weight, parameter in zip(weights, optimizer.param_groups[0]["params"], strict=True):
        assert torch.equal(weight, parameter)
    for key, array in before.items():
        assert (expected[key].shape, expected[key].dtype) == (array.shape, array.dtype)


Arrays = dict[str, Any]
HOSTILE: Mapping[str, Callable[[Arrays], Arrays]] = {
    "a moment that is one number": lambda a: {**a, "0/exp_avg": np.zeros((), np.float32)},
    "a moment that is turned": lambda a: {**a, "0/exp_avg": a["0/exp_avg"].T.copy()},
    "a moment that is broadcast": lambda a: {**a, "0/exp_avg": np.zeros((1, 1), np.float32)},
    "a moment of another parameter": lambda a: {**a, "0/exp_avg": a["1/exp_avg"]},
    "a moment of doubles": lambda a: {**a, "0/exp_avg": a["0/exp_avg"].astype(np.float64)},
    "a moment of whole numbers": lambda a: {**a, "0/exp_avg": np.zeros((4, 5), np.int64)},
    "a moment that is NaN": lambda a: {**a, "0/exp_avg": a["0/exp_avg"] * np.float32("nan")},
    "infinite squares": lambda a: {**a, "0/exp_avg_sq": np.full((4, 5), np.inf, np.float32)},
    "squares below 0": lambda a: {**a, "0/exp_avg_sq": -1 - a["0/exp_avg_sq"]},
    "a step below 0": lambda a: {**a, "0/step": np.array(-1.0, np.float32)},
    "no step yet": lambda a: {**a, "0/step": np.array(0.0, np.float32)},
    "half a step": lambda a: {**a, "0/step": np.array(1.5, np.float32)},
    "a step that is NaN": lambda a: {**a, "0/step": np.array(np.nan, np.float32)},
    "more steps than can be counted": lambda a: {**a, "0/step": np.array(1e30, np.float32)},
    "a step for each value": lambda a: {**a, "0/step": np.ones((4, 5), np.float32)},
    "a step of another type": lambda a: {**a, "0/step": np.array(3, np.int64)},
    "a field that is missing": lambda a: {k: v for k, v in a.items() if k != "0/exp_avg"},
    "a step that is missing": lambda a: {k: v for k, v in a.items() if k != "0/step"},
    "a parameter that is missing": lambda a: {k: v for k, v in a.items() if k[:2] != "0/"},
    "a parameter too many": lambda a: {**a, "7/exp_avg": np.zeros(3, np.float32)},
    "a parameter below the first": lambda a: {**a, "-1/exp_avg": np.zeros(3, np.float32)},
    "a state of what has none": lambda a: {**a, "2/exp_avg": np.zeros(3, np.float32)},
    "a field of another optimizer": lambda a: {**a, "0/momentum_buffer": a["0/exp_avg"]},
    "a learning rate": lambda a: {**a, "0/lr": np.array(1e9)},
    "a name without a parameter": lambda a: {**a, "exp_avg": np.zeros(3, np.float32)},
    "who has a state, of another size": lambda a: {**a, "stepped": np.ones(9, np.bool_)},
    "who has a state, as numbers": lambda a: {**a, "stepped": np.ones(3, np.int64)},
    "a state for all": lambda a: {**a, "stepped": np.ones(3, np.bool_)},
    "a state for none": lambda a: {**a, "stepped": np.zeros(3, np.bool_)},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("name", ["adam", "fused adamw"])
def test_a_state_that_no_step_leaves_behind_is_refused_and_changes_nothing(
    name: str, change: Callable[[Arrays], Arrays]
) -> None:
    optimizer = made(name)
    before = optimizer_arrays(optimizer)
    with pytest.raises(ValueError, match=r'^"[^"]*" ') as caught:
        restore_optimizer(optimizer, change(dict(before)))
    assert "\n" not in str(caught.value)
    assert same(optimizer_arrays(optimizer), before)
    optimizer.step()
