"""How fast something goes, over the last few seconds."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["Speedometer"]

_WINDOW = 10.0


class Speedometer:
    """Steps a second over the last ten seconds."""

    def __init__(self) -> None:
        """Begins without an idea."""
        self._seen: deque[tuple[float, int]] = deque()

    def read(self, steps: int) -> float:
        """Takes note of how many steps there are by now, and says how fast they come."""
        now = time.monotonic()
        self._seen.append((now, steps))
        while self._seen[0][0] < now - _WINDOW:
            self._seen.popleft()
        since, before = self._seen[0]
        return (steps - before) / (now - since) if now > since else 0.0
