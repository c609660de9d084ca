"""A saved world model: `model.json`, checked as it is read, and `weights.safetensors`.

The record says which spaces the model is of and how large it is; what of an observation changes,
means and deviations are tensors beside the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from als_engine.agents.saving import WEIGHTS, versions
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.models import Model, Name, read_model
from als_engine.system.safe_files import is_file, read_tensors, replace_folder, write_tensors
from als_plugins.experience.records import (
    ActionRecord,
    PartsRecord,
    SensorRecord,
    describe_actions,
    describe_sensors,
)
from als_plugins.world_models.codes import ActionCode, ObservationCode
from als_plugins.world_models.ensemble import Ensemble
from als_plugins.world_models.latent import Latent
from als_plugins.world_models.models import WorldModel

__all__ = [
    "Kind",
    "Learnt",
    "ModelRecord",
    "Size",
    "learnt_arrays",
    "load_learnt",
    "make_learnt",
    "read_learnt",
    "save_learnt",
]

RECORD: Final = "model.json"

Kind = Literal["ensemble", "latent"]


class Size(Model):
    """How large a model is.

    Attributes:
        kind: "ensemble" or "latent".
        width: units of a layer.
        members: networks of an ensemble.
    """

    kind: Kind = "ensemble"
    width: int = Field(default=128, ge=1, le=2_048)
    members: int = Field(default=5, ge=1, le=32)


class ModelRecord(Model):
    """Schema of `model.json`.

    Attributes:
        format: the version of this format.
        size: of the model.
        numbers: of an observation that the model reads.
        scenarios: what it has learnt from.
        observations: sensor to its space. actions: the action space.
        steps: gradient steps.
        seed: of weights and batches.
        versions: of the packages, for people to read.
    """

    format: Literal[1] = 1
    size: Size
    numbers: int = Field(ge=1, le=1 << 20)
    scenarios: list[Name] = Field(default_factory=list, max_length=1_000)
    observations: dict[Name, SensorRecord] = Field(min_length=1, max_length=100)
    actions: ActionRecord | PartsRecord | SensorRecord
    steps: int = Field(default=0, ge=0, le=1_000_000_000)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    versions: dict[Name, Annotated[str, Field(max_length=100)]] = Field(
        default_factory=dict, max_length=50
    )


@dataclass
class Learnt:
    """A model together with how it reads and speaks.

    Attributes:
        model: the network.
        code, actions: how observations and actions become numbers.
        reward: mean and deviation of rewards, (2,).
        size: of the model.
    """

    model: WorldModel
    code: ObservationCode
    actions: ActionCode
    reward: NDArray[np.float32]
    size: Size

    def rewards(self, standardised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rewards as the scenario has them."""
        found: NDArray[np.float32] = standardised * self.reward[1] + self.reward[0]
        return found


def make_learnt(
    size: Size, code: ObservationCode, actions: ActionCode, reward: NDArray[np.float32]
) -> Learnt:
    """A model that has learnt nothing yet, drawn with torch's generator."""
    model: WorldModel
    if size.kind == "ensemble":
        model = Ensemble(code.size, actions.size, size.width, size.members)
    else:
        model = Latent(code.size, actions.size, size.width)
    return Learnt(model, code, actions, reward, size)


def learnt_arrays(learnt: Learnt) -> dict[str, NDArray[Any]]:
    """All that is saved beside the record."""
    code = learnt.code
    arrays = {f"model/{n}": t.cpu().numpy() for n, t in learnt.model.state_dict().items()}
    return {
        **arrays, "kept": code.kept, "mean": code.mean, "deviation": code.deviation,
        "reward": learnt.reward,
    }  # fmt: skip


