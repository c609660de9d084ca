"""`als continual`: one scenario after the other, and what is left of the first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.console import BAR, ELAPSED, LEFT, OF, Column, Table, live, say, say_json, show
from als_engine.cli.shared import INTERRUPTED, MAX_EPISODES, MAX_SEED, MAX_STEPS, Json
from als_engine.evaluation.splits import CHOOSING
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.continual.sequence import Result

__all__ = ["continual"]

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Scenarios, in their order.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="New, empty, or of the same sequence.")]
How = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="What keeps what was learnt before: nothing, replay, ewc, lora (additions for each "
        "scenario), or alone (an encoder for each).",
    ),
]
Steps = Annotated[
    int, typer.Option(help="Steps that each scenario's expert shows.", min=1, max=MAX_STEPS)
]
Updates = Annotated[
    int, typer.Option(help="Gradient steps for each scenario.", min=1, max=MAX_STEPS)
]
WithEncoder = Annotated[str, typer.Option("--encoder", metavar="ID", help="That all share.")]
Sensors = Annotated[str, typer.Option(help="That all scenarios have.")]
Mode = Annotated[str, typer.Option("--mode", help="discrete, continuous or factored actions.")]
Kept = Annotated[
    int, typer.Option(help="Steps of each scenario that replay keeps.", min=1, max=MAX_STEPS)
]
Strength = Annotated[float, typer.Option(help="Of what ewc holds back.", min=0.0, max=1e9)]
Rank = Annotated[int, typer.Option(help="Of the additions of lora.", min=1, max=256)]
Episodes = Annotated[int, typer.Option(help="Of each evaluation.", min=1, max=MAX_EPISODES)]
Splits = Annotated[
    str, typer.Option("--split", help="Of the evaluations: validation to choose, test to report.")
]
Seed = Annotated[int, typer.Option(help="Of everything.", min=0, max=MAX_SEED)]
Figure = Annotated[Path | None, typer.Option(help="A picture of the matrix, .svg or .png.")]


def continual(
    scenarios: Ids,
    out: Out,
    method: How = "nothing",
    steps: Steps = 8_000,
    updates: Updates = 800,
    encoder: WithEncoder = "attention",
    sensors: Sensors = "entities,proprioception,text",
    mode: Mode = "continuous",
    kept: Kept = 500,
    strength: Strength = 1.0,
    rank: Rank = 8,
    episodes: Episodes = 50,
    split: Splits = CHOOSING,
    seed: Seed = 0,
    figure: Figure = None,
    as_json: Json = False,
) -> None:
    """Teach one agent several scenarios in turn, and measure what it forgets.

    The same command goes on where it was interrupted.

    Example: als continual ALS/Tag-v0 ALS/Vocabulary-v0 --method replay --out runs/replay
    """
    from als_engine.models import checked_fields
    from als_engine.reports.figures import check_figure
    from als_plugins.continual.chart import write_matrices
    from als_plugins.continual.records import SequenceJob
    from als_plugins.continual.sequence import learn_sequence

    if figure is not None:
        check_figure(figure)
    with checked_fields():
        job = SequenceJob.model_validate(
            {
                "scenarios": scenarios, "method": method, "steps": steps, "updates": updates,
                "encoder": encoder, "sensors": sensors.split(","), "action_mode": mode,
                "kept": kept, "strength": strength, "rank": rank, "episodes": episodes,
                "split": split, "seed": seed,
            }
        )  # fmt: skip
    try:
        with live("{task.fields[what]:40}", BAR, OF, ELAPSED, LEFT, what="") as update:
            result = learn_sequence(
                job,
                out,
                lambda what, done, of: update(what=what, completed=done, total=of),
            )
    except KeyboardInterrupt:
        say("Stopped. The same command goes on with the scenario that it was at.", error=True)
        raise typer.Exit(INTERRUPTED) from None
    if figure is not None:
        write_matrices({method: result.matrix}, scenarios, figure)
    if as_json:
        say_json(result.as_dict())
        return
    _print(result)
    last = out / f"after-{len(scenarios) - 1}" / "agents" / "0"
    say(f"See the first one play: {command('als', 'play', last)}")


def _print(result: Result) -> None:
    names = result.job.scenarios
    title = f"Scores with {result.job.method}, {result.job.split} split"
    columns = [Column("after"), *(Column(name, right=True, whole=True) for name in names)]
    table = Table(columns, title)
    for name, line in zip(names, result.matrix, strict=True):
        cells = [f"{value:.2f}" for value in line]
        table.row(name, *cells, *[""] * (len(names) - len(cells)))
    show(table)
    change = result.backward_transfer
    say(f"Mean score in the end {result.mean:.2f}, {result.found[-1].weights:,} weights.")
    if change is not None:
        say(f"Backward transfer {change:+.2f}: below 0 is what earlier scenarios have lost.")
