"""The progress bar of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from als_bench.running.runner import RunProgress
from als_engine.cli.console import BAR, ELAPSED, LEFT, live

__all__ = ["bench_bar"]


@contextmanager
def bench_bar() -> Iterator[Callable[[RunProgress], None]]:
    """A live line of a benchmark: environment steps, episodes, time left, what was done last.

    Yields:
        What to call with the run's progress.
    """
    columns = (
        BAR,
        "{task.percentage:3.0f}%  {task.fields[episodes]} episodes",
        ELAPSED,
        LEFT,
        "{task.fields[doing]}",
    )
    with live(*columns, period=600, episodes="-", doing="") as update:

        def show(progress: RunProgress) -> None:
            update(
                completed=progress.done,
                total=progress.total,
                episodes=f"{progress.episodes:,} / {progress.all_episodes:,}",
                doing=progress.doing,
            )

        yield show
