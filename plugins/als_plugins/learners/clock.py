"""What a training tells while it runs: progress, checkpoints, and logs of its updates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from als_engine.agents.agent import REPORT_EVERY, Progress, Training

if TYPE_CHECKING:
    from als_engine.envs.recent import Recent
    from als_plugins.event_log import EventLog

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
    """Writes TensorBoard logs, where they are wanted and can be written."""

    def __init__(self, folder: Path | None, recent: Recent) -> None:
        """Writes into a folder, beside each entry what its worlds have counted."""
        self._recent = recent
        self._events: EventLog | None = None
        if folder is not None and find_spec("tensorboard") is not None:
            from als_plugins.event_log import EventLog

            self._events = EventLog(folder)

    def add(self, values: dict[str, float], steps: int) -> None:
        """Writes the numbers of an update."""
        if self._events is None:
            return
        if not math.isnan(self._recent.mean_return):
            values["rollout/ep_rew_mean"] = self._recent.mean_return
            values["rollout/success_rate"] = self._recent.success
        self._events.add(values, steps)
