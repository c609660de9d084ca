"""Progress bars of trainings, and of anything that is counted."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from als_engine.cli.console import BAR, LEFT, live

if TYPE_CHECKING:
    from als_engine.agents.agent import Progress

__all__ = ["STEPS", "Speedometer", "counting_bar", "number", "training_bar"]

_WINDOW: Final = 10.0

STEPS: Final = "{task.completed:,.0f} / {task.total:,.0f} steps"


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


@contextmanager
def training_bar(total: int = 0) -> Iterator[Callable[[Progress], None]]:
    """A live line of a training: steps, steps a second, return, success, time left.

    Args:
        total: steps that are planned, where that is known beforehand.

    Yields:
        What to call with the training's progress.
    """
    columns = (
        BAR,
        STEPS,
        "{task.fields[speed]} steps/s",
        "return {task.fields[reward]}",
        "success {task.fields[success]}",
        LEFT,
    )
    speedometer = Speedometer()
    with live(*columns, total=total, speed="-", reward="-", success="-") as update:

        def show(progress: Any) -> None:
            update(
                completed=progress.steps,
                total=progress.total,
                speed=f"{speedometer.read(progress.steps):,.0f}",
                reward=number(progress.mean_return),
                success=number(progress.success, percent=True),
            )

        yield show


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A live line of something that is counted, with the time left.

    Args:
        what: is counted, in the plural.

    Yields:
        What to call with how many are done, and how many there are.
    """
    count = "{task.completed:,.0f} / {task.total:,.0f} {task.fields[what]}"
    with live(BAR, count, LEFT, total=0, what=what) as update:
        yield lambda done, total: update(completed=done, total=total)


def number(value: float, percent: bool = False) -> str:
    """With two decimals or as a percentage; a dash for what is not known yet."""
    if math.isnan(value):
        return "-"
    return f"{value:.0%}" if percent else f"{value:.2f}"
