"""Charts as SVG: a curve over training steps, means with their intervals, and scattered ones.

They hold no colours and no fonts of their own: the page's style sheet colours the classes `grid`,
`label`, `random`, `trained` and `expert`, so one chart fits a light page and a dark one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from als_engine.evaluation.statistics import Interval
from als_engine.texts import escape

__all__ = [
    "Estimate",
    "Mark",
    "Plane",
    "curve_chart",
    "interval_chart",
    "label",
    "open_drawing",
    "scatter_chart",
    "ticks",
    "with_minus",
]

# Of the drawing's own units. On a phone it is shown at about three quarters of its size, and text
# of 13 units can still be read.
WIDTH: Final = 440
_CURVE_HEIGHT: Final = 300
_NOTE: Final = 19
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 14, 46
_ROW: Final = 58
_TITLE: Final = 18


@dataclass(frozen=True)
class Estimate:
    """An interval as charts show it.

    Attributes:
        name: what stands beside it. kind: the style class, `random`, `trained` or `expert`.
        interval: in the chart's unit.
    """

    name: str
    kind: str
    interval: Interval


@dataclass(frozen=True)
class Mark:
    """A mean in two directions, with its confidence intervals.

    Attributes:
        name: what stands beside it. kind: the style class.
        x, y: where it lies, in the units of the axes.
        joined: whether a line leads through it.
    """

    name: str
    kind: str
    x: Interval
    y: Interval
    joined: bool


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover a range: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(first, last + 1)]


def curve_chart(
    points: Sequence[tuple[float, float]],
    references: Sequence[Estimate],
    x_title: str,
    y_title: str,
) -> Markup:
    """A curve, with dashed lines at what others reach.

    Args:
        points: (x, y), x rising; points that are not finite are left out.
        references: means to compare with, drawn across the whole width.
        x_title: what stands under the chart.
        y_title: what stands above the vertical axis.
    """
    shown = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    levels = [y for _, y in shown] + [reference.interval.value for reference in references]
    right = shown[-1][0] if shown and shown[-1][0] > 0 else 1.0
    across, up = ticks(0.0, right, 4), ticks(min(levels, default=0.0), max(levels, default=0.0))
    plane = Plane((0.0, right), (up[0], up[-1]), _CURVE_HEIGHT)
    parts = [open_drawing(_CURVE_HEIGHT, f"{y_title} over {x_title}")]
    parts += [plane.across(y) + plane.y_label(y) for y in up]
    parts += [plane.x_label(x) for x in across if x <= right]
    for reference in references:
        # The name stands at the end at which the curve is farther away.
        ends = (
            [abs(shown[i][1] - reference.interval.value) for i in (0, -1)] if shown else [0.0, 0.0]
        )
        parts.append(plane.reference(reference, at_start=ends[0] > ends[1]))
    if shown:
        parts += _curve(plane, shown, plane.y(up[0]))
    parts.append(label((_LEFT + WIDTH - _RIGHT) / 2, _CURVE_HEIGHT - 8, x_title, "middle"))
    return Markup("".join(parts) + "</svg>")


def _curve(plane: Plane, shown: Sequence[tuple[float, float]], foot: float) -> Iterator[str]:
    """The line through some points, with the area under it and a dot at its end."""
    path = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in shown)
    area = f"{plane.x(shown[0][0]):.1f},{foot:.1f} {path} {plane.x(shown[-1][0]):.1f},{foot:.1f}"
    yield f'<polygon class="area trained" points="{area}"/>'
    yield f'<polyline class="curve trained" points="{path}"/>'
    x, y = shown[-1]
    yield f'<circle class="dot trained" cx="{plane.x(x):.1f}" cy="{plane.y(y):.1f}" r="4"/>'


def interval_chart(estimates: Sequence[Estimate], x_title: str) -> Markup:
    """One row for each mean, with its interval as a bar.

    Args:
        estimates: from top to bottom.
        x_title: what stands under the chart.
    """
    height = _TOP + _ROW * len(estimates) + _BOTTOM
    shown = [each.interval for each in estimates]
    steps = ticks(min(i.low for i in shown), max(i.high for i in shown))
    plane = Plane((steps[0], steps[-1]), (0.0, 1.0), height, left=14)
    parts = [open_drawing(height, x_title)]
    parts += [plane.down(x) + plane.x_label(x) for x in steps]
    for row, estimate in enumerate(estimates):
        parts.append(_row(plane, estimate, _TOP + _ROW * (row + 0.62)))
    parts.append(label(WIDTH / 2, height - 8, x_title, "middle"))
    return Markup("".join(parts) + "</svg>")


def scatter_chart(
    marks: Sequence[Mark], x_title: str, y_title: str, notes: Sequence[str] = ()
) -> Markup:
    """Points with intervals both ways; a line joins those that ask for it, from left to right.

    Args:
        marks: at least one.
        x_title: what stands under the chart.
        y_title: what stands above the vertical axis.
        notes: lines below the chart.
    """
    below = _NOTE * len(notes)
    height = _CURVE_HEIGHT + _TITLE + below
    across = ticks(min(m.x.low for m in marks), max(m.x.high for m in marks), 4)
    up = ticks(min(m.y.low for m in marks), max(m.y.high for m in marks))
    plane = Plane(
        (across[0], across[-1]), (up[0], up[-1]), height,
        top=_TOP + _TITLE, bottom=_BOTTOM + below,
    )  # fmt: skip
    parts = [open_drawing(height, f"{y_title} over {x_title}"), label(8, 18, y_title, "start")]
    parts += [plane.across(y) + plane.y_label(y) for y in up]
    parts += [plane.down(x) + plane.x_label(x) for x in across]
    line = sorted((m.x.value, m.y.value) for m in marks if m.joined)
    path = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in line)
    parts.append(f'<polyline class="front" points="{path}"/>')
    named: list[tuple[float, float]] = []
    for mark in marks:
        place = plane.x(mark.x.value), plane.y(mark.y.value)
        # Where names would lie on one another, the first one stays; all are in the hints.
        free = all(abs(place[0] - x) > 40 or abs(place[1] - y) > 14 for x, y in named)
        named += [place] if free else []
        parts.append(_mark(plane, mark, free))
    parts.append(label((_LEFT + WIDTH - _RIGHT) / 2, height - 8 - below, x_title, "middle"))
    for row, note in enumerate(reversed(notes)):
        parts.append(label(8, height - 8 - _NOTE * row, note, "start"))
    return Markup("".join(parts) + "</svg>")


def _mark(plane: Plane, mark: Mark, with_name: bool) -> str:
    """Two thin lines for the intervals, a dot for the mean, its name above, inside the drawing."""
    x, left, right = (plane.x(end) for end in (mark.x.value, mark.x.low, mark.x.high))
    y, low, high = (plane.y(end) for end in (mark.y.value, mark.y.low, mark.y.high))
    hint = f"{mark.name}: {mark.x.value:.2f}, {mark.y.value:.2f}"
    at, anchor = (x + 7, "start") if x < WIDTH - 60 else (x - 7, "end")
    name = (
        f'<text class="name" x="{at:.1f}" y="{y - 7:.1f}" text-anchor="{anchor}">'
        f"{escape(mark.name)}</text>"
    )
    return (
        f'<g class="{escape(mark.kind)}"><title>{escape(hint)}</title>'
        f'<line class="whisker" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        f"{name if with_name else ''}</g>"
    )


def _row(plane: Plane, estimate: Estimate, y: float) -> str:
    """Name and number above, the interval as a thick line, the mean as a dot."""
    interval = estimate.interval
    low, mean, high = (plane.x(end) for end in (interval.low, interval.value, interval.high))
    hint = f"{estimate.name}: {interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    # Names stay within the drawing, wherever the mean is.
    middle = min(max(mean, 70.0), WIDTH - 70.0)
    return (
        f'<g class="{escape(estimate.kind)}"><title>{escape(hint)}</title>'
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle class="dot" cx="{mean:.1f}" cy="{y:.1f}" r="6"/>'
        f'<text class="name" x="{middle:.1f}" y="{y - 14:.1f}" text-anchor="middle">'
        f"{escape(estimate.name)} {with_minus(f'{interval.value:.2f}')}</text></g>"
    )


class Plane:
    """Turns numbers into places on the drawing."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        height: int,
        left: int = _LEFT,
        top: int = _TOP,
        bottom: int = _BOTTOM,
        width: int = WIDTH,
    ) -> None:
        self._x, self._y, self._left, self._top = x, y, left, top
        self._right, self._low = width - _RIGHT, height - bottom

    def x(self, value: float) -> float:
        """From the left edge."""
        part = (value - self._x[0]) / (self._x[1] - self._x[0])
        return self._left + part * (self._right - self._left)

    def y(self, value: float) -> float:
        """From the upper edge."""
        part = (value - self._y[0]) / (self._y[1] - self._y[0])
        return self._low - part * (self._low - self._top)

    def across(self, value: float, style: str = "grid") -> str:
        """A line from left to right."""
        y, left, right = self.y(value), self._left, self._right
        return f'<line class="{style}" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'

    def down(self, value: float, style: str = "grid") -> str:
        """A line from top to bottom."""
        x, top, low = self.x(value), self._top, self._low
        return f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{low}"/>'

    def event(self, value: float, name: str) -> str:
        """A dotted line from top to bottom, with its name beside its top."""
        x, left = self.x(value), self.x(value) < (self._left + self._right) / 2
        at, anchor = (x + 6, "start") if left else (x - 6, "end")
        return self.down(value, "event") + label(at, self._top + 10, name, anchor)

    def x_label(self, value: float) -> str:
        """A number under the plane."""
        return label(self.x(value), self._low + 17, _short(value), "middle")

    def y_label(self, value: float) -> str:
        """A number to the left of the plane."""
        return label(self._left - 7, self.y(value) + 4, _short(value), "end")

    def reference(self, reference: Estimate, at_start: bool) -> str:
        """A dashed line with its name, at its left or its right end."""
        kind, value = escape(reference.kind), reference.interval.value
        y = self.y(value)
        # Above the line, unless that would be above the plane.
        place = y - 6 if y > self._top + 16 else y + 15
        x, anchor = (self._left + 4, "start") if at_start else (self._right - 2, "end")
        return (
            self.across(value, f"reference {kind}")
            + f'<text class="name {kind}" x="{x}" y="{place:.1f}" text-anchor="{anchor}">'
            f"{escape(reference.name)} {with_minus(f'{value:.2f}')}</text>"
        )


def open_drawing(height: int, title: str, width: int = WIDTH) -> str:
    """The start of an SVG, whose end is `</svg>`."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">'
    )


def label(x: float, y: float, text: str, anchor: str) -> str:
    """Text beside or below an axis."""
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _short(value: float) -> str:
    """120000 as 120k, -0.0 as 0."""
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if abs(value) >= 10_000:
        return f"{value / 1_000:g}k"
    return with_minus(f"{value + 0.0:.6g}")


def with_minus(text: str) -> str:
    """Numbers with a minus sign as wide as a plus sign, so that columns line up."""
    return text.replace("-", "\N{MINUS SIGN}")
