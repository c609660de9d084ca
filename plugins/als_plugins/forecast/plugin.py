"""Adds `als forecast` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from als_engine.plugins.hookspecs import Purger


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    import typer as library

    from als_plugins.forecast import command

    about = "Foresee where people will be, where they were in a gap, and what they do next."
    forecast = library.Typer(help=about, no_args_is_help=True)
    for name in ("record", "train", "evaluate", "predict", "draw", "fill"):
        forecast.command(name)(getattr(command, name))
    app.add_typer(forecast, name="forecast")


@hookimpl
def als_purge(add: Callable[[Purger], None]) -> None:
    """Takes persons out of tracks and of CSV files of walks."""
    from als_plugins.forecast.purging import purge_csv, purge_tracks

    add(purge_tracks)
    add(purge_csv)
