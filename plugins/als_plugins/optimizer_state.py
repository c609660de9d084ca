"""An optimizer's state as arrays by name; what comes from a file is checked before torch sees it.

Torch's kernels trust it: where a moment is one number instead of a matrix, the fused AdamW writes
past its end. So a file has to hold what the optimizer itself would have made by taking a step: the
same names, shapes and types, and values that a step can leave behind.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["expected_arrays", "optimizer_arrays", "restore_optimizer"]

STEPPED: Final = "stepped"
"""Which parameters have a state, (parameters,) bool: those that have ever had a gradient."""

_MOST_STEPS: Final = {"f": 1 << 24, "i": 1 << 53}
"""Where a counter of that kind of number stops: float32 cannot count any further."""

Arrays = Mapping[str, NDArray[Any]]


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """The state: `INDEX/FIELD` for every parameter that has one, and which these are."""
    state = optimizer.state_dict()["state"]
    arrays = {
        f"{index}/{field}": torch.as_tensor(value).detach().cpu().numpy()
        for index, fields in state.items()
        for field, value in fields.items()
    }
    stepped = np.isin(np.arange(len(_parameters(optimizer))), list(state))
    return {**arrays, STEPPED: stepped}


def expected_arrays(optimizer: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """The arrays of `optimizer_arrays` after a step of all parameters; nothing is changed."""
    twin = copy.deepcopy(optimizer)
    twin.state.clear()
    for parameter in _parameters(twin):
        parameter.grad = torch.zeros_like(parameter)
    twin.step()
    return optimizer_arrays(twin)


def restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Puts a state into an optimizer that was built from the same configuration.

    Learning rate, betas and the like are the optimizer's own; no file sets them.

    Raises:
        ValueError: the state is not one that this optimizer could have; names the array.
    """
    expected = expected_arrays(optimizer)
    for name, array in arrays.items():
        if name not in expected:
            raise ValueError(f'"{name}" is not in the state of this optimizer')
        like = expected[name]
        if array.shape != like.shape or array.dtype != like.dtype:
            raise ValueError(
                f'"{name}" is {array.dtype} {array.shape}, and should be {like.dtype} {like.shape}'
            )
        _check_values(name, array)
    state: dict[int, dict[str, torch.Tensor]] = {}
    stepped = arrays.get(STEPPED, expected[STEPPED] & bool(arrays))
    for index in np.flatnonzero(stepped).tolist():
        fields = [name for name in expected if name.startswith(f"{index}/")]
        for name in fields:
            if name not in arrays:
                raise ValueError(f'"{name}" is missing')
            state.setdefault(index, {})[name.partition("/")[2]] = torch.tensor(arrays[name])
    if odd := [n for n in arrays if n != STEPPED and int(n.partition("/")[0]) not in state]:
        raise ValueError(f'"{odd[0]}" is of a parameter without a state')
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _check_values(name: str, array: NDArray[Any]) -> None:
    """Refuses numbers that no step leaves behind."""
    field = name.rpartition("/")[2]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f'"{name}" has numbers that are not finite')
    if field == "step":
        most = _MOST_STEPS["f" if array.dtype.kind == "f" else "i"]
        if not ((array >= 1) & (array <= most) & (array == np.floor(array))).all():
            raise ValueError(
                f'"{name}" is {array.tolist()}, and should be a whole number from 1 to {most}'
            )
    elif field.endswith(("_sq", "square_avg")) and (array < 0).any():
        raise ValueError(f'"{name}" is a mean of squares, and has numbers below 0')


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
