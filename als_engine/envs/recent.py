"""Keeps the mean return and success of the episodes that ended most recently."""

from __future__ import annotations

import heapq
import json
import math
from collections import deque
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from als_engine.errors import SnapshotError
from als_engine.limits import MAX_NUMBER, WORLDS

__all__ = ["Recent"]

_KEPT: Final = 100


_Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


class _Saved(BaseModel):
    """The schema of what `Recent.saved` returns."""

    model_config = ConfigDict(strict=True, extra="forbid")
    episodes: _Count
    now: _Count
    began: Annotated[list[_Count], Field(max_length=WORLDS)]
    waiting: list[tuple[_Count, _Count, float, float]]
    counted: Annotated[list[tuple[float, float]], Field(max_length=_KEPT)]


class Recent:
    """Mean return and success of the last hundred episodes, counted in the order they began in.

    An episode counts as soon as all that began no later have ended. Counted as they end, the first
    would be those that end early, all of them successes perhaps, while the others still run.

    Attributes:
        episodes: ended so far that count, or will as soon as those before them have ended.
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
        self,
        ended: NDArray[np.bool_],
        returns: NDArray[np.float64],
        success: NDArray[np.generic],
        counting: NDArray[np.bool_] | None = None,
    ) -> None:
        """Notes which episodes a step has ended.

        Args:
            ended: (worlds,).
            returns: (worlds,), of the episodes that have ended.
            success: (worlds,), likewise.
            counting: (worlds,), whose episodes count; None for all.
        """
        self._now += 1
        worlds = np.flatnonzero(ended).tolist()
        if not worlds:
            return
        for world in worlds if counting is None else np.flatnonzero(ended & counting).tolist():
            done = int(self._began[world]), world, float(returns[world]), float(success[world])
            heapq.heappush(self._waiting, done)
            self.episodes += 1
        self._began[ended] = self._now
        oldest = int(self._began.min())
        while self._waiting and self._waiting[0][0] < oldest:
            self._counted.append(heapq.heappop(self._waiting)[2:])

    def saved(self) -> dict[str, Any]:
        """Everything that it knows, as JSON has it."""
        return {
            "episodes": self.episodes,
            "now": self._now,
            "began": self._began.tolist(),
            "waiting": [list(each) for each in self._waiting],
            "counted": [list(each) for each in self._counted],
        }

    @classmethod
    def of(cls, saved: Any, num_worlds: int) -> Recent:
        """One that knows what `saved` has returned, perhaps by way of somebody else's file.

        Raises:
            SnapshotError: it is something else, or of another number of worlds.
        """
        try:
            known = _Saved.model_validate_json(json.dumps(saved))
        except (ValidationError, ValueError, TypeError, RecursionError):
            raise SnapshotError("the snapshot's recent episodes cannot be read") from None
        if len(known.began) != num_worlds:
            raise SnapshotError(
                f"the snapshot's recent episodes are of {len(known.began)} worlds, not {num_worlds}"
            )
        recent = cls(num_worlds)
        recent.episodes, recent._now = known.episodes, known.now
        recent._began[:] = known.began
        recent._waiting = sorted(known.waiting)
        recent._counted.extend(known.counted)
        return recent

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
