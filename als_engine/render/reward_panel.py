"""A panel beside a picture: how much reward each term has brought so far, and how it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.font.glyphs import HEIGHT, WIDTH, bitmaps, drawn, indices
from als_engine.texts import one_line

__all__ = ["PANEL_WIDTH", "reward_panel"]

PANEL_WIDTH: Final = 180
_PAD: Final = 10
_ROW: Final = 30
_MOST: Final = 6
"""So many terms have a row; of more, the smallest are one."""

_GROUND, _RULE, _WHITE, _GREY = (29, 37, 48), (70, 82, 97), (240, 242, 245), (154, 167, 181)
_GAIN, _LOSS = (62, 205, 184), (255, 138, 112)

Color = tuple[int, int, int]
Picture = NDArray[np.uint8]


def reward_panel(
    height: int,
    names: Sequence[str],
    sums: NDArray[np.float64],
    returns: Sequence[float],
    steps: int,
) -> Picture:
    """Draws the panel, uint8 (height, PANEL_WIDTH, 3).

    Args:
        height: pixels.
        names: of the terms.
        sums: of each since the episode began.
        returns: after each step so far, the first before any.
        steps: the time limit, as long as the curve's axis.
    """
    panel = np.empty((height, PANEL_WIDTH, 3), np.uint8)
    panel[:] = _GROUND
    _write(panel, "REWARD BY TERM", (_PAD, _PAD), _GREY)
    rows = _rows(names, sums)
    largest = max([abs(value) for _, value in rows] + [1e-9])
    y = _PAD + 20
    for name, value in rows:
        _bar(panel, y, name, value, largest)
        y += _ROW
    _write(panel, "RETURN", (_PAD, y + 6), _GREY)
    _write_right(panel, f"{returns[-1]:+.2f}", y + 6, _WHITE)
    _curve(panel, y + 22, height - _PAD, returns, steps)
    return panel


def _rows(names: Sequence[str], sums: NDArray[np.float64]) -> list[tuple[str, float]]:
    rows = list(zip(names, sums.tolist(), strict=True))
    if len(rows) <= _MOST:
        return rows
    kept = sorted(range(len(rows)), key=lambda i: -abs(rows[i][1]))[: _MOST - 1]
    rest = sum(value for i, (_, value) in enumerate(rows) if i not in kept)
    return [*(rows[i] for i in sorted(kept)), (f"{len(rows) - len(kept)} others", rest)]


def _bar(panel: Picture, y: int, name: str, value: float, largest: float) -> None:
    """A term: its name and its sum, and a bar from the middle, to the left for a loss."""
    columns = (PANEL_WIDTH - 2 * _PAD) // WIDTH - 9
    _write(panel, drawn(one_line(name))[:columns], (_PAD, y), _WHITE)
    _write_right(panel, f"{value:+.2f}", y, _WHITE)
    middle, half = PANEL_WIDTH // 2, PANEL_WIDTH // 2 - _PAD
    top = y + HEIGHT + 4
    panel[top : top + 7, _PAD : PANEL_WIDTH - _PAD] = _RULE
    end = middle + round(half * value / largest)
    panel[top : top + 7, min(middle, end) : max(middle, end)] = _GAIN if value > 0 else _LOSS
    panel[top - 1 : top + 8, middle] = _WHITE


def _curve(panel: Picture, top: int, bottom: int, returns: Sequence[float], steps: int) -> None:
    """The return step by step; the axis is as long as an episode may be."""
    if bottom - top < 20:
        return
    left, right = _PAD, PANEL_WIDTH - _PAD
    low, high = min(0.0, *returns), max(0.0, *returns)
    scale = (bottom - top - 3) / max(high - low, 1e-9)
    zero = bottom - 2 - round((0.0 - low) * scale)
    panel[zero, left:right] = _RULE
    x = np.arange(left, right)
    step = (x - left) * max(steps, 1) / max(right - left - 1, 1)
    past = step <= len(returns) - 1
    height = np.interp(step[past], np.arange(len(returns)), returns)
    y = bottom - 2 - np.round((height - low) * scale).astype(np.int64)
    before, color = np.concatenate([y[:1], y[:-1]]), _LOSS if returns[-1] < 0 else _GAIN
    for column, one, other in zip(x[past].tolist(), before.tolist(), y.tolist(), strict=True):
        panel[min(one, other) : max(one, other) + 2, column] = color


def _write(panel: Picture, text: str, place: tuple[int, int], color: Color) -> None:
    if not text:
        return
    ink = bitmaps()[indices(text)].transpose(1, 0, 2).reshape(HEIGHT, -1).astype(bool)
    x, y = place
    area = panel[y : y + HEIGHT, x : x + ink.shape[1]]
    area[ink[: area.shape[0], : area.shape[1]]] = color


def _write_right(panel: Picture, text: str, y: int, color: Color) -> None:
    _write(panel, text, (PANEL_WIDTH - _PAD - len(text) * WIDTH, y), color)
