"""Locks a folder for one writer. The lock dies with the process, however that ends."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from als_engine.errors import SavedFileError
from als_engine.system import host

__all__ = ["LOCK", "locked"]

LOCK: Final = ".lock"
"""The file in a folder that is locked; it is empty, and only a killed process leaves it behind."""

_NO_LOCKS: Final = frozenset((errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK))
"""What file systems say that have no locks: there is then nothing to keep anybody out with."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing to a folder; never waits.

    Raises:
        SavedFileError: another process writes to it, or it cannot be written.
    """
    descriptor = _open(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # The folder may be gone.
            if _is_at(descriptor, folder / LOCK):
                (folder / LOCK).unlink()
        os.close(descriptor)


def _open(folder: Path) -> int:
    path = folder / LOCK
    while True:
        try:
            flags = os.O_RDWR | os.O_CREAT | host.NO_FOLLOW | host.NO_WAIT
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise SavedFileError(f"cannot lock {folder}: {path}: {error.strerror}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SavedFileError(f"cannot lock {folder}: {path} is not a file")
            _take(descriptor, folder)
            # Whoever held it before may have removed the file, and a third one made another.
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    return os.path.lexists(path) and os.path.samestat(os.fstat(descriptor), path.lstat())


def _take(descriptor: int, folder: Path) -> None:
    try:
        host.lock(descriptor)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise SavedFileError(
                f"another process is writing to {folder}: wait for it, or name another folder"
            ) from None
