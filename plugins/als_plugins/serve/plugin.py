"""Adds `als serve` to the command line, and lets the worlds of runs be watched by it."""

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
    """Adds the command."""
    from als_plugins.serve import command

    app.command("serve")(command.serve)


@hookimpl
def als_watch(simulation: Simulation, add: Callable[[Onlooker], None]) -> None:
    """Adds what waits for a spectator of a run."""
    from als_plugins.serve.spectating import Watched

    add(Watched(simulation))
