"""Defines a measure, and times several things in turns, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what is compared with what.
        ratio: the measured figure; a ratio unless `unit` says otherwise.
        goal: what it has to reach.
        at_most: the goal is an upper bound, not a lower one.
        detail: the absolute times behind it, on this machine.
        unit: empty for a ratio.
    """

    name: str
    ratio: float
    goal: float
    at_most: bool = False
    detail: str = ""
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(repeats: int, *works: Callable[[], Any]) -> list[list[float]]:
    """Times several things in turns, so that a change of the machine's speed hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(repeats):
        for taken, work in zip(times, works, strict=True):
            taken.append(seconds(work))
    return times


def median_ratio(top: list[float], bottom: list[float]) -> float:
    """The median of the pairwise ratios."""
    return statistics.median(a / b for a, b in zip(top, bottom, strict=True))


def micro(times: list[float], count: int) -> str:
    """The median time of one of `count`, in microseconds."""
    return f"{statistics.median(times) / count * 1e6:.1f} µs"


def compared(
    name: str,
    ours: list[float],
    theirs: list[float],
    goal: float,
    count: int,
    each: str = "world step",
) -> Measure:
    """How many times as fast `ours` is as `theirs`, timed in turns.

    Args:
        name: what is compared with what.
        ours: the times of one thing.
        theirs: those of the other.
        goal: the least that the ratio has to be.
        count: how many world steps, or what `each` says, each of the times is for.
        each: what is counted.
    """
    detail = f"{micro(ours, count)} and {micro(theirs, count)} a {each}"
    return Measure(name, median_ratio(theirs, ours), goal, detail=detail)


class Stopwatch:
    """Stands in for a function and adds up the time that it takes.

    Attributes:
        spent: seconds so far.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.spent = 0.0
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = self._function(*arguments)
        self.spent += time.perf_counter() - start
        return result
