"""`als forecast`: tracks of people, forecasters of them, and what they foresee."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import STEPS, counting_bar
from als_engine.cli.console import BAR, LEFT, Column, Table, live, say, say_json, show, spinner
from als_engine.cli.shared import INTERRUPTED, MAX_SEED, MAX_STEPS, MAX_TRAINING_SEED, Json
from als_engine.texts import command

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["draw", "evaluate", "fill", "predict", "record", "train"]

_TASKS = "path, gap, hand, utterance or goal"

Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="What `als collect` wrote.")]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder of tracks (`als forecast record`), or a CSV file user_id,timestamp,x,y.",
    ),
]
Csv = Annotated[
    Path, typer.Argument(metavar="CSV", help="A CSV file user_id,timestamp,x,y with gaps.")
]
Which = Annotated[
    Path, typer.Argument(metavar="FORECASTER", help="The folder of a training, or of what it made.")
]
Out = Annotated[Path, typer.Option(help="The folder or the file that is written.")]
Every = Annotated[
    int, typer.Option(help="Steps of the worlds for one of the tracks.", min=1, max=1_000)
]
Scenario = Annotated[
    str | None,
    typer.Option("--on", metavar="ID", help="Whose episodes, if the dataset has several."),
]
TaskOption = Annotated[str, typer.Option("--task", metavar="TASK", help=f"{_TASKS}.")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="social, gru, lstm or rnn; for paths also constant-velocity, kalman and still, for "
        "gaps line and kalman.",
    ),
]
Gradient = Annotated[int, typer.Option("--steps", help="Gradient steps.", min=1, max=MAX_STEPS)]
Batch = Annotated[int, typer.Option(help="Windows in a step.", min=2, max=65_536)]
Rate = Annotated[float, typer.Option("--learning-rate", min=1e-8, max=1.0, help="At its highest.")]
Seed = Annotated[int, typer.Option(help="Of weights and order.", min=0, max=MAX_TRAINING_SEED)]
Hidden = Annotated[int, typer.Option(help="Width of the network, even.", min=4, max=2_048)]
Modes = Annotated[int, typer.Option(help="Ways to go on that are told apart.", min=1, max=50)]
History = Annotated[float, typer.Option(help="Seconds that are seen.", min=0.01, max=600.0)]
Horizon = Annotated[float, typer.Option(help="Seconds that are foreseen.", min=0.01, max=600.0)]
Others = Annotated[int, typer.Option(help="Other people looked at, the nearest.", min=0, max=64)]
TimeStep = Annotated[
    float, typer.Option(help="Seconds between steps, for a CSV file.", min=0.001, max=3_600.0)
]
Gap = Annotated[
    float,
    typer.Option(
        "--max-gap",
        help="Seconds; rows of a CSV file that are farther apart are not joined.",
        min=0.0,
        max=86_400.0,
    ),
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        help="How much may be told of each unit (differential privacy); by default any amount.",
        min=1e-6, max=1_000.0,
    ),
]  # fmt: skip
Delta = Annotated[
    float, typer.Option(help="The probability that it is more.", min=1e-12, max=0.999)
]
Clip = Annotated[
    float, typer.Option(help="What each unit's gradient is cut to.", min=1e-6, max=1e6)
]
Unit = Annotated[str, typer.Option(help="What is protected: one scene, or all of a person.")]
Repeatable = Annotated[
    bool, typer.Option("--repeatable", help="Noise from the seed, for experiments: no protection.")
]
Part = Annotated[str, typer.Option(help="validation to choose, test to report, train to look.")]
At = Annotated[
    float | None,
    typer.Option(
        help="The moment, in seconds of the file or the scene; by default the file's last time, or "
        "when most people are there and walk.",
    ),
]
Scene = Annotated[
    int | None,
    typer.Option(help="Of a folder; by default the first of its test part.", min=0, max=MAX_STEPS),
]
Futures = Annotated[
    int, typer.Option(help="Write so many futures instead of the mean.", min=0, max=1_000)
]
Draws = Annotated[int, typer.Option("--seed", help="Of what is drawn.", min=0, max=MAX_SEED)]


def record(
    dataset: Dataset,
    out: Out,
    every: Every = 3,
    scenario: Scenario = None,
    as_json: Json = False,
) -> None:
    """Play a dataset's episodes again and record where everybody was.

    Example: als forecast record data/tag --out tracks/tag
    """
    from als_plugins.forecast.replay import replay_dataset
    from als_plugins.forecast.tracks import PARTS, write_tracks

    with counting_bar("episodes") as count:
        tracks = replay_dataset(dataset, every, scenario, count)
    write_tracks(tracks, out)
    parts = {name: int((tracks.part == i).sum()) for i, name in enumerate(PARTS)}
    people = int(tracks.present.any(axis=1).sum())
    if as_json:
        found = {"scenes": parts, "people": people, "time_step": tracks.time_step}
        say_json({"folder": str(out), **found})
        return
    scenes = ", ".join(f"{count} {name}" for name, count in parts.items())
    say(f"{out}: tracks of {people} people in {tracks.scenes} scenes ({scenes}), ",
        f"a step every {tracks.time_step:g} s.")  # fmt: skip
    say(f"Next: {command('als', 'forecast', 'train', out, '--out', 'runs/forecaster')}")


def train(
    data: Data,
    out: Out,
    task: TaskOption = "path",
    model: ModelOption = "social",
    steps: Gradient = 1_000,
    batch: Batch = 128,
    learning_rate: Rate = 2e-3,
    seed: Seed = 0,
    hidden: Hidden = 64,
    modes: Modes = 5,
    history: History = 2.0,
    horizon: Horizon = 5.0,
    others: Others = 8,
    time_step: TimeStep = 0.2,
    max_gap: Gap = 1.0,
    epsilon: Epsilon = None,
    delta: Delta = 1e-5,
    clip: Clip = 1.0,
    unit: Unit = "scene",
    repeatable: Repeatable = False,
    as_json: Json = False,
) -> None:
    """Train a forecaster; Ctrl-C saves a checkpoint, the same command goes on.

    Example: als forecast train tracks/tag --model social --out runs/foresight
    """
    # One thread is as fast for networks of this size, and its sums are the same everywhere.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_plugins.forecast.predicting import open_tracks
    from als_plugins.forecast.training import Job, train_forecaster

    with checked_fields():
        job = Job.model_validate(
            {
                "task": task, "model": model, "history": history, "horizon": horizon,
                "others": others, "hidden": hidden, "modes": modes, "steps": steps, "batch": batch,
                "learning_rate": learning_rate, "seed": seed, "epsilon": epsilon, "delta": delta,
                "clip": clip, "unit": unit, "repeatable": repeatable,
            }
        )  # fmt: skip
    with spinner(f"Reading {data}"):
        tracks = open_tracks(data, time_step, max_gap)
    with interruptible() as interrupted, _bar() as show_progress:
        made = train_forecaster(tracks, out, job, show_progress, interrupted)
        if made is None:
            interrupted.answered()
    if made is None:
        say(f"Stopped; a checkpoint is in {out}. The same command goes on from it.", error=True)
        raise typer.Exit(INTERRUPTED)
    trained = made.record.trained
    if as_json:
        say_json({"folder": str(out), **made.record.model_dump()})
        return
    loss = "" if trained.loss is None else f", held-out loss {trained.loss:.3f} at {trained.best:,}"
    how = f"{trained.steps:,} steps in {trained.seconds:,.0f} s" if trained.steps else "fitted"
    say(f"{made.record.model} for {task}, {trained.windows:,} windows, {how}{loss}.")
    say(f"Saved to {out}. Measure it: {command('als', 'forecast', 'evaluate', out, data)}")


def _bar() -> Any:
    """A live line: steps, losses, time left."""
    from contextlib import contextmanager

    columns = (BAR, STEPS, "loss {task.fields[loss]}", "held out {task.fields[held]}", LEFT)

    @contextmanager
    def shown() -> Any:
        with live(*columns, total=0, loss="-", held="-") as update:

            def progressed(progress: Any) -> None:
                held = "-" if progress.held_out is None else f"{progress.held_out:.3f}"
                update(
                    completed=progress.step, total=progress.steps, loss=f"{progress.loss:.3f}",
                    held=held,
                )  # fmt: skip

            yield progressed

    return shown()


def evaluate(
    forecaster: Which,
    data: Data,
    part: Part = "test",
    max_gap: Gap = 1.0,
    seed: Draws = 0,
    out: Annotated[Path | None, typer.Option(help="A JSON file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a forecaster beside its baselines, which are fitted on the same tracks.

    Example: als forecast evaluate runs/foresight tracks/tag
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_engine.system.files import write_text
    from als_plugins.forecast.comparing import compare
    from als_plugins.forecast.forecaster import read_forecaster
    from als_plugins.forecast.predicting import open_tracks

    made = read_forecaster(forecaster)
    tracks = open_tracks(data, made.record.time_step, max_gap)
    with spinner(f"Measuring on the {part} part of {data}"):
        measured = compare(made, tracks, part, seed)
    found = [each.as_dict() for each in measured]
    if out is not None:
        write_text(out, json.dumps(found, indent=2) + "\n")
    if as_json:
        say_json(found)
        return
    where = f"{data}, {part} part, {found[0]['windows']:,} windows"
    _print(found, f"{made.record.task} on {where}")
    if out is not None:
        say(f"Written: {out}")


_TITLES = {
    "seconds": "s", "mean_error": "mean", "final_error": "final", "best_final": "best of 20",
    "nll": "nll",
}  # fmt: skip


def _print(found: Sequence[dict[str, Any]], title: str) -> None:
    if "scores" not in found[0]:
        names = [name for name in found[0] if name not in ("model", "part", "windows")]
        table = Table(["model", *(Column(name, right=True) for name in names)], title)
        for each in found:
            shown = ("-" if each[name] is None else f"{each[name]:.3f}" for name in names)
            table.row(each["model"], *shown)
        show(table)
        return
    names = [name for name in _TITLES if name in found[0]["scores"][0]]
    titles = [*(_TITLES[name] for name in names), "in 50%, 90%"]
    columns = [Column("model", whole=True), *(Column(each, True, True) for each in titles)]
    table = Table(columns, title)
    for each in found:
        for i, score in enumerate(each["scores"]):
            cells = [f"{score[n]:.4g}" if n == "seconds" else f"{score[n]:.2f}" for n in names]
            within = f"{score['within_50']:.0%}, {score['within_90']:.0%}"
            last = i == len(each["scores"]) - 1
            table.row(each["model"] if not i else "", *cells, within, ends_section=last)
    show(table)
    say("Metres: the error of the mean over all steps, and at the last one; of the best of "
        "20 futures there.", style="dim")  # fmt: skip
    say("nll: negative log-likelihood, nats. in 50%: how often people were where the forecast puts "
        "half of its probability.", style="dim")  # fmt: skip


def predict(
    forecaster: Which,
    data: Data,
    out: Out,
    at: At = None,
    scene: Scene = None,
    futures: Futures = 0,
    max_gap: Gap = 1.0,
    seed: Draws = 0,
    as_json: Json = False,
) -> None:
    """Write where everybody will be, as a CSV file user_id,timestamp,x,y.

    Example: als forecast predict runs/foresight walks.csv --out ahead.csv
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_plugins.forecast.forecaster import read_forecaster
    from als_plugins.forecast.predicting import choose_moment, write_forecast

    made = read_forecaster(forecaster)
    chosen = choose_moment(data, made.record, at, scene, max_gap)
    rows = write_forecast(made, chosen, out, futures, seed)
    moment = chosen.moment
    if as_json:
        say_json({"file": str(out), "people": len(moment.names), "rows": rows,
                  "time": moment.time, "left_out": moment.left_out})  # fmt: skip
        return
    short = f"; {moment.left_out} were not seen for long enough" if moment.left_out else ""
    say(f"{out}: {len(moment.names)} people from {moment.time:.10g} s on, {rows} rows{short}.")


