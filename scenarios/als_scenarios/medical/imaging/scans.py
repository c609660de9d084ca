"""Scans: pictures of a slide, drawn from a patient's measurements as a scanner shows them.

A scan is a function of the patient, the view and the scanner alone, with the same bits on every
machine. Nuclei (see `nuclei`) are laid onto each other with a soft edge and a darker rim; inside,
clumps of chromatin vary the density by the patient's texture. Pale cytoplasm surrounds them, and
some debris that tells nothing lies between. How dark the slide is stained and how it is lit is
drawn for each view, so that mean brightness alone tells little. Then come the scanner's blur, its
tones, vignette, contrast and grain.
"""

# mypy: allow-untyped-calls, allow-untyped-defs, allow-untyped-decorators

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel
from als_scenarios.medical.imaging.nuclei import ANGLES, FIELD, NUCLEI, grow, key_of, mix, unit
from als_scenarios.medical.imaging.scanners import TABLE
from als_scenarios.medical.patients import patients

PIXELS: Final = 96
"""Rows and columns of a scan on the lightbox."""

_DENSITY, _RIM, _RIM_WIDTH, _CLUMPS = 0.84, 0.16, 0.2, 3.4
_PITCH = 7.3  # Between clumps of chromatin, pixels of the microscope.
_LATTICE = int(FIELD / _PITCH) + 2
_HALO, _CYTOPLASM = 9.0, 0.75
_DEBRIS = 7
_STAIN, _LIGHT = (0.78, 0.40), (0.90, 0.16)  # Least, and how much more at most.
# Numbers of random numbers; the nuclei's are below 1,000.
_OF_VIEW, _OF_DEBRIS, _OF_CLUMPS, _OF_GRAIN = 1_000, 1_100, 10_000, 100_000


def scans(
    patient: NDArray[np.integer],
    view: NDArray[np.integer],
    scanner: NDArray[np.integer],
    pixels: int = PIXELS,
) -> NDArray[np.uint8]:
    """Draws scans.

    Args:
        patient: (n,) indices.
        view: (n,) numbers from 0, each for another part of the slide.
        scanner: (n,) indices into `scanners.NAMES`.
        pixels: rows and columns of the pictures; all sizes show the same field.

    Returns:
        uint8 (n, pixels, pixels, 3).
    """
    out = np.empty((len(patient), pixels, pixels, 3), np.uint8)
    rows = [np.ascontiguousarray(each, np.int64) for each in (patient, view, scanner)]
    _draw(patients().measurements, rows[0], rows[1], rows[2], TABLE, out)
    return out


