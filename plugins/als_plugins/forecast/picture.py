"""Draws fans of futures over the floor plan of a level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from als_engine.reports.figures import figure_file
from als_engine.reports.plan import Plan
from als_engine.reports.plan_figure import draw_floor
from als_engine.reports.series_chart import COLOURS
from als_engine.simulation import simulate
from als_engine.texts import one_line
from als_plugins.forecast.forecaster import Forecaster
from als_plugins.forecast.measures import FUTURES
from als_plugins.forecast.moments import Moment
from als_plugins.forecast.tracks import TracksRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_futures"]

_INK, _SOFT = "#1d2530", "#5d6673"
_MOST: Final = 60
"""The most people who are drawn with names and fans of their own colour."""


def draw_futures(
    forecaster: Forecaster, moment: Moment, record: TracksRecord, path: Path, seed: int = 0
) -> None:
    """Draws where everybody came from, twenty futures of each, and where they went.

    Args:
        forecaster: for paths.
        moment: whose people are forecast.
        record: of the tracks; names the scenario whose floor is drawn.
        path: of the picture, .svg or .png.
        seed: of the futures.

    Raises:
        ArgumentError: the ending is another one, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    found = forecaster.forecast(moment.past)
    futures = found.sample(FUTURES, np.random.default_rng(seed))
    with figure_file(path, dpi=120) as write:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.0, 8.4), layout="constrained")
        axes = figure.add_subplot()
        if record.scenario is not None:
            _floor(axes, record, moment.level)
        else:
            axes.set_aspect("equal")
            axes.grid(color="#e4e1d8", lw=0.7)
            axes.set_xlabel("x, metres", fontsize=9)
            axes.set_ylabel("y, metres", fontsize=9)
        for i, name in enumerate(moment.names[:_MOST]):
            color = COLOURS[i % len(COLOURS)]
            _person(axes, moment, futures[:, i], found.middle[i], i, name, color)
        _legend(figure, forecaster)
        seconds = forecaster.record.horizon * forecaster.record.time_step
        where = f"{record.scenario}, level {moment.level}" if record.scenario else record.source
        title = f"{where}: {seconds:g} seconds ahead of {moment.time:.1f} s"
        axes.set_title(one_line(title), loc="left", fontsize=12, pad=10)
        write(figure)


def _floor(axes: Axes, record: TracksRecord, level: int) -> None:
    assert record.scenario is not None
    given: dict[str, Any] = {**record.arguments, "sensors": ["proprioception"], "level": level}
    simulation = simulate(record.scenario, **given)
    try:
        simulation.reset([0])
        draw_floor(axes, Plan(simulation))
    finally:
        simulation.close()


def _person(
    axes: Axes, moment: Moment, futures: Any, middle: Any, i: int, name: str, color: str
) -> None:
    """A person: the way here, a fan of futures, the mean of them, and the way that was taken."""
    own = moment.past.own[i].astype(np.float64)
    now = own[-1]
    for future in futures:
        way = np.concatenate([now[None], future])
        axes.plot(*way.T, color=color, lw=0.9, alpha=0.3, zorder=8, solid_capstyle="round")
        axes.plot(*future[-1], "o", color=color, ms=3.0, alpha=0.6, zorder=8)
    axes.plot(*own.T, color=color, lw=3.4, zorder=10, solid_capstyle="round")
    axes.plot(
        *np.concatenate([now[None], middle]).T, color=color, lw=2.6, ls=(0, (1, 0.8)), zorder=11
    )
    truth = np.concatenate([now[None], moment.future[i]])
    axes.plot(*truth.T, color=_INK, lw=1.8, ls=(0, (5, 2)), zorder=12)
    axes.plot(*now, "o", color=color, ms=11, mec="white", mew=1.6, zorder=13)
    axes.annotate(
        one_line(name)[:30], now, (9, 7), textcoords="offset points", fontsize=9, color=_INK,
        fontweight="bold", zorder=14,
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
    )  # fmt: skip


def _legend(figure: Any, forecaster: Forecaster) -> None:
    from matplotlib.lines import Line2D

    seen = forecaster.record.history * forecaster.record.time_step
    rows = [
        Line2D([], [], color=_SOFT, lw=3.4, label=f"{seen:g} seconds that were seen"),
        Line2D([], [], color=_SOFT, lw=1.2, alpha=0.4, label=f"{FUTURES} futures"),
        Line2D([], [], color=_SOFT, lw=2.6, ls=(0, (1, 0.8)), label="mean forecast"),
        Line2D([], [], color=_INK, lw=1.8, ls=(0, (5, 2)), label="what came"),
    ]
    figure.legend(handles=rows, loc="outside lower left", frameon=False, ncols=4, fontsize=9.5)
