"""`als evaluate`: how good an agent is on levels it has not seen, beside random and the expert."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from als_engine.cli.console import Column, Table, say, say_json, show, spinner
from als_engine.cli.shared import (
    AGENT,
    MAX_AVATARS,
    MAX_WORLDS,
    Arg,
    Company,
    Episodes,
    FirstSeed,
    Json,
    On,
    Physics,
    ReportSplit,
)
from als_engine.evaluation.splits import REPORTING
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.evaluation.protocol import Evaluation, Normalized
    from als_engine.evaluation.statistics import Interval

__all__ = ["evaluate"]

Agent = Annotated[
    str,
    typer.Argument(metavar="AGENT", help=f"{AGENT}."),
]
Worlds = Annotated[
    int,
    typer.Option(
        help="Worlds run at once; makes no difference to the result.", min=1, max=MAX_WORLDS
    ),
]
Observers = Annotated[
    int | None,
    typer.Option(
        "--drive",
        help="Avatars that the agent drives; by default as trained, or 1.",
        min=1,
        max=MAX_AVATARS,
    ),
]
Sensors = Annotated[str | None, typer.Option(help="Observation keys, if others than saved.")]


def evaluate(
    agent: Agent,
    on: On = None,
    episodes: Episodes = 100,
    split: ReportSplit = REPORTING,
    seed: FirstSeed = 0,
    worlds: Worlds = 16,
    observers: Observers = None,
    sensors: Sensors = None,
    company: Company = None,
    arguments: Arg = None,
    physics: Physics = None,
    as_json: Json = False,
) -> None:
    """Evaluate an agent: return, normalized so that random is 0 and the expert 1, and success.

    Example: als evaluate runs/tag --episodes 200
    """
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate as run
    from als_engine.evaluation.protocol import normalise
    from als_engine.physics.engines import preload

    given = scenario_arguments(arguments, sensors=sensors, physics=physics)
    opened = open_agent(agent, on, given, observers, fewer_sensors=True)
    preload(opened.arguments)
    with spinner(f"Evaluating {agent} on {opened.scenario}"):
        found = run(
            opened.agent,
            opened.scenario,
            episodes,
            split=split,
            seed=seed,
            num_worlds=worlds,
            observers=opened.observers,
            arguments=opened.arguments,
            company=company,
        )
        normalized = normalise(found)
    if as_json:
        say_json(_as_dict(agent, found, normalized))
    else:
        print_table(agent, found, normalized)


ACTIONS: Final = {
    "sampled": "drawn from the agent's policy, as in training",
    "best": "the best ones, without exploration",
}


def print_table(agent: str, found: Evaluation, normalized: Normalized | None) -> None:
    from als_engine.evaluation.protocol import reference

    title = f"{found.scenario}, {found.split} split, {found.episodes} episodes"
    numbers = (Column(name, right=True) for name in ("return", "normalized", "success", "length"))
    table = Table(("agent", *numbers), title)
    score = "-" if normalized is None else _interval(normalized.score)
    table.row(agent, *_cells(found, score))
    beside = {agent: found}
    yardsticks = reference(found)
    if agent != "random":
        table.row("random", *_cells(yardsticks.random, "0"), style="dim")
        beside["random"] = yardsticks.random
    if agent != "expert" and yardsticks.expert is not None:
        table.row("expert", *_cells(yardsticks.expert, "1"), style="dim")
        beside["expert"] = yardsticks.expert
    show(table)
    _show_metrics(beside)
    say("Brackets: 95% confidence intervals, by bootstrap.", style="dim")
    say(f"Actions: {ACTIONS[found.acting]}.", style="dim")


def _show_metrics(beside: Mapping[str, Evaluation]) -> None:
    """What the scenario measures, and what each term of its reward has brought."""
    means = [found.mean_metrics for found in beside.values()]
    terms = [found.terms for found in beside.values()]
    table = Table(("mean of an episode", *(Column(name, right=True) for name in beside)))
    names = [name for name in means[0] if name != "success"]
    for name in names:
        table.row(name, *(_number(each[name]) for each in means))
    for name in terms[0]:
        table.row(f"reward: {name}", *(_number(float(each[name].mean())) for each in terms))
    if names or terms[0]:
        show(table)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _cells(found: Evaluation, score: str) -> list[str]:
    success = found.success
    return [
        _interval(found.mean_return),
        score,
        f"{success.value:.0%} [{success.low:.0%}, {success.high:.0%}]",
        f"{found.lengths.mean():.1f}",
    ]


def _interval(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _as_dict(agent: str, found: Evaluation, normalized: Normalized | None) -> dict[str, Any]:
    from als_engine.agents.saving import finite

    return {
        "agent": agent,
        "scenario": found.scenario,
        "arguments": dict(found.arguments),
        "observers": found.observers,
        "split": found.split,
        "seed": found.seed,
        "episodes": found.episodes,
        "acting": found.acting,
        "company": found.company,
        "return": asdict(found.mean_return),
        "normalized": None if normalized is None else asdict(normalized),
        "success": asdict(found.success),
        "length": float(found.lengths.mean()),
        "metrics": {name: finite(value) for name, value in found.mean_metrics.items()},
        "terms": {name: finite(float(values.mean())) for name, values in found.terms.items()},
        "returns": found.returns.tolist(),
        "lengths": found.lengths.tolist(),
    }
