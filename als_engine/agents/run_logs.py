"""Writes a run's learning curve as CSV and TensorBoard files, and cuts both at a checkpoint.

A run that was killed has logged more than its last checkpoint knows of. When it goes on from
there, what comes later is taken out: it will be logged again, and no log goes backwards.
"""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from als_engine.errors import SavedFileError
from als_engine.system.files import replacing, write_text
from als_engine.system.safe_files import is_file, read_bytes

__all__ = ["Curve", "cut_curve", "cut_events", "read_curve"]

MAX_CURVE: Final = 256 << 20
"""The largest curve that is read, bytes: years of a row a second."""

MAX_EVENTS: Final = 1 << 30
"""The largest file of events that is read, bytes."""


class Curve:
    """A CSV file to which rows are added; the first column counts steps, which only rise."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self._columns = path, list(columns)
        rows = list(_rows(path))
        self.last: list[str] | None = rows[-1] if len(rows) > 1 else None
        """The last row, as it is in the file; None where there is none."""
        self._steps = -math.inf if self.last is None else int(self.last[0])

    def add(self, row: Sequence[Any]) -> None:
        """Adds a row, unless one of these steps is there already.

        Raises:
            SavedFileError: it cannot be written.
        """
        if row[0] <= self._steps:
            return
        try:
            new = not self.path.exists()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([self._columns, row] if new else [row])
        except OSError as error:
            reason = error.strerror or error
            raise SavedFileError(f"cannot write {self.path}: {reason}") from error
        self._steps = row[0]


def read_curve(path: Path) -> list[dict[str, str]]:
    """The whole rows of a curve, by column; none where there is no file.

    Raises:
        SavedFileError: it is no file, or too large.
    """
    rows = _rows(path)
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def cut_curve(path: Path, steps: int | None) -> None:
    """Takes rows out of a CSV file whose first column is beyond some steps, and half rows.

    Args:
        path: of the file; nothing happens where there is none.
        steps: that stay; None for none at all.

    Raises:
        SavedFileError: it is no file, or cannot be written.
    """
    if steps is None:
        with suppress(FileNotFoundError):
            path.unlink()
        return
    if not is_file(path):
        return
    header, *rows = _rows(path) or [[]]
    kept = [row for row in rows if int(row[0]) <= steps]
    write_text(path, "".join(",".join(row) + "\r\n" for row in [header, *kept]))


def _rows(path: Path) -> list[list[str]]:
    """The header and the whole rows of a file; a killed process may have written half a row."""
    if not is_file(path):
        return []
    text = read_bytes(path, MAX_CURVE).decode("utf-8", "replace")
    lines = text[: text.rfind("\n") + 1].splitlines()
    rows = [line.split(",") for line in lines]
    if not rows:
        return []
    return [rows[0], *(row for row in rows[1:] if _is_row(row, len(rows[0])))]


def _is_row(row: list[str], width: int) -> bool:
    return len(row) == width and row[0].isascii() and row[0].isdigit() and len(row[0]) < 19


def cut_events(folder: Path, steps: int | None) -> None:
    """Takes events out of TensorBoard's files that are beyond some steps, and half events.

    Args:
        folder: of the files; nothing happens where there is none.
        steps: that stay; None for none at all.

    Raises:
        SavedFileError: a file is too large, or cannot be written.
    """
    if steps is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        data = read_bytes(path, MAX_EVENTS)
        kept = [event for event, at in _events(data) if at <= steps]
        if sum(map(len, kept)) == len(data):
            continue
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(kept))


def _events(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The whole records of a file of events, each with its step.

    A record is its length (8 bytes), a checksum (4), an `Event` message, and a checksum (4).
    """
    at = 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        end = at + 16 + size
        if end > len(data):
            return
        step = _step(data[at + 12 : end - 4])
        if step is None:
            return  # What follows is damaged, too.
        yield data[at:end], step
        at = end


def _step(message: bytes) -> int | None:
    """Field 2, a varint, of a protocol buffer; 0 where it is left out, None for no message."""
    at, step = 0, 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            if tag >> 3 == 2:
                step = value
        elif tag & 7 == 1:
            at += 8
        elif tag & 7 == 2:
            size, at = _varint(message, at)
            at += size
        elif tag & 7 == 5:
            at += 4
        else:
            return None
    return step if at == len(message) else None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    return 7, len(message) + 1  # No message.
