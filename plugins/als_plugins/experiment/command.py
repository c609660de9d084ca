"""`als run`: the whole loop out of one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.console import Table, say, show
from als_engine.cli.shared import INTERRUPTED
from als_engine.texts import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from als_plugins.experiment.stages import Done, Stage

__all__ = ["run"]


File = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A TOML file.")]
Out = Annotated[Path, typer.Option(help="Folder for everything that is written.")]
Check = Annotated[bool, typer.Option("--check", help="Only check the file and show the stages.")]


def run(experiment: File, out: Out, check: Check = False) -> None:
    """Collect, pretrain, train, adapt, evaluate and more, as a file says; nothing is done twice.

    Example: als run benchmarks/experiments/tag.toml --out runs/tag
    """
    from als_engine.system.files import make_folder
    from als_engine.system.leftovers import remove_leftovers
    from als_engine.system.locking import locked
    from als_plugins.experiment import further
    from als_plugins.experiment.checks import check_ids
    from als_plugins.experiment.config import read_experiment
    from als_plugins.experiment.stages import plan

    asked = read_experiment(experiment)
    check_ids(asked, experiment)
    further.check(asked, experiment)
    if check:
        for stage in plan(asked, out):
            say(f"{stage.name:9} {'done' if stage.done() else 'to do'}  {stage.folder}")
        return
    make_folder(out)
    with locked(out):
        remove_leftovers(out)
        done = _run_stages(plan(asked, out), experiment, out)
    if evaluated := [each for each in done if each.stage == "evaluate"]:
        _print_table(evaluated[0].summary)


def _run_stages(stages: Iterable[Stage], experiment: Path, out: Path) -> list[Done]:
    """Runs what has not been done; returns all stages.

    Raises:
        typer.Exit: it was interrupted.
    """
    all_done = []
    for stage in stages:
        done = stage.done()
        if done is not None:
            all_done.append(done)
            say(f"{stage.name:9} was done  {_line(done.summary)}")
            continue
        from als_plugins.experiment.bars import stage_bar

        try:
            if stage.shows:
                done = stage.run(lambda ready, total: None)
            else:
                with stage_bar(stage.name) as show_progress:
                    done = stage.run(show_progress)
        except KeyboardInterrupt:
            again = command("als", "run", experiment, "--out", out)
            say(f"Stopped in {stage.name}. Go on with: {again}", error=True)
            raise typer.Exit(INTERRUPTED) from None
        all_done.append(done)
        say(f"{stage.name:9} done      {_line(done.summary)}")
    return all_done


def _line(summary: dict[str, Any]) -> str:
    """What came of a stage, in a line."""
    plain = {name: value for name, value in summary.items() if not isinstance(value, dict)}
    return ", ".join(f"{name} {_number(value)}" for name, value in plain.items())


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_table(summary: dict[str, Any]) -> None:
    table = Table(("agent", "return (95%)", "success (95%)", "normalized"))
    names = {"train": "trained", "adapt": "adapted"}
    for name, found in summary.items():
        cells = [_spread(found[key]) for key in ("return", "success")]
        score = _spread(found["normalized"]) if "normalized" in found else ""
        table.row(names.get(name, name), *cells, score)
    show(table)


def _spread(interval: list[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*interval)
