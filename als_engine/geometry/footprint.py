"""What things cover on the floor, and the search for a place that is still free.

Lengths are metres, angles radians.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath

__all__ = ["Footprint", "clear", "search"]

FINEST: Final = 0.01
"""Half the edge of the smallest cell that the search for a last free spot looks at, metres."""


class Footprint:
    """The area that a thing covers: a rectangle, rounded by a radius (0 by 0 for a disc)."""

    __slots__ = ("cos", "half_x", "half_y", "radius", "reach", "sin", "x", "y")

    def __init__(
        self,
        x: float,
        y: float,
        half_x: float = 0.0,
        half_y: float = 0.0,
        radius: float = 0.0,
        heading: float = 0.0,
    ) -> None:
        self.x, self.y, self.half_x, self.half_y, self.radius = x, y, half_x, half_y, radius
        self.cos, self.sin = pmath.cos(heading), pmath.sin(heading)
        self.reach = pmath.hypot(half_x, half_y) + radius

    def distance(self, x: float, y: float) -> float:
        """The distance of a point from the rectangle, 0 inside; the radius is not taken off."""
        dx, dy = x - self.x, y - self.y
        along = abs(self.cos * dx + self.sin * dy) - self.half_x
        across = abs(self.cos * dy - self.sin * dx) - self.half_y
        if along <= 0.0:
            return max(across, 0.0)
        return pmath.hypot(along, across) if across > 0.0 else along

    def depth(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of points (n, 2) from the edge of the rectangle, negative inside: (n,)."""
        dx, dy = xy[:, 0] - self.x, xy[:, 1] - self.y
        along = np.abs(self.cos * dx + self.sin * dy) - self.half_x
        across = np.abs(self.cos * dy - self.sin * dx) - self.half_y
        outside = pmath.hypot(np.maximum(along, 0.0), np.maximum(across, 0.0))
        inside: NDArray[np.float64] = np.minimum(np.maximum(along, across), 0.0)
        return outside + inside

    def corners(self) -> list[tuple[float, float]]:
        """The corners (x, y) of the rectangle."""
        ax, ay = self.cos * self.half_x, self.sin * self.half_x
        bx, by = -self.sin * self.half_y, self.cos * self.half_y
        return [
            (self.x + i * ax + j * bx, self.y + i * ay + j * by)
            for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))
        ]

    def gap(self, other: Footprint) -> float:
        """The distance between the two, radii taken off; negative where they overlap."""
        between = pmath.hypot(self.x - other.x, self.y - other.y) - self.reach - other.reach
        if between > 0.5:
            return between  # A lower bound is all that is asked for that far away.
        radii = self.radius + other.radius
        if self._crosses(other):
            return -math.inf
        ours = min(self.distance(x, y) for x, y in other.corners())
        theirs = min(other.distance(x, y) for x, y in self.corners())
        return min(ours, theirs) - radii

    def _crosses(self, other: Footprint) -> bool:
        """Whether the rectangles overlap: no edge of either separates them."""
        dx, dy = other.x - self.x, other.y - self.y
        turn_cos = abs(self.cos * other.cos + self.sin * other.sin)
        turn_sin = abs(self.cos * other.sin - self.sin * other.cos)
        for one, two in ((self, other), (other, self)):
            along = abs(one.cos * dx + one.sin * dy) - one.half_x
            across = abs(one.cos * dy - one.sin * dx) - one.half_y
            if along > turn_cos * two.half_x + turn_sin * two.half_y:
                return False
            if across > turn_sin * two.half_x + turn_cos * two.half_y:
                return False
        return True

    def area(self) -> float:
        """Square metres."""
        edges = self.half_x + self.half_y
        rim = 4 * self.radius * edges + math.pi * self.radius * self.radius
        return 4 * self.half_x * self.half_y + rim


def clear(avoid: Sequence[Footprint], x: float, y: float, reach: float) -> bool:
    """Whether a disc of radius `reach` touches none of the footprints."""
    for thing in avoid:
        dx, dy, far = x - thing.x, y - thing.y, thing.reach + reach
        if (
            far > 0.0
            and dx * dx + dy * dy < far * far
            and thing.distance(x, y) < thing.radius + reach
        ):
            return False
    return True


def search(
    rng: np.random.Generator,
    area: tuple[float, float, float, float],
    avoid: Sequence[Footprint],
    reach: float,
    disc: tuple[float, float, float] | None,
) -> tuple[float, float] | None:
    """Looks everywhere in an area for the centre of a disc, inside another `disc` if given.

    How much room a point has changes by no more than the distance that one moves. So a cell whose
    middle lacks more than its half diagonal holds no spot at all, and only the others are divided
    further, until a middle is free or the cells are too small to matter.
    """
    x0, y0, x1, y1 = area
    half = 0.25
    xs = np.arange(x0 + half, max(x1, x0 + half) + half, 2 * half)
    ys = np.arange(y0 + half, max(y1, y0 + half) + half, 2 * half)
    cells = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    quarters = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)], np.float64)
    while len(cells):
        middles = np.clip(cells, (x0, y0), (x1, y1))
        space = np.full(len(cells), np.inf)
        for thing in avoid:
            np.minimum(space, thing.depth(middles) - thing.radius - reach, out=space)
        if disc is not None:
            away = pmath.hypot(middles[:, 0] - disc[0], middles[:, 1] - disc[1])
            np.minimum(space, disc[2] - away, out=space)
        free = np.flatnonzero(space >= 0.0)
        if len(free):
            x, y = middles[free[rng.integers(len(free))]].tolist()
            return x, y
        if half < FINEST:
            return None
        open_cells = cells[space >= -half * math.sqrt(2.0)]
        half /= 2
        cells = (open_cells[:, None] + half * quarters).reshape(-1, 2)
    return None
