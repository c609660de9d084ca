"""Schema of `dataset.json`: where episodes come from, and the shapes of their arrays.

A dataset is a folder: `dataset.json`, one Minari dataset for each source under `minari/`, and under
`cache/` the same numbers as plain arrays, for reading at random. A source is one scenario with its
arguments, one policy and one seed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray
from pydantic import Field, JsonValue, field_validator

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.persons import Pseudonym
from als_engine.limits import EPISODES, MAX_NUMBER, OBSERVERS, STEPS
from als_engine.models import Model, Name, read_model
from als_engine.system.files import write_text
from als_engine.system.safe_files import inside
from als_engine.task import Split, split_of

__all__ = [
    "USES",
    "ActionRecord",
    "DatasetRecord",
    "PartsRecord",
    "PeopleRecord",
    "SensorRecord",
    "SourceRecord",
    "data_file",
    "describe_actions",
    "describe_sensors",
    "part_of",
    "read_dataset",
    "write_dataset",
]

RECORD: Final = "dataset.json"
PARTS: Final = ("train", "validation", "test")

_MAX_VALUES: Final = 1 << 24
"""More numbers than any one observation holds."""

_BOUNDS_APART: Final = 4_096
"""Bounds are kept value by value up to this many values."""

Use = Literal["imitation", "pretraining", "forecasting", "generation"]
USES: Final[tuple[Use, ...]] = get_args(Use)
"""What persons can agree to that is learnt from their episodes."""

Bound = Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)] | float | None
Type = Literal["bool", "int8", "uint8", "int16", "uint16", "int32", "int64", "float32", "float64"]


class SensorRecord(Model):
    """A `Box`: a sensor's space, or that of continuous actions.

    Attributes:
        shape, dtype: of one observation.
        low, high: one number for all values, or one for each; None where there is no bound.
    """

    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=_MAX_VALUES)], ...], Field(max_length=8)]
    dtype: Type
    low: Bound | Annotated[list[Bound], Field(max_length=_BOUNDS_APART)]
    high: Bound | Annotated[list[Bound], Field(max_length=_BOUNDS_APART)]

    @field_validator("shape")
    @classmethod
    def _not_huge(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape) > _MAX_VALUES:
            raise ValueError(f"has more than {_MAX_VALUES} values")
        return shape

    @property
    def space(self) -> Box:
        """The space itself.

        Raises:
            ValueError: the bounds do not fit the shape or the type.
        """
        low, high = self._bounds(self.low, -1), self._bounds(self.high, 1)
        return Box(low, high, self.shape, np.dtype(self.dtype).type)

    def _bounds(self, bound: Bound | list[Bound], sign: int) -> NDArray[Any]:
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            free: Any = sign * math.inf
        else:
            limits: Any = np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
            free = limits.min if sign < 0 else limits.max
        values = bound if isinstance(bound, list) else [bound]
        with np.errstate(over="raise"):
            try:
                array = np.array([free if value is None else value for value in values], dtype)
            except FloatingPointError as error:
                raise ValueError(f"a bound does not fit {dtype}") from error
        return np.broadcast_to(array.reshape(self.shape) if array.size > 1 else array, self.shape)


class ActionRecord(Model):
    """A `Discrete` action space.

    Attributes:
        n: how many actions, from 0 up.
    """

    n: int = Field(ge=1, le=1 << 16)

    @property
    def space(self) -> Discrete:
        """The space itself."""
        return Discrete(self.n)


class PartsRecord(Model):
    """A `MultiDiscrete` action space.

    Attributes:
        nvec: how many choices each part has, from 0 up.
    """

    nvec: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1 << 16)], ...], Field(min_length=1, max_length=64)
    ]

    @property
    def space(self) -> MultiDiscrete:
        """The space itself."""
        return MultiDiscrete(np.array(self.nvec))


class PeopleRecord(Model):
    """The persons who acted, none of them by name; each has agreed before anything was kept.

    Attributes:
        purpose: what they were told that their episodes are for.
        uses: what of `USES` they agreed to; all else is refused.
        persons: a random pseudonym for each, which the attribute `person` of their episodes has.
    """

    purpose: Annotated[str, Field(min_length=1, max_length=300)]
    uses: Annotated[tuple[Use, ...], Field(min_length=1, max_length=len(USES))] = ("imitation",)
    persons: Annotated[list[Pseudonym], Field(max_length=100_000)] = Field(default_factory=list)


class SourceRecord(Model):
    """The record of one source of episodes.

    Attributes:
        id: of the Minari dataset.
        scenario: registered id. arguments: of the scenario, sensors and action mode included.
        policy: "random", "expert", "mix", "turns", or the agent that acted, as it was named;
            "person" for what persons did, "praised" for what they found good.
        agent: a digest of the agent's files; None for a policy without files.
        observers: avatars of each world that acted; each makes an episode of its own.
        split: where the levels come from.
        seed: of the collecting; episode i has `spread("collecting", seed, i)`.
        attempted: episodes of worlds that were run.
        episodes, steps: kept, of single avatars.
        left_out: why to how many episodes of worlds were left out.
        observations: sensor to its space. actions: the action space.
        versions: of the packages, for people to read.
        people: who acted, where persons did; None where they did not.
    """

    id: Annotated[str, Field(pattern=r"^als/[a-z0-9][a-z0-9_-]{0,99}-v0$")]
    scenario: Name
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    policy: Annotated[str, Field(min_length=1, max_length=1_000)]
    agent: str | None = Field(default=None, max_length=100)
    observers: int = Field(default=1, ge=1, le=OBSERVERS)
    split: Split = "train"
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    attempted: int = Field(default=0, ge=0, le=EPISODES)
    episodes: int = Field(default=0, ge=0, le=EPISODES * OBSERVERS)
    steps: int = Field(default=0, ge=0, le=STEPS)
    left_out: dict[
        Annotated[str, Field(max_length=300)], Annotated[int, Field(ge=1, le=EPISODES)]
    ] = Field(default_factory=dict, max_length=200)
    observations: dict[Name, SensorRecord] = Field(min_length=1, max_length=100)
    actions: ActionRecord | PartsRecord | SensorRecord
    versions: dict[Name, Annotated[str, Field(max_length=100)]] = Field(
        default_factory=dict, max_length=50
    )
    people: PeopleRecord | None = None

    @field_validator("observations")
    @classmethod
    def _not_huge(cls, sensors: dict[str, SensorRecord]) -> dict[str, SensorRecord]:
        if sum(math.prod(sensor.shape) for sensor in sensors.values()) > _MAX_VALUES:
            raise ValueError(f"have more than {_MAX_VALUES} values")
        return sensors


class DatasetRecord(Model):
    """Schema of `dataset.json`.

    Attributes:
        format: the version of this format.
        sources: in the order in which they were collected.
    """

    format: Literal[1] = 1
    sources: list[SourceRecord] = Field(default_factory=list, max_length=1_000)


def read_dataset(folder: Path) -> DatasetRecord:
    """Reads and checks `dataset.json`.

    Raises:
        SavedFileError: there is none, or it is not what it should be.
    """
    if not (folder / RECORD).exists():
        raise SavedFileError(
            f"{folder} is not a dataset: it has no {RECORD} (`als collect` makes one)"
        )
    record = read_model(folder / RECORD, DatasetRecord)
    for source in record.sources:
        try:
            for described in (*source.observations.values(), source.actions):
                _ = described.space
        except (ValueError, OverflowError, AssertionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SavedFileError(f"{folder / RECORD}: a space of {source.id}: {reason}") from None
    return record


def write_dataset(folder: Path, record: DatasetRecord) -> None:
    """Writes `dataset.json`, whole or not at all.

    Raises:
        SavedFileError: it cannot be written.
    """
    write_text(folder / RECORD, record.model_dump_json(indent=1) + "\n")


def source_id(scenario: str, policy: str, identity: dict[str, Any]) -> str:
    """The Minari id of a source: readable, and another for whatever would give other episodes."""
    text = json.dumps([scenario, policy, identity], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = scenario.rpartition("/")[2].rpartition("-v")[0]
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name}-{Path(policy).name}".lower()).strip("-")
    return f"als/{slug[:60]}-{digest}-v0"


def data_file(folder: Path, source: str) -> Path:
    """Where a source's episodes are.

    Raises:
        SavedFileError: there is a link on the way.
    """
    return inside(folder, "minari", *source.split("/"), "data", "main_data.hdf5")


def part_of(level: int) -> str:
    """The part that a level's episodes belong to.

    Levels of the validation and the test split are never trained on: they belong to the part of
    that name. Of the training levels eight in ten belong to "train", one to each other part.
    """
    split = split_of(level)
    if split != "train":
        return split
    bucket = hashlib.sha256(f"level {level}".encode()).digest()[0] % 10
    return "train" if bucket < 8 else PARTS[bucket - 7]


def describe_sensors(space: gymnasium.spaces.Dict) -> dict[str, SensorRecord]:
    """An observation space as records.

    Raises:
        ArgumentError: a sensor's space is no Box.
    """
    return {key: _describe_box(f'sensor "{key}"', box) for key, box in space.items()}


def describe_actions(space: gymnasium.Space[Any]) -> ActionRecord | PartsRecord | SensorRecord:
    """An action space as a record.

    Raises:
        ArgumentError: it is neither Discrete nor MultiDiscrete from 0, nor a Box.
    """
    if isinstance(space, Discrete):
        if space.start == 0:
            return ActionRecord(n=int(space.n))
        raise ArgumentError(f"actions must count from 0 to be collected, got {space}")
    if isinstance(space, MultiDiscrete) and space.nvec.ndim == 1 and not space.start.any():
        return PartsRecord(nvec=tuple(space.nvec.tolist()))
    return _describe_box("the action space", space)


def _describe_box(what: str, space: gymnasium.Space[Any]) -> SensorRecord:
    if not isinstance(space, Box):
        raise ArgumentError(f"{what} must be a Box to be collected, got {space}")
    bounds = [_describe_bounds(space.low, np.min), _describe_bounds(space.high, np.max)]
    return SensorRecord.model_validate_json(
        json.dumps(
            {"shape": space.shape, "dtype": str(space.dtype), "low": bounds[0], "high": bounds[1]}
        )
    )


def _describe_bounds(array: NDArray[Any], widest: Callable[[NDArray[Any]], Any]) -> Any:
    flat = array.ravel()
    # Only pictures are larger, and all their values have the same bounds.
    if flat.size > _BOUNDS_APART or (flat == flat[0]).all():
        flat = np.array([widest(flat)])
    found = [value if math.isfinite(value) else None for value in flat.tolist()]
    return found if len(found) > 1 else found[0]
