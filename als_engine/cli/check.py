"""`als check`: whether a scenario keeps every promise, as a table with ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.options import parse_pairs

if TYPE_CHECKING:
    from rich.console import Console

    from als_engine.testing import Result

__all__ = ["check"]

_BROKEN = 1


def check(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
    levels: Annotated[int, typer.Option(help="Levels of each split that are compared.")] = 32,
    episodes: Annotated[int, typer.Option(help="Episodes of each split for the expert.")] = 16,
    steps: Annotated[int, typer.Option(help="Steps for which two runs are compared.")] = 100,
    workers: Annotated[int, typer.Option(help="Processes that must equal one; 1: none.")] = 2,
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
) -> None:
    """Check that a scenario keeps every promise; exit code 1 when it breaks one."""
    from rich.console import Console

    from als_engine.quiet import import_physics
    from als_engine.testing import Options, examine

    arguments = parse_pairs(arg)
    import_physics()
    console = Console(highlight=False)
    options = Options(
        levels=levels,
        episodes=episodes,
        steps=steps,
        workers=workers,
        only=only or None,
        skip=skip or (),
    )
    report = examine(id, options, arguments, lambda result: _print(console, result))
    if not report.ok:
        what = "1 promise" if len(report.failures) == 1 else f"{len(report.failures)} promises"
        console.print(f"{id} breaks {what}", style="red")
        raise typer.Exit(_BROKEN)
    console.print(f"{id} keeps every promise", style="green")


def _print(console: Console, result: Result) -> None:
    """One line for the check, one for each failure; written as soon as it is known."""
    tick = "[red]✗[/red]" if result.failures else "[green]✓[/green]"
    promise = result.promise.rstrip(".")
    console.print(f"{tick} {result.check:<11}", promise, f"[dim]{result.seconds:5.1f} s[/dim]")
    for line in (*result.failures, *([result.note] if result.note else [])):
        style = "red" if line in result.failures else "dim"
        console.print(f"    {line}", style=style, markup=False, soft_wrap=True)
