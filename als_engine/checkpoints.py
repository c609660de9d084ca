"""Checkpoints of something long: numbered folders of which the last two are kept.

A number is how many steps had been taken. Each folder is written whole or not at all, and older
ones go only when a newer one is on the disk.
"""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from als_engine.safe_files import replace_folder

__all__ = ["Checkpoints", "abandon", "interruptible"]

KEPT: Final = 2


class Checkpoints:
    """The checkpoints in a folder."""

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
        for unfinished in self.path.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def _all(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if path.name.isdecimal())


def abandon(folder: Path, checkpoints: Checkpoints, names: Iterable[str]) -> None:
    """Removes what a run wrote that came to no checkpoint, and the folder if that was all.

    Args:
        folder: of the run.
        checkpoints: in it; with one of them everything stays.
        names: of the run's files and folders.
    """
    if checkpoints.newest() is not None:
        return
    for path in (checkpoints.path, *(folder / name for name in names)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # Others may have put something there.
        folder.rmdir()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C, or a polite kill, into a question's answer; a second one interrupts.

    Yields:
        Whether to stop.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may handle signals; elsewhere whoever started us has to.
        yield asked.is_set
        return

    def stop(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
