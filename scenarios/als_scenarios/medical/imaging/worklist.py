"""The worklist of a session: whose scans are to be read, and whose are on the shelf."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split
from als_scenarios.medical.imaging.scanners import NAMES, OF_SPLIT
from als_scenarios.medical.patients import patients

OWN: Final = "own"
"""Stands for the scanners of the level's own split."""

ON_SHELF: Final = 4
"""Labelled cases of each kind on the shelf."""

LEAST_LABELLED: Final = 40
MOST_LABELLED: Final = 341
"""How many patients the training split has."""

OPINION_SENSITIVITY: Final = 0.927
OPINION_SPECIFICITY: Final = 0.948
"""Of fine needle aspiration of the breast, pooled over 46 studies: Yu, Wei and Liu (2012),
https://doi.org/10.1186/1471-2407-12-41."""


class Worklist(NamedTuple):
    """What a level is about.

    Attributes:
        scanner: index of the scanner that all of its scans come from.
        patient: (cases,) whose scans are to be read, in this order.
        view: (cases,) which part of the slide each shows.
        opinion: (cases,) bool, whether the second opinion calls the case malignant.
        shelf: (2, 4) patients whose diagnosis is known: benign ones, then malignant ones.
        shelf_view: (2, 4).
    """

    scanner: int
    patient: NDArray[np.intp]
    view: NDArray[np.int64]
    opinion: NDArray[np.bool_]
    shelf: NDArray[np.intp]
    shelf_view: NDArray[np.int64]


@cache
def labelled_patients(count: int = MOST_LABELLED) -> NDArray[np.intp]:
    """The first training patients in a fixed order with the same share of malignant throughout."""
    train = patients().of("train")
    ill = patients().malignant[train]
    # A patient's rank among those of the same diagnosis, as a share of them.
    place = np.where(ill, (ill.cumsum() - 0.5) / ill.sum(), ((~ill).cumsum() - 0.5) / (~ill).sum())
    chosen = train[np.argsort(place, kind="stable")][:count]
    chosen.setflags(write=False)
    return chosen


def draw(
    rng: np.random.Generator, split: Split, cases: int, labelled: int, scanner: str
) -> Worklist:
    """Draws a worklist.

    A quarter to half of the cases are malignant, and one at least of each kind is there.

    Args:
        rng: the level's generator.
        split: whose patients are read. The shelf has patients of the training split alone.
        cases: how many are to be read.
        labelled: how many training patients may be met, on worklist and shelf.
        scanner: the name of one, or `OWN`.
    """
    every, known = patients(), labelled_patients(labelled)
    waiting = known if split == "train" else every.of(split)
    names = OF_SPLIT[split] if scanner == OWN else (scanner,)
    name = names[int(rng.integers(len(names)))]
    bad = int(rng.integers(max(1, cases // 4), max(1, cases // 2) + 1))
    counts = (cases - bad, bad)
    worklist, shelf = [], []
    for kind, count in zip((False, True), counts, strict=True):
        drawn = rng.permutation(waiting[every.malignant[waiting] == kind])
        worklist.append(drawn[:count])
        if split == "train":
            shelf.append(drawn[count : count + ON_SHELF])
        else:
            shelf.append(rng.permutation(known[every.malignant[known] == kind])[:ON_SHELF])
    patient = rng.permutation(np.concatenate(worklist))
    ill, luck = every.malignant[patient], rng.random(cases)
    return Worklist(
        NAMES.index(name),
        patient,
        rng.integers(1 << 31, size=cases),
        np.where(ill, luck < OPINION_SENSITIVITY, luck >= OPINION_SPECIFICITY),
        np.stack(shelf),
        rng.integers(1 << 31, size=(2, ON_SHELF)),
    )
