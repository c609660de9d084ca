"""A figure of a world model: its error over the horizon, and a long rollout beside the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from als_engine.reports.figures import figure_file
from als_engine.reports.series_chart import COLOURS
from als_plugins.world_models.measuring import CONTEXT

if TYPE_CHECKING:
    from als_plugins.world_models.measuring import Errors, Rollout
    from als_plugins.world_models.saving import Learnt

__all__ = ["write_figure"]


def write_figure(learnt: Learnt, errors: Errors, rollout: Rollout, path: Path, title: str) -> None:
    """Draws into a file, an SVG or a PNG by its ending.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    with figure_file(path) as write:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10.5, 5.2), layout="constrained")
        grid = figure.add_gridspec(len(rollout.columns), 2, width_ratios=(1, 1.35))
        left = figure.add_subplot(grid[:, 0])
        ahead = np.arange(1, len(errors.model) + 1)
        left.plot(ahead, errors.persistence, color=COLOURS[3], label="persistence")
        left.plot(ahead, errors.model, color=COLOURS[0], label=learnt.size.kind)
        left.set_ylim(bottom=0.0)
        left.set_xlabel("steps ahead")
        left.set_ylabel("error of observations, deviations")
        left.set_title(title, loc="left", fontsize=11)
        left.legend(frameon=False)
        names = names_of(learnt)
        for row, column in enumerate(rollout.columns):
            axes = figure.add_subplot(grid[row, 1])
            axes.axvspan(0, CONTEXT - 1, color="#e9eef2", linewidth=0)
            axes.plot(rollout.truth[:, column], color="#1d2530", label="truth")
            axes.plot(rollout.guess[:, column], color=COLOURS[0], label=learnt.size.kind)
            axes.set_title(names[column], loc="left", fontsize=9.5)
            axes.margins(x=0.0)
            if row < len(rollout.columns) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel(f"step; the model sees the first {CONTEXT} alone")
            if row == 0:
                axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
        write(figure)


def names_of(learnt: Learnt) -> list[str]:
    """What each number is that the model reads, such as "entities 0, forward"."""
    from als_engine.sensors import columns

    known = {"entities": columns.ENTITIES, "proprioception": columns.PROPRIOCEPTION}
    code, names = learnt.code, []
    for key, where in code.numbers.slices.items():
        shape = code.space[key].shape or ()
        for number in range(where.stop - where.start):
            place = np.unravel_index(number, shape) if shape else ()
            words = known.get(key, ())
            last = int(place[-1]) if len(place) else 0
            named = words[last] if shape and len(words) == shape[-1] else str(last)
            names.append(", ".join([f"{key} {place[0]}" if len(place) > 1 else key, named]))
    return [name for name, kept in zip(names, code.kept.tolist(), strict=True) if kept]
