"""What a training tells while it runs: progress, checkpoints, and logs of its updates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from als_engine.agents.agent import REPORT_EVERY, Progress, Training

if TYPE_CHECKING:
    from als_engine.envs.recent import Recent

__all__ = ["Clock", "UpdateLog"]


class Clock:
    """Reports progress and asks for checkpoints, each in its time."""

    def __init__(self, training: Training, progress: Callable[[int], Progress], steps: int) -> None:
        """Begins at so many steps; `progress` says how far the training has come by then."""
        self._training, self._progress = training, progress
        self._reported, self._checkpoint_at = 0.0, steps + training.checkpoint_every

    def report(self, steps: int) -> None:
        """Says how far it has come, if it is time to."""
        if time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            self._training.on_progress(self._progress(steps))

    def check(self, steps: int) -> None:
        """Has a checkpoint written after an update, if it is time to."""
        # The last steps end with a saved agent anyway.
        if self._checkpoint_at <= steps < self._training.steps:
            self._checkpoint_at = steps + self._training.checkpoint_every
            self._training.on_checkpoint(self._progress(steps))


class UpdateLog:
    """Tells a training the numbers of each update, with what its worlds have counted."""

    def __init__(self, training: Training, recent: Recent) -> None:
        """Takes whom to tell, and who counts."""
        self._training, self._recent = training, recent

    def add(self, values: dict[str, float], steps: int) -> None:
        """Tells the numbers of an update."""
        if not math.isnan(self._recent.mean_return):
            values["rollout/ep_rew_mean"] = self._recent.mean_return
            values["rollout/success_rate"] = self._recent.success
        self._training.on_numbers(values, steps)
