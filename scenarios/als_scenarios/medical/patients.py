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
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.task import Split

NUM_FEATURES: Final = 30
CLIP: Final = 5.0
"""Standardised measurements are cut off at this many standard deviations."""

TEST_RANKS: Final = (2, 5, 8)
"""Of every ten patients with the same diagnosis, in the order of the data: those for testing."""

VALIDATION_RANKS: Final = (0,)
"""And those for validation."""


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
        standard: (569, 30) float32, in standard deviations from the mean of all but the test
            patients, clipped to +-5.
        malignant: (569,) bool, the truth, from biopsy.
        split: (569,) the split that each belongs to.
    """

    measurements: NDArray[np.float64]
    standard: NDArray[np.float32]
    malignant: NDArray[np.bool_]
    split: NDArray[np.str_]

    def of(self, *splits: Split) -> NDArray[np.intp]:
        """The indices of the patients of some splits."""
        return np.flatnonzero(np.isin(self.split, splits))


@cache
def patients() -> Patients:
    """The patients, read once."""
    measurements, classes = _read()
    malignant = classes == 0  # scikit-learn's class 0 is "malignant".
    split = np.full(len(malignant), "train", "U10")
    for group in (np.flatnonzero(malignant), np.flatnonzero(~malignant)):
        rank = np.arange(len(group)) % 10
        split[group[np.isin(rank, VALIDATION_RANKS)]] = "validation"
        split[group[np.isin(rank, TEST_RANKS)]] = "test"
    known = measurements[split != "test"]
    standard = (measurements - known.mean(0)) / known.std(0)
    clipped = np.clip(standard, -CLIP, CLIP).astype(np.float32)
    for array in (measurements, clipped, malignant, split):
        array.setflags(write=False)
    return Patients(measurements, clipped, malignant, split)


def _read() -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The measurements and classes as scikit-learn ships them.

    Its import takes every process a second, so its file is read where it has always been.
    """
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder, "datasets", "data", "breast_cancer.csv")
        if path.is_file():
            table = np.loadtxt(path, np.float64, delimiter=",", skiprows=1, encoding="utf-8")
            return np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(np.intp)
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return np.asarray(data.data, np.float64), np.asarray(data.target, np.intp)


def panel_text(panel: int, patient: int) -> str:
    """The text of a station's sign: a head line, then mean, error and worst value, raw."""
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


# -- what all but the test patients teach ---------------------------------------------------------

PENALTY: Final = 0.3
"""scikit-learn's C, the inverse strength of the model's L2 penalty."""

ORDER: Final = (2, 3, 1, 4, 5, 0)
"""Panels, the most telling first: each lowers the cross-validated log loss on all but the test
patients most, given those before it."""

_MODEL_FILE: Final = "model.csv"
_BITS: Final = 1 << np.arange(NUM_PANELS)


def fit_model() -> NDArray[np.float64]:
    """Fits logistic regressions on all but the test patients; `model.csv` holds the result.

    There is one for each set of measured panels, by scikit-learn's lbfgs.

    Returns:
        (64, 31): row k reads the panels whose bits are set in k; 30 coefficients (0 where
        unmeasured) and the intercept, to three decimals.
    """
    from sklearn.linear_model import LogisticRegression

    every = patients()
    known = every.of("train", "validation")
    inputs, truth = every.standard[known].astype(np.float64), every.malignant[known]
    table = np.zeros((1 << NUM_PANELS, NUM_FEATURES + 1))
    table[0, -1] = pmath.log(truth.mean() / (1 - truth.mean()))
    for k in range(1, len(table)):
        read = np.flatnonzero(_BITS[PANEL_OF_FEATURE] & k)
        model = LogisticRegression(C=PENALTY, solver="lbfgs", tol=1e-8, max_iter=10_000)
        model.fit(inputs[:, read], truth)
        table[k, read], table[k, -1] = model.coef_[0], model.intercept_[0]
    # Adding zero turns -0.0 into 0.0.
    return np.asarray(table.round(3) + 0.0)


@cache
def model() -> NDArray[np.float64]:
    """The frozen result of `fit_model`: the same on every machine, (64, 31)."""
    text = files(__package__).joinpath(_MODEL_FILE).read_text("ascii")
    table = np.array([row.split(",") for row in text.split()], np.float64)
    table.setflags(write=False)
    return table


def malignancy(patient: NDArray[np.integer], measured: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The probability that patients are ill, given what has been measured.

    Args:
        patient: (worlds,) indices.
        measured: (worlds, 6) bool.

    Returns:
        (worlds,) probabilities.
    """
    row = model()[measured @ _BITS]
    # A sum of products and not a matrix product: it gives the same bits for any number of worlds.
    odds = (patients().standard[patient] * row[:, :-1]).sum(1) + row[:, -1]
    return np.asarray(1.0 / (1.0 + pmath.exp(-odds)))
