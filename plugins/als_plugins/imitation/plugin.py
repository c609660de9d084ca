"""Adds `als imitate` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    from als_plugins.imitation.command import imitate

    app.command("imitate")(imitate)
