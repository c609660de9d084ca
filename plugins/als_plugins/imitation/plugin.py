"""Adds `als imitate` and `als federate` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    from als_plugins.imitation.command import imitate
    from als_plugins.privacy.federate_command import federate

    app.command("imitate")(imitate)
    app.command("federate")(federate)
