"""A source's episodes as plain arrays, one after the other: read in place, at random, by windows.

HDF5 keeps every episode apart, which is what other people's tools expect and far too slow for
reading batches at random. So the first reader writes the same numbers once more, one `.npy` file
for each sensor, beside which it keeps mean and deviation; later ones map the files into memory.

A cache counts where it was made and nowhere else: it says of the episodes' file, and of each of its
own, how large it was and when it was last changed, by the kernel's clock, which nobody can set. One
that came with somebody's dataset, was edited, or belongs to other episodes is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal
from urllib.parse import quote

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.bodies.bounds import action_bounds
from als_engine.errors import SavedFileError
from als_engine.limits import MAX_NUMBER
from als_engine.models import Model, read_model
from als_engine.system.safe_files import (
    inside,
    is_file,
    read_tensors,
    replace_folder,
    sync,
    write_tensors,
)
from als_plugins.experience import episodes as files
from als_plugins.experience.records import SourceRecord, data_file, part_of

__all__ = ["Moments", "SourceArrays", "open_source"]

RECORD: Final = "cache.json"
STATISTICS: Final = "statistics.safetensors"
COUNTED: Final = ("lengths", "levels")

OnStep = Callable[[int, int], None]


class Stamp(Model):
    """By what a file is known that nobody has touched.

    Attributes:
        size: bytes.
        modified: nanoseconds; anybody can set it.
        changed: nanoseconds, of any change, of `modified` too; the kernel sets it.
    """

    size: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    modified: Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
    changed: Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]


class CacheRecord(Model):
    """Schema of `cache.json`: the episodes that the arrays were made from, and the arrays.

    Attributes:
        format: the version of this format.
        source: the file of episodes.
        record: a digest of what the dataset says of them.
        files: the cache's own, by name.
    """

    format: Literal[2] = 2
    source: Stamp
    record: str
    files: dict[str, Stamp] = Field(max_length=1_000)


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations, which add up over chunks and sources.

    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
    """

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Those of some rows, over the first axis."""
        wide = values.astype(np.float64)
        mean = wide.mean(axis=0)
        wide -= mean
        return cls(len(values), mean, np.einsum("i...,i...->...", wide, wide))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        if count == 0:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        more = apart * apart * (self.count * other.count / count)
        return Moments(count, mean, self.squares + other.squares + more)

    @property
    def std(self) -> NDArray[np.float64]:
        """The standard deviation of the whole."""
        deviation: NDArray[np.float64] = np.sqrt(self.squares / max(1, self.count))
        return deviation


@dataclass(frozen=True)
class SourceArrays:
    """One source, mapped into memory; episodes stand one after the other, one row a step.

    Attributes:
        record: what was collected.
        arrays: `observations/KEY`, `infos/NAME`, `actions` and `rewards` to (steps, ...).
        lengths, levels: of each episode, (episodes,).
        moments: sensor to the moments of its values in the train part.
    """

    record: SourceRecord
    arrays: Mapping[str, NDArray[Any]]
    lengths: NDArray[np.int64]
    levels: NDArray[np.int64]
    moments: Mapping[str, Moments]


def open_source(folder: Path, record: SourceRecord, on_step: OnStep) -> SourceArrays:
    """Maps a source's arrays, after making them where they are missing or stale.

    Args:
        folder: of the dataset.
        record: the source.
        on_step: told how many of how many episodes have been converted.

    Raises:
        SavedFileError: the episodes are damaged, or not what the record says, or there is no room
            for the arrays.
    """
    data = data_file(folder, record.id)
    if not is_file(data):
        raise SavedFileError(
            f"{data} is missing: collect {record.scenario} again, or get a whole copy"
        )
    cache = inside(folder, "cache", record.id.removeprefix("als/"))
    found = _open(cache, data, record)
    if found is None:
        replace_folder(cache, lambda new: _build(data, record, new, on_step))
        found = _open(cache, data, record)
        if found is None:
            raise SavedFileError(f"{cache} cannot be read back: is the disk all right?")
    return found


def _open(cache: Path, data: Path, record: SourceRecord) -> SourceArrays | None:
    """Maps the arrays; None where they are missing, stale, damaged, or from elsewhere."""
    try:
        if read_model(cache / RECORD, CacheRecord) != _described(cache, data, record):
            return None
        arrays = {
            name: _map(cache, name, dtype, (record.steps, *shape))
            for name, (dtype, shape) in files.layout(record).items()
        }
        shape = (record.episodes,)
        lengths, levels = (_map(cache, name, "int64", shape) for name in COUNTED)
        if int(lengths.sum()) != record.steps or (lengths < 1).any():
            return None
        statistics = read_tensors(cache / STATISTICS, like=_like(record))
    except (SavedFileError, ValueError, OSError):
        return None
    count = int(statistics["count"])
    moments = {
        key: Moments(count, statistics[f"{key}.mean"], statistics[f"{key}.squares"])
        for key in record.observations
    }
    return SourceArrays(record, arrays, lengths, levels, moments)


def _described(cache: Path, data: Path, record: SourceRecord) -> CacheRecord:
    """What a cache that can be trusted says.

    Raises:
        OSError: a file is missing.
        ValueError: something is no file.
    """
    names = [*map(_file_name, (*files.layout(record), *COUNTED)), STATISTICS]
    return CacheRecord(
        source=_stamp(data),
        record=hashlib.sha256(record.model_dump_json().encode()).hexdigest(),
        files={name: _stamp(cache / name) for name in names},
    )


def _stamp(path: Path) -> Stamp:
    if not is_file(path):
        raise ValueError(path)
    status = path.lstat()
    return Stamp(size=status.st_size, modified=status.st_mtime_ns, changed=status.st_ctime_ns)


def _file_name(array: str) -> str:
    return f"{quote(array, safe='')}.npy"


def _map(cache: Path, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    with (cache / _file_name(name)).open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(name)
        # What it says of itself is compared before anything is mapped or read for it.
        declared, fortran, kind = np.lib.format.read_array_header_1_0(file)
        if kind != np.dtype(dtype) or declared != shape or fortran:
            raise ValueError(name)
        if 0 in shape:  # An empty file cannot be mapped.
            return np.zeros(shape, dtype)
        return np.asarray(np.memmap(file, dtype, "r", file.tell(), shape))


def _like(record: SourceRecord) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {"count": np.zeros((), np.int64)}
    for key, sensor in record.observations.items():
        found[f"{key}.mean"] = found[f"{key}.squares"] = np.zeros(sensor.shape)
    return found


def _build(data: Path, record: SourceRecord, new: Path, on_step: OnStep) -> None:
    """Writes the arrays of one source into a new folder."""
    layout = files.layout(record)
    # They grow with what is there: how many there should be is only what the record says.
    lengths: list[int] = []
    levels: list[int] = []
    moments = {
        key: Moments(0, np.zeros(sensor.shape), np.zeros(sensor.shape))
        for key, sensor in record.observations.items()
    }
    with ExitStack() as stack:
        file = stack.enter_context(files.episode_file(data))
        outputs = {
            name: stack.enter_context(_array_file(new, name, dtype, (record.steps, *shape)))
            for name, (dtype, shape) in layout.items()
        }
        for i, (group, steps) in enumerate(_groups(file, record)):
            lengths.append(steps)
            levels.append(files.read_attribute(group, "level"))
            learnt_from = part_of(levels[i]) == "train"
            for name, values in _read_episode(group, steps, record):
                outputs[name].write(np.ascontiguousarray(values).data.cast("B"))
                sensor = name.removeprefix("observations/")
                if learnt_from and sensor != name:
                    moments[sensor] += Moments.of(values)
            on_step(i + 1, record.episodes)
    for name, numbers in zip(COUNTED, (lengths, levels), strict=True):
        np.save(new / f"{name}.npy", np.array(numbers, np.int64))
    pairs = zip(lengths, levels, strict=True)
    count = sum(length for length, level in pairs if part_of(level) == "train")
    statistics: dict[str, NDArray[Any]] = {"count": np.array(count, np.int64)}
    for key, found in moments.items():
        statistics[f"{key}.mean"], statistics[f"{key}.squares"] = found.mean, found.squares
    write_tensors(new / STATISTICS, statistics)
    for path in new.iterdir():
        sync(path)  # A file system may settle its times only then.
    described = _described(new, data, record)
    (new / RECORD).write_text(described.model_dump_json() + "\n", encoding="utf-8")


def _groups(file: h5py.File, record: SourceRecord) -> Iterator[tuple[h5py.Group, int]]:
    """The episodes of a file in order, with their lengths, as many as the record says."""
    total = 0
    for i in range(record.episodes):
        group = files.episode_group(file, i)
        steps = files.read_attribute(group, "total_steps")
        total += steps
        if not 1 <= steps <= files.MAX_STEPS or total > record.steps:
            raise SavedFileError(f"{file.filename}: {group.name} has another length than recorded")
        yield group, steps
    if total != record.steps:
        raise SavedFileError(f"{file.filename} has {total} steps, {record.steps} were recorded")


def _read_episode(
    group: h5py.Group, steps: int, record: SourceRecord
) -> Iterator[tuple[str, NDArray[Any]]]:
    """An episode's arrays without the last observation, on which nobody acted."""
    for name, (dtype, shape) in files.layout(record).items():
        folder, _, key = name.partition("/")
        stored = f"{folder}/{files.stored(key)}" if key else folder
        rows = steps + 1 if key else steps
        values = files.read_array(group, stored, dtype, (rows, *shape))[:steps]
        _check_values(f"{group.file.filename}: {group.name}/{stored}", values, name, record)
        yield name, values


def _check_values(where: str, values: NDArray[Any], name: str, record: SourceRecord) -> None:
    """Refuses what a network would turn into NaN, or take for an index outside of a table.

    Raises:
        SavedFileError: numbers are not finite, or whole numbers are outside of the space.
    """
    if values.dtype.kind == "f":
        if name != "infos/nearest_prop" and not np.isfinite(values).all():
            raise SavedFileError(f"{where} has numbers that are not finite")
        return
    described = (
        record.actions
        if name == "actions"
        else record.observations.get(name.removeprefix("observations/"))
    )
    if described is None or name.startswith("infos/"):
        return
    low, high = action_bounds(described.space)
    if (values < low).any() or (values > high).any():
        raise SavedFileError(f"{where} has numbers outside of its space")


def _array_file(folder: Path, name: str, dtype: str, shape: Sequence[int]) -> IO[bytes]:
    """A `.npy` file whose header is written; its numbers follow.

    Written and not mapped: a full disk is then an error that can be told, not a signal.
    """
    file = (folder / _file_name(name)).open("wb")
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    np.lib.format.write_array_header_1_0(file, header)
    return file
