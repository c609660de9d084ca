"""Episodes in HDF5 files as Minari lays them out, written fast and read without trust.

An episode is a group `episode_N` with `observations/KEY` (steps + 1, ...), `actions`, `rewards`,
`terminations`, `truncations` (steps, ...) and `infos/NAME` (steps + 1, ...), and attributes. What
is read must be plain numbers that lie in the file itself: no links, no filters, no objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError
from als_engine.limits import ARRAY
from als_plugins.experience.records import SourceRecord

__all__ = [
    "INFOS",
    "Episode",
    "episode_file",
    "episode_group",
    "layout",
    "read_array",
    "read_attribute",
    "read_episode",
    "read_word",
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
_SCALAR: Final = h5py.h5s.create(h5py.h5s.SCALAR)
_WORDS: Final = h5py.string_dtype()
_WHOLE: Final = np.dtype(np.int64)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Episode:
    """The episode of one avatar, from reset to end.

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
        """The number of steps."""
        return len(self.rewards)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All its arrays, by the names of `layout`."""
        observations = {f"observations/{key}": array for key, array in self.observations.items()}
        infos = {f"infos/{name}": array for name, array in self.infos.items()}
        return {**observations, **infos, "actions": self.actions, "rewards": self.rewards}


def layout(record: SourceRecord) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays of an episode: name to dtype and shape of one step."""
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
    """Writes one episode as the group `episode_number`.

    Written as it lies in memory, over h5py's lower level, whose own calls take three times as long:
    with a dozen small arrays to an episode, that is a good part of what collecting costs.
    """
    group = h5py.h5g.create(file.id, f"episode_{number}".encode())
    for key, value in {
        "id": number,
        **episode.attributes,
        "total_steps": episode.steps,
    }.items():
        _put_attribute(group, key, value)
    ends = np.zeros((2, episode.steps), np.bool_)
    ends[0 if episode.terminated else 1, -1] = True
    observations = h5py.h5g.create(group, b"observations")
    for key, array in episode.observations.items():
        _put(observations, stored(key), array)
    infos = h5py.h5g.create(group, b"infos")
    for key, array in episode.infos.items():
        _put(infos, key, array)
    _put(group, "actions", episode.actions)
    _put(group, "rewards", episode.rewards)
    _put(group, "terminations", ends[0])
    _put(group, "truncations", ends[1])


def _put(group: Any, name: str, array: NDArray[Any]) -> None:
    plain = np.ascontiguousarray(array)
    space = h5py.h5s.create_simple(plain.shape)
    in_file, in_memory = _types(plain.dtype)
    dataset = h5py.h5d.create(group, name.encode(), in_file, space, _CONTIGUOUS)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, plain, in_memory)


def _put_attribute(group: Any, name: str, value: int | str) -> None:
    array = np.array(value, _WORDS if isinstance(value, str) else _WHOLE)
    in_file, in_memory = _types(array.dtype)
    h5py.h5a.create(group, name.encode(), in_file, _SCALAR).write(array, mtype=in_memory)


@cache
def _types(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """HDF5's own of a NumPy type, in a file and in memory.

    Making one takes as long as making an array of it.
    """
    return h5py.h5t.py_create(dtype, logical=True), h5py.h5t.py_create(dtype)


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
    if here.size * here.dtype.itemsize > ARRAY:
        size = here.size * here.dtype.itemsize
        raise SavedFileError(f"{where} has {size} bytes; at most {ARRAY} are read")
    plan = here.id.get_create_plist()
    if here.is_virtual or here.external or plan.get_nfilters():
        raise SavedFileError(f"{where} is not stored as plain numbers in the file")
    if here.id.get_storage_size() < here.size * here.dtype.itemsize:
        raise SavedFileError(f"{where} is not whole")
    return here


def episode_group(file: h5py.File, number: int) -> h5py.Group:
    """An episode of a file.

    Raises:
        SavedFileError: there is none, or what is there does not lie in the file.
    """
    name = f"episode_{number}"
    link = file.get(name, getlink=True) if name in file else None
    group = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(group, h5py.Group):
        raise SavedFileError(f"{file.filename} has no {name}; it should have more")
    return group


def read_episode(group: h5py.Group, record: SourceRecord) -> Episode:
    """An episode of a file, checked and read whole, without what it says of itself.

    Raises:
        SavedFileError: an array is missing or is not as the record says.
    """
    steps = read_attribute(group, "total_steps")
    if not 1 <= steps <= min(MAX_STEPS, record.steps):
        raise SavedFileError(f"{group.file.filename}: {group.name} has {steps} steps")
    arrays = {}
    for name, (dtype, shape) in layout(record).items():
        folder, _, key = name.partition("/")
        place = f"{folder}/{stored(key)}" if key else folder
        arrays[name] = read_array(group, place, dtype, (steps + bool(key), *shape))[:]
    ends = read_array(group, "terminations", "bool", (steps,))[:]
    parts: dict[str, dict[str, NDArray[Any]]] = {"observations": {}, "infos": {}}
    for name, array in arrays.items():
        folder, _, key = name.partition("/")
        if key:
            parts[folder][key] = array
    return Episode(
        observations=parts["observations"],
        actions=arrays["actions"],
        rewards=arrays["rewards"],
        infos=parts["infos"],
        terminated=bool(ends[-1]),
        attributes={},
    )


def read_word(group: h5py.Group, name: str) -> str:
    """A word that an episode says of itself; empty where it says none."""
    if name not in group.attrs or group.attrs.get_id(name).shape != ():
        return ""
    value = group.attrs[name]
    return value if isinstance(value, str) else ""


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
