"""Signs of life on a terminal; where nobody watches, nothing moves and nothing is written."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from als_engine.agent import Progress
    from als_engine.benchmark.runner import RunProgress

__all__ = ["bench_bar", "counting_bar", "number", "spinner", "training_bar"]


@contextmanager
def training_bar(total: int = 0) -> Iterator[Callable[[Progress], None]]:
    """A live line of a training: steps, steps a second, return, success, time left.

    Args:
        total: steps that are planned, where that is known beforehand.

    Yields:
        What to call with the training's progress.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from als_engine.cli.speed import Speedometer

    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f} steps"),
        TextColumn("{task.fields[speed]} steps/s"),
        TextColumn("return {task.fields[reward]}"),
        TextColumn("success {task.fields[success]}"),
        TimeRemainingColumn(),
    )
    speedometer = Speedometer()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        line = bar.add_task("", total=total, speed="-", reward="-", success="-")

        def show(progress: Any) -> None:
            bar.update(
                line,
                completed=progress.steps,
                total=progress.total,
                speed=f"{speedometer.read(progress.steps):,.0f}",
                reward=number(progress.mean_return),
                success=number(progress.success, percent=True),
            )

        yield show


@contextmanager
def bench_bar() -> Iterator[Callable[[RunProgress], None]]:
    """A live line of a benchmark: environment steps, episodes, time left, what was done last.

    Yields:
        What to call with the run's progress.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f}%  {task.fields[episodes]} episodes"),
        TimeElapsedColumn(),
        Left(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=not sys.stderr.isatty(), speed_estimate_period=600
    ) as bar:
        line = bar.add_task("", total=None, episodes="-")

        def show(progress: RunProgress) -> None:
            bar.update(
                line,
                completed=progress.done,
                total=progress.total,
                episodes=f"{progress.episodes:,} / {progress.all_episodes:,}",
                description=progress.doing,
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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=24),
        TextColumn(f"{{task.completed:,.0f}} / {{task.total:,.0f}} {what}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        line = bar.add_task("", total=0)
        yield lambda done, total: bar.update(line, completed=done, total=total)


def spinner(text: str) -> Any:
    """A context in which something turns beside the text."""
    from rich.console import Console

    return Console(stderr=True, quiet=not sys.stderr.isatty()).status(text)


def number(value: float, percent: bool = False) -> str:
    """With two decimals or as a percentage; a dash for what is not known yet."""
    if math.isnan(value):
        return "-"
    return f"{value:.0%}" if percent else f"{value:.2f}"
