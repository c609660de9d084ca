"""How new a structure is: its descriptor, the distance to an archive, and diversity.

Novelty is that of Lehman and Stanley (2011), "Abandoning Objectives: Evolution Through the Search
for Novelty Alone", Evolutionary Computation 19(2), https://doi.org/10.1162/EVCO_a_00025: the mean
distance of a behaviour's descriptor to its k nearest neighbours in an archive. Here the behaviour
is a structure, the archive is fixed for a level, and k is 3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.creative.building.blocks import (
    COLUMNS,
    LEVELS,
    NUM_COLORS,
    Grid,
    connected,
    numbers_of,
)

TRAITS: Final = ("height", "width", "mass", "colours", "symmetry", "overhang", "relief")
"""The numbers of a descriptor."""

ARCHIVED: Final = 6
NEIGHBOURS: Final = 3
FEWEST_CELLS: Final = 6
"""A structure counts as one when it fills so many cells and hangs together."""

_MASS: Final = 14.0
_OVERHANG: Final = 4.0


def describe(grid: Grid) -> FloatArray:
    """The descriptors of structures, (n, 7), each number 0 to 1; 0 for an empty site.

    Height and width are in shares of the site's, mass is the number of filled cells over 14,
    colours the number of colours over 4, symmetry the share of filled cells whose mirror image
    about the structure's middle is filled, overhang the number of empty cells with a filled one
    anywhere above over 4, relief the mean step between neighbouring columns over 3.

    Args:
        grid: (n, 7, 4).
    """
    filled = grid > 0
    count = filled.sum((1, 2))
    tops = np.where(filled, np.arange(1, LEVELS + 1), 0).max(2)
    used = tops > 0
    left = used.argmax(1)
    right = COLUMNS - 1 - used[:, ::-1].argmax(1)
    width = np.where(count > 0, right - left + 1, 0)
    colors = sum((grid == color).any((1, 2)) for color in range(1, NUM_COLORS + 1))
    empty = np.arange(LEVELS) < tops[:, :, None]
    steps = np.abs(np.diff(tops, axis=1)) * (used[:, 1:] & used[:, :-1])
    return np.stack(
        [
            tops.max(1) / LEVELS,
            width / COLUMNS,
            np.minimum(count / _MASS, 1.0),
            np.asarray(colors) / NUM_COLORS,
            _mirrored(filled, left + right) / np.maximum(count, 1),
            np.minimum((empty & ~filled).sum((1, 2)) / _OVERHANG, 1.0),
            steps.sum(1) / (3.0 * np.maximum(width - 1, 1)),
        ],
        1,
    )


def _mirrored(filled: BoolArray, ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many cells have a filled mirror image; columns x and `ends` - x are each other's."""
    image = ends[:, None] - np.arange(COLUMNS)
    inside = (image >= 0) & (image < COLUMNS)
    other = np.take_along_axis(filled, np.clip(image, 0, COLUMNS - 1)[..., None], axis=1)
    return np.asarray((filled & other & inside[..., None]).sum((1, 2)))


def distance(one: FloatArray, other: FloatArray) -> FloatArray:
    """The root mean square difference of descriptors, (..., 7) to (...), 0 to 1."""
    away = one - other
    # A sum of products, trait by trait: the same bits for any number of structures.
    total = sum(away[..., i] * away[..., i] for i in range(len(TRAITS)))
    return np.asarray(np.sqrt(np.asarray(total) / len(TRAITS)))


def novelty(described: FloatArray, archive: FloatArray) -> FloatArray:
    """The mean distance to the 3 nearest of an archive, (n,).

    Args:
        described: (n, 7).
        archive: (n, 6, 7), or (6, 7) for all.
    """
    near = np.sort(distance(described[:, None], archive), axis=1)[:, :NEIGHBOURS]
    return np.asarray((near[:, 0] + near[:, 1] + near[:, 2]) / NEIGHBOURS)


def valid(grid: Grid) -> BoolArray:
    """Whether structures count, (n,): large enough and in one piece; stable they are anyway."""
    whole: BoolArray = np.zeros(len(grid), np.bool_)
    connected(np.ascontiguousarray(grid), whole)
    return whole & (numbers_of(grid) >= FEWEST_CELLS)


def diversity(described: FloatArray) -> float:
    """The mean distance between two of several structures: of an agent's episodes, say.

    Args:
        described: (n, 7) descriptors, n at least 2.
    """
    each = np.asarray(described, np.float64)
    away = distance(each[:, None], each[None])
    return float(away.sum() / (len(each) * (len(each) - 1)))
