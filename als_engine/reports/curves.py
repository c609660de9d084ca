"""Learning curves of trainings as a figure of matplotlib's: return and success along the steps.

Trainings that differ in nothing but their seed are one curve with a band. Every scenario has a row.
Where a training has a curriculum, panels beside its curves show what that has done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.agents.curriculum.settings import label
from als_engine.agents.run_logs import read_curve
from als_engine.agents.training_folder import Job, TrainingFolder
from als_engine.errors import SavedFileError
from als_engine.evaluation.statistics import curve_band
from als_engine.reports.curriculum_panels import (
    LEVELS,
    STAGE,
    TITLES,
    draw_levels,
    draw_stages,
    number,
    read_curriculum,
)
from als_engine.reports.figures import figure_file
from als_engine.reports.series_chart import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Group", "grouped", "write_curves"]

PANELS: Final = {"mean_return": "Mean return", "success": "Success"}
"""Column of `progress.csv` to the title of its panel."""

_SAME: Final = {"seed", "workers", "device", "checkpoint_every", "track", "begun"}
"""Settings that make no other curve."""
_INK, _SOFT, _GRID = "#1d2530", "#5d6673", "#e4e1d8"
_STYLES: Final = ("-", (0, (5, 2)), (0, (1.5, 1.5)))

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Group:
    """Trainings that differ in their seed alone.

    Attributes:
        name: what tells them from the other groups of the scenario.
        scenario: its id.
        curves: column or panel of the curriculum to the points (steps, value) of each training; of
            levels (score, draws).
    """

    name: str
    scenario: str
    curves: Mapping[str, Sequence[Points]]

    @property
    def seeds(self) -> int:
        """The number of trainings."""
        return len(self.curves["mean_return"])


def grouped(folders: Sequence[Path]) -> list[Group]:
    """Reads the curves of trainings, in the order in which their folders are named.

    Raises:
        SavedFileError: a folder is no training, is damaged, or no episode has ended in it yet.
    """
    jobs = {folder: TrainingFolder(folder).job() for folder in dict.fromkeys(folders)}
    together: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for folder, job in jobs.items():
        together.setdefault(tuple(_settings(job).items()), []).append(folder)
    found = []
    for settings, members in together.items():
        job = jobs[members[0]]
        others = [dict(key) for key in together if dict(key)["scenario"] == f"{job.scenario}"]
        curves = [_read(folder) for folder in members]
        found.append(
            Group(
                _name(dict(settings), others),
                job.scenario,
                {
                    column: [each[column] for each in curves if column in each]
                    for column in (*PANELS, *TITLES)
                    if any(column in each for each in curves)
                },
            )
        )
    return found


def _settings(job: Job) -> dict[str, str]:
    """What makes a training another one than its neighbour, by name."""
    flat: dict[str, str] = {}
    for name, value in job.model_dump().items():
        if name in ("arguments", "config"):
            flat |= {key: json.dumps(each) for key, each in sorted(value.items())}
        elif name == "curriculum":
            flat[name] = "none" if job.curriculum is None else label(job.curriculum)
        elif name not in _SAME:
            flat[name] = f"{value}"
    return flat


def _name(settings: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> str:
    """The agent, and in which settings it differs from the others of its scenario."""
    names = dict.fromkeys(name for other in others for name in other)
    unlike = [name for name in names if len({other.get(name) for other in others}) > 1]
    told = [f"{name}={settings[name]}" for name in unlike if name in settings and name != "agent"]
    return ", ".join([settings["agent"], *told])


def _read(folder: Path) -> dict[str, Points]:
    rows = read_curve(TrainingFolder(folder).curve)
    points = {
        column: [(float(row["steps"]), number(row.get(column))) for row in rows]
        for column in PANELS
    }
    known: dict[str, Points] = {
        name: [point for point in each if math.isfinite(point[1])] for name, each in points.items()
    }
    if not known["mean_return"]:
        raise SavedFileError(f"{folder} has no learning curve yet: too few episodes have ended")
    return {**known, **read_curriculum(folder)}


# -- the figure -----------------------------------------------------------------------------------


def write_curves(groups: Sequence[Group], path: Path) -> None:
    """Draws groups of trainings into a file, an SVG or a PNG by its ending.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    with figure_file(path) as write:
        write(_figure(groups))


def _figure(groups: Sequence[Group]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D

    scenarios = list(dict.fromkeys(group.scenario for group in groups))
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.04, hspace=0.06)
    extra = {name: TITLES[name] for name in TITLES if any(name in each.curves for each in groups)}
    titles = {**PANELS, **extra}
    figure = Figure(figsize=(5.0 * len(titles), 0.75 + 3.35 * len(scenarios)), layout=layout)
    panels = figure.subplots(len(scenarios), len(titles), squeeze=False)
    names = list(dict.fromkeys(group.name for group in groups))
    for row, scenario in zip(panels, scenarios, strict=True):
        for axes, (column, title) in zip(row, titles.items(), strict=True):
            for group in groups:
                if group.scenario == scenario and column in group.curves:
                    _draw(axes, group, column, names.index(group.name))
            _finish(axes, title, column)
        row[0].annotate(
            scenario, (0, 1), (0, 28), xycoords="axes fraction", textcoords="offset points",
            fontsize=12.5, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    labels = [_label(name, groups) for name in names]
    figure.legend(
        [Line2D([], [], **_look(place)) for place in range(len(names))], labels,
        loc="outside lower left", frameon=False, handlelength=2.4,
        ncols=max(1, min(4, 110 // (8 + max(map(len, labels))))),
    )  # fmt: skip
    if any(group.seeds > 1 for group in groups):
        note = "Interquartile mean over seeds, 95% bootstrap interval; thin lines: each seed"
        panels[0][-1].annotate(
            note, (1, 1), (0, 30), xycoords="axes fraction", textcoords="offset points",
            ha="right", fontsize=8.5, color=_SOFT, annotation_clip=False,
        )  # fmt: skip
    return figure


def _label(name: str, groups: Sequence[Group]) -> str:
    """A name with how many seeds there are of it, in one scenario or another."""
    counts = sorted({group.seeds for group in groups if group.name == name})
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return f"{name} ({many} seed{'s' if counts[-1] > 1 else ''})"


def _look(place: int) -> dict[str, Any]:
    """How the line of a group is drawn."""
    style = _STYLES[place // len(COLOURS) % len(_STYLES)]
    return {"color": COLOURS[place % len(COLOURS)], "ls": style, "lw": 2.2}


def _draw(axes: Axes, group: Group, column: str, place: int) -> None:
    """A curve with its band, over a thin line for each seed."""
    curves, look = [points for points in group.curves[column] if points], _look(place)
    if column in (STAGE, LEVELS):
        (draw_stages if column == STAGE else draw_levels)(axes, curves, look)
        return
    if len(curves) == 1:
        axes.plot(*zip(*curves[0], strict=True), **look)
        return
    for points in curves:
        axes.plot(*zip(*points, strict=True), color=look["color"], lw=0.8, alpha=0.3)
    steps, band = curve_band(curves, points=100)
    axes.fill_between(steps, band.low, band.high, color=look["color"], alpha=0.16, lw=0)
    axes.plot(steps, band.value, **look)


def _finish(axes: Axes, title: str, column: str) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    axes.set_title(title, loc="left", fontsize=10.5, color=_SOFT)
    axes.set_xlabel("score" if column == LEVELS else "environment steps")
    if column != LEVELS:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if column in (STAGE, LEVELS):
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    elif column != "mean_return":
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.margins(x=0.01)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color=_GRID, lw=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
