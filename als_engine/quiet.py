"""Keeps a library's own words out of ours."""

from __future__ import annotations

import os
import sys

__all__ = ["import_physics"]


def import_physics() -> None:
    """Imports PyBullet without the line that it prints.

    The line is written by C code, past `sys.stderr`, so the descriptor itself is turned away.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import pybullet  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
