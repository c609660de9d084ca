"""`als fairness`: what becomes of groups of people with an agent, and the gaps between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import AGENT, MAX_EPISODES, MAX_SEED, MAX_WORLDS, Json, Physics
from als_engine.evaluation.splits import CHOOSING
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.evaluation.statistics import Interval
    from als_plugins.fairness.groups import Fairness

__all__ = ["fairness"]

Agents = Annotated[list[str], typer.Argument(metavar="AGENT...", help=f"{AGENT}; or several.")]
On = Annotated[
    str | None, typer.Option(metavar="ID", help="The scenario; by default each saved agent's own.")
]
Episodes = Annotated[int, typer.Option(help="How many.", min=1, max=MAX_EPISODES)]
Split = Annotated[
    str, typer.Option(help="Where levels come from: validation to choose, test to report, train.")
]
Seed = Annotated[int, typer.Option(help="Of the episodes.", min=0, max=MAX_SEED)]
Worlds = Annotated[
    int, typer.Option(help="Run at once; makes no difference to the result.", min=1, max=MAX_WORLDS)
]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="KEY=VALUE", help="A scenario argument, such as num_avatars=4."),
]


def fairness(
    agents: Agents,
    on: On = None,
    episodes: Episodes = 100,
    split: Split = CHOOSING,
    seed: Seed = 0,
    worlds: Worlds = 16,
    arguments: Arg = None,
    physics: Physics = None,
    as_json: Json = False,
) -> None:
    """Show what becomes of groups of people with an agent: outcomes, and gaps with intervals.

    Example: als fairness expert heuristic:rule=round-robin --on ALS/Tutor-v0 --split test
    """
    from als_engine.agents.saving import open_agent
    from als_engine.physics.engines import preload
    from als_plugins.fairness.groups import measure

    given = scenario_arguments(arguments, physics=physics)
    opened = {name: open_agent(name, on, given) for name in dict.fromkeys(agents)}
    found = []
    for name, each in opened.items():
        preload(each.arguments)
        with counting_bar(f"episodes of {name}") as count:
            found.append(
                measure(
                    name, each, episodes=episodes, split=split, seed=seed, worlds=worlds,
                    on_episode=count,
                )
            )  # fmt: skip
    if as_json:
        say_json([each.as_dict() for each in found])
        return
    for measured in found:
        _print(measured)
    say("Gap: best less worst group; ratio: worst over best. Chance alone makes a gap, too.",
        style="dim")  # fmt: skip
    say("Brackets: 95% confidence intervals, by bootstrap over episodes.", style="dim")


def _print(found: Fairness) -> None:
    title = f"{found.agent} on {found.scenario}, {found.split} split, {found.episodes} episodes"
    columns = (Column("group"), Column("people", right=True), Column(found.outcome, right=True))
    table = Table(columns, title)
    for name, interval in found.groups.items():
        table.row(name, f"{found.counts[name]:,}", _shown(interval))
    table.row("all", f"{sum(found.counts.values()):,}", _shown(found.overall))
    table.row("gap", "", _shown(found.difference))
    table.row("ratio", "", _shown(found.ratio))
    show(table)


def _shown(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
