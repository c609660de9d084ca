"""Finished episodes on their way to a dataset: small files, each written whole, then put together.

A shard holds the episodes of some seconds. It is made in memory and gets its name once it is whole
and on the disk, so whatever interrupts the collecting, every shard that is there is whole. In the
end the shards' episodes are copied, in the order of their numbers, into one Minari dataset.
"""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gymnasium
import h5py
import numpy as np

from als_engine.errors import ALSError, SavedFileError
from als_engine.files import replacing
from als_engine.safe_files import replace_folder
from als_plugins.experience import episodes as files
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import SourceRecord, data_file

__all__ = ["Shards", "put_together"]

SHARD_BYTES: Final = 32 << 20
SHARD_SECONDS: Final = 5.0
_LEFT_OUT: Final = "left_out"

Place = tuple[int, int]  # Episode and avatar.


@dataclass
class Shards:
    """The shards of one source.

    Attributes:
        folder: where they are.
        places: episode and avatar to the shard's file and the steps, of all that are on the disk.
        left_out: episode to the reason, likewise.
    """

    folder: Path
    places: dict[Place, tuple[Path, int]] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Looks at what an earlier run has left.

        Raises:
            SavedFileError: a shard is damaged.
        """
        for path in sorted(self.folder.glob("shard-*.hdf5")):
            with files.episode_file(path) as file:
                self._index(path, file)
        for path in self.folder.glob(".shard-*.hdf5"):  # Of a process that was killed.
            path.unlink()
        self._next = 1 + max(
            (int(p.stem[6:]) for p in self.folder.glob("shard-*.hdf5")), default=-1
        )
        self._begin()

    def _index(self, path: Path, file: h5py.File) -> None:
        for name in file:
            if name == _LEFT_OUT:
                found = json.loads(bytes(file[name][()]))
                self.left_out.update({int(episode): str(why) for episode, why in found.items()})
            else:
                place = tuple(
                    files.read_attribute(file[name], key) for key in ("episode", "avatar")
                )
                self.places[place[0], place[1]] = (
                    path,
                    files.read_attribute(file[name], "total_steps"),
                )

    def _begin(self) -> None:
        self._file: h5py.File | None = None
        self._new: dict[Place, int] = {}
        self._new_left_out: dict[int, str] = {}
        self._bytes, self._since = 0, time.monotonic()

    def _open(self) -> h5py.File:
        """The shard that is being written."""
        if self._file is None:
            # In memory: HDF5 cannot be trusted to say once, and only once, that a disk is full.
            self._file = h5py.File(
                f"shard-{self._next}", "w", libver="latest", driver="core", backing_store=False
            )
        return self._file

    @property
    def done(self) -> set[int]:
        """The episodes that are finished, in a whole shard or not yet."""
        known = {episode for episode, _ in (*self.places, *self._new)}
        return known | set(self.left_out) | set(self._new_left_out)

    @property
    def count_left_out(self) -> int:
        """How many episodes were left out."""
        return len(self.left_out) + len(self._new_left_out)

    def is_kept(self, number: int) -> bool:
        """Whether an episode has been added."""
        return (number, 0) in self._new or (number, 0) in self.places

    def add(self, episodes: list[Episode], number: int) -> None:
        """Takes the episodes that the avatars of one world had at the same time.

        Raises:
            SavedFileError: they cannot be written.
        """
        with _writing(self.folder):
            for avatar, episode in enumerate(episodes):
                files.write(self._open(), f"episode_{number}_{avatar}", episode)
                self._bytes += episode.nbytes
        self._new.update({(number, a): episode.steps for a, episode in enumerate(episodes)})

    def leave_out(self, number: int, reason: str) -> None:
        """Remembers that an episode cannot be used."""
        self._new_left_out[number] = reason

    @property
    def due(self) -> bool:
        """Whether it is time to finish a shard."""
        return self._bytes >= SHARD_BYTES or time.monotonic() - self._since > SHARD_SECONDS

    def write(self) -> None:
        """Finishes the shard that is being written.

        Raises:
            SavedFileError: it cannot be written; nothing half-written is left.
        """
        if not self._new and not self._new_left_out:
            self._since = time.monotonic()
            return
        path = self.folder / f"shard-{self._next:06d}.hdf5"
        with _writing(path):
            file = self._open()
            whole = {f"episode_{episode}_{avatar}" for episode, avatar in self._new}
            for name in set(file) - whole:  # An interruption came while it was added.
                del file[name]
            left_out = json.dumps(self._new_left_out).encode()
            file.create_dataset(_LEFT_OUT, data=np.frombuffer(left_out, np.uint8))
            file.flush()
            with replacing(path) as temporary:
                temporary.write_bytes(file.id.get_file_image())
            file.close()
        self.places.update({place: (path, steps) for place, steps in self._new.items()})
        self.left_out.update(self._new_left_out)
        self._next += 1
        self._begin()

    def close(self) -> None:
        """Forgets the episodes that are in no shard yet."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def delete(self) -> None:
        """Removes the files, once they have been put together."""
        shutil.rmtree(self.folder, ignore_errors=True)