@kernel
def _draw(measurements, patient, view, scanner, table, out):
    size = out.shape[1]
    centre, radius = np.empty((NUCLEI, 2)), np.empty((NUCLEI, ANGLES))
    texture = np.empty(NUCLEI)
    nucleus, cytoplasm, line = np.empty((size, size)), np.empty((size, size)), np.empty(size)
    clumps = np.empty((_LATTICE, _LATTICE))
    for i in range(len(patient)):
        key = key_of(patient[i], view[i])
        grow(measurements[patient[i]], key, centre, radius, texture)
        nucleus[:] = 0.0
        cytoplasm[:] = 0.0
        for k in range(clumps.size):
            clumps.flat[k] = unit(key, _OF_CLUMPS + k)
        _lay_debris(key, cytoplasm)
        for k in range(NUCLEI):
            _lay_nucleus(clumps, centre[k], radius[k], texture[k], nucleus, cytoplasm)
        style = table[scanner[i]]
        for _ in range(int(style[10]) * size // PIXELS):
            _blur(nucleus, line)
            _blur(cytoplasm, line)
        _develop(key, style, nucleus, cytoplasm, out[i])


@inner
def _lay_debris(key, cytoplasm):
    """Discs of pale matter, the same for everybody."""
    size = cytoplasm.shape[0]
    scale = size / FIELD
    for k in range(_DEBRIS):
        x = FIELD * scale * unit(key, _OF_DEBRIS + 3 * k)
        y = FIELD * scale * unit(key, _OF_DEBRIS + 3 * k + 1)
        r = scale * (4.0 + 5.0 * unit(key, _OF_DEBRIS + 3 * k + 2))
        for row in range(max(0, int(y - r - 1.0)), min(size, int(y + r + 2.0))):
            for column in range(max(0, int(x - r - 1.0)), min(size, int(x + r + 2.0))):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                cover = min(1.0, max(0.0, r - math.sqrt(dx * dx + dy * dy) + 0.5))
                cytoplasm[row, column] = max(cytoplasm[row, column], 0.6 * cover)


@inner
def _lay_nucleus(clumps, centre, radius, texture, nucleus, cytoplasm):
    """Lays one nucleus onto those that are there."""
    size = nucleus.shape[0]
    scale = size / FIELD
    x, y, halo = centre[0] * scale, centre[1] * scale, _HALO * scale
    reach = radius.max() * scale + halo
    inside = (1.0 - _RIM_WIDTH) * radius.min() * scale
    spread = _CLUMPS * texture / 255.0
    for row in range(max(0, int(y - reach)), min(size, int(y + reach + 1.0))):
        for column in range(max(0, int(x - reach)), min(size, int(x + reach + 1.0))):
            dx, dy = column + 0.5 - x, row + 0.5 - y
            away = math.sqrt(dx * dx + dy * dy)
            if away >= reach:
                continue
            cover, rim = 1.0, 0.0
            if away > inside:
                edge = scale * _edge(radius, dx, dy)
                around = min(1.0, max(0.0, 1.0 - (away - edge) / halo))
                cytoplasm[row, column] = max(cytoplasm[row, column], _CYTOPLASM * around)
                cover = min(1.0, max(0.0, edge - away + 0.5))
                rim = _RIM if away > (1.0 - _RIM_WIDTH) * edge else 0.0
            if cover > 0.0:
                noise = _clump(clumps, (column + 0.5) / scale, (row + 0.5) / scale)
                dense = min(1.15, max(0.15, _DENSITY + rim + spread * noise))
                nucleus[row, column] += cover * (dense - nucleus[row, column])


@inner
def _edge(radius, dx, dy):
    """The radius of an outline in a direction, between the two nearest angles.

    The arc tangent is a polynomial that errs by less than 0.005 radians, a twentieth of a step.
    """
    along, across = abs(dx), abs(dy)
    t = min(along, across) / max(along, across, 1e-9)
    angle = t * (0.9724 - 0.1919 * t * t)
    if across > along:
        angle = 0.5 * math.pi - angle
    if dx < 0.0:
        angle = math.pi - angle
    if dy < 0.0:
        angle = 2.0 * math.pi - angle
    place = angle * (ANGLES / (2.0 * math.pi))
    a = int(place)
    part = place - a
    return radius[a % ANGLES] * (1.0 - part) + radius[(a + 1) % ANGLES] * part


@inner
def _clump(clumps, x, y):
    """Noise that is smooth over one pitch, -1 to 1."""
    u, v = x / _PITCH, y / _PITCH
    i, j = int(u), int(v)
    u, v = u - i, v - j
    one = clumps[j, i] * (1.0 - u) + clumps[j, i + 1] * u
    other = clumps[j + 1, i] * (1.0 - u) + clumps[j + 1, i + 1] * u
    return 2.0 * (one * (1.0 - v) + other * v) - 1.0


@inner
def _blur(field, line):
    """The filter (1, 2, 1) / 4 along rows, then along columns; the rim counts twice."""
    n = field.shape[0]
    for axis in range(2):
        for k in range(n):
            for j in range(n):
                line[j] = field[k, j] if axis == 0 else field[j, k]
            for j in range(n):
                value = (line[max(j - 1, 0)] + 2.0 * line[j] + line[min(j + 1, n - 1)]) * 0.25
                if axis == 0:
                    field[k, j] = value
                else:
                    field[j, k] = value


@inner
def _develop(key, style, nucleus, cytoplasm, out):
    """Turns densities into the scanner's tones."""
    size = nucleus.shape[0]
    stain = _STAIN[0] + _STAIN[1] * unit(key, _OF_VIEW)
    light = _LIGHT[0] + _LIGHT[1] * unit(key, _OF_VIEW + 1)
    contrast, grain, vignette, bands = style[9], style[11], style[12], style[13]
    for row in range(size):
        band = bands if (row * PIXELS // size) % 6 < 3 else -bands
        for column in range(size):
            u, v = (2 * column + 1) / size - 1.0, (2 * row + 1) / size - 1.0
            lit = light * (1.0 - vignette * 0.5 * (u * u + v * v)) + band
            # Two numbers of 32 bits: their sum is distributed as a triangle.
            bits = mix(key + np.uint64(_OF_GRAIN + row * size + column))
            noise = np.float64(bits >> np.uint64(32)) + np.float64(bits & np.uint64(0xFFFFFFFF))
            noise = noise * 2.0**-32 - 1.0
            pale = min(1.0, stain * cytoplasm[row, column])
            dense = min(1.2, stain * nucleus[row, column])
            for c in range(3):
                tone = style[c] + pale * (style[3 + c] - style[c])
                tone = lit * (tone + dense * (style[6 + c] - tone))
                tone = min(1.0, max(0.0, tone))
                tone += contrast * tone * (1.0 - tone) + grain * noise
                out[row, column, c] = np.uint8(min(255.0, max(0.0, 255.0 * tone + 0.5)))