def draw(
    forecaster: Which,
    data: Data,
    out: Out,
    at: At = None,
    scene: Scene = None,
    max_gap: Gap = 1.0,
    seed: Draws = 0,
    as_json: Json = False,
) -> None:
    """Draw everybody's futures over the floor plan.

    Example: als forecast draw runs/foresight tracks/tag --out futures.png
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_engine.reports.figures import check_figure
    from als_plugins.forecast.forecaster import read_forecaster
    from als_plugins.forecast.picture import draw_futures
    from als_plugins.forecast.predicting import choose_moment

    check_figure(out)
    made = read_forecaster(forecaster)
    chosen = choose_moment(data, made.record, at, scene, max_gap)
    draw_futures(made, chosen.moment, chosen.tracks.record, out, seed)
    people, moment = len(chosen.moment.names), chosen.moment.time
    if as_json:
        say_json({"file": str(out), "people": people, "time": moment})
        return
    say(f"{out}: {people} people at {moment:.10g} s.")


def fill(forecaster: Which, data: Csv, out: Out, max_gap: Gap = 1.0, as_json: Json = False) -> None:
    """Fill gaps in a CSV file with where people probably were.

    Example: als forecast fill runs/gaps walks.csv --out filled.csv
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from als_plugins.forecast.csv_file import read_rows, resampled
    from als_plugins.forecast.forecaster import read_forecaster
    from als_plugins.forecast.predicting import fill_gaps, write_filled

    made = read_forecaster(forecaster)
    rows = read_rows(data)
    tracks = resampled(rows, data.name, made.record.time_step, max_gap)
    whole, filled = fill_gaps(made, tracks)
    write_filled(whole, filled, rows.iso, out)
    steps = int(filled.sum())
    if as_json:
        say_json({"file": str(out), "filled": steps, "rows": int(whole.present.sum())})
        return
    say(f"{out}: {int(whole.present.sum()):,} rows, {steps:,} of them filled.")
