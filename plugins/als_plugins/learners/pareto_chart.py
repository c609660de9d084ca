"""Draws a Pareto front as an SVG file that needs no style sheet of a page."""

from __future__ import annotations

from als_engine.reports.chart import Mark, scatter_chart
from als_engine.reports.series_chart import standalone
from als_plugins.learners.pareto import Front, Point

__all__ = ["front_chart"]


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
    across = f"return of {front.x}, marked with its weight"
    drawing = scatter_chart(marks, across, f"return of {front.y}")
    return standalone(drawing, ".whisker { stroke-width: 1.5; opacity: .6; }")


def _named(front: Front, point: Point) -> str:
    both = point.weights[front.x] + point.weights[front.y]
    return f"{point.weights[front.x] / both:.0%}"
