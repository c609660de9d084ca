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
from als_engine.limits import STEPS
from als_engine.models import Model, read_model
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

__all__ = ["Counters", "read_checkpoint", "write_checkpoint"]

COUNTERS: Final = "counters.json"
STATE: Final = "state.safetensors"
WEIGHTS, BEST, OPTIMIZER = "weights/", "best/", "optimizer/"

Arrays = Mapping[str, NDArray[Any]]


class Counters(Model):
    """The counters of a pretraining.

    Attributes:
        format: the version of this format.
        step: gradient steps taken.
        seconds: of wall-clock time.
        best: the lowest held-out loss so far; None before the first evaluation.
        best_step: when that was.
        waited: evaluations since then.
    """

    format: Literal[1] = 1
    step: int = Field(default=0, ge=0, le=STEPS)
    seconds: float = Field(default=0.0, ge=0)
    best: float | None = None
    best_step: int = Field(default=0, ge=0, le=STEPS)
    waited: int = Field(default=0, ge=0, le=STEPS)


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
    tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{BEST}{name}": tensor for name, tensor in best.items()}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    arrays |= {f"{OPTIMIZER}{name}": array for name, array in optimizer_arrays(optimizer).items()}
    text = counters.model_dump_json(indent=2) + "\n"
    (folder / COUNTERS).write_text(text, encoding="utf-8")
    write_tensors(folder / STATE, arrays)


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
        known = {n: tensor.cpu().numpy() for n, tensor in module.state_dict().items()}
        best = {f"{BEST}{name}": array for name, array in known.items()}
        states = {f"{OPTIMIZER}{n}": array for n, array in expected_arrays(optimizer).items()}
        like = {**{f"{WEIGHTS}{name}": array for name, array in known.items()}, **best, **states}
        arrays = read_tensors(path, like, optional={*best, *states})
        module.load_state_dict(
            {name: torch.tensor(array) for name, array in _part(arrays, WEIGHTS).items()}
        )
        restore_optimizer(optimizer, _part(arrays, OPTIMIZER))
    except SavedFileError as error:
        raise SavedFileError(f"{error}; remove {folder} to go on from the one before") from None
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise SavedFileError(
            f"{path} does not fit this pretraining ({str(error).splitlines()[0]}); "
            f"remove {folder} to go on from the one before"
        ) from None
    kept = {name: torch.tensor(array) for name, array in _part(arrays, BEST).items()}
    return counters, kept


def _part(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
