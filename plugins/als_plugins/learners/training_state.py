"""The state of an SB3 training beside its weights, as one file of tensors.

Optimizer states, counters, and the random states of torch and NumPy. The worlds' episodes and a
replay buffer are not in it: a training that is taken up again begins new episodes and refills the
buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from als_engine.agents.saving import TRAINING
from als_engine.errors import SavedFileError
from als_engine.limits import STEPS
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

__all__ = ["read_training_state", "write_training_state"]

_COUNTERS: Final = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls")
"""Attributes of the algorithms; not all have all of them."""

_NUMPY_KEYS: Final = 624
"""The size of NumPy's global generator, a Mersenne Twister."""

Arrays = dict[str, NDArray[Any]]


def write_training_state(model: BaseAlgorithm, folder: Path) -> None:
    """Writes the state.

    Raises:
        SavedFileError: it cannot be written.
    """
    arrays: Arrays = {}
    for name in _optimizers(model):
        arrays |= _named(name, optimizer_arrays(attrgetter(name)(model)))
    write_tensors(folder / TRAINING, {**arrays, **_others(model)})


def read_training_state(model: BaseAlgorithm, folder: Path) -> None:
    """Puts the state into an algorithm that was built from the same configuration.

    Raises:
        SavedFileError: the file is damaged, or of another training.
    """
    path = folder / TRAINING
    optimizers = {name: attrgetter(name)(model) for name in _optimizers(model)}
    states: Arrays = {}
    for name, optimizer in optimizers.items():
        states |= _named(name, expected_arrays(optimizer))
    # Before the first update there are none.
    arrays = read_tensors(path, {**states, **_others(model)}, optional=states)
    try:
        for name, optimizer in optimizers.items():
            prefix = f"{name}/"
            mine = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
            restore_optimizer(optimizer, mine)
        for name in model._get_torch_save_params()[1]:
            tensor: torch.Tensor = getattr(model, name)
            tensor.data.copy_(torch.tensor(arrays[f"tensor/{name}"]))
        for name in _counters(model):
            setattr(model, name, _count(name, arrays[f"counter/{name}"]))
        _restore_random(arrays)
    except (ValueError, TypeError, RuntimeError) as error:
        raise SavedFileError(f"{path} does not fit this training: {error}") from error


def _named(optimizer: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{optimizer}/{name}": array for name, array in arrays.items()}


def _others(model: BaseAlgorithm) -> Arrays:
    """What there is beside the optimizers' states, as it is now."""
    arrays: Arrays = {}
    for name in model._get_torch_save_params()[1]:
        arrays[f"tensor/{name}"] = getattr(model, name).detach().cpu().numpy()
    for name in _counters(model):
        arrays[f"counter/{name}"] = np.array(getattr(model, name), np.int64)
    _, keys, position, *_ = np.random.get_state(legacy=True)  # noqa: NPY002 - SB3 draws from it
    arrays["random/numpy"] = np.append(keys, np.uint32(position))
    arrays["random/torch"] = torch.get_rng_state().numpy()
    return arrays


def _counters(model: BaseAlgorithm) -> list[str]:
    return [name for name in _COUNTERS if hasattr(model, name)]


def _optimizers(model: BaseAlgorithm) -> list[str]:
    """The attributes that are optimizers, such as `policy.optimizer`."""
    return [name for name in model._get_torch_save_params()[0] if name.endswith("optimizer")]


def _restore_random(arrays: Arrays) -> None:
    *keys, position = arrays["random/numpy"].tolist()
    if position > _NUMPY_KEYS:
        raise ValueError("the random state of NumPy has another form")
    state: Any = ("MT19937", np.array(keys, np.uint32), position)
    np.random.set_state(state)  # noqa: NPY002 - SB3 draws from it
    torch.set_rng_state(torch.tensor(arrays["random/torch"]))


def _count(name: str, array: NDArray[Any]) -> int:
    value = int(array)
    if not 0 <= value <= STEPS:
        raise ValueError(f"{name.strip('_')} is {value}, and should be from 0 to {STEPS}")
    return value
