"""Tells faults of the machine from faults of an agent: only the latter count in its score."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Final

from als_bench.sandbox.agent import AgentFailure, Limits
from als_bench.sandbox.confinement import ConfinementError

__all__ = ["machine_fault"]

_ERRNOS: Final = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
    )
)
"""What a system says that has no room, no memory, or no more of something."""


def machine_fault(error: BaseException) -> str:
    """The fault of the machine, in a line; empty where none is known.

    Args:
        error: what a task has raised. What led to it is looked at, too.
    """
    if isinstance(error, ConfinementError):
        return str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return "there is not enough memory"
        if isinstance(cause, OSError) and cause.errno in _ERRNOS:
            named = f": {cause.filename}" if cause.filename else ""
            return f"{cause.strerror}{named}"
        if isinstance(cause, FileNotFoundError) and "temporary directory" in str(cause):
            return str(cause.strerror)  # Of `tempfile`, where there is room in none.
        cause = cause.__cause__ or cause.__context__
    # It may have died of what it could not write, though it was promised the room.
    return _full() if isinstance(error, AgentFailure) else ""


def _full() -> str:
    """Says so where the temporary folder has less room than every agent may use."""
    folder = tempfile.gettempdir()
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < Limits().scratch_bytes:
        return f"{folder} has {free >> 20} MiB left, and an agent may use more: set TMPDIR"
    # Some file systems count no files.
    return (
        f"{folder} has no room for another file" if status.f_files and not status.f_favail else ""
    )
