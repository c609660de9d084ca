"""The command of this package, as data: what it needs is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als adapt`."""
    from als_plugins.adaptation.command import adapt

    app.command("adapt")(adapt)
