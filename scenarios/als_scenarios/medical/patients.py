"""The patients of the clinic: 569 real ones, their measurements, the split and the expert's model.

The data are the Wisconsin Diagnostic Breast Cancer set: Street, W. N., Wolberg, W. H. and
Mangasarian, O. L. (1993), "Nuclear feature extraction for breast tumor diagnosis"; UCI Machine
Learning Repository, https://doi.org/10.24432/C5DW2B (CC BY 4.0). scikit-learn ships it, so
nothing is downloaded. Ten quantities were measured on the cell nuclei of a fine needle aspirate,
and each has its mean over the nuclei, its standard error and its worst value (the mean of the three
largest).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split

NUM_FEATURES: Final = 30
CLIP: Final = 5.0
"""Standardised measurements are cut off at this many standard deviations."""

TEST_RANKS: Final = (2, 5, 8)
"""Of every ten patients with the same diagnosis, in the order of the data: those held out."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Measurements that are made together, at one station.

    Attributes:
        name: of the station's prop and of its sign.
        title: what the sign says.
        columns: the heads of the columns once the sign shows numbers.
        quantities: which of the ten quantities it measures.
        color: of the station.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    quantities: tuple[int, ...]
    color: str

    @property
    def features(self) -> tuple[int, ...]:
        """Which of the 30 measurements it reveals: means, then errors, then worst values."""
        return tuple(q + 10 * kind for kind in range(3) for q in self.quantities)


PANELS: Final = (
    Panel("radius", "RADIUS", ("RADIUS",), (0,), "blue"),
    Panel("texture", "TEXTURE", ("TEXTURE",), (1,), "orange"),
    Panel("perimeter", "PERIMETER\n& AREA", ("PERIM.", "AREA"), (2, 3), "purple"),
    Panel("smoothness", "SMOOTHNESS", ("SMOOTH", "COMPACT"), (4, 5), "teal"),
    Panel("concavity", "CONCAVITY", ("CONCAVE", "POINTS"), (6, 7), "yellow"),
    Panel("symmetry", "SYMMETRY", ("SYMM.", "FRACTAL"), (8, 9), "pink"),
)
NUM_PANELS: Final = len(PANELS)

PANEL_OF_FEATURE: Final[NDArray[np.intp]] = np.zeros(NUM_FEATURES, np.intp)
"""(30,): the panel that reveals each measurement."""
for _i, _panel in enumerate(PANELS):
    PANEL_OF_FEATURE[list(_panel.features)] = _i


@dataclass(frozen=True)
class Patients:
    """All patients; arrays have one row for each.

    Attributes:
        measurements: (569, 30) as measured: ten means, ten errors, ten worst values.
        standard: (569, 30) float32, in standard deviations from the mean of the training patients,
            clipped to +-5.
        malignant: (569,) bool, the truth, from biopsy.
        test: (569,) bool, held out of training.
    """

    measurements: NDArray[np.float64]
    standard: NDArray[np.float32]
    malignant: NDArray[np.bool_]
    test: NDArray[np.bool_]

    def of(self, split: Split) -> NDArray[np.intp]:
        """The indices of a split's patients."""
        return np.flatnonzero(self.test == (split == "test"))


@cache
def patients() -> Patients:
    """The patients, read once."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    measurements = np.asarray(data.data, np.float64)
    malignant = np.asarray(data.target) == 0  # scikit-learn's class 0 is "malignant".
    test = np.zeros(len(malignant), np.bool_)
    for group in (np.flatnonzero(malignant), np.flatnonzero(~malignant)):
        test[group[np.isin(np.arange(len(group)) % 10, TEST_RANKS)]] = True
    training = measurements[~test]
    standard = (measurements - training.mean(0)) / training.std(0)
    clipped = np.clip(standard, -CLIP, CLIP).astype(np.float32)
    for array in (measurements, clipped, malignant, test):
        array.setflags(write=False)
    return Patients(measurements, clipped, malignant, test)


def panel_text(panel: int, patient: int) -> str:
    """What a station's sign shows: a head line, then mean, error and worst value, raw."""
    values = patients().measurements[patient]
    here = PANELS[panel]
    if len(here.quantities) == 1:
        (q,) = here.quantities
        kinds = ("mean", "error", "worst")
        rows = [f"{kind:<6}{_seven(values[q + 10 * k])}" for k, kind in enumerate(kinds)]
        return "\n".join([f"{here.columns[0]:^13}", *rows])
    one, two = here.quantities
    rows = [f"{_seven(values[one + 10 * k])} {_seven(values[two + 10 * k])}" for k in range(3)]
    return "\n".join([f"{here.columns[0]:>7} {here.columns[1]:>7}", *rows])


