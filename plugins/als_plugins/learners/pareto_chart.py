"""Draws a Pareto front as an SVG file that needs no style sheet of a page."""

from __future__ import annotations

from als_engine.evaluation.statistics import Interval
from als_engine.reports.chart import Mark, scatter_chart
from als_engine.reports.series_chart import standalone
from als_plugins.learners.pareto import Front, Point

__all__ = ["front_chart", "interval"]


def front_chart(front: Front) -> str:
    """The returns of the two terms, with their intervals; a line joins what nothing dominates."""
    marks = [
        Mark(
            name=_named(front, point),
            kind="trained" if point.on_front else "random",
            x=point.terms[front.x],
            y=point.terms[front.y],
            joined=point.on_front,
        )
        for point in front.points
    ]
    if not len(front.points) % 2:  # Else it is the middle one.
        terms = front.fixed.terms
        marks.append(Mark("equal", "expert", terms[front.x], terms[front.y], joined=False))
    across = f"return of {front.x}, marked with its weight"
    at = ", ".join(f"{value:.4g}" for value in front.reference)
    notes = [
        f"hypervolume above ({at}): {interval(front.hypervolume)}",
        f"of equal weights alone: {interval(front.fixed_hypervolume)}",
    ]
    drawing = scatter_chart(marks, across, f"return of {front.y}", notes)
    return standalone(drawing, ".whisker { stroke-width: 1.5; opacity: .6; }")


def interval(value: Interval) -> str:
    """A value with its interval, in four digits: hypervolumes may be small."""
    return f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]"


def _named(front: Front, point: Point) -> str:
    both = point.weights[front.x] + point.weights[front.y]
    return f"{point.weights[front.x] / both:.0%}"
