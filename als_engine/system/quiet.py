"""Suppresses what libraries print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["import_physics"]


def import_physics() -> Any:
    """Imports PyBullet without the line that it prints, and returns the module.

    Whoever needs PyBullet gets it from here, so that no process ever prints that line.
    """
    if "pybullet" in sys.modules:
        return sys.modules["pybullet"]
    with _silence():
        import pybullet
    return pybullet


@contextmanager
def _silence() -> Iterator[None]:
    """Turns the descriptor of stderr away: the line is written by C code, past `sys.stderr`."""
    with suppress(AttributeError, OSError, ValueError):  # There may be none, or a closed one.
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # It is closed: nobody hears anything.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
