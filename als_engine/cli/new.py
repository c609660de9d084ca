"""`als new`: a package to begin with, which works at once."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import say
from als_engine.texts import command

__all__ = ["new"]


def new(
    kind: Annotated[
        str, typer.Argument(help="scenario, agent, sensor, encoder or suite.", metavar="KIND")
    ],
    name: Annotated[
        str,
        typer.Argument(help="What it is called, such as fetch-kettle; the package's name as well."),
    ],
    namespace: Annotated[
        str | None,
        typer.Option(help="Of its id, such as Acme; by default one after the name, or none."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(help="Whose the namespace is, where another package of yours declares it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to make; by default one of the package's name.")
    ] = None,
    author: Annotated[
        str | None, typer.Option(help="For the licence; by default git's user.name.")
    ] = None,
) -> None:
    """Write a package that works at once: a scenario, agent, sensor, encoder or suite.

    Example: als new scenario fetch-kettle --namespace Acme
    """
    from als_engine.scaffold import Names, write

    names = Names(kind, name, namespace or "", owner or "", author or _git_name())
    names.check_free()
    folder = out or Path(names.distribution)
    write(names, folder)
    say(f"Wrote {folder}: the {kind} {names.id}.")
    say(f"Go on with: {command('cd', folder)} && pip install -e '.[dev]' && pytest")


def _git_name() -> str:
    """Whom git takes the user for; empty where there is no git, or where it does not know."""
    try:
        asked = subprocess.run(
            ["git", "config", "user.name"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(asked.stdout.split()) if asked.returncode == 0 else ""
