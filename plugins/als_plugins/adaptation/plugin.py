"""The command of this package, as data: what it needs is imported when it is called."""

from __future__ import annotations

import typer

from als_engine import hookimpl
from als_plugins.adaptation.command import adapt


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als adapt`."""
    app.command("adapt")(adapt)
