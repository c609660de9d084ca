"""The ground of one world, cell by cell: what a navigator can walk on, and from where to where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation.navigator import Navigator
from als_engine.world.arrays import BoolArray, FloatArray

__all__ = ["Ground"]

_AROUND: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
_LEAST: Final = 0.5
"""An area that is smaller, square metres, is a corner behind something, and no place to get to."""


@dataclass(frozen=True)
class Ground:
    """The free cells of a world, and which of them belong together.

    Attributes:
        origin: (2,), the lower corner of the grid, metres. cell: the edge of a cell.
        area: (rows, columns), the number of the area that a cell belongs to, from 1; 0 where no
            avatar can stand. Between two areas there is no way.
        starts: for each avatar the cell, row and column, where it is, or the free one nearest to
            it; (avatars, 2). present: (avatars,), whether it is in the world.
    """

    origin: FloatArray
    cell: float
    area: NDArray[np.int32]
    starts: NDArray[np.intp]
    present: BoolArray

    @classmethod
    def of(cls, navigator: Navigator, world: int = 0) -> Ground:
        """The ground as a navigator sees it now: call `refresh` before."""
        from scipy import ndimage

        origin, free = navigator.free(world)
        area, _ = ndimage.label(free)
        avatars = navigator.state.avatars
        feet = avatars.position[world, :, :2]
        cells = np.argwhere(free)
        starts = np.zeros((len(feet), 2), np.intp)
        if len(cells):
            middles = origin + (cells[:, ::-1] + 0.5) * navigator.cell
            starts[:] = [cells[((middles - at) ** 2).sum(1).argmin()] for at in feet]
        present = avatars.present[world].copy()
        return cls(origin, navigator.cell, area.astype(np.int32), starts, present)

    @property
    def areas(self) -> NDArray[np.int32]:
        """(avatars,): the area in which each avatar is, 0 for an absent one."""
        found: NDArray[np.int32] = self.area[self.starts[:, 0], self.starts[:, 1]]
        return np.where(self.present, found, 0).astype(np.int32)

    @property
    def reached(self) -> BoolArray:
        """(rows, columns): the cells that some avatar can walk to."""
        here = [number for number in np.unique(self.areas).tolist() if number]
        return np.isin(self.area, here)

    @property
    def cut_off(self) -> BoolArray:
        """(rows, columns): free cells inside the level that no avatar can walk to.

        Corners of less than half a square metre are left out, and what lies around the level.
        """
        edge = (self.area[1], self.area[-2], self.area[:, 1], self.area[:, -2])
        outside = np.unique(np.concatenate(edge))
        large = np.bincount(self.area.ravel()) * self.cell**2 >= _LEAST
        return (self.area > 0) & ~self.reached & large[self.area] & ~np.isin(self.area, outside)

    def middles(self, cells: BoolArray) -> FloatArray:
        """Where the middles of some cells are, (n, 2), metres."""
        return self.origin + (np.argwhere(cells)[:, ::-1] + 0.5) * self.cell

    def ways(self, goals: FloatArray) -> list[FloatArray]:
        """The shortest ways to goals (n, 2), each from the avatar that has the nearest start.

        Returns:
            For each goal the points of its way, (points, 2); none where there is no way. A way ends
            in the cell nearest to its goal.
        """
        from scipy.sparse import csgraph

        reached = self.reached
        middles = self.middles(reached)
        if not len(middles):
            return [np.zeros((0, 2)) for _ in goals]
        number = np.full(reached.shape, -1)
        number[reached] = np.arange(len(middles))
        inside = [tuple(at) for at, there in zip(self.starts, self.areas, strict=True) if there]
        sources = np.unique([number[at] for at in inside])
        _, before, _ = csgraph.dijkstra(
            self._steps(number, len(middles)),
            directed=False,
            indices=sources,
            min_only=True,
            return_predecessors=True,
        )
        return [_back(middles, before, goal) for goal in goals]

    def _steps(self, number: NDArray[np.intp], count: int) -> object:
        """The graph of the reached cells; across a corner only where both sides are free."""
        from scipy.sparse import coo_array

        rows, columns, lengths = [], [], []
        tall, wide = number.shape
        for i, j in _AROUND:
            left, right = max(0, -j), wide - max(0, j)
            one = number[: tall - i, left:right]
            other = number[i:, left + j : right + j]
            there = (one >= 0) & (other >= 0)
            if i and j:
                there &= (number[: tall - i, left + j : right + j] >= 0) & (
                    number[i:, left:right] >= 0
                )
            rows.append(one[there])
            columns.append(other[there])
            lengths.append(np.full(int(there.sum()), self.cell * (2.0**0.5 if i and j else 1.0)))
        ends = (np.concatenate(rows), np.concatenate(columns))
        return coo_array((np.concatenate(lengths), ends), shape=(count, count)).tocsr()


def _back(middles: FloatArray, before: NDArray[np.int32], goal: FloatArray) -> FloatArray:
    """The way to the cell nearest to a goal, walked back from it."""
    k = int(((middles - goal) ** 2).sum(1).argmin())
    way = [k]
    while before[k] >= 0:
        k = int(before[k])
        way.append(k)
    return middles[way[::-1]]
