"""`als collect` writes a dataset of experience; `als data show` shows one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.console import BAR, LEFT, live, say, say_json, spinner
from als_engine.cli.shared import (
    AGENT,
    MAX_AVATARS,
    MAX_WORLDS,
    Arg,
    Episodes,
    FirstSeed,
    Physics,
)
from als_engine.options import scenario_arguments
from als_engine.texts import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from als_plugins.experience.collect import Collected, Progress

__all__ = ["collect", "show"]

Json = Annotated[bool, typer.Option("--json", help="Print its record as JSON, for programs.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The scenario; `als list` shows them.")]
Out = Annotated[Path, typer.Option(metavar="DATASET", help="Folder: new, empty, or a dataset.")]
Policy = Annotated[
    str,
    typer.Option(
        "--agent",
        "--policy",
        help=f"{AGENT}; also mix (expert and random in turn by episode) or turns (by stretches).",
    ),
]
Sensors = Annotated[
    str | None,
    typer.Option(help="Observation keys, such as rgb,text, or all; by default the scenario's."),
]
Worlds = Annotated[
    int,
    typer.Option(
        help="Worlds run at once; makes no difference to the episodes.", min=1, max=MAX_WORLDS
    ),
]
Observers = Annotated[
    int, typer.Option("--drive", help="Avatars that the policy drives.", min=1, max=MAX_AVATARS)
]
Split = Annotated[str, typer.Option(help="Where levels come from: train, validation or test.")]
Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="The folder of a dataset.")]


def collect(
    id: Id,
    out: Out,
    episodes: Episodes = 100,
    policy: Policy = "random",
    sensors: Sensors = None,
    arguments: Arg = None,
    physics: Physics = None,
    seed: FirstSeed = 0,
    worlds: Worlds = 16,
    observers: Observers = 1,
    split: Split = "train",
) -> None:
    """Collect episodes into a dataset; the same command goes on where it was interrupted.

    Example: als collect ALS/Classroom-v0 --agent mix --episodes 500 --out data/classroom
    """
    from als_engine.physics.engines import preload
    from als_plugins.experience.collect import collect as run

    if sensors == "all":
        sensors = ",".join(_every_sensor(id, scenario_arguments(arguments, physics=physics)))
    given = scenario_arguments(arguments, sensors=sensors, physics=physics)
    preload(given)
    with _bar() as show_progress:
        found = run(
            id,
            out,
            policy=policy,
            episodes=episodes,
            seed=seed,
            worlds=worlds,
            observers=observers,
            split=split,
            arguments=given,
            on_progress=show_progress,
        )
    say(_summary(found))


def _every_sensor(scenario: str, arguments: dict[str, Any]) -> list[str]:
    """The scenario's own and all of the engine's."""
    from als_engine.agents.saving import spaces
    from als_engine.sensors import SENSORS

    return list(dict.fromkeys([*spaces(scenario, arguments)[0].spaces, *SENSORS]))


def show(dataset: Dataset, as_json: Json = False) -> None:
    """Show what is in a dataset: where it comes from, parts, sensors, statistics and sizes."""
    from als_plugins.experience.records import read_dataset
    from als_plugins.experience.show import print_dataset

    record = read_dataset(dataset)
    if as_json:
        say_json(record.model_dump(mode="json"))
        return
    with spinner(f"Reading {dataset}"):
        print_dataset(dataset, record)


def _summary(found: Collected) -> str:
    source = found.source
    left_out = sum(source.left_out.values())
    added = f"{found.new} new" if found.new else "nothing new: all were there already"
    lines = [f"{found.folder}: {source.episodes} episodes, {source.steps} steps ({added})."]
    if left_out:
        why = "; ".join(f"{count} because {reason}" for reason, count in source.left_out.items())
        lines.append(f"Left out {left_out}: {why}.")
    return "\n".join([*lines, f"See it: {command('als', 'data', 'show', found.folder)}"])


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """A live line: episodes, steps a second, time left."""
    from als_engine.cli.bars import Speedometer

    columns = (
        BAR,
        "{task.completed:,.0f} / {task.total:,.0f} episodes",
        "{task.fields[speed]} steps/s",
        "{task.fields[left_out]}",
        LEFT,
    )
    speedometer = Speedometer()
    with live(*columns, total=0, speed="-", left_out="") as update:

        def progressed(progress: Progress) -> None:
            update(
                completed=progress.episodes,
                total=progress.total,
                speed=f"{speedometer.read(progress.steps):,.0f}",
                left_out=f"{progress.left_out} left out" if progress.left_out else "",
            )

        yield progressed
