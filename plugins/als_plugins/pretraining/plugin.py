"""Adds `als pretrain`; torch is imported by the command when it runs, not by the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl
from als_plugins.pretraining.command import pretrain

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("pretrain")(pretrain)
