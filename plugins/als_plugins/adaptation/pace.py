"""Slows the steps of worlds down, so that people can follow them."""

from __future__ import annotations

import time

__all__ = ["Pace"]


class Pace:
    """So many steps a second by the wall clock, and not one more."""

    def __init__(self, steps: float) -> None:
        """Takes steps a second; 0 for as fast as it goes."""
        self._pause, self._due = (1.0 / steps if steps else 0.0), 0.0

    def keep(self) -> None:
        """Waits until the next step is due."""
        if self._pause:
            now = time.monotonic()
            self._due = max(self._due + self._pause, now)
            time.sleep(self._due - now)
