"""`als federate`: trains an agent from data of several sites, which never leave them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import MAX_SEED, Arg, Json, Physics
from als_engine.cli.train import Id, Sensors, Set, learner
from als_engine.errors import ArgumentError
from als_engine.options import scenario_arguments
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.privacy.federated import Federated

__all__ = ["federate"]

Sites = Annotated[
    list[Path] | None,
    typer.Option(
        "--site", metavar="DATASET", help="The dataset of a site; two or more, each in a process."
    ),
]
Agent = Annotated[
    str | None, typer.Option(metavar="ID[:KEY=VALUE,...]", help="The learner; by default mappo.")
]
Rounds = Annotated[int, typer.Option(help="How often weights are averaged.", min=1, max=100_000)]
Epochs = Annotated[
    int, typer.Option(help="Passes of a site over its data in a round.", min=1, max=1_000)
]
Seed = Annotated[int, typer.Option(help="Of weights and batches.", min=0, max=MAX_SEED)]
Out = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the run: new or empty; or with --resume its.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the federation in --out after its last round.")
]


def federate(
    out: Out,
    id: Id = None,
    sites: Sites = None,
    agent: Agent = None,
    rounds: Rounds = 10,
    epochs: Epochs = 1,
    seed: Seed = 0,
    sensors: Sensors = None,
    settings: Set = None,
    arguments: Arg = None,
    physics: Physics = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train an agent from the data of several sites, of which only weights leave each.

    Example: als federate ALS/Tag-v0 --site data/north --site data/south --out runs/both
    """
    from als_engine.physics.engines import preload
    from als_plugins.privacy.federated import federate as run
    from als_plugins.privacy.federated import go_on

    if resume:
        if id or sites or agent or settings or arguments:
            raise ArgumentError("--resume goes on with what the folder says: give it --out alone")
        with counting_bar("rounds") as count:
            found = go_on(out, on_round=count)
    else:
        if id is None:
            raise ArgumentError("name a scenario; `als list` shows them")
        if len(sites or []) < 2:
            raise ArgumentError("name two sites or more: --site DATASET --site DATASET")
        given = scenario_arguments(arguments, sensors=sensors, physics=physics)
        preload(given)
        named, config = learner(agent, settings)
        with counting_bar("rounds") as count:
            found = run(
                id, sites or [], out, agent=named or "mappo", rounds=rounds, epochs=epochs,
                seed=seed, arguments=given, config=config, on_round=count,
            )  # fmt: skip
    _report(out, found, as_json)


def _report(out: Path, found: Federated, as_json: bool) -> None:
    from als_plugins.privacy.federated import FederationFolder

    names = FederationFolder(out).job().sites
    if as_json:
        say_json(
            {
                "folder": str(found.folder) if found.folder else None, "round": found.round,
                "rounds": found.rounds, "stopped": found.stopped, "seconds": found.seconds,
                "sites": [
                    {"site": name, "steps": steps, "loss": loss if loss == loss else None}
                    for name, steps, loss in zip(names, found.steps, found.losses, strict=True)
                ],
            }
        )  # fmt: skip
        return
    columns = (Column("site"), Column("steps", right=True), Column("last loss", right=True))
    table = Table(columns, f"{found.round} of {found.rounds} rounds")
    for name, steps, loss in zip(names, found.steps, found.losses, strict=True):
        table.row(Path(name).name, f"{steps:,}", f"{loss:.3f}" if loss == loss else "-")
    show(table)
    if found.stopped:
        say(f"Stopped. Go on: {command('als', 'federate', '--resume', '--out', out)}")
    else:
        say(f"The agent is in {found.folder}. See it: {command('als', 'evaluate', found.folder)}")
