"""Warnings that are given once: each is one line, and comes once in a process."""

from __future__ import annotations

import warnings
from collections.abc import Hashable

__all__ = ["warn_once"]

_given: set[Hashable] = set()


def warn_once(about: Hashable, message: str) -> None:
    """Gives a warning unless this process has given one about the same before.

    Args:
        about: what it is about; equal for warnings of which one is enough.
        message: one line: what is wrong, and the remedy.
    """
    if about not in _given:
        _given.add(about)
        warnings.warn(message, RuntimeWarning, stacklevel=3)
