"""A saved encoder is a folder, `encoder.json` and `weights.safetensors`, that cannot run code.

The record names a registered encoder and its checked configuration. The network is built for the
sensors of whoever uses it and filled by name, so an encoder that has seen more sensors than an
agent has serves the agent as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from als_engine.agents.saving import versions
from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_engine.limits import MAX_SEED, STEPS
from als_engine.models import Model, Name, read_model
from als_engine.plugins.registry import registry
from als_engine.seeding import Generators
from als_engine.system.safe_files import (
    is_file,
    read_tensors,
    replace_folder,
    standing,
    write_tensors,
)
from als_plugins.encoders.base import Encoder

__all__ = [
    "EncoderRecord",
    "PretrainingRecord",
    "load_encoder",
    "make_encoder",
    "read_encoder_record",
    "save_encoder",
    "write_encoder",
]

RECORD: Final = "encoder.json"
WEIGHTS: Final = "weights.safetensors"

Shape = Annotated[list[Annotated[int, Field(ge=1, le=1 << 20)]], Field(max_length=4)]


class PretrainingRecord(Model):
    """The provenance of a pretrained encoder.

    Attributes:
        scenarios: whose experience it was trained on.
        objectives: name to weight in the loss.
        steps: gradient steps.
        samples: observations that went through it, repetitions included.
        seed: of weights, order and masks.
        seconds: of wall-clock time, resumed parts included.
        loss: on held-out levels, at its best, which is what was saved.
    """

    scenarios: list[Name] = Field(max_length=1_000)
    objectives: dict[Name, float] = Field(max_length=50)
    steps: int = Field(ge=0, le=STEPS)
    samples: int = Field(ge=0, le=STEPS)
    seed: int = Field(ge=0, le=MAX_SEED)
    seconds: float = Field(ge=0)
    loss: float | None = None


class EncoderRecord(Model):
    """Schema of `encoder.json`.

    Attributes:
        format: the version of this format.
        encoder: registered id.
        config: its arguments.
        sensors: the shape of every sensor that it was made for.
        versions: of the packages it was saved with, for people to read.
        pretraining: how it was trained; None for one with random weights.
    """

    format: Literal[1] = 1
    encoder: Name
    config: dict[Name, JsonValue] = Field(default_factory=dict, max_length=100)
    sensors: dict[Name, Shape] = Field(min_length=1, max_length=100)
    versions: dict[Name, Annotated[str, Field(max_length=100)]] = Field(
        default_factory=dict, max_length=50
    )
    pretraining: PretrainingRecord | None = None


def make_encoder(
    id: str,
    observation_space: gymnasium.spaces.Dict,
    config: Mapping[str, Any] | None = None,
) -> Encoder:
    """Makes a registered encoder for an observation space.

    Raises:
        UnknownIdError: there is no such encoder.
        ArgumentError: an argument is unknown or not allowed, or it cannot read these sensors.
        PluginError: its code cannot be loaded; says which extra to install.
    """
    spec = registry.encoder(id)
    if missing := sorted(set(spec.sensors) - set(observation_space.spaces)):
        raise ArgumentError(f'the encoder "{id}" needs the sensor "{missing[0]}"')
    encoder_class = registry.load(spec)
    # Whoever takes any argument checks them; the first parameter is the space.
    taken = list(inspect.signature(encoder_class).parameters.values())[1:]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken):
        allowed = sorted(parameter.name for parameter in taken)
        for name in config or {}:
            if name not in allowed:
                raise ArgumentError(unknown(f'argument of the encoder "{id}"', name, allowed))
    try:
        encoder = encoder_class(observation_space, **(config or {}))
    except TypeError as error:
        raise ArgumentError(f'the encoder "{id}": {error}') from error
    assert isinstance(encoder, Encoder)
    return encoder


def save_encoder(
    encoder: Encoder, id: str, folder: Path | str, pretraining: PretrainingRecord | None = None
) -> EncoderRecord:
    """Saves an encoder to a folder, whole or not at all; one that it held before is replaced.

    Raises:
        SavedFileError: it cannot be written there, its weights are not finite, or the folder holds
            something else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / RECORD).is_file():
        if not folder.is_dir():
            raise SavedFileError(f"{folder} is a file: name a folder")
        if any(folder.iterdir()):
            raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
    record = encoder_record(encoder, id, pretraining)
    replace_folder(folder, lambda new: write_encoder(encoder, new, record))
    return record


def write_encoder(encoder: Encoder, folder: Path, record: EncoderRecord) -> None:
    """Writes the files of a saved encoder into a folder that `replace_folder` has made."""
    text = record.model_dump_json(indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    write_tensors(folder / WEIGHTS, _arrays(encoder))


def encoder_record(
    encoder: Encoder, id: str, pretraining: PretrainingRecord | None = None
) -> EncoderRecord:
    """The record that is saved of an encoder beside its weights."""
    sensors = {
        key: list(space.shape or ()) for key, space in encoder.observation_space.spaces.items()
    }
    return EncoderRecord(
        encoder=id,
        config=encoder.config,
        sensors=sensors,
        versions=versions(),
        pretraining=pretraining,
    )


def read_encoder_record(folder: Path | str) -> EncoderRecord:
    """Reads and checks `encoder.json`.

    Args:
        folder: what `save_encoder` wrote, or a pretraining's folder, whose encoder is meant.

    Raises:
        SavedFileError: it is missing, or not what it should be.
    """
    return read_model(_find(Path(folder)) / RECORD, EncoderRecord)


def load_encoder(
    folder: Path | str, observation_space: gymnasium.spaces.Dict
) -> tuple[Encoder, EncoderRecord]:
    """Loads a saved encoder for somebody's sensors; nothing in the folder is executed.

    Args:
        folder: what `save_encoder` wrote, or a pretraining's folder, whose encoder is meant.
        observation_space: of the user; its sensors must be among those that the encoder has seen.

    Raises:
        SavedFileError: it is no saved encoder, or does not fit these sensors.
    """
    folder = _find(Path(folder))
    record = read_model(folder / RECORD, EncoderRecord)
    known = ",".join(record.sensors)
    for key in observation_space.spaces:
        if key not in record.sensors:
            raise SavedFileError(
                f'the encoder in {folder} has never seen the sensor "{key}": '
                f"use sensors={known}, or some of these"
            )
    try:
        # Its weights are drawn first, and then replaced.
        with Generators(0):
            encoder = make_encoder(record.encoder, observation_space, record.config)
    except ArgumentError as error:
        raise SavedFileError(f"{folder / RECORD}: {error}") from error
    wanted = _arrays(encoder)
    try:
        tensors = read_tensors(folder / WEIGHTS, wanted, others=True)
    except SavedFileError as error:
        raise SavedFileError(f"{error}; the encoder was made for {record.sensors}") from error
    encoder.load_state_dict({name: torch.tensor(tensors[name]) for name in wanted})
    return encoder, record


def _find(folder: Path) -> Path:
    for place in (standing(folder), standing(folder / "encoder")):
        if is_file(place / RECORD) and (place == folder or not place.is_symlink()):
            return place
    raise SavedFileError(f"{folder} is not a saved encoder: it has no {RECORD}")


def _arrays(encoder: Encoder) -> dict[str, NDArray[np.generic]]:
    return {name: tensor.cpu().numpy() for name, tensor in encoder.state_dict().items()}
