"""`als model`: learns from a dataset what actions lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import STEPS
from als_engine.cli.console import BAR, LEFT, Column, Table, live, say, say_json, show
from als_engine.cli.shared import INTERRUPTED, MAX_STEPS, MAX_TRAINING_SEED, Json
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.world_models.job import Report
    from als_plugins.world_models.modelling import ModelProgress

__all__ = ["model"]

Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="What `als collect` wrote.")]
Out = Annotated[
    Path, typer.Option(help="Folder for everything: new, empty, or one of the same to go on with.")
]
Kind = Annotated[
    str,
    typer.Option(
        metavar="ensemble|latent",
        help="ensemble: networks that say how sure they are; latent: a recurrent latent state.",
    ),
]
Sensors = Annotated[
    str | None, typer.Option(help="Observation keys without pictures; by default all.")
]
Steps = Annotated[int, typer.Option(help="Gradient steps.", min=1, max=MAX_STEPS)]
Batch = Annotated[int, typer.Option(help="Windows in a step, for each member.", min=2, max=65_536)]
Width = Annotated[int, typer.Option(help="Units of a layer.", min=1, max=2_048)]
Members = Annotated[int, typer.Option(help="Networks of an ensemble.", min=1, max=32)]
Rate = Annotated[float, typer.Option("--learning-rate", help="Of Adam.", min=0.0, max=1.0)]
Seed = Annotated[int, typer.Option(help="Of weights and batches.", min=0, max=MAX_TRAINING_SEED)]
Every = Annotated[int, typer.Option(help="Steps between checkpoints.", min=1, max=MAX_STEPS)]
Figure = Annotated[
    Path | None,
    typer.Option(help="A figure to write, .svg or .png: errors, and a rollout beside the truth."),
]


def model(
    dataset: Dataset,
    out: Out,
    kind: Kind = "ensemble",
    sensors: Sensors = None,
    steps: Steps = 2_000,
    batch: Batch = 256,
    width: Width = 128,
    members: Members = 5,
    rate: Rate = 2e-3,
    seed: Seed = 0,
    checkpoint_every: Every = 1_000,
    figure: Figure = None,
    as_json: Json = False,
) -> None:
    """Learn a world model from a dataset; the same command goes on where it was interrupted.

    Example: als model data/tag --out runs/tag-model --figure model.svg
    """
    from als_engine.models import checked_fields
    from als_engine.reports.figures import check_figure
    from als_engine.system.interrupts import interruptible
    from als_plugins.world_models.modelling import model_dataset, write_drawing
    from als_plugins.world_models.saving import Size

    if figure is not None:
        check_figure(figure)
    with checked_fields():
        size = Size.model_validate({"kind": kind, "width": width, "members": members})
    named = None if sensors is None else [each.strip() for each in sensors.split(",")]
    with _bar() as show_progress, interruptible() as interrupted:
        found = model_dataset(
            dataset, out, size=size, sensors=named, steps=steps, batch=batch, learning_rate=rate,
            seed=seed, checkpoint_every=checkpoint_every, on_progress=show_progress,
            should_stop=interrupted,
        )  # fmt: skip
        if found.report is None:
            interrupted.answered()
    if found.report is None:
        say(f"Stopped; the same command goes on with {out}.")
        raise typer.Exit(INTERRUPTED)
    if figure is not None:
        write_drawing(out, figure)
    if as_json:
        say_json({"folder": str(out), **found.report.model_dump()})
        return
    _print(found.report)
    use = command("als", "evaluate", f"planner:model={out}", "--on", "SCENARIO")
    say(f"Saved to {out / 'model'}." + (f" Plan with it: {use}" if kind == "ensemble" else ""))
    if figure is not None:
        say(f"Written: {figure}")


def _print(report: Report) -> None:
    if report.horizon is None:
        say("No held-out episode is long enough to measure errors on.")
        return
    horizon = report.horizon
    names = ("persistence", "reward", "mean reward")
    columns = [Column("steps ahead", right=True), Column(report.kind, right=True)]
    columns += [Column(name, right=True) for name in names]
    table = Table(columns, f"{horizon.windows} windows of the {report.part} part")
    rows: dict[str, list[float]] = horizon.model_dump(exclude={"windows"})
    for step in (1, 2, 5, 10, 15, 20, 25):
        if step <= len(horizon.model):
            table.row(str(step), *(f"{values[step - 1]:.3f}" for values in rows.values()))
    show(table)
    say("Root mean square errors, in standard deviations; persistence: all stays.", style="dim")
    say(f"{report.passes:.0%} of the training were forward and backward passes.", style="dim")


@contextmanager
def _bar() -> Iterator[Callable[[ModelProgress], None]]:
    """A live line: steps, losses, time left."""
    columns: Any = (
        BAR, STEPS, "loss {task.fields[loss]}", "held out {task.fields[held]}", LEFT,
    )  # fmt: skip
    with live(*columns, total=0, loss="-", held="-") as update:

        def progressed(progress: ModelProgress) -> None:
            update(
                completed=progress.step,
                total=progress.steps,
                loss=f"{progress.loss:.3f}",
                held="-" if progress.held_out is None else f"{progress.held_out:.3f}",
            )

        yield progressed
