"""Demonstrations from a Minari dataset that somebody else has made, such as a person's episodes.

Only numbers are read: no environment is made from what the files say, and nothing in them is run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

import gymnasium
import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, Json, JsonValue, ValidationError

from als_engine.bodies.bounds import action_bounds
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import EPISODES, STEPS
from als_engine.system.safe_files import read_bytes
from als_plugins.experience.episodes import (
    MAX_STEPS,
    episode_file,
    read_array,
    read_attribute,
    stored,
)
from als_plugins.imitation.kept import Kept, Sequences, returns_to_go, step_bytes
from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["minari_folder", "read_minari"]

_DATA: Final = Path("data") / "main_data.hdf5"
_ID: Final = re.compile(r"(?:[\w.-]+/)*[\w.-]+-v\d+")
_MOST: Final = 64 << 20
"""Bytes of the largest description that is read."""


class _Environment(BaseModel):
    """What is looked at of where it was recorded."""

    id: str
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)


class _Metadata(BaseModel):
    """What is looked at of `metadata.json`, in which Minari describes a dataset."""

    total_episodes: int = Field(ge=1, le=EPISODES)
    total_steps: int = Field(ge=1, le=STEPS)
    env_spec: Json[_Environment] | None = None


def minari_folder(name: str) -> Path | None:
    """The folder of a Minari dataset, by its path or its id; None where there is none."""
    if (Path(name) / _DATA).is_file():
        return Path(name)
    if not _ID.fullmatch(name):
        return None
    root = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
    found = Path(root) / name
    return found if (found / _DATA).is_file() else None


def read_minari(
    folder: Path, scenario: str, learner: NetworkLearner, sequences: Sequences | None = None
) -> Kept:
    """Reads the episodes of a dataset into memory.

    Args:
        folder: of the dataset.
        scenario: where they should have been recorded.
        learner: who imitates.
        sequences: which steps make a batch, for who remembers.

    Raises:
        ArgumentError: it is of another scenario or split.
        SavedFileError: it is damaged, or has other actions or sensors.
    """
    metadata = _metadata(folder)
    _check_place(folder, metadata.env_spec, scenario)
    sensors, actions = learner.observation_space, learner.action_space
    parameters = learner.parameters
    room = min(metadata.total_steps, max(1_000, (4 << 30) // step_bytes(sensors, actions)))
    kept = Kept(sensors, actions, room, np.random.default_rng(0), sequences)
    with episode_file(folder / _DATA) as file:
        for number in range(metadata.total_episodes):
            group = file.get(f"episode_{number}")
            if not isinstance(group, h5py.Group):
                raise SavedFileError(f"{folder / _DATA} has no episode_{number}")
            steps = read_attribute(group, "total_steps")
            if not 1 <= steps <= min(MAX_STEPS, metadata.total_steps):
                raise SavedFileError(f"{folder / _DATA}: episode_{number} has {steps} steps")
            observation = {
                key: _read(group, f"observations/{stored(key)}", space, steps, 1)
                for key, space in sensors.spaces.items()
            }
            done = _read(group, "actions", actions, steps, 0)
            rewards = read_array(group, "rewards", "float64", (steps,))[:]
            if not np.isfinite(rewards).all():
                raise SavedFileError(f"{folder / _DATA}: episode_{number} has other rewards")
            places, numbers = kept.add(observation, done, np.arange(steps) == 0)
            scaled = rewards * parameters.reward_scale
            kept.settle(places, numbers, returns_to_go(scaled, parameters.gamma))
    return kept


def _metadata(folder: Path) -> _Metadata:
    path = folder / "data" / "metadata.json"
    try:
        return _Metadata.model_validate_json(read_bytes(path, _MOST))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SavedFileError(f"{path}: {where}: {first['msg']}") from None


def _check_place(folder: Path, place: _Environment | None, scenario: str) -> None:
    """Refuses what was recorded elsewhere, as far as the dataset says."""
    if place is None:
        return
    if place.id != scenario:
        raise ArgumentError(f"{folder} has no episodes of {scenario}, but of {place.id:.100}")
    split = place.kwargs.get("split", "train")
    if split != "train":
        raise ArgumentError(f"{folder} was recorded on the {split!s:.20} split, not on train")


def _read(
    group: h5py.Group, name: str, space: gymnasium.Space[Any], steps: int, more: int
) -> NDArray[Any]:
    """An array of an episode, as a space has it; `more` rows at its end are left out.

    Raises:
        SavedFileError: there is none, it is of another kind, or has a number outside of the space.
    """
    try:
        shape = (steps + more, *(space.shape or ()))
        found: NDArray[Any] = read_array(group, name, str(space.dtype), shape)[:steps]
    except SavedFileError as error:
        raise SavedFileError(f"{error}: ask for what it was recorded with") from None
    if found.dtype.kind == "f":
        fits = np.isfinite(found).all()
    else:
        low, high = action_bounds(space)
        fits = ((found >= low) & (found <= high)).all()
    if not fits:
        raise SavedFileError(f"{group.file.filename}: {group.name}/{name} is outside of its space")
    return found
