"""The state of an SB3 training beside its weights, as one file of tensors.

Optimizer states, counters, and the random states of torch and NumPy. The worlds' episodes and a
replay buffer are not in it: a training that is taken up again begins new episodes and refills the
buffer.
"""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from als_engine.errors import SavedFileError
from als_engine.safe_files import read_tensors, write_tensors

__all__ = ["read_training_state", "write_training_state"]

FILE: Final = "training.safetensors"

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
        state = attrgetter(name)(model).state_dict()["state"]
        for index, fields in state.items():
            for field, value in fields.items():
                arrays[f"{name}/{index}/{field}"] = torch.as_tensor(value).cpu().numpy()
    for name in model._get_torch_save_params()[1]:
        arrays[f"tensor/{name}"] = getattr(model, name).detach().cpu().numpy()
    for name in _COUNTERS:
        if hasattr(model, name):
            arrays[f"counter/{name}"] = np.array(getattr(model, name), np.int64)
    _, keys, position, *_ = np.random.get_state(legacy=True)  # noqa: NPY002 - SB3 draws from it
    arrays["random/numpy"] = np.append(keys, np.uint32(position))
    arrays["random/torch"] = torch.get_rng_state().numpy()
    write_tensors(folder / FILE, arrays)


def read_training_state(model: BaseAlgorithm, folder: Path) -> None:
    """Puts the state into an algorithm that was built from the same configuration.

    Raises:
        SavedFileError: the file is damaged, or of another training.
    """
    path = folder / FILE
    arrays = read_tensors(path)
    try:
        for name in _optimizers(model):
            _restore_optimizer(attrgetter(name)(model), name, arrays)
        for name in model._get_torch_save_params()[1]:
            tensor: torch.Tensor = getattr(model, name)
            tensor.data.copy_(torch.tensor(_like(tensor, arrays[f"tensor/{name}"])))
        for name in _COUNTERS:
            if hasattr(model, name):
                setattr(model, name, _counter(arrays[f"counter/{name}"]))
        _restore_random(arrays)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise SavedFileError(f"{path} does not fit this training: {error}") from error


def _optimizers(model: BaseAlgorithm) -> list[str]:
    """The attributes that are optimizers, such as `policy.optimizer`."""
    return [name for name in model._get_torch_save_params()[0] if name.endswith("optimizer")]


def _restore_optimizer(optimizer: torch.optim.Optimizer, name: str, arrays: Arrays) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(f"{name}/"):
            _, index, field = key.rsplit("/", 2)
            parameter = parameters[_index(index, len(parameters))]
            value = array if array.ndim == 0 else _like(parameter, array)
            state.setdefault(int(index), {})[field] = torch.tensor(value)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _restore_random(arrays: Arrays) -> None:
    numpy_state, torch_state = arrays["random/numpy"], arrays["random/torch"]
    if numpy_state.shape != (_NUMPY_KEYS + 1,) or not 0 <= numpy_state[-1] <= _NUMPY_KEYS:
        raise ValueError("the random state of NumPy has another form")
    if torch_state.shape != tuple(torch.get_rng_state().shape):
        raise ValueError("the random state of torch has another form")
    keys, position = numpy_state[:-1].astype(np.uint32), int(numpy_state[-1])
    state: Any = ("MT19937", keys, position)
    np.random.set_state(state)  # noqa: NPY002 - SB3 draws from it
    torch.set_rng_state(torch.tensor(torch_state, dtype=torch.uint8))


def _like(tensor: torch.Tensor, array: NDArray[Any]) -> NDArray[Any]:
    if array.shape != tuple(tensor.shape):
        raise ValueError(f"{array.shape} instead of {tuple(tensor.shape)}")
    return array


def _index(text: str, count: int) -> int:
    if not text.isdecimal() or int(text) >= count:
        raise ValueError(f"there is no parameter {text}")
    return int(text)


def _counter(array: NDArray[Any]) -> int:
    value = int(array)
    if value < 0:
        raise ValueError(f"a counter of {value}")
    return value