def load_learnt(
    path: Path,
    size: Size,
    numbers: int,
    space: gymnasium.spaces.Dict,
    actions: gymnasium.Space[Any],
) -> Learnt:
    """Reads a model for two spaces from a tensor file.

    Raises:
        ArgumentError: there is no model of such spaces.
        SavedFileError: the file does not hold one of that size.
    """
    code, coded = ObservationCode(space), ActionCode(actions)
    every = code.numbers.size
    if numbers > every:
        raise SavedFileError(f"{path}: {numbers} of {every} numbers cannot change")
    # Before anything of that size is made.
    if not is_file(path) or path.stat().st_size < _least(size, numbers, coded.size):
        raise SavedFileError(f"{path} is missing, or smaller than the record says")
    kept = np.arange(every) < numbers
    code.put(kept, np.zeros(every, np.float32), np.ones(every, np.float32))
    learnt = make_learnt(size, code, coded, np.zeros(2, np.float32))
    found = read_tensors(path, learnt_arrays(learnt))
    if int(found["kept"].sum()) != numbers or (found["deviation"] <= 0).any():
        raise SavedFileError(f"{path} does not fit what the record says")
    code.put(*(found[name].copy() for name in ("kept", "mean", "deviation")))
    learnt.reward = found["reward"].copy()
    mine = {n.partition("/")[2]: a for n, a in found.items() if n.startswith("model/")}
    learnt.model.load_state_dict({name: torch.tensor(array) for name, array in mine.items()})
    learnt.model.eval().requires_grad_(False)
    return learnt


def _least(size: Size, numbers: int, actions: int) -> int:
    """Bytes that the largest layers of a model have at least."""
    if size.kind == "latent":
        return 4 * size.width * (2 * numbers + 3 * size.width)
    return 4 * size.members * size.width * (3 * numbers + actions + size.width)


def save_learnt(
    learnt: Learnt,
    folder: Path,
    space: gymnasium.spaces.Dict,
    actions: gymnasium.Space[Any],
    **more: Any,
) -> ModelRecord:
    """Saves a model to a folder, whole or not at all.

    Args:
        learnt: the model.
        folder: a new folder, or one with a model, which is replaced.
        space: of observations of one avatar.
        actions: its action space.
        **more: what else the record says.

    Raises:
        SavedFileError: it cannot be written.
    """
    record = ModelRecord(
        size=learnt.size,
        numbers=learnt.code.size,
        observations=describe_sensors(space),
        actions=describe_actions(actions),
        versions=versions(),
        **more,
    )

    def write(new: Path) -> None:
        text = record.model_dump_json(indent=2) + "\n"
        (new / RECORD).write_text(text, encoding="utf-8")
        write_tensors(new / WEIGHTS, learnt_arrays(learnt))

    replace_folder(folder, write)
    return record


def read_learnt(folder: Path | str) -> tuple[Learnt, ModelRecord]:
    """Reads a saved model.

    Args:
        folder: what `save_learnt` wrote, or the folder of `als model`, which holds one.

    Raises:
        SavedFileError: there is none, or it is not what it should be.
    """
    folder = Path(folder)
    if not is_file(folder / RECORD):
        folder = folder / "model"
    if not is_file(folder / RECORD):
        raise SavedFileError(f"{folder.parent} holds no world model: `als model` makes one")
    record = read_model(folder / RECORD, ModelRecord)
    try:
        space, actions = spaces_of(record.observations, record.actions)
        learnt = load_learnt(folder / WEIGHTS, record.size, record.numbers, space, actions)
    except (ArgumentError, ValueError, OverflowError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SavedFileError(f"{folder / RECORD}: {reason}") from None
    return learnt, record


def spaces_of(
    observations: Mapping[str, SensorRecord], actions: ActionRecord | PartsRecord | SensorRecord
) -> tuple[gymnasium.spaces.Dict, gymnasium.Space[Any]]:
    """The spaces that a record describes.

    Raises:
        ValueError: bounds do not fit their shape.
    """
    space = gymnasium.spaces.Dict({key: each.space for key, each in observations.items()})
    return space, actions.space
