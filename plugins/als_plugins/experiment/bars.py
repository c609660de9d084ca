"""The progress bar of a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from als_engine.cli.console import BAR, ELAPSED, LEFT, OF, live

__all__ = ["stage_bar"]


@contextmanager
def stage_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far a stage is and how long it will take.

    Yields:
        What to call with how much is done, and of how much.
    """
    columns = ("{task.fields[name]:9}", BAR, OF, ELAPSED, LEFT)
    with live(*columns, transient=True, name=name) as update:
        yield lambda done, total: update(completed=done, total=total)