def put_together(
    folder: Path, record: SourceRecord, shards: Shards, spaces: tuple[Any, Any]
) -> SourceRecord:
    """Makes one Minari dataset of what a source has already and of its shards.

    Interrupted, it is simply done again: what is recorded in `dataset.json` and the shards stay as
    they are until the new dataset is in its place.

    Returns:
        The record with what there is now.

    Raises:
        SavedFileError: it cannot be written; what was there before still is.
    """
    left_out = Counter(record.left_out)
    left_out.update(shards.left_out.values())
    places = sorted(shards.places)
    done = {episode for episode, _ in places} | set(shards.left_out)
    whole = record.model_copy(
        update={
            "attempted": record.attempted + len(done),
            "episodes": record.episodes + len(places),
            "steps": record.steps + sum(steps for _, steps in shards.places.values()),
            "left_out": dict(sorted(left_out.items())),
        }
    )
    target = data_file(folder, record.id)

    def fill(new: Path) -> None:
        storage = _new_storage(new / "data", whole, spaces)
        with ExitStack() as stack:
            opened: dict[Path, h5py.File] = {}

            def file(path: Path) -> h5py.File:
                if path not in opened:
                    opened[path] = stack.enter_context(files.episode_file(path))
                return opened[path]

            out = stack.enter_context(
                h5py.File(new / "data" / target.name, "w", libver="latest", track_order=True)
            )
            for i in range(record.episodes):
                _copy(file(target), f"episode_{i}", out, i)
            for i, place in enumerate(places, start=record.episodes):
                _copy(file(shards.places[place][0]), f"episode_{place[0]}_{place[1]}", out, i)
        storage.update_metadata({"dataset_size": storage.get_size()})

    with _writing(target.parent.parent):
        replace_folder(target.parent.parent, fill)
    return whole


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what Python and HDF5 raise when a disk is full, or worse, into one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, ALSError):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise SavedFileError(f"cannot write {path}: {reason}") from None


def _copy(source: h5py.File, name: str, out: h5py.File, number: int) -> None:
    source.copy(source[name], out, name=f"episode_{number}")
    out[f"episode_{number}"].attrs["id"] = number


def _new_storage(data: Path, record: SourceRecord, spaces: tuple[Any, Any]) -> Any:
    """Lets Minari describe the dataset, in its own words and of its own version."""
    import minari
    from minari.dataset.minari_storage import MinariStorage

    observations, actions = spaces
    stored = gymnasium.spaces.Dict(
        {files.stored(key): space for key, space in observations.spaces.items()}
    )
    storage = MinariStorage.new(
        data,
        observation_space=stored,
        action_space=actions,
        env_spec=_env_spec(record),
        jpeg_encoding=False,  # It loses what small signs say.
    )
    storage.update_metadata(
        {
            "dataset_id": record.id,
            "minari_version": minari.__version__,
            "algorithm_name": record.policy,
            "description": f"{record.scenario}, {record.split} split, collected by ALS Engine.",
            "total_episodes": record.episodes,
            "total_steps": record.steps,
        }
    )
    return storage


def _env_spec(record: SourceRecord) -> Any:
    """What `gymnasium.make` needs to make the environment again."""
    known = gymnasium.registry.get(record.scenario)
    if known is None:
        return None
    spec = copy.deepcopy(known)
    spec.kwargs = {**spec.kwargs, **record.arguments, "split": record.split}
    return spec
