"""A live line for any stage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["stage_bar"]


@contextmanager
def stage_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far a stage is and how long it will take.

    Yields:
        What to call with how much is done, and of how much.
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

        def show(done: int, total: int) -> None:
            bar.update(line, completed=done, total=total)

        yield show
