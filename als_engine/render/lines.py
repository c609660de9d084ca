"""Draws straight lines of a world on a picture of it, fainter where something hides them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.render.pictures import MAX_DEPTH

__all__ = ["Outlook", "draw_lines"]

_SAMPLES: Final = 480
_CLEAR, _HIDDEN = 0.85, 0.16
"""How much of a line's colour is on a pixel where it is seen, and where something hides it."""

_SLACK: Final = 0.12
"""How far behind a surface a line may lie and is still seen: many end on one, metres."""


class Outlook(NamedTuple):
    """A picture of a world, and where its points are on it.

    Attributes:
        picture: uint8 (height, width, 3). depth: (height, width), metres along the view axis.
        eye: (3,). axes: (6, 3), as `backdrop.aim` writes them.
        tan_x: of half the horizontal field of view.
    """

    picture: NDArray[np.uint8]
    depth: NDArray[np.float32]
    eye: NDArray[np.float64]
    axes: NDArray[np.float32]
    tan_x: float

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Column, row and depth of points (n, 3); behind the eye the depth is 0 or less."""
        right, up, forward = self.axes[:3].astype(np.float64)
        away = points - self.eye
        depth = away @ forward
        height, width = self.depth.shape
        scale = width / (2.0 * self.tan_x * np.maximum(depth, 1e-6))
        x, y = (away @ right) * scale + width / 2, height / 2 - (away @ up) * scale
        return np.stack([x, y, depth], axis=-1)


def draw_lines(
    outlook: Outlook,
    picture: NDArray[np.uint8],
    lines: NDArray[np.float64],
    color: tuple[int, int, int],
) -> None:
    """Draws lines into a picture of what `outlook` shows.

    Args:
        outlook: how the world is seen.
        picture: written into, as large as the outlook's.
        lines: (n, 2, 3), both ends of each, metres.
        color: red, green, blue, 0 to 255.
    """
    if not len(lines):
        return
    share = np.linspace(0.0, 1.0, _SAMPLES)[:, None, None]
    points = lines[:, 0] * (1.0 - share) + lines[:, 1] * share
    x, y, depth = np.moveaxis(outlook.project(points.reshape(-1, 3)), -1, 0)
    height, width = outlook.depth.shape
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = (depth > 0.0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row, depth = column[inside], row[inside], depth[inside]
    surface = outlook.depth[row, column]
    clear = (depth <= surface + _SLACK) | (surface >= MAX_DEPTH)
    # A pixel takes the colour once, however many lines cross it: as clearly as the clearest does.
    cover = np.zeros((height, width), np.float64)
    np.maximum.at(cover, (row, column), np.where(clear, _CLEAR, _HIDDEN))
    cover = cover[..., None]
    picture[:] = np.round(picture * (1.0 - cover) + np.array(color) * cover).astype(np.uint8)
