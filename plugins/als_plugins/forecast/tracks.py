"""Tracks: where people were at even steps of time, as arrays with masks, in memory and on disk.

A scene is a stretch of time in one place: an episode of a world, or a part of a CSV file. A saved
folder holds `tracks.json` and `tracks.safetensors`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, field_validator

from als_engine.agents.saving import NOT_SAVED
from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_engine.models import Model, Name, read_model
from als_engine.system.safe_files import read_tensors, replace_folder, write_tensors

__all__ = ["PARTS", "RECORD", "Doing", "Tracks", "TracksRecord", "read_tracks", "write_tracks"]

RECORD: Final = "tracks.json"
ARRAYS: Final = "tracks.safetensors"
PARTS: Final = ("train", "validation", "test")
MAX_NAMES: Final = 100_000
"""The most different people of a file."""

Label = Annotated[str, Field(min_length=1, max_length=200)]


class TracksRecord(Model):
    """Schema of `tracks.json`.

    Attributes:
        format: the version of this format.
        source: what they were made from, for people to read.
        scenario, arguments: of the worlds that they are from; None and nothing for a CSV file.
        time_step: seconds between two steps.
        names: of the people; `person` counts them.
        verbs: what people can say, in the order that `said` counts; known of worlds alone.
    """

    format: Literal[1] = 1
    source: Annotated[str, Field(max_length=1_000)]
    scenario: Name | None = None
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    time_step: float = Field(gt=0, le=3_600)
    names: list[Label] = Field(max_length=MAX_NAMES)
    verbs: list[Label] = Field(default_factory=list, max_length=10_000)

    @field_validator("arguments")
    @classmethod
    def _only_the_worlds_own(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if odd := sorted(NOT_SAVED & set(arguments)):
            raise ValueError(f'"{odd[0]}" does not belong to tracks')
        return arguments


@dataclass(frozen=True)
class Doing:
    """What people did beside walking, which worlds tell and CSV files do not.

    Attributes:
        held: (scenes, steps, people) int16, the thing in the hand at that step, or -1.
        said: (scenes, steps, people) int16, the verb that was said since the step before, or -1.
        things: (scenes, steps, things, 2) float32 metres, where props were.
        things_present: (scenes, steps, things) bool.
    """

    held: NDArray[np.int16]
    said: NDArray[np.int16]
    things: NDArray[np.float32]
    things_present: NDArray[np.bool_]


@dataclass(frozen=True)
class Tracks:
    """People over time; arrays are padded to the longest scene and the most people.

    Attributes:
        position: (scenes, steps, people, 2) float32 metres; 0 where nobody is.
        present: (scenes, steps, people) bool.
        person: (scenes, people) int32 index of `names`; -1 for nobody.
        part: (scenes,) int8 index of `PARTS`.
        level: (scenes,) int64, the level of the world; -1 for a CSV file.
        start: (scenes,) float64 seconds, the time of the first step.
        record: everything that is no array.
        doing: what else they did, or None.
    """

    position: NDArray[np.float32]
    present: NDArray[np.bool_]
    person: NDArray[np.int32]
    part: NDArray[np.int8]
    level: NDArray[np.int64]
    start: NDArray[np.float64]
    record: TracksRecord
    doing: Doing | None = field(default=None)

    @property
    def time_step(self) -> float:
        """Seconds between two steps."""
        return self.record.time_step

    @property
    def scenes(self) -> int:
        """The number of scenes."""
        return len(self.position)

    def of_part(self, name: str) -> Tracks:
        """The scenes of a part.

        Raises:
            ArgumentError: there is no such part.
        """
        if name not in PARTS:
            raise ArgumentError(unknown("part", name, PARTS))
        return self.select(np.flatnonzero(self.part == PARTS.index(name)))

    def select(self, scenes: NDArray[np.intp]) -> Tracks:
        """Some scenes, by their indices."""
        doing = self.doing
        if doing is not None:
            doing = Doing(**{name: array[scenes] for name, array in vars(doing).items()})
        arrays = {name: getattr(self, name)[scenes] for name in _ARRAYS}
        return replace(self, **arrays, doing=doing)


_ARRAYS: Final = ("position", "present", "person", "part", "level", "start")
_DOING: Final = ("held", "said", "things", "things_present")


def write_tracks(tracks: Tracks, folder: Path) -> None:
    """Saves tracks to a folder, whole or not at all.

    Raises:
        SavedFileError: it cannot be written, or holds something else.
    """
    if folder.is_dir() and any(path.name not in (RECORD, ARRAYS) for path in folder.iterdir()):
        raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
    arrays: dict[str, NDArray[Any]] = {name: getattr(tracks, name) for name in _ARRAYS}
    if tracks.doing is not None:
        arrays |= vars(tracks.doing)

    def fill(new: Path) -> None:
        (new / RECORD).write_text(tracks.record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        write_tensors(new / ARRAYS, arrays)

    replace_folder(folder, fill)


def read_tracks(folder: Path) -> Tracks:
    """Reads saved tracks.

    Raises:
        SavedFileError: there are none, or they are damaged.
    """
    if not (folder / RECORD).exists():
        raise SavedFileError(f"{folder} has no {RECORD}: `als forecast record` makes such a folder")
    record = read_model(folder / RECORD, TracksRecord)
    arrays = read_tensors(folder / ARRAYS)
    names = set(_ARRAYS) | (set(_DOING) if "held" in arrays else set())
    try:
        if set(arrays) != names:
            raise ValueError(f"it holds {sorted(arrays)}")
        doing = Doing(**{name: arrays[name] for name in _DOING}) if "held" in arrays else None
        tracks = Tracks(**{name: arrays[name] for name in _ARRAYS}, record=record, doing=doing)
        _check(tracks)
    except (ValueError, TypeError) as error:
        raise SavedFileError(f"{folder / ARRAYS} does not hold tracks: {error}") from None
    return tracks


def _check(tracks: Tracks) -> None:
    """Raises a ValueError where arrays do not belong together."""
    if tracks.position.ndim != 4:
        raise ValueError("position has the wrong number of axes")
    scenes, steps, people, _ = tracks.position.shape
    there = (scenes, steps, people)
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "position": ((*there, 2), "float32"),
        "present": (there, "bool"),
        "person": ((scenes, people), "int32"),
        "part": ((scenes,), "int8"),
        "level": ((scenes,), "int64"),
        "start": ((scenes,), "float64"),
    }
    if (doing := tracks.doing) is not None:
        things = doing.things.shape[2] if doing.things.ndim == 4 else 0
        shapes |= {
            "held": (there, "int16"),
            "said": (there, "int16"),
            "things": ((scenes, steps, things, 2), "float32"),
            "things_present": ((scenes, steps, things), "bool"),
        }
    for name, (shape, dtype) in shapes.items():
        array = getattr(tracks, name) if name in _ARRAYS else getattr(doing, name)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}")
    ranges: list[tuple[str, NDArray[Any], int]] = [
        ("part", tracks.part, len(PARTS)),
        ("person", tracks.person + 1, len(tracks.record.names) + 1),
    ]
    if doing is not None:
        ranges += [
            ("held", doing.held + 1, doing.things.shape[2] + 1),
            ("said", doing.said + 1, len(tracks.record.verbs) + 1),
        ]
    for name, array, count in ranges:
        if array.size and not 0 <= array.min() <= array.max() < count:
            raise ValueError(f"{name} is out of range")
