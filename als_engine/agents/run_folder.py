"""The folder of a run: created or resumed, and locked while it is written.

A training, a pretraining, an adaptation and an experiment have such a folder. It holds a record of
what was asked for, numbered checkpoints of which the last two are kept, and logs. One process
writes it at a time. Whoever goes on with it may have got it from somebody else: it is looked
through first, and holds nothing but files and folders then.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from als_engine.agents.run_logs import cut_curve, cut_events
from als_engine.errors import ALSError, SavedFileError
from als_engine.system.files import make_folder, write_text
from als_engine.system.leftovers import is_unfinished, remove_leftovers
from als_engine.system.locking import LOCK, locked
from als_engine.system.safe_files import check_folder, is_file, recover_folder, replace_folder
from als_engine.system.watched import WATCH, watchable

__all__ = ["Checkpoints", "RunFolder", "claimed", "tidy"]

KEPT: Final = 2


class Checkpoints:
    """Numbered folders, each written whole or not at all; a number is how many steps were taken."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def newest(self) -> Path | None:
        """The newest checkpoint."""
        found = self._all()
        return found[-1] if found else None

    def save(self, steps: int, fill: Callable[[Path], None]) -> None:
        """Writes a checkpoint, then removes all but the last two.

        Args:
            steps: that had been taken.
            fill: writes the files into the empty folder that it is given.

        Raises:
            SavedFileError: it cannot be written; those before it are as they were.
        """
        replace_folder(self.path / f"{steps:012d}", fill)
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def _all(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        names = (path for path in self.path.iterdir() if path.name.isdecimal())
        return sorted(names, key=lambda path: int(path.name))


class RunFolder:
    """A folder with one run.

    Attributes:
        path: where it is.
        record: the file that says what was asked for.
        checkpoints: how far it has come.
        curve, logs: the learning curve and TensorBoard's logs, cut at the checkpoint when a run
            goes on.
    """

    def __init__(self, path: Path | str, record: str, what: str, owns: Iterable[str] = ()) -> None:
        """Takes where it is, or will be.

        Args:
            path: of the folder.
            record: name of the file that says what was asked for.
            what: such as "a training", for messages.
            owns: further names of what the run writes.
        """
        self.path, self._what = Path(path), what
        self.record = self.path / record
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.curve, self.logs = self.path / "progress.csv", self.path / "tensorboard"
        self._owns = (record, "checkpoints", "progress.csv", "tensorboard", WATCH, *owns)

    @property
    def begun(self) -> bool:
        """Whether there is such a run in it."""
        return is_file(self.record)

    @contextmanager
    def new(self, text: str) -> Iterator[None]:
        """Makes the folder, writes the record, and keeps others out while the block runs.

        Where the block fails and there is nothing to go on from, all that was written is removed.

        Raises:
            SavedFileError: it cannot be made, is being written by another process, or holds
                something.
        """
        self._check_new()
        make_folder(self.path)
        with locked(self.path), watchable(self.path):
            self._check_new()  # Another process may have been faster.
            remove_leftovers(self.path)
            try:
                self.write_record(text)
                yield
            except ALSError:
                self.abandon()
                raise

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Keeps others out while the block goes on with the run.

        What it finds is looked through, what a killed process left is removed, and the logs are cut
        at the checkpoint.

        Raises:
            SavedFileError: there is no such run, another process is at it, or something in it is
                neither a file nor a folder.
        """
        self.require()
        with claimed(self.path):
            self.cut_logs()
            yield

    def cut_logs(self) -> None:
        """Takes out of the logs what came after the newest checkpoint."""
        checkpoint = self.checkpoints.newest()
        steps = None if checkpoint is None else int(checkpoint.name)
        cut_curve(self.curve, steps)
        cut_events(self.logs, steps)

    @property
    def has_come(self) -> bool:
        """Whether there is something in it to go on from."""
        return self.checkpoints.newest() is not None

    def require(self) -> None:
        """Checks that there is such a run in it.

        Raises:
            SavedFileError: there is none.
        """
        if not self.begun:
            raise SavedFileError(f"there is no {self._noun} in {self.path} to go on with")

    def write_record(self, text: str) -> None:
        """Writes down what is asked for."""
        write_text(self.record, text)

    def abandon(self) -> None:
        """Removes what the run wrote, where there is nothing to go on from that is worth it.

        The folder goes, too, if that was all.
        """
        if self.has_come:
            return
        for path in (self.path / name for name in self._owns):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        if [path.name for path in self.path.iterdir()] == [LOCK]:
            (self.path / LOCK).unlink()
            with suppress(OSError):  # Others may have put something there.
                self.path.rmdir()

    @property
    def _noun(self) -> str:
        return self._what.partition(" ")[2]

    def _check_new(self) -> None:
        if self.begun:
            raise SavedFileError(
                f"{self.path} holds {self._what}: go on with it by --resume, or name another folder"
            )
        if self.path.is_dir() and any(map(_counts, self.path.iterdir())):
            raise SavedFileError(f"{self.path} holds other files: name a new or empty folder")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing to a folder that is there, after looking through it.

    Raises:
        SavedFileError: another process writes to it, or something in it is neither a file nor a
            folder.
    """
    check_folder(folder)
    with locked(folder), watchable(folder):
        tidy(folder)
        yield


def tidy(folder: Path) -> None:
    """Looks through a folder, and ends what a killed process had begun in it; for its only writer.

    Raises:
        SavedFileError: something in it is neither a file nor a folder.
    """
    for place in check_folder(folder):
        remove_leftovers(place)
        for old in place.glob(".?*.old"):
            recover_folder(place / old.name[1 : -len(".old")])


def _counts(path: Path) -> bool:
    """Whether a file is anybody's, and not one that only says who writes here."""
    return path.name not in (LOCK, WATCH) and not is_unfinished(path.name)
