"""`als bench export`: the rows of a store as a table for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import say, spinner

__all__ = ["export"]

StoreFile = Annotated[Path, typer.Option("--store", metavar="FILE", help="The results.")]
Out = Annotated[
    Path, typer.Option(metavar="FILE", help="What to write; ends in .parquet, .csv or .sqlite.")
]
Run = Annotated[str | None, typer.Option(metavar="KEY", help="Only this run; by default all.")]


def export(store: StoreFile, out: Out, run: Run = None) -> None:
    """Copy the results into a Parquet or CSV file, one row for each episode.

    As .sqlite it is a store again, without the logs and the agents, for `als leaderboard`.

    Example: als bench export --store runs/smoke.sqlite --out smoke.csv
    """
    from als_bench.results.export import export as write
    from als_bench.results.store import Store

    with Store(store) as opened, spinner(f"Exporting {store}"):
        rows = write(opened, out, run=run)
    say(f"{rows:,} episodes in {out}")
