"""`als bench people`: what persons have played becomes rows of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import say, spinner

__all__ = ["people"]


def people(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="An installed suite, or a TOML file's path.")
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The `episodes` that `als study SUITE` wrote.")
    ],
    store: Annotated[
        Path | None, typer.Option("--store", help="By default runs/SUITE.sqlite.")
    ] = None,
) -> None:
    """Play the episodes of persons again, and store a row for each; they never rank.

    Example: als bench people core runs/core/episodes
    """
    from als_bench.commands.leaderboard import print_table
    from als_bench.people import add_people
    from als_bench.suites import find_suite

    chosen = find_suite(suite)
    path = store or Path("runs") / f"{chosen.id.replace('/', '-')}.sqlite"
    with spinner("Playing the episodes again") as tell:
        added = add_people(
            chosen, folder, path,
            on_episode=lambda done, total: tell(f"Episode {done} of {total} again"),
        )  # fmt: skip
    print_table(path, added.run.key)
    say(f"{added.episodes} episodes of {added.people} persons are new in {path}.")
