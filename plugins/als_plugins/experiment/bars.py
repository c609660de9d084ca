"""A live line for any stage, whatever its function tells of its progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stage_bar"]


@contextmanager
def stage_bar(name: str) -> Iterator[Callable[[Any], None]]:
    """Shows how far a stage is and how long it will take.

    Yields:
        What to call with progress: something with a number done and a total, or a number done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Left(),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as bar:
        line = bar.add_task(name, total=None)

        def show(progress: Any) -> None:
            done, total = _read(progress)
            bar.update(line, completed=done, total=total)

        yield show


def _read(progress: Any) -> tuple[float, float | None]:
    if isinstance(progress, (int, float)):
        return progress, None
    done = getattr(progress, "steps", getattr(progress, "episodes", 0))
    return done, getattr(progress, "total", None)
