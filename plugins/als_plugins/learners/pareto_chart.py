"""A Pareto front as a picture: one SVG file that needs no style sheet of a page."""

from __future__ import annotations

from als_engine.reports.chart import Mark, scatter_chart
from als_plugins.learners.pareto import Front, Point

__all__ = ["front_chart"]

_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #37474f }
.grid { stroke: #cfd8dc; stroke-width: 1 }
.front { fill: none; stroke: #00796b; stroke-width: 2 }
.trained .dot { fill: #00796b }
.trained .whisker { stroke: #00796b }
.random .dot { fill: #fff; stroke: #90a4ae; stroke-width: 1.5 }
.random .whisker { stroke: #b0bec5 }
</style><rect width="100%" height="100%" fill="#fff"/>"""


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
    svg = scatter_chart(marks, across, f"return of {front.y}")
    opening, rest = svg.split(">", 1)
    return f"{opening}>{_STYLE}{rest}"


def _named(front: Front, point: Point) -> str:
    both = point.weights[front.x] + point.weights[front.y]
    return f"{point.weights[front.x] / both:.0%}"
