"""`als play`: an agent plays, and a GIF or an MP4 shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.checks import check_undecided
from als_engine.cli.console import BAR, OF, Column, Table, live, say
from als_engine.cli.console import show as show_table
from als_engine.cli.shared import AGENT, MAX_AVATARS, MAX_EPISODES, MAX_SEED, Physics
from als_engine.errors import ArgumentError
from als_engine.evaluation.splits import REPORTING
from als_engine.options import scenario_arguments
from als_engine.plugins.registry import registry
from als_engine.seeding import spread

if TYPE_CHECKING:
    from als_engine.evaluation.film import Film, Take

__all__ = ["play"]


def play(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
    agent: Annotated[str, typer.Option(help=f"{AGENT}.")] = "random",
    out: Annotated[
        Path | None, typer.Option(help="The video, .gif or .mp4; by default <name>.gif.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="How many episodes.", min=1, max=MAX_EPISODES)] = 1,
    view: Annotated[
        str, typer.Option(help="From outside, through the avatar's eyes, or both: third|first|both")
    ] = "third",
    show: Annotated[
        str,
        typer.Option(
            help="What is added to the pictures, with commas between: captions|rays|rewards, or "
            "nothing."
        ),
    ] = "captions",
    split: Annotated[
        str, typer.Option(help="Where levels are drawn from: train|validation|test")
    ] = REPORTING,
    seed: Annotated[
        int, typer.Option(help="Another one gives other episodes.", min=0, max=MAX_SEED)
    ] = 0,
    drive: Annotated[
        int | None,
        typer.Option(
            help="How many avatars the agent drives; by default the first.", min=1, max=MAX_AVATARS
        ),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as level=7; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Let an agent play and write a GIF or an MP4 of it."""
    from als_engine.render.video import check_suffix, write_video

    spec = registry.scenario(id)
    path = out or Path(f"{id.partition('/')[2]}.gif")
    check_suffix(path)
    given = scenario_arguments(arg, physics=physics)
    check_undecided("play", given, split="--split", seed="--seed", observers="--drive", level="")
    arguments = {"split": split, **given}
    shown = [] if show == "nothing" else show.split(",")
    film = _film(spec.id, agent, arguments, drive, view, shown)
    seeds = [spread("playing", seed, episode) for episode in range(episodes)]
    total = episodes * (arguments.get("max_episode_steps") or spec.max_episode_steps)
    with live("{task.fields[what]}", BAR, OF, total=total, what=f"{agent} in {id}") as update:
        frames = film.episodes(seeds, lambda: update(advance=1))
        write_video(path, frames)
        update(completed=total)
    _print_table(film.takes)
    say(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _film(
    scenario: str,
    agent: str,
    arguments: dict[str, Any],
    drive: int | None,
    view: str,
    shown: list[str],
) -> Film:
    """Opens agent and world, and leaves the camera running."""
    from als_engine.agents.saving import NOT_SAVED, open_agent
    from als_engine.evaluation.film import Film
    from als_engine.physics.engines import preload
    from als_engine.simulation import simulate

    for_agent = {name: value for name, value in arguments.items() if name not in NOT_SAVED}
    opened = open_agent(agent, scenario, for_agent, drive, fewer_sensors=True)
    preload({**opened.arguments, **arguments})
    simulation = simulate(opened.scenario, 1, opened.observers, **{**opened.arguments, **arguments})
    try:
        return Film(simulation, opened.agent, view, shown)
    except ArgumentError:
        simulation.close()
        raise


def _print_table(takes: list[Take]) -> None:
    """Prints a row for each episode."""
    numbers = (Column(title, right=True) for title in ("seed", "level", "steps", "return"))
    table = Table((*numbers, "success"))
    for take in takes:
        success = "yes" if take.metrics.get("success") else "no"
        table.row(take.seed, take.level, take.length, f"{take.mean_return:.2f}", success)
    show_table(table)
