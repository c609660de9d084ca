"""`als curves`: the learning curves of trainings as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.bars import number
from als_engine.cli.console import Column, Table, say, show

__all__ = ["curves"]


def curves(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Of trainings, such as runs/tag-1 runs/tag-2."),
    ],
    out: Annotated[Path, typer.Option(help="The figure, .svg or .png.")] = Path("curves.svg"),
) -> None:
    """Draw return and success along the steps; trainings that differ in their seed are one curve.

    Example: als curves runs/tag-* --out tag.png
    """
    from als_engine.reports.curves import PANELS, grouped, write_curves
    from als_engine.reports.figures import check_figure

    check_figure(out)
    groups = grouped(folders)
    write_curves(groups, out)
    numbers = (Column(title, right=True) for title in ("seeds", "steps", "return", "success"))
    table = Table(("scenario", "training", *numbers), "The last point of each curve, mean of seeds")
    for group in groups:
        last = {name: [points[-1] for points in group.curves[name] if points] for name in PANELS}
        steps = max(at for at, _ in last["mean_return"])
        means = [sum(value for _, value in each) / len(each) for each in last.values()]
        found = number(means[0]), number(means[1], percent=True)
        table.row(group.scenario, group.name, group.seeds, f"{steps:,.0f}", *found)
    show(table)
    say(f"Wrote {out}")
