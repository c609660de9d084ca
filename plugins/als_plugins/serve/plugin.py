"""Adds `als serve` and `als study`, and lets the worlds of runs be watched in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from als_engine.plugins.hookspecs import Onlooker
    from als_engine.simulation import Simulation


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    from als_plugins.serve import command
    from als_plugins.serve.study import command as study

    app.command("serve")(command.serve)
    app.command("study")(study.study)


@hookimpl
def als_watch(simulation: Simulation, add: Callable[[Onlooker], None]) -> None:
    """Adds what waits for a spectator of a run."""
    from als_plugins.serve.spectating import Watched

    add(Watched(simulation))
