"""Right answers by the number of labels, as a figure of matplotlib's: a panel for each source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from als_engine.reports.figures import figure_file
from als_engine.reports.series_chart import COLOURS
from als_plugins.meta.labelled import SOURCES
from als_plugins.meta.methods import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from als_plugins.meta.few_labels import FewLabels

__all__ = ["write_chart"]

TITLES: Final = {
    "diagnosis": "Diagnosis: is the tumour malignant?",
    "imaging": "Imaging: whose slide is it?",
}
_SOFT, _GRID = "#5d6673", "#e4e1d8"
_NO_META: Final = ("fine-tuning", "scratch", "nearest", "oracle")


def write_chart(results: Sequence[FewLabels], path: Path) -> None:
    """Draws what was measured into a file, an SVG or a PNG by its ending.

    Args:
        results: of one source each.
        path: of the file.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    with figure_file(path) as write:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1.0 + 4.2 * len(results), 4.6), layout="constrained")
        panels = figure.subplots(1, len(results), squeeze=False)[0]
        for axes, result in zip(panels, results, strict=True):
            _draw(axes, result)
        panels[0].set_ylabel("right answers, test split")
        named = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
        figure.legend(
            named.values(), named.keys(), loc="outside lower left", frameon=False, ncols=3
        )
        write(figure)


def _draw(axes: Axes, result: FewLabels) -> None:
    labels = result.settings.labels
    places = list(range(len(labels)))
    for number, method in enumerate(METHODS):
        if method not in result.methods:
            continue
        found = [result.of(method, each) for each in labels]
        error = [
            [one.value - one.low for one in found],
            [one.high - one.value for one in found],
        ]
        apart = [place + 0.03 * (number - len(METHODS) / 2) for place in places]
        axes.errorbar(
            apart, [one.value for one in found], yerr=error, label=METHODS[method].says,
            color=COLOURS[number], marker="o", markersize=4, linewidth=1.6, elinewidth=1,
            linestyle="--" if method in _NO_META else "-",
        )  # fmt: skip
    chance = 1.0 / SOURCES[result.settings.data].ways
    axes.axhline(chance, color=_SOFT, linewidth=1, linestyle=":")
    axes.annotate(
        "chance", (places[0], chance), textcoords="offset points", xytext=(-18, -11),
        ha="left", fontsize=8, color=_SOFT,
    )  # fmt: skip
    axes.margins(y=0.09)
    axes.set_title(TITLES[result.settings.data], loc="left", fontsize=10)
    axes.set_xticks(places, [str(each) for each in labels])
    axes.set_xlabel("labels of each class")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
