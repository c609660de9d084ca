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

    from als_plugins.making import (
        command,
        levels_command,
        sounds_command,
        tracks_command,
        words_command,
    )

    make = library.Typer(help="Make data where there is little.", no_args_is_help=True)
    make.callback()(command.make)
    make.command("scans")(command.scans)
    make.command("levels")(levels_command.levels)
    make.command("words")(words_command.words)
    make.command("sounds")(sounds_command.sounds)
    make.command("tracks")(tracks_command.tracks)
    app.add_typer(make, name="make")
