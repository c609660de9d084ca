"""Adds `als make` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    import typer as library

    from als_plugins.making import command

    make = library.Typer(help="Make data where there is little.", no_args_is_help=True)
    make.callback()(command.make)
    make.command("scans")(command.scans)
    app.add_typer(make, name="make")
