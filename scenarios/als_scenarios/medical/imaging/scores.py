"""How well cases were sorted: areas and points of receiver operating characteristics (ROC).

The three categories put the cases in order, so a reader who files them has an ROC of two points
between its corners: calling only "biopsy" malignant, and calling "follow-up" so as well. Straight
lines join the points, which counts a tie as half (Hanley and McNeil 1982,
https://doi.org/10.1148/radiology.143.1.7063747). Both figures read counts, which may be of one
episode or added up over many: one episode's are coarse, those of a report should be pooled.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.world.arrays import FloatArray, IntArray

CATEGORIES: Final = ("routine", "follow-up", "biopsy")
"""In the order of suspicion."""
ROUTINE, FOLLOW_UP, BIOPSY = range(len(CATEGORIES))
NOT_FILED: Final = -1


def tally(filed: NDArray[np.integer], malignant: NDArray[np.bool_]) -> IntArray:
    """Counts the cases of each world by truth and category.

    Args:
        filed: (worlds, cases) categories; those that are not filed count nowhere.
        malignant: (worlds, cases), the truth.

    Returns:
        (worlds, 2, 3): benign and malignant cases, in each category.
    """
    truth = np.stack([~malignant, malignant], 1)[..., None]
    there = filed[:, None, :, None] == np.arange(len(CATEGORIES))
    return np.asarray((truth & there).sum(2), np.int32)


def auroc(counts: NDArray[Any]) -> FloatArray:
    """The area under the ROC: how often a malignant case is filed above a benign one.

    Args:
        counts: (..., 2, 3) benign and malignant cases in each category.

    Returns:
        (...): 0 to 1, a tie counts as half; 0.5 where there are no two cases to compare.
    """
    benign, malignant = _both(counts)
    below = benign.cumsum(-1) - 0.5 * benign
    pairs = benign.sum(-1) * malignant.sum(-1)
    return np.where(pairs > 0, (malignant * below).sum(-1) / np.maximum(pairs, 1), 0.5)


def sensitivity_at(counts: NDArray[Any], specificity: float = 0.95) -> FloatArray:
    """The share of malignant cases found where that share of benign ones is left in peace.

    Args:
        counts: (..., 2, 3) benign and malignant cases in each category.
        specificity: where to read the ROC, 0 to 1.

    Returns:
        (...): 0 to 1, of the straight lines between the ROC's points; 1 - specificity, which
        guessing has, where there are no two cases to compare.
    """
    benign, malignant = _both(counts)
    alarms = 1.0 - specificity
    some = (benign.sum(-1) > 0) & (malignant.sum(-1) > 0)
    shares = [each / np.maximum(each.sum(-1, keepdims=True), 1) for each in (benign, malignant)]
    found, x, y = np.zeros(some.shape), np.zeros(some.shape), np.zeros(some.shape)
    for category in (BIOPSY, FOLLOW_UP, ROUTINE):
        right, up = shares[0][..., category], shares[1][..., category]
        part = np.where(right > 0, (alarms - x) / np.where(right > 0, right, 1.0), 1.0)
        here = y + up * np.clip(part, 0.0, 1.0)
        found = np.where(x <= alarms, here, found)
        x, y = x + right, y + up
    return np.where(some, np.minimum(found, 1.0), alarms)


def _both(counts: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    every = np.asarray(counts, np.float64)
    return every[..., 0, :], every[..., 1, :]
