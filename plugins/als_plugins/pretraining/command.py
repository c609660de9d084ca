"""`als pretrain`: trains an encoder on a dataset of experience, without rewards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import STEPS
from als_engine.cli.console import BAR, LEFT, Table, live, say, show
from als_engine.cli.shared import INTERRUPTED, MAX_STEPS, MAX_TRAINING_SEED, Device
from als_engine.errors import ArgumentError
from als_engine.options import parse_pairs
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.pretraining.job import Job
    from als_plugins.pretraining.pretrain import Pretrained, PretrainProgress

__all__ = ["pretrain"]

Dataset = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATASET", help="What `als collect` wrote; with --resume none is needed."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder for everything that is written.")]
Encoder = Annotated[str | None, typer.Option(help="The encoder; by default attention.")]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        metavar="NAME=WEIGHT,...",
        help="masked, temporal, crossmodal, dynamics, destination, alone or summed; by default "
        "masked.",
    ),
]
Sensors = Annotated[
    str | None, typer.Option(help="Observation keys, such as rgb,text; by default all.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An argument of the encoder."),
]
Steps = Annotated[
    int | None, typer.Option(help="Gradient steps at most; by default 2000.", min=1, max=MAX_STEPS)
]
Batch = Annotated[
    int | None, typer.Option(help="Windows in a step; by default 64.", min=2, max=65536)
]
Rate = Annotated[
    float | None,
    typer.Option("--learning-rate", help="At its highest; by default 0.001.", min=0.0, max=1.0),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Of weights, order and masks; by default 0.", min=0, max=MAX_TRAINING_SEED),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Evaluations without a lower held-out loss until it ends; by default 10.",
        min=1,
        max=MAX_STEPS,
    ),
]
Evaluate = Annotated[
    int | None,
    typer.Option(help="Steps between evaluations; by default 100.", min=1, max=MAX_STEPS),
]
Every = Annotated[
    int | None,
    typer.Option(help="Steps between checkpoints; by default 500.", min=1, max=MAX_STEPS),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the pretraining in --out, exactly.")
]


def pretrain(
    dataset: Dataset = None,
    out: Out = None,
    encoder: Encoder = None,
    objectives: Objectives = None,
    sensors: Sensors = None,
    settings: Set = None,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: Rate = None,
    seed: Seed = None,
    patience: Patience = None,
    evaluate_every: Evaluate = None,
    checkpoint_every: Every = None,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Pretrain an encoder on a dataset; Ctrl-C saves a checkpoint.

    Example: als pretrain runs/experience --objective masked=1,dynamics=0.5 --out runs/pretrained

    Two processes: torchrun --nproc_per_node 2 --no-python als pretrain runs/experience --out ...
    """
    if out is None:
        raise ArgumentError("name the folder that is to be written: --out FOLDER")
    config = parse_pairs(settings, "--set")
    given: dict[str, Any] = {
        "encoder": encoder,
        "config": config or None,
        "sensors": [name for name in sensors.split(",") if name] if sensors else None,
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "seed": seed,
        "patience": patience,
        "evaluate_every": evaluate_every,
        "checkpoint_every": checkpoint_every,
        "device": device,
    }
    given = {name: value for name, value in given.items() if value is not None}
    # One thread is as fast for networks of this size, and its sums are the same everywhere.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_engine.system.interrupts import interruptible
    from als_plugins.pretraining.objectives import parse_weights
    from als_plugins.pretraining.pretrain import pretrain as begin
    from als_plugins.pretraining.pretrain import resume_pretraining

    if objectives:
        given["objectives"] = parse_weights(objectives)
    with interruptible() as interrupted, _bar() as show_progress:
        if resume:
            _check_unchanged(out, given)
            made = resume_pretraining(
                out, dataset=dataset, on_progress=show_progress, should_stop=interrupted
            )
        elif dataset is None:
            raise ArgumentError("name a dataset; `als collect` makes one")
        else:
            made = begin(dataset, out, on_progress=show_progress, should_stop=interrupted, **given)
        if made.stopped:
            interrupted.answered()
    _report(made, out)


def _check_unchanged(out: Path, given: dict[str, Any]) -> None:
    """Checks that what is asked for together with --resume is what was begun."""
    from als_plugins.pretraining.job import read_job

    job: Job = read_job(out)
    for name, value in given.items():
        if getattr(job, name) != value:
            raise ArgumentError(
                f"{out} was begun with {name}={getattr(job, name)}, which --resume cannot change"
            )


def _report(made: Pretrained, out: Path) -> None:
    """Says what came of it.

    Raises:
        typer.Exit: it was interrupted.
    """
    if os.environ.get("RANK", "0") != "0":  # Under torchrun one of the processes speaks.
        raise typer.Exit(INTERRUPTED if made.stopped else 0)
    if made.stopped:
        again = command("als", "pretrain", "--resume", "--out", out)
        say(f"Stopped at step {made.record.steps:,}. Go on with: {again}", error=True)
        raise typer.Exit(INTERRUPTED)
    from als_plugins.pretraining.report import lines

    loss = "" if made.record.loss is None else f", held-out loss {made.record.loss:.4f}"
    say(f"Pretrained {made.record.steps:,} steps in {made.record.seconds:,.0f} s{loss}.")
    if rows := lines(made.report):
        table = Table(("on held-out levels", "pretrained", "random weights", "beside"))
        for row in rows:
            table.row(*row)
        show(table)
    scenario, sensors = made.report["scenarios"][0], ",".join(made.report["sensors"])
    use = command("als", "train", scenario, "--sensors", sensors, "--set", f"pretrained={out}")
    say(f"Saved to {out}. Use it: {use}")


@contextmanager
def _bar() -> Iterator[Callable[[PretrainProgress], None]]:
    """A live line: steps, samples a second, losses, time left."""
    from als_engine.cli.bars import Speedometer

    columns = (
        BAR,
        STEPS,
        "{task.fields[speed]} samples/s",
        "loss {task.fields[loss]}",
        "held out {task.fields[held]}",
        LEFT,
    )
    speedometer = Speedometer()
    with live(*columns, total=0, speed="-", loss="-", held="-") as update:

        def progressed(progress: PretrainProgress) -> None:
            update(
                completed=progress.step,
                total=progress.steps,
                speed=f"{speedometer.read(progress.samples):,.0f}",
                loss=f"{progress.loss:.3f}",
                held="-" if progress.held_out is None else f"{progress.held_out:.3f}",
            )

        yield progressed
