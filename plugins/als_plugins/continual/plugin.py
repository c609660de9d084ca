"""Adds `als continual` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    from als_plugins.continual.command import continual

    app.command("continual")(continual)
