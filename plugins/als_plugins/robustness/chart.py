"""Scores under disturbances as a figure of matplotlib's: a panel for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from als_engine.reports.figures import figure_file
from als_engine.reports.series_chart import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from als_plugins.robustness.trials import Result, Robustness

__all__ = ["write_figure"]

TITLES: Final = {
    "noise": ("Sensor noise", "deviation, part of the range"),
    "drop": ("Dropped frames", "probability"),
    "missing": ("Missing sensors", "probability, each sensor"),
    "delay": ("Delayed actions", "steps"),
    "without": ("Without one sensor", ""),
}
_SOFT, _GRID = "#5d6673", "#e4e1d8"


def write_figure(tried: Sequence[Robustness], path: Path) -> None:
    """Draws the relative scores into a file, an SVG or a PNG by its ending.

    An agent that is no better than random has no relative score and no line.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    there = {each.trial.kind for agent in tried for each in agent.results}
    kinds = [kind for kind in TITLES if kind in there]
    with figure_file(path) as write:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1.0 + 3.1 * max(len(kinds), 1), 3.9), layout="constrained")
        panels = figure.subplots(1, max(len(kinds), 1), squeeze=False, sharey=True)[0]
        for axes, kind in zip(panels, kinds, strict=False):
            for place, agent in enumerate(tried):
                _draw(axes, agent, kind, place)
            _finish(axes, kind)
        panels[0].set_ylabel("score: random 0, undisturbed 1")
        labels = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
        if labels:
            figure.legend(
                labels.values(), labels.keys(), loc="outside lower left", frameon=False, ncols=3
            )
        first = tried[0]
        names = ", ".join(dict.fromkeys(agent.scenario for agent in tried))
        title = f"{names}, {first.split} split, {first.episodes} episodes each, 95% intervals"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        write(figure)


def _draw(axes: Axes, agent: Robustness, kind: str, place: int) -> None:
    points = [each for each in agent.results if each.trial.kind == kind]
    if kind != "without":
        points = sorted([agent.results[0], *points], key=lambda each: each.trial.strength)
    known: list[Result] = [each for each in points if each.relative is not None]
    found = [each.relative for each in known if each.relative is not None]
    color = COLOURS[place % len(COLOURS)]
    name = agent.agent if len(agent.agent) <= 40 else f"…{agent.agent[-39:]}"
    values, low, high = ([getattr(i, end) for i in found] for end in ("value", "low", "high"))
    if kind != "without":
        x = [each.trial.strength for each in known]
        axes.fill_between(x, low, high, color=color, alpha=0.16, lw=0)
        axes.plot(x, values, "o-", color=color, lw=2.0, ms=4.5, label=name)
        return
    axes.errorbar(
        [each.trial.label for each in known],
        values,
        [
            [i.value - i.low for i in found],
            [i.high - i.value for i in found],
        ],
        fmt="o",
        color=color,
        label=name,
        capsize=3,
    )


def _finish(axes: Axes, kind: str) -> None:
    title, unit = TITLES[kind]
    axes.set_title(title, loc="left", fontsize=10.5, color=_SOFT)
    axes.set_xlabel(unit)
    axes.axhline(0.0, color=_SOFT, lw=0.9, ls=(0, (4, 3)))
    axes.grid(axis="y", color=_GRID, lw=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    if kind == "without":
        axes.tick_params(axis="x", rotation=25)
        axes.margins(x=0.2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
