"""Stores finished episodes until they join a dataset: a file of numbers, and its index.

A shard holds the episodes of some seconds: `shard-N.raw` the arrays, one after the other, and
`shard-N.json` which episodes they are. The list is written last and whole, so whatever interrupts
the collecting, what is listed is on the disk; the rest is collected again.
"""

from __future__ import annotations

import mmap
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.errors import SavedFileError
from als_engine.limits import ARRAY, EPISODES, MAX_NUMBER, OBSERVERS
from als_engine.models import Model, read_model
from als_engine.system.files import write_text
from als_plugins.experience.episodes import MAX_STEPS, Episode, layout
from als_plugins.experience.records import SourceRecord

__all__ = ["Shards"]

SHARD_BYTES: Final = 32 << 20
SHARD_SECONDS: Final = 5.0
SHARD_EPISODES: Final = 1_000

_ALIGNED: Final = 8  # bytes, so that every array begins where its numbers may

_AT_ONCE: Final = getattr(mmap, "MAP_POPULATE", 0)
"""All of it will be read: asking for page after page takes as long as copying them."""

Place = tuple[int, int]  # Episode and avatar.


class Entry(Model):
    """One avatar's episode in a shard.

    Attributes:
        offset: where its arrays begin, in the order of `episodes.layout`.
        steps, terminated, attributes: as in `Episode`.
    """

    episode: int = Field(ge=0, le=EPISODES)
    avatar: int = Field(ge=0, le=OBSERVERS)
    offset: int = Field(ge=0, le=ARRAY)
    steps: int = Field(ge=1, le=MAX_STEPS)
    terminated: bool
    attributes: dict[str, Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)] | str]


class LeftOut(Model):
    """An episode that cannot be used, and why."""

    episode: int = Field(ge=0, le=EPISODES)
    reason: Annotated[str, Field(max_length=300)]


class ShardRecord(Model):
    """Schema of a shard's `.json`."""

    format: Literal[1] = 1
    episodes: list[Entry]
    left_out: list[LeftOut]


