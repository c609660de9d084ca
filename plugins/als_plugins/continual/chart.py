"""Forgetting matrices as a figure of matplotlib's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from als_engine.reports.figures import figure_file

__all__ = ["write_matrices"]

_INK, _PAPER = "#1d2530", "#ffffff"


def write_matrices(
    matrices: Mapping[str, Sequence[Sequence[float]]], scenarios: Sequence[str], path: Path
) -> None:
    """Draws scores after each scenario in each scenario so far, one matrix for each method.

    Args:
        matrices: method to scores; row `i` has those of the first `i + 1` scenarios.
        scenarios: their ids, in order.
        path: an SVG or a PNG, by its ending.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    count, names = len(scenarios), [name.partition("/")[2].partition("-v")[0] for name in scenarios]
    with figure_file(path) as write:
        from matplotlib.figure import Figure

        size = (1.2 + 2.3 * len(matrices), 1.3 + 0.55 * count)
        figure = Figure(figsize=size, layout="constrained")
        row = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axes, (method, scores) in zip(row, matrices.items(), strict=True):
            values = np.full((count, count), np.nan)
            for y, line in enumerate(scores):
                values[y, : len(line)] = line
            shown = axes.imshow(values, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto")
            for y, line in enumerate(scores):
                for x, value in enumerate(line):
                    color = _PAPER if value < 0.6 else _INK
                    axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=color)
            axes.set_xticks(range(count), names, rotation=30, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(count), [f"after {name}" for name in names])
            if axes is not row[0]:
                axes.set_yticklabels([])
            axes.set_title(method, loc="left", fontsize=11)
            axes.tick_params(length=0)
            for side in axes.spines.values():
                side.set_visible(False)
        figure.colorbar(shown, ax=row.tolist(), label="score: 0 random, 1 expert")
        write(figure)
