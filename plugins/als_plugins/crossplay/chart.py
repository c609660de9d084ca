"""The cross-play matrix as a figure of matplotlib's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from als_engine.reports.figures import figure_file

if TYPE_CHECKING:
    from als_plugins.crossplay.matches import Matrix

__all__ = ["write_matrix"]

_INK, _PAPER = "#1d2530", "#ffffff"


def write_matrix(matrix: Matrix, path: Path) -> None:
    """Draws the mean returns into a file, an SVG or a PNG by its ending, with success below each.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    cells = [[matrix.cells[row, column] for column in matrix.columns] for row in matrix.rows]
    values = np.array([[cell.returns.mean() for cell in line] for line in cells])
    low, high = float(values.min()), float(values.max())
    with figure_file(path) as write:
        from matplotlib.figure import Figure

        size = (2.6 + 1.15 * len(matrix.columns), 2.1 + 0.75 * len(matrix.rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(values, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        for y, line in enumerate(cells):
            for x, cell in enumerate(line):
                dark = high > low and (values[y, x] - low) / (high - low) < 0.6
                text = f"{values[y, x]:.1f}\n{cell.success.value:.0%}"
                color = _PAPER if dark else _INK
                axes.text(x, y, text, ha="center", va="center", color=color, fontsize=9.5)
        axes.set_xticks(range(len(matrix.columns)), map(_wrapped, matrix.columns), rotation=30)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
        axes.set_yticks(range(len(matrix.rows)), map(_wrapped, matrix.rows))
        others = " and ".join(matrix.ground.other_roles)
        axes.set_xlabel(f"against, as {others}")
        axes.set_ylabel(f"as {matrix.ground.role}")
        episodes = cells[0][0].episodes
        title = f"{matrix.ground.scenario}, {matrix.split} split, {episodes} episodes a cell"
        axes.set_title(title, loc="left", fontsize=11)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        figure.colorbar(shown, label=f"mean return of the {matrix.ground.role}; below: success")
        write(figure)


def _wrapped(name: str) -> str:
    """The end of a long name: folders differ in it."""
    return name if len(name) <= 22 else f"…{name[-21:]}"
