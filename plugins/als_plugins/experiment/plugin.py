"""Adds `als run` to the command line."""

from __future__ import annotations

import typer

from als_engine import hookimpl
from als_plugins.experiment.command import run


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run")(run)
