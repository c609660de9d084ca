"""`als pareto`: the trade-offs that one multi-objective policy reaches, as JSON and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.console import Column, Table, say, show, spinner
from als_engine.cli.evaluate import ACTIONS
from als_engine.cli.shared import MAX_EPISODES, Arg, FirstSeed, On, Physics
from als_engine.errors import ArgumentError
from als_engine.evaluation.splits import CHOOSING
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_plugins.learners.pareto import Front

__all__ = ["pareto"]

Agent = Annotated[
    str, typer.Argument(metavar="AGENT", help="The folder of a trained multi-objective agent.")
]
Across = Annotated[
    str | None, typer.Option("--x", metavar="TERM", help="A term of the reward; the first one.")
]
Up = Annotated[str | None, typer.Option("--y", metavar="TERM", help="Another one; the second one.")]
Points = Annotated[
    int, typer.Option(help="Choices of weights, both ends included.", min=2, max=10000)
]
Episodes = Annotated[int, typer.Option(help="For each of them.", min=1, max=MAX_EPISODES)]
Split = Annotated[
    str, typer.Option(help="Where levels come from: validation to choose weights, test to report.")
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y",
        help="Returns of the two terms that the hypervolume is measured from; by default the worst "
        "mean of each among all points and random actions.",
    ),
]
Out = Annotated[
    Path, typer.Option(help="What to write, without its ending: .json and .svg are added.")
]


def pareto(
    agent: Agent,
    on: On = None,
    x: Across = None,
    y: Up = None,
    points: Points = 9,
    episodes: Episodes = 50,
    split: Split = CHOOSING,
    seed: FirstSeed = 0,
    reference: Reference = None,
    arguments: Arg = None,
    physics: Physics = None,
    out: Out = Path("pareto"),
) -> None:
    """Draw which trade-offs between two terms of the reward an agent reaches.

    Example: als pareto runs/diagnosis --x diagnosis --y panels --out front
    """
    from als_engine.agents.saving import open_agent
    from als_engine.physics.engines import preload
    from als_engine.system.files import write_text
    from als_plugins.learners.pareto import pareto as run
    from als_plugins.learners.pareto_chart import front_chart

    worst = _pair(reference)
    opened = open_agent(agent, on, scenario_arguments(arguments, physics=physics))
    preload(opened.arguments)
    with spinner(f"Evaluating {agent} on {opened.scenario}"):
        front = run(
            opened, x, y,
            points=points, episodes=episodes, split=split, seed=seed, reference=worst,
        )  # fmt: skip
    table, picture = out.with_name(f"{out.name}.json"), out.with_name(f"{out.name}.svg")
    write_text(table, json.dumps(front.as_dict(), indent=2, allow_nan=False) + "\n")
    write_text(picture, front_chart(front))
    _print(front)
    say(f"Written: {table}, {picture}")


def _pair(text: str | None) -> tuple[float, float] | None:
    """The two numbers of --reference.

    Raises:
        ArgumentError: these are not two numbers.
    """
    if text is None:
        return None
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        raise ArgumentError(f'--reference takes two numbers X,Y, got "{text}"') from None
    return first, second


def _print(front: Front) -> None:
    from als_plugins.learners.pareto_chart import interval

    title = f"{front.scenario}, {front.split} split, {front.episodes} episodes for each row"
    titles = (f"weight of {front.x}", f"of {front.y}", front.x, front.y, "success", "front")
    table = Table([Column(name, right=True) for name in titles], title)
    for point in front.points:
        table.row(
            f"{point.weights[front.x]:.2f}",
            f"{point.weights[front.y]:.2f}",
            f"{point.terms[front.x].value:.2f}",
            f"{point.terms[front.y].value:.2f}",
            f"{point.success:.0%}",
            "yes" if point.on_front else "",
            style="" if point.on_front else "dim",
        )
    show(table)
    across, up = front.reference
    say(
        f"{front.distinct} distinct points on the front. "
        f"Hypervolume above ({front.x} {across:.2f}, {front.y} {up:.2f}): "
        f"front {interval(front.hypervolume)}, "
        f"equal weights alone {interval(front.fixed_hypervolume)}."
    )
    say("Brackets: 95% confidence intervals, by bootstrap over episodes.", style="dim")
    say(f"Actions: {ACTIONS[front.acting]}.", style="dim")
