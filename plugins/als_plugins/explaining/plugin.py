"""Adds `als explain`."""

from __future__ import annotations

import typer

from als_engine import hookimpl
from als_plugins.explaining.command import explain


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)
