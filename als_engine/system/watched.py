"""Where a run can be watched; its processes are told by their environment, which they inherit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["WATCH", "folder_of_run", "place_of", "place_to_look", "watchable"]

WATCH: Final = ".watch"
"""The file in a run's folder in which somebody who wants to watch says where to call."""

_PLACE: Final = "ALS_WATCH"
_RUN: Final = "ALS_RUN"


def place_of(run: Path) -> Path:
    """The file by which a run is watched: in its folder, or beside the one file that it writes."""
    run = run.absolute()
    return run / WATCH if run.is_dir() else run.with_name(f".{run.name}{WATCH}")


@contextmanager
def watchable(run: Path) -> Iterator[None]:
    """Lets the worlds of this process, and of those that it starts, be watched as those of a run.

    Where a run is part of another, such as a training of a benchmark, the outer one is watched, and
    the inner one has the learning curve.

    Args:
        run: its folder, or its file.
    """
    told = {_RUN: str(run.absolute())}
    if _PLACE not in os.environ:
        told[_PLACE] = str(place_of(run))
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def place_to_look() -> Path | None:
    """The file in which somebody may say that he watches; None where there is no run."""
    place = os.environ.get(_PLACE)
    return Path(place) if place else None


def folder_of_run() -> Path | None:
    """The folder of the run that this process works for."""
    run = os.environ.get(_RUN)
    return Path(run) if run else None
