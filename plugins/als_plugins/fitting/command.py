"""`als shrink`: a trained agent in less room."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import MAX_EPISODES, MAX_SEED, Json
from als_engine.errors import ArgumentError
from als_engine.texts import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from als_plugins.fitting.shrink import Measured

__all__ = ["shrink"]

Agent = Annotated[str, typer.Argument(metavar="FOLDER", help="Of a trained agent.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where the small agent goes.")]
WithBits = Annotated[
    int, typer.Option("--bits", help="Of each weight: 8, or 32 as trained.", min=8, max=32)
]
Keep = Annotated[
    float,
    typer.Option(
        help="The part of each layer's weights that is kept, the largest ones.", min=0.0, max=1.0
    ),
]
Episodes = Annotated[
    int,
    typer.Option(help="Played by both, on validation levels; 0 for none.", min=0, max=MAX_EPISODES),
]
Seed = Annotated[int, typer.Option(help="Of the episodes.", min=0, max=MAX_SEED)]


def shrink(
    agent: Agent,
    out: Out,
    bits: WithBits = 8,
    keep: Keep = 1.0,
    episodes: Episodes = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make a small agent of a trained one: 8 bits for each weight, or only the largest weights.

    Example: als shrink runs/tag --keep 0.2 --episodes 50 --out runs/tag-small
    """
    if bits not in (8, 32):
        raise ArgumentError(f"bits must be 8 or 32, got {bits}")
    if not keep > 0.0:
        raise ArgumentError(f"keep must be above 0 and at most 1, got {keep}")
    from als_plugins.fitting.shrink import measure, shrink_agent

    shrink_agent(agent, out, 8 if bits == 8 else 32, keep)
    measured = []
    for folder in (agent, str(out)):
        with counting_bar(f"episodes of {folder}") as count:
            told = partial(_tell, count, episodes)
            measured.append(measure(folder, episodes, seed, on_episode=told))
    if as_json:
        say_json({"before": measured[0].as_dict(), "after": measured[1].as_dict()})
        return
    _print(measured)
    say(f"Play it: {command('als', 'play', out)}")


def _tell(count: Callable[[int, int], None], total: int, ended: int) -> None:
    count(ended, total)


def _print(measured: list[Measured]) -> None:
    names = ("weights", "bytes", "ms an action", "return (95%)")
    table = Table([Column("agent"), *(Column(name, right=True, whole=True) for name in names)])
    for each in measured:
        found = each.mean_return
        table.row(
            each.agent,
            f"{each.weights:,}",
            f"{each.bytes:,}",
            f"{each.milliseconds:.2f}",
            "-" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})",
        )
    show(table)
