"""Episodes in HDF5 files as Minari lays them out, written fast and read without trust.

An episode is a group `episode_N` with `observations/KEY` (steps + 1, ...), `actions`, `rewards`,
`terminations`, `truncations` (steps, ...) and `infos/NAME` (steps + 1, ...), and attributes. What
is read must be plain numbers that lie in the file itself: no links, no filters, no objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError
from als_plugins.experience.records import SourceRecord

__all__ = [
    "INFOS",
    "Episode",
    "episode_file",
    "layout",
    "read_array",
    "read_attribute",
    "stored",
    "write",
]

INFOS: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "nearest_prop": ("float32", (2,)),
    "speaker": ("int64", ()),
    "sign_number": ("int64", ()),
    "level": ("int64", ()),
}
"""What an episode's infos hold at every step: dtype and shape."""

MAX_STEPS: Final = 10_000_000
"""The longest episode that is read."""

_CONTIGUOUS: Final = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
_CONTIGUOUS.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # Every number is written anyway.
_WITH_GROUPS: Final = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_WITH_GROUPS.set_create_intermediate_group(True)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Episode:
    """What one avatar went through, from reset to end.

    Attributes:
        observations: sensor to (steps + 1, ...).
        actions: (steps, ...). rewards: (steps,) float64.
        infos: name to (steps + 1, ...), see `INFOS`.
        terminated: whether the task ended it; the time limit did otherwise.
        attributes: numbers and words about the whole of it.
    """

    observations: Arrays
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    infos: Arrays
    terminated: bool
    attributes: Mapping[str, int | str]

    @property
    def steps(self) -> int:
        """How many."""
        return len(self.rewards)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All its arrays, by the names of `layout`."""
        observations = {f"observations/{key}": array for key, array in self.observations.items()}
        infos = {f"infos/{name}": array for name, array in self.infos.items()}
        return {**observations, **infos, "actions": self.actions, "rewards": self.rewards}


def layout(record: SourceRecord) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What an episode holds: name to dtype and shape of one step."""
    observations = {
        f"observations/{key}": (sensor.dtype, sensor.shape)
        for key, sensor in record.observations.items()
    }
    infos = {f"infos/{name}": described for name, described in INFOS.items()}
    space = record.actions.space
    actions = (str(space.dtype), tuple(space.shape or ()))
    return {**observations, **infos, "actions": actions, "rewards": ("float64", ())}


def stored(key: str) -> str:
    """A sensor's name in a file, where a slash would mean a group."""
    return key.replace("/", ".")


def write(file: h5py.File, number: int, episode: Episode) -> None:
    """Writes one episode as the group `episode_number`."""
    group = file.create_group(f"episode_{number}")
    group.attrs["id"] = number
    for key, value in episode.attributes.items():
        group.attrs[key] = value
    group.attrs["total_steps"] = episode.steps
    for key, array in episode.observations.items():
        _put(group, f"observations/{stored(key)}", array)
    for key, array in episode.infos.items():
        _put(group, f"infos/{key}", array)
    ends = np.zeros((2, episode.steps), np.bool_)
    ends[0 if episode.terminated else 1, -1] = True
    _put(group, "actions", episode.actions)
    _put(group, "rewards", episode.rewards)
    _put(group, "terminations", ends[0])
    _put(group, "truncations", ends[1])


def _put(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    """Writes an array as it lies in memory; h5py's own `create_dataset` takes three times as long.

    With a dozen small arrays to an episode, that is a good part of what collecting costs.
    """
    plain = np.ascontiguousarray(array)
    dataset = h5py.h5d.create(
        group.id,
        name.encode(),
        h5py.h5t.py_create(plain.dtype, logical=True),
        h5py.h5s.create_simple(plain.shape),
        _CONTIGUOUS,
        _WITH_GROUPS,
    )
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, plain)


@contextmanager
def episode_file(path: Path) -> Iterator[h5py.File]:
    """Opens a file of episodes for reading; whatever is wrong with it is one line.

    Raises:
        SavedFileError: it is no such file, or damaged.
    """
    try:
        if not path.is_file() or path.is_symlink():
            raise SavedFileError(f"{path} is missing, or is not a file")
        with h5py.File(path, "r") as file:
            yield file
    # HDF5 reports damage in all of these; none of them says which file.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, SavedFileError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise SavedFileError(f"{path} is damaged or not a file of episodes: {reason}") from None


def read_array(group: h5py.Group, name: str, dtype: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """An array of an episode that has been checked, to be read by the caller.

    Raises:
        SavedFileError: it is missing, is not this shape and type, or does not lie in the file as
            plain numbers.
    """
    here: Any = group
    for step in name.split("/"):
        link = here.get(step, getlink=True) if step in here else None
        if not isinstance(link, h5py.HardLink):
            raise SavedFileError(f"{group.file.filename}: {group.name} has no {name}")
        here = here[step]
    where = f"{group.file.filename}: {group.name}/{name}"
    if not isinstance(here, h5py.Dataset):
        raise SavedFileError(f"{where} is not an array")
    # First the type: nothing of an object type, which may be a reference or a pickle, is read.
    if here.dtype != np.dtype(dtype) or here.shape != shape:
        raise SavedFileError(f"{where} is {here.dtype} {here.shape}, and should be {dtype} {shape}")
    plan = here.id.get_create_plist()
    if here.is_virtual or here.external or plan.get_nfilters():
        raise SavedFileError(f"{where} is not stored as plain numbers in the file")
    if here.id.get_storage_size() < here.size * here.dtype.itemsize:
        raise SavedFileError(f"{where} is not whole")
    return here


def read_attribute(group: h5py.Group, name: str) -> int:
    """A whole number that an episode says of itself.

    Raises:
        SavedFileError: it is missing, or is something else.
    """
    kind = group.attrs.get_id(name).dtype.kind if name in group.attrs else "O"
    value = group.attrs[name] if kind in "iu" else None
    if value is None or np.ndim(value) or not 0 <= int(value) < 1 << 62:
        raise SavedFileError(f'{group.file.filename}: {group.name} has no whole number "{name}"')
    return int(value)
