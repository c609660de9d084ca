"""The chart of the deletion test as SVG, coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from als_engine.reports.chart import ticks, with_minus

if TYPE_CHECKING:
    from als_plugins.explaining.checks import Deletion

__all__ = ["deletion_chart"]

WIDTH, HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 46
_BAND: Final = (5, 95)


def deletion_chart(deletion: Deletion) -> Markup:
    """The fall of a number over how many parts are taken away: the strongest, and random ones."""
    low, high = np.percentile(deletion.random, _BAND, axis=0)
    up = ticks(
        float(min(0.0, low.min(), deletion.strongest.min())),
        float(max(high.max(), deletion.strongest.max())),
        4,
    )

    def x(index: int) -> float:
        places = max(len(deletion.counts) - 1, 1)
        return _LEFT + 10 + index * (WIDTH - _LEFT - _RIGHT - 20) / places

    def y(value: float) -> float:
        part = (value - up[0]) / (up[-1] - up[0])
        return HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM)

    def path(values: Sequence[float]) -> str:
        return " ".join(f"{x(i):.1f},{y(float(v)):.1f}" for i, v in enumerate(values))

    band = path(list(high)) + " " + " ".join(reversed(path(list(low)).split()))
    middle = deletion.random.mean(axis=0)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="fall over parts taken away" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for value in up:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" '
            f'y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="label" x="{_LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{with_minus(f'{value + 0.0:.4g}')}</text>"
        )
    for i, count in enumerate(deletion.counts):
        parts.append(_label(x(i), HEIGHT - _BOTTOM + 18, str(count)))
    parts.append(_label((WIDTH + _LEFT) / 2, HEIGHT - 8, "parts taken away"))
    parts.append(f'<polygon class="area random" points="{band}"/>')
    for kind, values, name in (
        ("random", middle, "random ones"),
        ("trained", deletion.strongest, "the strongest"),
    ):
        parts.append(f'<polyline class="curve {kind}" points="{path(list(values))}"/>')
        last = len(deletion.counts) - 1
        place = y(float(values[last])) - 8
        parts.append(
            f'<text class="name {kind}" x="{x(last):.1f}" y="{max(place, 12):.1f}" '
            f'text-anchor="end">{name}</text>'
        )
    return Markup("".join(parts) + "</svg>")


def _label(x: float, y: float, text: str) -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'
