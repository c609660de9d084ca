"""Adds episodes to a dataset one by one, as they happen: those of persons, above all.

Each episode is on the disk when `add` returns. `join` puts all that have been added into the
dataset itself, where others read it; what an interruption has kept from it, the next `join` takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from als_plugins.experience.collect import UNFINISHED, begin_dataset
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import DatasetRecord, SourceRecord, write_dataset
from als_plugins.experience.shards import Shards
from als_plugins.experience.together import put_together

__all__ = ["Adding"]


class Adding:
    """One source of a dataset that grows.

    Attributes:
        record: the source as it is in the dataset; without what has not been joined.
        episodes, steps: of the source in all.
    """

    def __init__(self, folder: Path, record: SourceRecord, spaces: tuple[Any, Any]) -> None:
        """Opens the dataset, or makes one.

        Args:
            folder: new, empty, or a dataset; whoever calls keeps other writers out of it.
            record: of the source; the dataset's own is gone on with where it has that id.
            spaces: observation and action space of an avatar.

        Raises:
            SavedFileError: the folder holds something else, or is damaged.
        """
        self._folder, self._spaces = folder, spaces
        known = begin_dataset(folder).sources
        self.record = next((each for each in known if each.id == record.id), record)
        self._open()

    def _open(self) -> None:
        place = self._folder / UNFINISHED / self.record.id.removeprefix("als/")
        self._shards = Shards(place, self.record)
        self._next = max(self.record.attempted, 1 + max(self._shards.done, default=-1))

    @property
    def episodes(self) -> int:
        """Those of the dataset, and those that are still to join it."""
        return self.record.episodes + len(self._shards.places)

    @property
    def steps(self) -> int:
        """Likewise."""
        return self.record.steps + sum(self._shards.places.values())

    def add(self, episode: Episode) -> None:
        """Keeps an episode.

        Raises:
            SavedFileError: it cannot be written.
        """
        self._shards.add([episode], self._next)
        self._next += 1
        self._shards.write()
        self._shards.settle()

    def join(self, persons: Iterable[str] = ()) -> None:
        """Puts what was added into the dataset.

        Args:
            persons: pseudonyms of those who acted in it.

        Raises:
            SavedFileError: it cannot be written; what was added before is still there.
        """
        people = self.record.people
        if people is not None:
            known = sorted({*people.persons, *persons})
            people = people.model_copy(update={"persons": known})
            self.record = self.record.model_copy(update={"people": people})
        if not self._shards.done:
            return
        self.record = put_together(self._folder, self.record, self._shards, self._spaces)
        others = [each for each in begin_dataset(self._folder).sources if each.id != self.record.id]
        write_dataset(self._folder, DatasetRecord(sources=[*others, self.record]))
        self._shards.delete()
        with suppress(OSError):  # Another source may be unfinished.
            (self._folder / UNFINISHED).rmdir()
        self._open()

    def close(self) -> None:
        """Joins nothing more; what has been added stays on the disk."""
        self._shards.close()
