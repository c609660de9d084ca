"""`als preview`: the plan of a level and its picture in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from als_engine.checks import check_undecided, one_of
from als_engine.cli.console import say, say_line
from als_engine.cli.preview.watching import watch as watch_scenario
from als_engine.cli.shared import MAX_LEVEL
from als_engine.errors import ArgumentError, UnknownIdError
from als_engine.options import scenario_arguments
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec

__all__ = ["preview"]


def preview(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
    level: Annotated[
        int | None,
        typer.Option(help="The level; by default the first of the split.", min=0, max=MAX_LEVEL),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Whose first level is drawn: train|validation|test")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Draw again whenever a file of the scenario is saved.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The picture, .png or .svg; by default <name>-plan.png.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as num_avatars=4; can be repeated."),
    ] = None,
) -> None:
    """Draw a level's plan, with sizes, walkways and what is out of reach, and its picture."""
    from als_engine.reports.figures import check_figure

    spec = _spec(id)
    path = out or Path(f"{id.partition('/')[2]}-plan.png")
    check_figure(path)
    arguments = scenario_arguments(arg)
    check_undecided("preview", arguments, level="--level", split="--split")
    if level is not None and split is not None:
        raise ArgumentError("--level names one level, and --split another: give one of them")
    words = ["--level", str(level)] if level is not None else []
    words += ["--split", split] if split is not None else []
    words += [word for pair in arg or () for word in ("--arg", pair)]
    if watch:
        watch_scenario(spec, [id, *words, "--out", str(path)])
    else:
        _draw(id, {**arguments, **_level(level, split)}, path)


def _spec(id: str) -> ScenarioSpec:
    """The scenario; where there is none, the reason may be a plugin that cannot be loaded."""
    try:
        return registry.scenario(id)
    except UnknownIdError:
        for plugin in registry.failures():
            say_line(f"{plugin.distribution}: {plugin.error}")
        raise


def _level(level: int | None, split: str | None) -> dict[str, Any]:
    from als_engine.task import LEVELS

    if level is None:
        one_of("split", split or "train", LEVELS)
        level = LEVELS[split or "train"].start
    return {"level": level}


def _draw(id: str, arguments: dict[str, Any], path: Path) -> None:
    """Draws one level, and says what is out of reach in it."""
    from als_engine.reports.plan import Plan
    from als_engine.reports.plan_figure import write_plan
    from als_engine.simulation import simulate
    from als_engine.task import split_of

    simulation = simulate(id, **arguments)
    try:
        simulation.reset([0])
        plan, level = Plan(simulation), int(simulation.state.level[0])
        told = " | ".join(dict.fromkeys(simulation.state.instructions[0]))
        title = f"{id}, level {level} ({split_of(level)})"
        write_plan(plan, simulation.render(), title, told, path)
    finally:
        simulation.close()
    say(plan.out_of_reach())
    say(f"Wrote {path}, level {level}")
