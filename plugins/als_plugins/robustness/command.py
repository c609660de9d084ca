"""`als robustness`: what is left of an agent's score when it is disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import AGENT, MAX_EPISODES, MAX_SEED, MAX_WORLDS, Arg, Json, Physics
from als_engine.evaluation.splits import CHOOSING
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.evaluation.statistics import Interval
    from als_plugins.robustness.trials import Robustness

__all__ = ["robustness"]

Agents = Annotated[list[str], typer.Argument(metavar="AGENT...", help=f"{AGENT}; or several.")]
On = Annotated[
    str | None, typer.Option(metavar="ID", help="The scenario; by default each saved agent's own.")
]
Try = Annotated[
    list[str] | None,
    typer.Option(
        "--try",
        metavar="KIND[=STRENGTH,...]",
        help="noise (part of each sensor's range), drop (probability that a frame is the last one "
        "again), missing (probability of each sensor), delay (steps), without (sensors); by "
        "default all, at several strengths.",
    ),
]
Episodes = Annotated[int, typer.Option(help="Of each trial.", min=1, max=MAX_EPISODES)]
Split = Annotated[
    str, typer.Option(help="Where levels come from: validation to choose, test to report, train.")
]
Seed = Annotated[
    int, typer.Option(help="Of the episodes and the disturbances.", min=0, max=MAX_SEED)
]
Worlds = Annotated[
    int, typer.Option(help="Run at once; makes no difference to the result.", min=1, max=MAX_WORLDS)
]
Out = Annotated[Path | None, typer.Option(help="A figure to write, .svg or .png.")]


def robustness(
    agents: Agents,
    on: On = None,
    kinds: Try = None,
    episodes: Episodes = 50,
    split: Split = CHOOSING,
    seed: Seed = 0,
    worlds: Worlds = 16,
    arguments: Arg = None,
    physics: Physics = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Play agents with noisy, dropped or missing observations and delayed actions.

    Example: als robustness runs/mlp runs/attention --try noise=0.05,0.1 --out robustness.svg
    """
    from als_engine.agents.saving import open_agent
    from als_engine.physics.engines import preload
    from als_engine.reports.figures import check_figure
    from als_plugins.robustness.chart import write_figure
    from als_plugins.robustness.trials import parse_trials, trials_of, try_agent

    asked = parse_trials(kinds)
    if out is not None:
        check_figure(out)
    given = scenario_arguments(arguments, physics=physics)
    opened = {name: open_agent(name, on, given) for name in dict.fromkeys(agents)}
    for each in opened.values():
        trials_of(asked, each.agent)  # Whatever is wrong is said before anything is played.
    tried = []
    for name, each in opened.items():
        preload(each.arguments)
        with counting_bar(f"trials of {name}") as count:
            tried.append(
                try_agent(
                    name, each, asked,
                    episodes=episodes, split=split, seed=seed, worlds=worlds, on_trial=count,
                )
            )  # fmt: skip
    if as_json:
        say_json([each.as_dict() for each in tried])
    else:
        _print(tried)
    if out is not None:
        write_figure(tried, out)
        if not as_json:
            say(f"Written: {out}")


def _print(tried: list[Robustness]) -> None:
    for agent in tried:
        where = f"{agent.scenario}, {agent.split} split, {agent.episodes} episodes for each row"
        names = ("disturbance", "return", "success", "relative")
        columns = [Column(names[0]), *(Column(name, right=True, whole=True) for name in names[1:])]
        table = Table(columns, f"{agent.agent} on {where}")
        for each in agent.results:
            table.row(
                f"{each.trial.kind} {each.trial.label}".strip(),
                _interval(each.found.mean_return),
                f"{each.found.success.value:.0%}",
                "-" if each.relative is None else _interval(each.relative),
            )
        show(table)
        for note in agent.notes:
            say(f"{agent.agent}: {note}.", style="dim")
    say("Relative: the return where random is 0 and the same agent undisturbed 1.", style="dim")
    say("Brackets: 95% confidence intervals, by bootstrap over episodes.", style="dim")


def _interval(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
