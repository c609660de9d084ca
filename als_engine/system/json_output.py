"""Keeps stdout for JSON alone, while the process does what it likes with its own.

Whoever reads the JSON of a command gets JSON, whatever a plugin's thread, its C code, or a handler
that it has left for the end of the process prints. All that goes to stderr.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["give_back", "keep", "write"]

_kept: list[int] = []
"""The descriptor of the real stdout, while it is kept."""


def keep() -> None:
    """Keeps stdout, if it is a real one that is open; what is written to it goes to stderr."""
    with suppress(OSError, ValueError, AttributeError):
        if _kept or sys.stdout.fileno() != 1:
            return
        sys.stdout.flush()
        _kept.append(os.dup(1))
        try:
            os.dup2(2, 1)
        except OSError:  # Where stderr is closed, nobody hears it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def give_back() -> bool:
    """Undoes `keep`, for a command that writes JSON in its own way; whether it was kept."""
    if not _kept:
        return False
    sys.stdout.flush()
    kept = _kept.pop()
    os.dup2(kept, 1)
    os.close(kept)
    return True


def write(text: str) -> None:
    """Writes ASCII to stdout, at once."""
    if not _kept:
        print(text, flush=True)  # noqa: T201
        return
    with open(_kept[0], "w", encoding="ascii", closefd=False) as stdout:
        stdout.write(f"{text}\n")
