"""`als check`: whether a scenario keeps every promise, as a table with ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.console import say
from als_engine.cli.shared import MAX_EPISODES, MAX_WORKERS, Physics
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.conformance import Result

__all__ = ["check"]

_BROKEN = 1


def check(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
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
    only: Annotated[
        list[str] | None, typer.Option(help="A check to run; can be repeated. All by default.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="A check to leave out; can be repeated.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as num_avatars=4; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Check that a scenario keeps every promise; exit code 1 when it breaks one."""
    from als_engine.conformance import Options, examine
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
    report = examine(id, options, arguments, _print)
    if not report.ok:
        what = "1 promise" if len(report.failures) == 1 else f"{len(report.failures)} promises"
        say(f"{id} breaks {what}", style="red")
        raise typer.Exit(_BROKEN)
    say(f"{id} keeps every promise", style="green")


def _print(result: Result) -> None:
    """One line for the check, one for each failure; written as soon as it is known."""
    tick = ("✗", "red") if result.failures else ("✓", "green")
    promise = result.promise.rstrip(".")
    say(tick, f" {result.check:<11} {promise} ", (f"{result.seconds:5.1f} s", "dim"))
    for line in (*result.failures, *([result.note] if result.note else [])):
        style = "red" if line in result.failures else "dim"
        say(f"    {line}", style=style)
