"""Writes TensorBoard logs that are on the disk as soon as they are written.

TensorBoard's own writer leaves that to a thread, where a full disk ends in a traceback that no
caller ever hears of.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from als_engine.errors import SavedFileError

__all__ = ["EventLog"]


class EventLog:
    """A new file of events in a folder of logs."""

    def __init__(self, folder: Path) -> None:
        """Begins a file.

        Args:
            folder: made when it is missing.

        Raises:
            SavedFileError: it cannot be written.
        """
        self._path = folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        self._write(Event(file_version="brain.Event:2"))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Writes numbers by name.

        Raises:
            SavedFileError: they cannot be written.
        """
        numbers = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=numbers)))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                RecordWriter(file).write(event.SerializeToString())
        except OSError as error:
            raise SavedFileError(f"cannot write {self._path}: {error.strerror or error}") from None
