"""Adds `als collect` and `als data` to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from als_engine.plugins.hookspecs import Purger


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
    data.command("anonymise")(persons.anonymise)
    data.command("identify")(persons.identify)
    data.command("membership")(persons.membership)
    data.command("consent")(persons.consent)
    data.command("purge")(persons.purge)
    app.add_typer(data, name="data")


@hookimpl
def als_purge(add: Callable[[Purger], None]) -> None:
    """Takes persons out of datasets, studies and what they played."""
    from als_plugins.experience.purging import purge_dataset
    from als_plugins.privacy.studies import purge_played, purge_study

    add(purge_dataset)
    add(purge_study)
    add(purge_played)