def _seven(value: float) -> str:
    """A positive number below 10,000 in seven characters."""
    digits = next(d for d in (4, 3, 2, 1) if len(f"{value:.{d}f}") <= 7)
    return f"{value:7.{digits}f}"


# -- the expert's model ---------------------------------------------------------------------------

ORDER: Final = (2, 3, 1, 4, 5, 0)
"""The order in which the expert measures: each panel is the one that lowers the cross-validated log
loss on the training patients most, given those before it."""

PENALTY: Final = 0.3
"""scikit-learn's C, the inverse strength of the model's L2 penalty."""


# fmt: off
_MODEL_ROWS = [
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        -0.518,
    ],
    [
        0, 0, 0.684, 0.23, 0, 0, 0, 0, 0, 0, 0, 0, 0.692, 0.503, 0, 0, 0, 0, 0, 0, 0, 0, 1.888,
        1.303, 0, 0, 0, 0, 0, 0, -0.142,
    ],
    [
        0, 0, 0.887, 0.847, -0.141, -0.077, 0, 0, 0, 0, 0, 0, 0.759, 0.753, 0.093, -0.268, 0, 0,
        0, 0, 0, 0, 1.24, 1.164, 1.084, 0.821, 0, 0, 0, 0, -0.238,
    ],
    [
        0, 0.313, 1.011, 0.947, 0.132, 0.07, 0, 0, 0, 0, 0, -0.38, 0.8, 0.725, 0.062, -0.22, 0, 0,
        0, 0, 0, 0.979, 1.183, 1.086, 0.902, 0.609, 0, 0, 0, 0, -0.404,
    ],
    [
        0, 0.421, 0.783, 0.784, 0.016, -0.34, 0.403, 0.636, 0, 0, 0, -0.318, 0.755, 0.698, 0.018,
        -0.508, -0.057, 0.161, 0, 0, 0, 0.903, 0.931, 0.912, 0.646, 0.212, 0.633, 0.692, 0, 0,
        -0.47,
    ],
    [
        0, 0.448, 0.704, 0.698, 0.104, -0.185, 0.513, 0.692, 0.081, -0.517, 0, -0.179, 0.795,
        0.696, 0.151, -0.32, 0.115, 0.302, -0.376, -0.341, 0, 0.84, 0.805, 0.815, 0.535, 0.076,
        0.554, 0.593, 0.688, 0.072, -0.622,
    ],
    [
        0.52, 0.446, 0.497, 0.495, 0.089, -0.19, 0.474, 0.601, 0.087, -0.447, 0.648, -0.211,
        0.529, 0.481, 0.18, -0.312, 0.136, 0.241, -0.36, -0.338, 0.693, 0.889, 0.611, 0.616,
        0.597, 0.097, 0.589, 0.579, 0.678, 0.091, -0.589,
    ],
]
# fmt: on
MODEL: Final[NDArray[np.float64]] = np.array(_MODEL_ROWS, np.float64)
"""(7, 31): what `fit_model` returns, frozen, so that the expert decides alike on every machine."""
MODEL.setflags(write=False)


def fit_model() -> NDArray[np.float64]:
    """Fits the expert's logistic regressions on the training patients, as `MODEL` freezes them.

    One regression for each number of panels measured in `ORDER`, by scikit-learn's lbfgs.

    Returns:
        (7, 31): row k reads k panels; 30 coefficients (0 where unmeasured) and the intercept, to
        three decimals.
    """
    from sklearn.linear_model import LogisticRegression

    every = patients()
    train = every.of("train")
    inputs, truth = every.standard[train].astype(np.float64), every.malignant[train]
    table = np.zeros((NUM_PANELS + 1, NUM_FEATURES + 1))
    table[0, -1] = np.log(truth.mean() / (1 - truth.mean()))
    for k in range(1, NUM_PANELS + 1):
        known = [f for panel in ORDER[:k] for f in PANELS[panel].features]
        model = LogisticRegression(C=PENALTY, solver="lbfgs", tol=1e-8, max_iter=10_000)
        model.fit(inputs[:, known], truth)
        table[k, known], table[k, -1] = model.coef_[0], model.intercept_[0]
    return table.round(3)


def malignancy(patient: NDArray[np.integer], measured: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The probability that patients are ill, given what has been measured.

    It reads the panels of `ORDER` up to the first that is missing, so it is the fitted model's
    whole answer for those who measure in that order, and a cautious one for everybody else.

    Args:
        patient: (worlds,) indices.
        measured: (worlds, 6) bool.

    Returns:
        (worlds,), 0 to 1.
    """
    known = np.cumprod(measured[:, ORDER], axis=1).sum(1)
    row = MODEL[known]
    # A sum of products and not a matrix product: it gives the same bits for any number of worlds.
    odds = (patients().standard[patient] * row[:, :-1]).sum(1) + row[:, -1]
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))
