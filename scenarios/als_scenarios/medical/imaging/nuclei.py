"""Cell nuclei as outlines: what the ten quantities of a patient look like.

Street, Wolberg and Mangasarian (1993; https://doi.org/10.1117/12.148698) measured ten quantities
on the outlines of the nuclei of a fine needle aspirate, and give for each its mean, its standard
error and its worst value, the mean of the three largest. Here the way goes back: nine nuclei are
drawn of which three have the worst values, and six others have what makes the mean of all nine
that of the patient, with a spread that follows the standard error.

The outline of a nucleus is its radius over the angle,

    r(t) = R * (1 + elongation * cos(2 (t - t2)) + lopsided * cos(3 (t - t3))
                  + waves * cos(8 (t - t8)) + roughness * cos(13 (t - t13)) - dents(t))

| quantity | is measured as | here it is |
| --- | --- | --- |
| radius; perimeter and area follow | mean length of the radius, pixels | R |
| texture | standard deviation of grey values | clumps inside, see `scans` |
| smoothness | local variation of the radius | waves = 0.35 * smoothness |
| compactness | perimeter^2 / (4 pi area) - 1 | elongation = sqrt(compactness / 3), which makes \
half of it: 1 + e cos(2t) has 3/2 e^2 to second order |
| concavity | depth of the concave portions | depth of the dents = 0.9 * concavity |
| concave points | number of the concave portions | dents: 30 * concave points on average |
| symmetry | difference of lengths across the long axis | lopsided = symmetry / 2 |
| fractal dimension | gain in length on a finer scale | roughness = 0.4 * fractal dimension |

Lengths are pixels of the microscope's pictures, as in the data. The factors are this scenario's.
"""

# mypy: allow-untyped-calls, allow-untyped-defs, allow-untyped-decorators

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_scenarios.medical.patients import patients

__all__ = ["ANGLES", "FIELD", "NUCLEI", "Nuclei", "grow", "key_of", "mix", "nuclei", "unit"]

NUCLEI: Final = 9
WORST: Final = 3
"""How many of the nuclei have the worst values."""

ANGLES: Final = 64
FIELD: Final = 160.0
"""Edge of what a scan shows, pixels of the microscope's pictures."""

_RADIUS, _TEXTURE, _SMOOTHNESS, _COMPACTNESS, _CONCAVITY = 0, 1, 4, 5, 6
_POINTS, _SYMMETRY, _FRACTAL = 7, 8, 9
_QUANTITIES = 10
_ROW = 3
_JITTER = 0.27  # Of a cell of the grid of nuclei, to either side.
_SPREAD = 1.5  # Standard errors by which an ordinary nucleus may differ.
_LEAST = 0.6  # Of the mean: what an ordinary nucleus has at least.
_DENT = math.pi / 6  # From its middle to its end.
_MOST_DENTS = 6
_MOST_ELONGATED, _DEEPEST, _MOST_LOPSIDED = 0.35, 0.35, 0.2


class Nuclei(NamedTuple):
    """The nuclei of some scans; the first axis is the scan, the second the nucleus.

    Attributes:
        centre: (…, 9, 2) column and row of the middle, pixels from the corner.
        radius: (…, 9, 64) of the outline, pixels, counter-clockwise from the right.
        texture: (…, 9) standard deviation of grey values inside, of 255.
    """

    centre: NDArray[np.float64]
    radius: NDArray[np.float64]
    texture: NDArray[np.float64]


def nuclei(patient: NDArray[np.integer], view: NDArray[np.integer]) -> Nuclei:
    """The nuclei in views of some patients' slides.

    Args:
        patient: (n,) indices.
        view: (n,) numbers: which part of the slide is shown; two views share no nucleus.
    """
    n = len(patient)
    out = Nuclei(
        np.empty((n, NUCLEI, 2)), np.empty((n, NUCLEI, ANGLES)), np.empty((n, NUCLEI))
    )  # fmt: skip
    _nuclei(patients().measurements, _whole(patient), _whole(view), tuple(out))
    return out


def _whole(values: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, np.int64)


@kernel
def _nuclei(measurements, patient, view, out):
    centre, radius, texture = out
    for i in range(len(patient)):
        key = key_of(patient[i], view[i])
        grow(measurements[patient[i]], key, centre[i], radius[i], texture[i])


@inner
def mix(x):
    """SplitMix64's finaliser (Steele, Lea and Flood 2014); its products wrap around on purpose."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inner
def key_of(patient, view):
    """The root of everything random in one scan, uint64."""
    return mix(mix(np.uint64(view)) ^ np.uint64(patient))


@inner
def unit(key, number):
    """The random number of that number, in [0, 1)."""
    return np.float64(mix(key + np.uint64(number)) >> np.uint64(11)) * 2.0**-53


@inner
def grow(row, key, centre, radius, texture):
    """Fills the arrays of one scan's nuclei from the 30 measurements of a patient."""
    rank = np.arange(NUCLEI)
    for i in range(NUCLEI - 1, 0, -1):
        j = int(unit(key, i) * (i + 1))
        rank[i], rank[j] = rank[j], rank[i]
    cell = FIELD / _ROW
    own = np.empty(_QUANTITIES)
    for i in range(NUCLEI):
        first = 64 * (i + 1)  # The number of this nucleus's first random number.
        for axis in range(2):
            place = i % _ROW if axis == 0 else i // _ROW
            shift = _JITTER * (2.0 * unit(key, first + axis) - 1.0)
            centre[i, axis] = cell * (place + 0.5 + shift)
        for q in range(_QUANTITIES):
            mean, error, worst = row[q], row[q + 10], row[q + 20]
            if rank[i] < WORST:
                own[q] = worst
            else:
                rest = (NUCLEI * mean - WORST * worst) / (NUCLEI - WORST)
                rest += _SPREAD * error * (2.0 * unit(key, first + 8 + q) - 1.0)
                own[q] = max(rest, _LEAST * mean)
        texture[i] = own[_TEXTURE]
        _outline(own, key, first + 24, radius[i])


@inner
def _outline(own, key, first, radius):
    """Fills (64,), the radius of one nucleus at each angle."""
    turn = 2.0 * math.pi
    elongation = min(math.sqrt(own[_COMPACTNESS] / 3.0), _MOST_ELONGATED)
    lopsided = min(0.5 * own[_SYMMETRY], _MOST_LOPSIDED)
    waves, rough = 0.35 * own[_SMOOTHNESS], 0.4 * own[_FRACTAL]
    dents = min(int(30.0 * own[_POINTS] + unit(key, first + 4)), _MOST_DENTS)
    depth = min(0.9 * own[_CONCAVITY], _DEEPEST)
    start = turn * unit(key, first + 5)
    t2, t3 = turn * unit(key, first), turn * unit(key, first + 1)
    t8, t13 = turn * unit(key, first + 2), turn * unit(key, first + 3)
    for a in range(ANGLES):
        t = turn * a / ANGLES
        r = 1.0 + elongation * pmath.cos(2.0 * (t - t2)) + lopsided * pmath.cos(3.0 * (t - t3))
        r += waves * pmath.cos(8.0 * (t - t8)) + rough * pmath.cos(13.0 * (t - t13))
        for d in range(dents):
            off = t - start - turn * d / dents
            off = (off - turn * math.floor(off / turn + 0.5)) / _DENT
            if abs(off) < 1.0:
                bump = 1.0 - off * off
                r -= depth * bump * bump
        radius[a] = own[_RADIUS] * max(r, 0.3)
