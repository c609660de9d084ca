"""`als crossplay` and `als exploit`: agents against agents, and against their best response."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import counting_bar, training_bar
from als_engine.cli.console import Column, Table, say, show
from als_engine.cli.shared import (
    AGENT,
    INTERRUPTED,
    MAX_EPISODES,
    MAX_STEPS,
    MAX_TRAINING_SEED,
    MAX_WORKERS,
    MAX_WORLDS,
    Physics,
    ReportSplit,
)
from als_engine.evaluation.splits import REPORTING
from als_engine.options import parse_pairs, scenario_arguments

if TYPE_CHECKING:
    from als_engine.evaluation.protocol import Evaluation

__all__ = ["crossplay", "exploit"]

On = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The scenario; by default that of the first saved agent."),
]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="KEY=VALUE", help="A scenario argument, such as role=evader."),
]
Seed = Annotated[int, typer.Option(help="Of all that is random.", min=0, max=MAX_TRAINING_SEED)]


def crossplay(
    agents: Annotated[list[str], typer.Argument(metavar="AGENT...", help=f"{AGENT}; or several.")],
    on: On = None,
    episodes: Annotated[int, typer.Option(help="Of each cell.", min=1, max=MAX_EPISODES)] = 50,
    split: ReportSplit = REPORTING,
    seed: Seed = 0,
    arguments: Arg = None,
    physics: Physics = None,
    out: Annotated[
        Path, typer.Option(help="The figure, .svg or .png; .json is written beside it.")
    ] = Path("crossplay.png"),
) -> None:
    """Play agents against one another and against scripted behaviours: a table and a figure.

    In the figure each row is an agent in the part of the scenario's first avatar, each column who
    has the others; the table is turned round.

    Example: als crossplay runs/one runs/two random --out crossplay.png
    """
    from als_engine.physics.engines import preload
    from als_engine.reports.figures import check_figure
    from als_engine.system.files import write_text
    from als_plugins.crossplay.chart import write_matrix
    from als_plugins.crossplay.matches import cross_play, open_side

    check_figure(out)
    names = list(dict.fromkeys(agents))
    opened, ground = open_side(names, on, scenario_arguments(arguments, physics=physics))
    preload(dict(ground.arguments))
    with counting_bar("matches") as count:
        matrix = cross_play(
            dict(zip(names, opened, strict=True)), ground,
            episodes=episodes, split=split, seed=seed, on_cell=count,
        )  # fmt: skip
    table = out.with_suffix(".json")
    write_text(table, json.dumps(matrix.as_dict(), indent=2, allow_nan=False) + "\n")
    write_matrix(matrix, out)
    title = f"{ground.scenario}, {split} split, {episodes} episodes each: return as {ground.role}"
    printed = Table(("against", *(Column(name, right=True) for name in matrix.rows)), title)
    for column in matrix.columns:
        cells = [matrix.cells[row, column].returns.mean() for row in matrix.rows]
        printed.row(column, *(f"{value:.2f}" for value in cells))
    show(printed)
    say(f"Wrote {out}, {table}")


def exploit(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help=f"Who is exploited. {AGENT}.")],
    learner: Annotated[str, typer.Option(help="Who is trained against it.")] = "mappo",
    steps: Annotated[int, typer.Option(help="Its budget.", min=1, max=MAX_STEPS)] = 200_000,
    worlds: Annotated[int, typer.Option(help="Stepped at once.", min=1, max=MAX_WORLDS)] = 32,
    workers: Annotated[
        int, typer.Option(help="Processes that step them.", min=1, max=MAX_WORKERS)
    ] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter of the learner."),
    ] = None,
    on: On = None,
    episodes: Annotated[
        int, typer.Option(help="Against each opponent.", min=1, max=MAX_EPISODES)
    ] = 100,
    split: ReportSplit = REPORTING,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    arguments: Arg = None,
    physics: Physics = None,
    out: Annotated[
        Path, typer.Option(help="A folder for the best response and the numbers.")
    ] = Path("exploit"),
) -> None:
    """Train a fresh learner against a frozen agent, and say what it takes from it.

    The same command goes on where it was interrupted.

    The agent has the part of the scenario's first avatar; in ALS/Tag-v0, --arg role=evader gives it
    the other one.

    Example: als exploit runs/tag --steps 200000 --out exploit-tag
    """
    from als_engine.physics.engines import preload
    from als_engine.system.files import write_text
    from als_plugins.crossplay.exploiting import exploit as run
    from als_plugins.crossplay.matches import open_side

    config = parse_pairs(settings, "--set")
    opened, ground = open_side([agent], on, scenario_arguments(arguments, physics=physics))
    preload(dict(ground.arguments))
    try:
        with training_bar(steps) as progress:
            found = run(
                opened[0], ground, learner=learner, steps=steps, worlds=worlds, workers=workers,
                config=config, seed=seed, episodes=episodes, split=split, device=device,
                folder=out, on_progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        say(f"Stopped. The same command goes on; what is done is in {out}.", error=True)
        raise typer.Exit(INTERRUPTED) from None
    write_text(out / "exploit.json", json.dumps(found.as_dict(), indent=2, allow_nan=False) + "\n")
    title = f"{agent} as {ground.role}, {ground.scenario}, {split} split, {episodes} episodes"
    table = Table(("against", Column("return", right=True), Column("success", right=True)), title)
    table.row("itself", *_cells(found.itself))
    table.row("scripted behaviours", *_cells(found.company))
    table.row(f"best response, {found.steps:,} steps of {learner}", *_cells(found.response))
    show(table)
    say(f"It loses {found.exploitability:.2f} of its return to the best response.")
    say(f"Wrote {out}")


def _cells(found: Evaluation) -> list[Any]:
    value, success = found.mean_return, found.success
    return [f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]", f"{success.value:.0%}"]
