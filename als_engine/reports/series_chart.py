"""Charts that compare many: curves with their bands, and heat maps. SVG, like those of `chart`.

What belongs to one of many has a style class of its own, such as `s0`; `SERIES_STYLE` colours
eight of them, and pages use it together with their own style.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from als_engine.reports.chart import WIDTH, Estimate, Plane, label, open_drawing, ticks
from als_engine.reports.style import CHART_STYLE, LIGHT
from als_engine.texts import escape

__all__ = [
    "COLOURS",
    "SERIES_STYLE",
    "Dot",
    "Heat",
    "Series",
    "band_chart",
    "heat_map",
    "series_kind",
    "standalone",
]

_TITLE: Final = 20
_LEFT, _RIGHT, _FOOT = 46, 14, 46
_LEGEND_ROW: Final = 22
_CHAR: Final = 7.4
"""About how wide a character of a name is; SVG does not tell before it is drawn."""

_LONGEST: Final = 22
"""Longer names are cut beside heat maps; hints have them whole."""

_READABLE: Final = 30.0
"""The narrowest cell that has its number in it."""

COLOURS: Final = (
    *("#0b7d6f", "#2f5fc4", "#b0327a", "#6b7a0c"),
    *("#7552b8", "#c2452d", "#0c7fb0", "#84552f"),
)
"""Teal, blue, magenta, olive, violet, red, cyan, brown: apart in hue and in lightness."""

_DARK: Final = (
    *("#3ecdb8", "#82a8ff", "#f283bd", "#b5c94e"),
    *("#b99cf5", "#ff8a70", "#5cc4ee", "#d3a27c"),
)
_DASHES: Final = ("none", "7 4", "2 4")


@dataclass(frozen=True)
class Series:
    """A curve, with or without a band around it.

    Attributes:
        name: what the legend calls it. kind: the style class.
        x, y: of its points, x rising.
        low, high: of the band; empty for none.
    """

    name: str
    kind: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Dot:
    """A point on a curve that is marked.

    Attributes:
        x, y: where it lies. kind: the style class.
        hint: what it is about. crossed: whether it is a cross.
    """

    x: float
    y: float
    kind: str
    hint: str
    crossed: bool = False


@dataclass(frozen=True)
class Heat:
    """A cell of a heat map.

    Attributes:
        value: from -1, against, over 0, neutral, to 1, in favour; None for an empty cell.
        text: what stands in it, a few characters. hint: the whole story.
    """

    value: float | None
    text: str
    hint: str


def series_kind(number: int) -> str:
    """The style class of the n-th of many: eight colours, then the same ones dashed."""
    colors = len(COLOURS)
    return f"s{number % colors} d{number // colors % len(_DASHES)}"


def _rules(colors: Sequence[str]) -> str:
    return "\n".join(f".s{i} {{ --own: {color}; }}" for i, color in enumerate(colors))


SERIES_STYLE: Final = f"""
{_rules(COLOURS)}
@media (prefers-color-scheme: dark) {{
{_rules(_DARK)}
}}
{"".join(f".d{i} .curve, .curve.d{i} {{ stroke-dasharray: {d}; }}" for i, d in enumerate(_DASHES))}
.cross {{ fill: none; stroke: var(--lost); stroke-width: 2.5; stroke-linecap: round; }}
.event {{ stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 4; }}
.heat rect {{ fill: var(--own); fill-opacity: calc(.04 + .62 * var(--v)); }}
.heat .for {{ --own: var(--won); }} .heat .against {{ --own: var(--lost); }}
.heat .empty rect {{ fill: none; stroke: var(--rim); stroke-dasharray: 3 3; }}
.heat .number {{ fill: var(--ink); font-size: 12.5px; font-variant-numeric: tabular-nums; }}
"""

_FONT: Final = 'svg { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }'


def band_chart(
    series: Sequence[Series],
    references: Sequence[Estimate],
    x_title: str,
    y_title: str,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    dots: Sequence[Dot] = (),
    events: Sequence[tuple[float, str]] = (),
    width: int = WIDTH,
    height: int = 320,
) -> Markup:
    """Several curves with their bands, and a legend below them.

    Args:
        series: the last one is drawn on top; points that are not finite are left out.
        references: means to compare with, drawn across the whole width.
        x_title: what stands under the horizontal axis.
        y_title: what stands above the vertical one.
        x_range: what the horizontal axis covers; by default from 0 to the last point.
        y_range: what the vertical axis covers; by default as much as is drawn.
        dots: points that are marked, on top of all curves.
        events: (x, name) of what happened there.
        width: of the drawing, in its own units, which are as large as those of `chart`.
        height: the same, without the legend.
    """
    drawn = [_finite(each) for each in series]
    levels = [v for each in drawn for vs in (each.y, each.low, each.high) for v in vs]
    levels += [reference.interval.value for reference in references]
    up = ticks(*(y_range or (min(levels, default=0.0), max(levels, default=1.0))))
    left, right = x_range or (0.0, max((each.x[-1] for each in drawn if each.x), default=1.0))
    right = right if right > left else left + 1.0
    legend = list(_flow([each.name for each in drawn], width))
    below = _LEGEND_ROW * (1 + max((row for _, row in legend), default=-1)) + 6
    whole = height + below
    plane = Plane(
        (left, right), (up[0], up[-1]), whole, top=_TITLE + 12, bottom=_FOOT + below, width=width
    )
    parts = [open_drawing(whole, f"{y_title} over {x_title}", width), '<g class="bands">']
    parts += [label(8, 16, y_title, "start")]
    parts += [plane.across(y) + plane.y_label(y) for y in up]
    parts += [plane.x_label(x) for x in ticks(left, right, 4) if left <= x <= right * 1.001]
    # Curves begin low and end high: a low line has its name at the end, a high one at the start.
    middle = (up[0] + up[-1]) / 2
    parts += [plane.reference(each, at_start=each.interval.value > middle) for each in references]
    parts += [_band(plane, each) for each in drawn]
    parts += [_line(plane, each) for each in drawn]
    parts += [_dot(plane, each) for each in dots] + [plane.event(*each) for each in events]
    parts.append(label((_LEFT + width - _RIGHT) / 2, height - 8, x_title, "middle"))
    for each, (x, row) in zip(drawn, legend, strict=True):
        parts.append(_key(each, x, height + 14 + _LEGEND_ROW * row))
    return Markup("".join(parts) + "</g></svg>")


def heat_map(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Heat]], title: str
) -> Markup:
    """A matrix whose cells are the stronger coloured, the farther they are from neutral.

    Columns are numbered. Where rows and columns are the same, rows have the numbers as well;
    otherwise a key stands below.

    Args:
        rows: names, from top to bottom.
        columns: names, from left to right.
        cells: one sequence for each row.
        title: what it is about, for those who do not see it.
    """
    same = list(rows) == list(columns)
    names = [f"{i + 1}  {name}" if same else name for i, name in enumerate(map(_cut, rows))]
    left = 10 + _CHAR * max(map(len, names))
    size = (WIDTH - left - 4) / len(columns)
    tall = min(max(size, 26.0), 44.0)
    numbered = [] if same else [f"{i + 1}  {name}" for i, name in enumerate(columns)]
    key = list(_flow(numbered, WIDTH))
    foot = 26.0 + tall * len(rows)
    height = math.ceil(foot + 8 + _LEGEND_ROW * (1 + max((row for _, row in key), default=-1)))
    parts = [open_drawing(height, title), '<g class="heat">']
    for column in range(len(columns)):
        middle = left + size * (column + 0.5)
        parts.append(_hinted(label(middle, 16, str(column + 1), "middle"), columns[column]))
    for row, name in enumerate(names):
        y = 26.0 + tall * row
        parts.append(_hinted(label(0, y + tall / 2 + 4, name, "start"), rows[row]))
        for column, cell in enumerate(cells[row]):
            parts.append(_heat(cell, left + size * column, y, size, tall))
    for text, (x, line) in zip(numbered, key, strict=True):
        parts.append(label(x, foot + 22 + _LEGEND_ROW * line, text, "start"))
    return Markup("".join(parts) + "</g></svg>")


def standalone(drawing: str, style: str = "") -> str:
    """A drawing as a file of its own, which brings the styles and a white ground with it.

    Args:
        drawing: one of this module's, or of `chart`'s.
        style: what comes after the styles that all of them need.
    """
    head, end, rest = drawing.partition(">")
    styles = LIGHT + CHART_STYLE + SERIES_STYLE + _FONT + style
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f"{head}{end}<style>{styles}</style>{ground}{rest}\n"


def _finite(series: Series) -> Series:
    columns = [series.x, series.y, *((series.low, series.high) if series.low else ())]
    points = [p for p in zip(*columns, strict=True) if all(map(math.isfinite, p))]
    found = list(zip(*points, strict=True)) or [()] * len(columns)
    return Series(series.name, series.kind, *found)


def _flow(names: Sequence[str], width: int) -> Iterator[tuple[float, int]]:
    """Where each name of a legend stands: how far from the left, and in which line."""
    x, row = 8.0, 0
    for name in names:
        needs = 42 + _CHAR * len(name)
        if x > 8 and x + needs > width:
            x, row = 8.0, row + 1
        yield x, row
        x += needs


def _band(plane: Plane, series: Series) -> str:
    if not series.low:
        return ""
    there = list(zip(series.x, series.high, strict=True))
    back = list(zip(series.x, series.low, strict=True))[::-1]
    return f'<polygon class="band {series.kind}" points="{_points(plane, there + back)}"/>'


def _line(plane: Plane, series: Series) -> str:
    points = _points(plane, list(zip(series.x, series.y, strict=True)))
    return (
        f'<polyline class="curve {series.kind}" points="{points}">'
        f"<title>{escape(series.name)}</title></polyline>"
    )


def _dot(plane: Plane, dot: Dot) -> str:
    x, y, kind = plane.x(dot.x), plane.y(dot.y), escape(dot.kind)
    shape = f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    if dot.crossed:
        shape = f'<path class="cross {kind}" d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
    return _hinted(shape, dot.hint)


def _points(plane: Plane, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in points)


def _key(series: Series, x: float, y: float) -> str:
    """A line of the series's colour, and its name."""
    return (
        f'<line class="curve {series.kind}" x1="{x:.1f}" x2="{x + 20:.1f}" y1="{y}" y2="{y}"/>'
        f"{label(x + 26, y + 4.5, series.name, 'start')}"
    )


def _heat(cell: Heat, x: float, y: float, width: float, height: float) -> str:
    side = "empty" if cell.value is None else "for" if cell.value >= 0 else "against"
    strength = min(abs(cell.value or 0.0), 1.0)
    text = cell.text if width >= _READABLE else ""
    return (
        f'<g class="{side}"><title>{escape(cell.hint)}</title>'
        f'<rect style="--v:{strength:.3f}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{width - 2:.1f}" '
        f'height="{height - 2:.1f}" rx="4"/><text class="number" x="{x + width / 2:.1f}" '
        f'y="{y + height / 2 + 4.5:.1f}" text-anchor="middle">{escape(text)}</text></g>'
    )


def _hinted(drawing: str, hint: str) -> str:
    return f"<g><title>{escape(hint)}</title>{drawing}</g>"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
