"""How good a learner is at the moment, by the episodes that it has ended lately."""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recent"]

_KEPT: Final = 100


class Recent:
    """Mean return and success of the last hundred episodes, counted in the order they began in.

    An episode counts as soon as all that began no later have ended. Counted as they end, the first
    would be those that end early, all of them successes perhaps, while the others still run.

    Attributes:
        episodes: ended so far, whether they count already or not.
    """

    def __init__(self, num_worlds: int) -> None:
        """Nothing has ended yet."""
        self.episodes = 0
        self._now = 0
        self._began = np.zeros(num_worlds, np.int64)
        # Ended episodes that do not count yet: when it began, world, return, success.
        self._waiting: list[tuple[int, int, float, float]] = []
        self._counted: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def reset(self) -> None:
        """All worlds begin an episode; those that were running never end."""
        self._began[:] = self._now

    def step(
        self, ended: NDArray[np.bool_], returns: NDArray[np.float64], success: NDArray[np.generic]
    ) -> None:
        """Notes which episodes a step has ended.

        Args:
            ended: (worlds,).
            returns: (worlds,), of the episodes that have ended.
            success: (worlds,), likewise.
        """
        self._now += 1
        worlds = np.flatnonzero(ended).tolist()
        for world in worlds:
            done = int(self._began[world]), world, float(returns[world]), float(success[world])
            heapq.heappush(self._waiting, done)
        if not worlds:
            return
        self.episodes += len(worlds)
        self._began[ended] = self._now
        oldest = int(self._began.min())
        while self._waiting and self._waiting[0][0] < oldest:
            self._counted.append(heapq.heappop(self._waiting)[2:])

    @property
    def mean_return(self) -> float:
        """Of the episodes that count, mean over avatars; NaN before there is one."""
        return self._mean(0)

    @property
    def success(self) -> float:
        """The part of the same episodes that succeeded; NaN before there is one."""
        return self._mean(1)

    def _mean(self, column: int) -> float:
        return float(np.mean([each[column] for each in self._counted] or [math.nan]))
