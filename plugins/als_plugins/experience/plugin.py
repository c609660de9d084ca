"""Adds `als collect` and `als data` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    import typer as library

    from als_plugins.experience import command
    from als_plugins.privacy import command as persons

    app.command("collect")(command.collect)
    about = "Look at datasets of experience, and at the persons in them."
    data = library.Typer(help=about, no_args_is_help=True)
    data.command("show")(command.show)
    data.command("purge")(command.purge)
    data.command("anonymise")(persons.anonymise)
    data.command("identify")(persons.identify)
    data.command("membership")(persons.membership)
    data.command("consent")(persons.consent)
    app.add_typer(data, name="data")
