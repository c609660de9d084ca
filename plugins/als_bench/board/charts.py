"""The charts of a board: learning curves, performance profiles, who beats whom, cross-play."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from als_bench.board.parts import Board, number, score
from als_bench.records import Unit
from als_bench.results.store import Store
from als_bench.running.cells import Cell, CrossPlay
from als_bench.standings import Standing
from als_engine.evaluation.statistics import (
    Interval,
    curve_band,
    performance_profile,
    probability_of_improvement,
)
from als_engine.plugins.specs import SuiteEntry
from als_engine.reports.chart import Estimate
from als_engine.reports.series_chart import Heat, Series, band_chart, heat_map

__all__ = ["Chart", "cross_play", "improvement", "learning_curves", "profiles"]

_THRESHOLDS: Final = 201
"""Points of a profile: enough for its steps to look like steps."""


@dataclass(frozen=True)
class Chart:
    """A drawing with what stands above and below it."""

    title: str
    drawing: Markup
    caption: str


def profiles(board: Board, entries: Sequence[str]) -> Chart | None:
    """Performance profiles over some entries; none when nobody has scores in all of them."""
    rows = [row for row in _scored(board, entries) if not row.is_yardstick]
    if not rows or not entries:
        return None
    found = [value for row in rows for group in row.groups(entries) for value in group]
    low, high = min(0.0, *found), max(1.0, *found)
    taus = np.linspace(low, high, _THRESHOLDS)
    series = []
    for row in rows:
        band = performance_profile(row.groups(entries), taus)
        columns = (each.tolist() for each in (taus, band.value, band.low, band.high))
        series.append(Series(row.label, board.kinds[row.key], *columns))
    drawing = band_chart(
        series, [], "score", "fraction of runs above", x_range=(low, high), y_range=(0.0, 1.0)
    )
    caption = (
        "How many runs, each of one training seed, score more than the number below. "
        "The higher the curve, the better; bands are 95% intervals."
    )
    return Chart("Performance profiles", drawing, caption)


def improvement(board: Board, entries: Sequence[str]) -> Chart | None:
    """How likely each agent beats each other one; none for fewer than two."""
    rows = _scored(board, entries)
    if len(rows) < 2 or not entries:
        return None
    cells = [[_improvement(one, other, entries) for other in rows] for one in rows]
    labels = [row.label for row in rows]
    drawing = heat_map(labels, labels, cells, "probability of improvement")
    caption = (
        "How likely a run of the agent on the left beats one of the agent above, whose number "
        "heads the column. Green is for the one on the left; the stronger, the surer."
    )
    return Chart("Who beats whom", drawing, caption)


def _improvement(one: Standing, other: Standing, entries: Sequence[str]) -> Heat:
    if one.key == other.key:
        return Heat(None, "", one.label)
    chance = probability_of_improvement(one.groups(entries), other.groups(entries))
    return Heat(
        2 * chance.value - 1,
        f"{chance.value:.2f}",
        f"{one.label} beats {other.label}: {score(chance)}",
    )


def learning_curves(board: Board, store: Store, entry: SuiteEntry) -> Chart | None:
    """The training return of each agent over its steps; none when nobody was trained."""
    series = []
    for row in board.standings.rows:
        seeds = sorted({*row.cells[entry.name].scores, *range(min(row.seeds, 100))})
        trainings = (
            store.training(Unit(row.run, entry.name, row.agent, seed), with_files=False)
            for seed in seeds
        )
        curves = [sorted(found.curve) for found in trainings if found and found.curve]
        if curves:
            steps, band = curve_band(curves)
            columns = (each.tolist() for each in (steps, band.value, band.low, band.high))
            series.append(Series(row.label, board.kinds[row.key], *columns))
    if not series:
        return None
    yardsticks = (("random", entry.random), ("expert", entry.expert))
    lines = [
        Estimate(n, n, Interval(value, value, value))
        for n, value in yardsticks
        if value is not None
    ]
    drawing = band_chart(series, lines, "environment steps", "training return")
    caption = (
        "As claimed: nobody can replay a training. "
        "Mean return of the last training episodes: interquartile mean over training seeds, with "
        "its 95% interval. Dashed: what counts as 0 and as 1."
    )
    return Chart("Learning curves", drawing, caption)


def cross_play(entry: str, table: CrossPlay) -> Chart:
    """A heat map of the score of each agent beside each partner."""
    found = [cell for pair in table.cells.values() if (cell := _worth(pair)) is not None]
    top = max(found, default=0.0)
    bottom = 0.0 if table.normalized else min(found, default=0.0)
    cells = [
        [_pair(table.cells.get((one, other)), one, other, bottom, top) for other in table.partners]
        for one in table.focals
    ]
    drawing = heat_map(table.focals, table.partners, cells, f"cross-play in {entry}")
    what = "Score" if table.normalized else "Return"
    caption = (
        f"{what} of the agent on the left beside the partner above, whose number heads the "
        "column; interquartile mean over training seeds. An agent beside itself plays with what "
        "came of another seed."
    )
    return Chart(f"Cross-play: {entry}", drawing, caption)


def _worth(cell: Cell) -> float | None:
    return cell.total if cell.score is None else cell.score.value


def _pair(cell: Cell | None, one: str, other: str, bottom: float, top: float) -> Heat:
    worth = None if cell is None else _worth(cell)
    if cell is None or worth is None:
        failed = "".join(f": {reason}" for reason in cell.failures.values()) if cell else ""
        return Heat(None, "", f"{one} beside {other}{failed or ': not played'}")
    words = score(cell.score) if cell.score else number(worth)
    crashed = f", crashed in {len(cell.failures)} seeds" if cell.failures else ""
    strength = (worth - bottom) / (top - bottom) if top > bottom else 0.0
    return Heat(strength, number(worth), f"{one} beside {other}: {words}{crashed}")


def _scored(board: Board, entries: Sequence[str]) -> list[Standing]:
    """The lines that have scores in all of these entries, and lack nothing where it counts."""

    def complete(cells: Iterable[Cell]) -> bool:
        return all(cell.scores for cell in cells)

    rows = board.standings.rows
    if list(entries) == board.standings.counted:
        return [row for row in rows if row.score is not None]
    return [row for row in rows if complete(row.cells[name] for name in entries)]