@dataclass
class Shards:
    """The shards of one source.

    Attributes:
        folder: where they are.
        source: what is collected.
        places: episode and avatar to the steps, of all that are on the disk.
        left_out: episode to the reason, likewise.
        done: the episodes that are finished, in a whole shard or not yet.
    """

    folder: Path
    source: SourceRecord
    places: dict[Place, int] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Looks at what an earlier run has left.

        Raises:
            SavedFileError: a shard is damaged.
        """
        self._layout = layout(self.source)
        self._entries: dict[Place, tuple[Path, Entry]] = {}
        self._kept: set[int] = set()
        self._mapped: dict[Path, mmap.mmap] = {}
        self._next = 0
        self._disk = ThreadPoolExecutor(1, "shards")
        self._syncing: Future[None] | None = None
        for path in sorted(self.folder.glob("shard-*.json")):
            self._take(path.with_suffix(".raw"), read_model(path, ShardRecord))
            self._next = int(path.stem.removeprefix("shard-")) + 1
        self._begin()

    def _take(self, data: Path, record: ShardRecord) -> None:
        for entry in record.episodes:
            place = entry.episode, entry.avatar
            self.places[place], self._entries[place] = entry.steps, (data, entry)
            self._kept.add(entry.episode)
        self.left_out.update({found.episode: found.reason for found in record.left_out})
        self.done |= {entry.episode for entry in record.episodes} | set(self.left_out)

    def _begin(self) -> None:
        self._file: IO[bytes] | None = None
        self._new: list[Entry] = []
        self._new_left_out: list[LeftOut] = []
        self._since = time.monotonic()

    @property
    def _data(self) -> Path:
        """The file that is being written."""
        return self.folder / f"shard-{self._next:06d}.raw"

    @property
    def count_left_out(self) -> int:
        """The number of episodes that were left out."""
        return len(self.left_out) + len(self._new_left_out)

    def is_kept(self, number: int) -> bool:
        """Whether an episode has been added."""
        return number in self._kept

    def add(self, episodes: list[Episode], number: int) -> None:
        """Takes the episodes that the avatars of one world had at the same time.

        Raises:
            SavedFileError: they cannot be written.
        """
        entries = []
        with _writing(self._data):
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = self._data.open("wb")
            for avatar, episode in enumerate(episodes):
                entries.append(
                    Entry(
                        episode=number,
                        avatar=avatar,
                        offset=self._file.tell(),
                        steps=episode.steps,
                        terminated=episode.terminated,
                        attributes=dict(episode.attributes),
                    )
                )
                arrays = episode.arrays
                for name in self._layout:
                    array = np.ascontiguousarray(arrays[name])
                    self._file.write(array.data.cast("B"))
                    self._file.write(bytes(-array.nbytes % _ALIGNED))
        self._new += entries
        self._kept.add(number)
        self.done.add(number)

    def leave_out(self, number: int, reason: str) -> None:
        """Remembers that an episode cannot be used."""
        self._new_left_out.append(LeftOut(episode=number, reason=reason))
        self.done.add(number)

    @property
    def due(self) -> bool:
        """Whether it is time to finish a shard."""
        return (
            (self._file is not None and self._file.tell() >= SHARD_BYTES)
            or len(self._new) + len(self._new_left_out) >= SHARD_EPISODES
            or time.monotonic() - self._since > SHARD_SECONDS
        )

    def write(self) -> None:
        """Finishes the shard that is being written; the disk gets it while the worlds go on.

        Raises:
            SavedFileError: it, or the one before it, cannot be written.
        """
        self.settle()
        if not self._new and not self._new_left_out:
            self._since = time.monotonic()
            return
        if self._file is not None:
            with _writing(self._data):
                self._file.flush()
        record = ShardRecord(episodes=self._new, left_out=self._new_left_out)
        self._syncing = self._disk.submit(_finish, self._file, self._data, record)
        self._take(self._data, record)
        self._next += 1
        self._begin()

    def settle(self) -> None:
        """Waits until the last shard is on the disk.

        Raises:
            SavedFileError: it could not be written.
        """
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            syncing.result()

    def close(self) -> None:
        """Forgets the episodes that are in no whole shard."""
        self._disk.shutdown()
        if self._file is not None:
            with suppress(OSError):  # The disk may be full; that has been said.
                self._file.close()
            self._data.unlink(missing_ok=True)
            self._file = None

    def episode(self, place: Place) -> Episode:
        """Reads an episode of a whole shard; its arrays lie in the file.

        Raises:
            SavedFileError: the shard is damaged.
        """
        data, entry = self._entries[place]
        arrays: dict[str, NDArray[Any]] = {}
        offset = entry.offset
        try:
            for name, (dtype, shape) in self._layout.items():
                rows = entry.steps + (1 if "/" in name else 0)
                array = np.ndarray((rows, *shape), dtype, self._map(data), offset)
                arrays[name] = array
                offset += array.nbytes + -array.nbytes % _ALIGNED
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SavedFileError(
                f"{data} is damaged: delete {self.folder} and collect again ({reason})"
            ) from None
        return Episode(
            observations=_inside(arrays, "observations/"),
            infos=_inside(arrays, "infos/"),
            actions=arrays["actions"],
            rewards=arrays["rewards"],
            terminated=entry.terminated,
            attributes=entry.attributes,
        )

    def _map(self, data: Path) -> mmap.mmap:
        if data not in self._mapped:
            with data.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                # All of it is put into memory: a sparse file would be without end.
                if size > ARRAY:
                    raise ValueError(f"{size} bytes; at most {ARRAY} are read")
                self._mapped[data] = mmap.mmap(
                    file.fileno(), 0, flags=mmap.MAP_SHARED | _AT_ONCE, prot=mmap.PROT_READ
                )
        return self._mapped[data]

    def delete(self) -> None:
        """Removes the files, once they have been put together."""
        self._disk.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def _inside(arrays: dict[str, NDArray[Any]], folder: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(folder): array
        for name, array in arrays.items()
        if name.startswith(folder)
    }


def _finish(file: IO[bytes] | None, data: Path, record: ShardRecord) -> None:
    """Syncs a shard's numbers and then writes its list, so that what is listed is there."""
    if file is not None:
        with _writing(data), file:
            os.fsync(file.fileno())
    write_text(data.with_suffix(".json"), record.model_dump_json())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says into one line."""
    try:
        yield
    except OSError as error:
        raise SavedFileError(f"cannot write {path}: {error.strerror or error}") from None
