"""A checkpoint of a pretraining: all that the next step depends on, as tensors and counters.

Random numbers are a function of seed and step, so there is no random state to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from als_engine.errors import SavedFileError
from als_engine.safe_files import read_tensors, write_tensors
from als_engine.saving import Model, read_model

__all__ = ["Counters", "read_checkpoint", "write_checkpoint"]

COUNTERS: Final = "counters.json"
STATE: Final = "state.safetensors"

Arrays = Mapping[str, NDArray[Any]]


class Counters(Model):
    """How far it has come.

    Attributes:
        format: the version of this format.
        step: gradient steps taken.
        seconds: of wall-clock time.
        best: the lowest held-out loss so far; None before the first evaluation.
        best_step: when that was.
        waited: evaluations since then.
    """

    format: Literal[1] = 1
    step: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)
    best: float | None = None
    best_step: int = Field(default=0, ge=0)
    waited: int = Field(default=0, ge=0)


def write_checkpoint(
    folder: Path,
    counters: Counters,
    weights: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Writes the files of a checkpoint into a folder that `replace_folder` has made.

    Raises:
        SavedFileError: it cannot be written, or has numbers that are not finite.
    """
    tensors = {f"weights/{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, fields in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{field}": value for field, value in fields.items()}
    text = counters.model_dump_json(indent=2) + "\n"
    (folder / COUNTERS).write_text(text, encoding="utf-8")
    write_tensors(folder / STATE, {n: t.detach().cpu().numpy() for n, t in tensors.items()})


def read_checkpoint(
    folder: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Counters, dict[str, Tensor]]:
    """Fills a network and its optimizer from a checkpoint.

    Returns:
        The counters and the best weights so far.

    Raises:
        SavedFileError: it is damaged, or of another pretraining.
    """
    path = folder / STATE
    try:
        counters = read_model(folder / COUNTERS, Counters)
        arrays = read_tensors(path)
        wanted = {name: tensor.shape for name, tensor in module.state_dict().items()}
        module.load_state_dict(_part(arrays, "weights/", wanted))
        best = _part(arrays, "best/", wanted, some=True)
        _fill(optimizer, arrays)
    except SavedFileError as error:
        raise SavedFileError(f"{error}; remove {folder} to go on from the one before") from None
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise SavedFileError(
            f"{path} does not fit this pretraining ({str(error).splitlines()[0]}); "
            f"remove {folder} to go on from the one before"
        ) from None
    return counters, best


def _part(
    arrays: Arrays, prefix: str, wanted: Mapping[str, torch.Size], some: bool = False
) -> dict[str, Tensor]:
    found = {
        name.removeprefix(prefix): torch.tensor(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    if odd := sorted(set(found) - set(wanted) if some else set(found) ^ set(wanted)):
        raise ValueError(f'"{odd[0]}" is in one of them only')
    for name, tensor in found.items():
        if tensor.shape != wanted[name]:
            raise ValueError(f'"{name}" is {tuple(tensor.shape)}, not {tuple(wanted[name])}')
    return found


def _fill(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        if not name.startswith("optimizer/"):
            continue
        _, number, field = name.split("/")
        index = int(number)
        if not 0 <= index < len(parameters):
            raise ValueError(f"there is no parameter {index}")
        if array.ndim and array.shape != tuple(parameters[index].shape):
            raise ValueError(f'"{name}" is {array.shape}')
        state.setdefault(index, {})[field] = torch.tensor(array)
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
