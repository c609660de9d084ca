"""`als bench bundle`: a run's results as a folder that others can check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import say

__all__ = ["bundle"]

StoreFile = Annotated[Path, typer.Option("--store", metavar="FILE", help="The results.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="A new folder, or an older bundle.")]
Run = Annotated[str | None, typer.Option(metavar="KEY", help="Of the run; by default the last.")]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="Only this agent; can be repeated.")
]


def bundle(store: StoreFile, out: Out, run: Run = None, agents: Agents = None) -> None:
    """Write what others need to check a run: claims, action logs and the agents' folders.

    Example: als bench bundle --store runs/smoke.sqlite --out smoke-bundle
    """
    from als_bench.checking.bundle import Bundle
    from als_bench.checking.writing import write_bundle
    from als_bench.results.store import Store
    from als_engine.cli.bars import counting_bar

    with Store(store) as opened, counting_bar("units") as show:
        manifest = write_bundle(opened, out, run, agents or (), show)
    episodes = sum(unit.episodes for unit in manifest.units)
    say(f"{episodes:,} episodes of {len(manifest.units)} units in {out}")
    say(f"bundle {Bundle.open(out).hash}")
