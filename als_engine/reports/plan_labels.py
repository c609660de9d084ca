"""Places names on a plan beside what they name, so that none lies on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from als_engine.texts import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Labels"]

_SIZE: Final = 8.0
_INK, _SOFT, _LOST = "#1d2530", "#5d6673", "#c0392b"
_AWAY: Final = (0.0, 10.0, 22.0, 36.0, 52.0, 70.0, 90.0)
"""How far from its thing a name may stand, pixels: the nearest place that is free is taken."""

_SLANT: Final = 0.7
_TURNS: Final = np.array(
    [
        *((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)),
        *((_SLANT, _SLANT), (-_SLANT, _SLANT), (_SLANT, -_SLANT), (-_SLANT, -_SLANT)),
    ]
)
"""To the right first, then to the left, above, below, and between them."""


@dataclass(frozen=True)
class _Label:
    text: str
    at: tuple[float, float]
    half: tuple[float, float]
    flat: bool
    look: dict[str, Any]


class Labels:
    """The names on one plan."""

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._wanted: list[_Label] = []

    def add(
        self,
        text: str,
        at: Any,
        half: tuple[float, float],
        *,
        flat: bool = False,
        lost: bool = False,
        soft: bool = False,
        bold: bool = False,
    ) -> None:
        """Asks for a name in or beside a thing; `half` is half of what it covers, metres."""
        look = {
            "color": _LOST if lost else _SOFT if soft else _INK,
            "fontsize": _SIZE,
            "fontweight": "bold" if bold else "normal",
        }
        place = (float(at[0]), float(at[1]))
        self._wanted.append(_Label(one_line(text)[:40], place, half, flat, look))

    def draw(self) -> None:
        """Writes all names: those of avatars first, and the others from left to right."""
        figure: Any = self._axes.figure
        figure.draw_without_rendering()
        taken = np.array([self._spot(label) for label in self._wanted]).reshape(-1, 4)
        order = sorted(
            range(len(self._wanted)),
            key=lambda i: (self._wanted[i].look["fontweight"] != "bold", self._wanted[i].at),
        )
        for i in order:
            taken = np.concatenate([taken, self._place(i, taken)[None]])

    def _spot(self, label: _Label) -> list[float]:
        """The pixels that a thing covers, somewhat less; names may lie on flat ones."""
        x, y = self._axes.transData.transform(label.at)
        wide, tall = (0.0, 0.0) if label.flat else 0.85 * self._pixels(label.half)
        return [x - wide, y - tall, x + wide, y + tall]

    def _pixels(self, metres: tuple[float, float]) -> Any:
        low, high = self._axes.transData.transform([(0.0, 0.0), metres])
        return high - low

    def _place(self, i: int, taken: Any) -> Any:
        """Writes a name where it covers least; returns the pixels that it takes."""
        from matplotlib import patheffects

        label = self._wanted[i]
        text = self._axes.text(
            *label.at, label.text, ha="center", va="center", zorder=12, **label.look
        )
        text.set_path_effects(
            [patheffects.withStroke(linewidth=2.4, foreground="white", alpha=0.85)]
        )
        box = text.get_window_extent()
        size = np.array([box.width, box.height])
        middle = self._axes.transData.transform(label.at)
        others = np.delete(taken, i, axis=0)
        half = self._pixels(label.half)
        least, best, far = np.inf, middle, 0.0
        if (size <= 1.8 * half).all():  # It fits inside.
            least = self._cost(middle, size, others)
        for away in _AWAY:
            if least <= 0.6 * away:
                break
            for direction in _TURNS:
                spot = middle + direction * (half + 3.0 + away + size / 2)
                cost = self._cost(spot, size, others) + 0.6 * away
                if cost < least - 1e-6:
                    least, best, far = cost, spot, away
        x, y = self._axes.transData.inverted().transform(best).tolist()
        text.set_position((x, y))
        if far > 15.0:
            self._lead(label, best, size)
        return np.concatenate([best - size / 2, best + size / 2])

    def _cost(self, spot: Any, size: Any, others: Any) -> float:
        """How many pixels of other names and things it covers, and what leaves the plan."""
        low, high = spot - size / 2, spot + size / 2
        wide = np.minimum(high[0], others[:, 2]) - np.maximum(low[0], others[:, 0])
        tall = np.minimum(high[1], others[:, 3]) - np.maximum(low[1], others[:, 1])
        covered = float((np.maximum(wide, 0.0) * np.maximum(tall, 0.0)).sum())
        frame = self._axes.get_window_extent()
        beyond = max(frame.x0 - low[0], high[0] - frame.x1, 0.0) + max(
            frame.y0 - low[1], high[1] - frame.y1, 0.0
        )
        return covered + 100.0 * float(beyond)

    def _lead(self, label: _Label, spot: Any, size: Any) -> None:
        """A thin line from a name that stands far off to its thing."""
        end = self._axes.transData.transform(label.at)
        start = np.clip(end, spot - size / 2, spot + size / 2)
        points = self._axes.transData.inverted().transform([start, end])
        self._axes.plot(*points.T, color=_SOFT, lw=0.6, zorder=11)
