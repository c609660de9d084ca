"""Adds `als model`; nothing else is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    from als_plugins.world_models.command import model

    app.command("model")(model)
