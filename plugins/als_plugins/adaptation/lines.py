"""Reads feedback from files: recorded ones, and ones that others append to meanwhile.

A line is an event as JSON: `{"world": 0, "avatar": 0, "step": 120, "value": 1}`. A line without a
step counts from the moment it is read. Nothing here ever waits, or reads more than it has to.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from als_engine.errors import SavedFileError
from als_engine.system import host
from als_engine.system.safe_files import read_bytes
from als_plugins.adaptation.channel import DELAY, Event, Moment
from als_plugins.adaptation.pace import Pace

__all__ = ["LiveChannel", "RecordedChannel"]

MAX_FILE: Final = 64 << 20
"""The largest file of events that is read, bytes."""
MAX_LINE: Final = 4_096
"""The longest line, bytes."""
_CHUNK: Final = 1 << 16
"""What is read of a live file at once, bytes."""


class RecordedChannel:
    """Replays events, each at its step.

    An event without a step is one of a live session, whose time nobody wrote down: an error here.
    """

    asks_expert = False
    delay = DELAY
    text: str
    """What the file holds."""

    def __init__(self, path: Path) -> None:
        """Reads the whole file.

        Raises:
            SavedFileError: it cannot be read, or a line is wrong; names the line.
        """
        self._path = path
        self._events: list[tuple[int, int, Event]] = []  # (step, line, event)
        data = read_bytes(path, MAX_FILE)
        self.text = data.decode("utf-8", "replace")
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                event = _parse(line, f"{path}, line {number}")
                if event.step is None:
                    raise SavedFileError(f"{path}, line {number}: step: field required")
                self._events.append((event.step, number, event))
        if not self._events:
            raise SavedFileError(f"{path} holds no feedback")
        self._events.sort(key=lambda entry: entry[:2])
        self._next = 0

    def open(self, worlds: int, observers: int, first_step: int) -> None:
        """Checks whose the events are.

        Raises:
            SavedFileError: an event is of a world or an avatar that is not there.
        """
        for _, number, event in self._events:
            for what, index, count in (
                ("world", event.world, worlds),
                ("avatar", event.avatar, observers),
            ):
                if index >= count:
                    raise SavedFileError(
                        f"{self._path}, line {number}: {what} {index} is not there; "
                        f"this adaptation has {what}s 0 to {count - 1}"
                    )
        while self._next < len(self._events) and self._events[self._next][0] < first_step:
            self._next += 1

    def watch(self, moment: Moment) -> None:
        """Ignores what happens."""

    def poll(self, step: int) -> Sequence[Event]:
        """The events up to this step."""
        first = self._next
        while self._next < len(self._events) and self._events[self._next][0] <= step:
            self._next += 1
        return [event for _, _, event in self._events[first : self._next]]

    def close(self) -> None:
        """Holds nothing."""


class LiveChannel:
    """Reads what is appended to a file, or written to a FIFO, by another thread or process.

    A line that is no event is left out and counted: somebody's slip must not end a session.

    Attributes:
        ignored: lines that were left out.
    """

    asks_expert = False
    delay = DELAY

    def __init__(self, path: Path, pace: float = 0.0, make: bool = True) -> None:
        """Opens the file.

        Args:
            path: a file or a FIFO. What a file holds already is old and not read.
            pace: wall-clock steps a second, so that people can follow; 0 for as fast as it goes.
            make: whether it is made when it is not there.

        Raises:
            SavedFileError: it cannot be opened.
        """
        self.ignored = 0
        self._rest = b""
        self._skipping = False
        self._pace = Pace(pace)
        if not make and not path.exists():
            raise SavedFileError(f"there is no {path}, where feedback came from: make it first")
        try:
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not (path.is_file() or path.is_fifo()):
                raise SavedFileError(f"{path} is neither a file nor a FIFO")  # Not even opened.
            flags = os.O_RDONLY | host.NO_WAIT | host.RAW | (os.O_CREAT if make else 0)
            self._file = os.open(path, flags, 0o600)
            mode = os.fstat(self._file).st_mode
            if not stat.S_ISFIFO(mode) and not stat.S_ISREG(mode):
                os.close(self._file)
                raise SavedFileError(f"{path} is neither a file nor a FIFO")
            if stat.S_ISREG(mode):
                os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise SavedFileError(f"cannot read {path}: {error.strerror or error}") from error

    def open(self, worlds: int, observers: int, first_step: int) -> None:
        """Takes how many there are."""
        self._worlds, self._observers = worlds, observers

    def watch(self, moment: Moment) -> None:
        """Keeps the pace."""
        self._pace.keep()

    def poll(self, step: int) -> Sequence[Event]:
        """Returns what has been written since."""
        try:
            data = os.read(self._file, _CHUNK)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return []
            raise SavedFileError(f"cannot read the feedback: {error.strerror or error}") from error
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = [event for line in lines if (event := self._event(line, step)) is not None]
        if len(self._rest) > MAX_LINE:
            self._rest, self._skipping = b"", True
        return events

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _event(self, line: bytes, step: int) -> Event | None:
        too_long, self._skipping = self._skipping, False
        if not line.strip() and not too_long:
            return None
        try:
            event = None if too_long else _parse(line, "a live line")
        except SavedFileError:
            event = None
        if event is None or event.world >= self._worlds or event.avatar >= self._observers:
            self.ignored += 1
            return None
        # A moment that has not come yet is a slip of somebody's clock.
        given = step if event.step is None else min(event.step, step)
        return event.model_copy(update={"step": given})


def _parse(line: bytes, where: str) -> Event:
    """Reads one line.

    Raises:
        SavedFileError: it is no event; names the first wrong field.
    """
    if len(line) > MAX_LINE:
        raise SavedFileError(f"{where} is longer than {MAX_LINE} bytes")
    try:
        return Event.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise SavedFileError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from None
