"""`als check`: whether something keeps every promise, as a table with ticks or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.console import say, say_json
from als_engine.cli.shared import MAX_EPISODES, MAX_WORKERS, Physics
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.conformance import Report, Result

__all__ = ["check"]

_BROKEN = 1


def check(
    word: Annotated[
        str,
        typer.Argument(
            help="A scenario, agent, sensor, encoder, suite, or a package with all that it offers.",
            metavar="ID",
        ),
    ],
    levels: Annotated[
        int, typer.Option(help="Levels of each split that are compared.", min=1, max=10000)
    ] = 32,
    episodes: Annotated[
        int, typer.Option(help="Episodes of each split for the expert.", min=1, max=MAX_EPISODES)
    ] = 16,
    steps: Annotated[
        int, typer.Option(help="Steps for which two runs are compared.", min=1, max=1000000)
    ] = 100,
    workers: Annotated[
        int, typer.Option(help="Processes that must equal one; 1: none.", min=1, max=MAX_WORKERS)
    ] = 2,
    on: Annotated[
        str | None, typer.Option(help="Where agents, sensors and encoders are looked at.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A check to run; can be repeated. All by default.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="A check to leave out; can be repeated.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds for a check of what is not ours.", min=1, max=86400)
    ] = 120,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the reports as JSON, for programs.")
    ] = False,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as num_avatars=4; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Check that something keeps every promise; exit code 1 when it breaks one.

    What is not ours runs in a process of its own, so that it may hang, end or crash.
    """
    from als_engine.conformance import Options
    from als_engine.conformance.kinds import checking
    from als_engine.physics.engines import preload

    arguments = scenario_arguments(arg, physics=physics)
    preload(arguments)
    options = Options(
        levels=levels,
        episodes=episodes,
        steps=steps,
        workers=workers,
        only=only or None,
        skip=skip or (),
    )
    shown: Callable[[Result], None] = _ignore if as_json else _print
    reports = []
    for report in checking.check(
        word, options, arguments, on or "", patience, shown, _begin(as_json)
    ):
        reports.append(report)
        if not as_json:
            _sum_up(report)
    if as_json:
        say_json([report.as_dict() for report in reports])
    if not all(report.ok for report in reports):
        raise typer.Exit(_BROKEN)


def _begin(as_json: bool) -> Callable[[str, str, int], None]:
    """Names what is checked, where it is one of several things."""

    def begin(kind: str, name: str, of: int) -> None:
        if of > 1 and not as_json:
            say(f"{kind} {name}", style="bold")

    return begin


def _ignore(result: Result) -> None:
    """Shows nothing."""


def _print(result: Result) -> None:
    """One line for the check, one for each failure; written as soon as it is known."""
    marks = {
        "kept": ("✓", "green"),
        "broken": ("✗", "red"),
        "broken off": ("-", "yellow"),
        "not looked at": ("·", "dim"),
    }
    promise = result.promise.rstrip(".")
    say(
        marks[result.outcome],
        f" {result.check:<11} {promise} ",
        (f"{result.seconds:5.1f} s", "dim"),
    )
    for failure in result.failures:
        say(f"    {failure.text}", style="red")
        if failure.place:
            say(f"      at {failure.place}", style="dim")
    if result.told_by:
        say(f"    broken off by what {result.told_by} tells", style="yellow")
    if result.note:
        say(f"    {result.note}", style="dim")


def _sum_up(report: Report) -> None:
    """One line for the whole."""
    looked = [result for result in report.results if result.score is not None or result.told_by]
    kept = sum(result.outcome == "kept" for result in looked)
    points = f"{kept} of {len(looked)} points, score {report.score:.2f}"
    if report.ok:
        say(f"{report.scenario} keeps every promise ({points})", style="green")
    else:
        count = len(report.failures)
        what = "1 promise" if count == 1 else f"{count} promises"
        say(f"{report.scenario} breaks {what} ({points})", style="red")
