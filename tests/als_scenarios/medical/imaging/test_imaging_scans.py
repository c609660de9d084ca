"""Scans: nuclei look as they were measured, and a scanner shows them in its own way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_scenarios.medical.imaging.nuclei import ANGLES, FIELD, NUCLEI, nuclei
from als_scenarios.medical.imaging.scanners import NAMES, OF_SPLIT, SCANNERS
from als_scenarios.medical.imaging.scans import PIXELS, scans
from als_scenarios.medical.patients import patients

MASK = (1 << 64) - 1


# -- the outlines, written down once more, one number at a time ----------------------------------


def mix(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Luck:
    def __init__(self, patient: int, view: int) -> None:
        self.key = mix(mix(view) ^ patient)

    def __call__(self, number: int) -> float:
        return (mix((self.key + number) & MASK) >> 11) * 2.0**-53


def by_hand(patient: int, view: int) -> tuple[list[list[float]], list[list[float]], list[float]]:
    row, luck = patients().measurements[patient].tolist(), Luck(patient, view)
    rank = list(range(9))
    for i in range(8, 0, -1):
        j = int(luck(i) * (i + 1))
        rank[i], rank[j] = rank[j], rank[i]
    middles, outlines, textures = [], [], []
    for i in range(9):
        first = 64 * (i + 1)
        middles.append(
            [
                FIELD / 3 * (i % 3 + 0.5 + 0.27 * (2 * luck(first) - 1)),
                FIELD / 3 * (i // 3 + 0.5 + 0.27 * (2 * luck(first + 1) - 1)),
            ]
        )
        own = []
        for q in range(10):
            mean, error, worst = row[q], row[q + 10], row[q + 20]
            rest = (9 * mean - 3 * worst) / 6 + 1.5 * error * (2 * luck(first + 8 + q) - 1)
            own.append(worst if rank[i] < 3 else max(rest, 0.6 * mean))
        textures.append(own[1])
        u = [luck(first + 24 + k) for k in range(6)]
        dents = min(int(30 * own[7] + u[4]), 6)
        outline = []
        for a in range(64):
            t = 2 * math.pi * a / 64
            r = 1 + min(math.sqrt(own[5] / 3), 0.35) * math.cos(2 * (t - 2 * math.pi * u[0]))
            r += min(own[8] / 2, 0.2) * math.cos(3 * (t - 2 * math.pi * u[1]))
            r += 0.35 * own[4] * math.cos(8 * (t - 2 * math.pi * u[2]))
            r += 0.4 * own[9] * math.cos(13 * (t - 2 * math.pi * u[3]))
            for d in range(dents):
                middle = 2 * math.pi * (u[5] + d / dents)
                off = math.remainder(t - middle, 2 * math.pi) / (math.pi / 6)
                if abs(off) < 1:
                    r -= min(0.9 * own[6], 0.35) * (1 - off * off) ** 2
            outline.append(own[0] * max(r, 0.3))
        outlines.append(outline)
    return middles, outlines, textures


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 568), st.integers(0, (1 << 31) - 1))
def test_outlines_are_those_of_the_equation(patient: int, view: int) -> None:
    found = nuclei(np.array([patient]), np.array([view]))
    middles, outlines, textures = by_hand(patient, view)
    np.testing.assert_allclose(found.centre[0], middles, rtol=1e-12)
    np.testing.assert_allclose(found.radius[0], outlines, rtol=1e-9)
    np.testing.assert_allclose(found.texture[0], textures, rtol=1e-12)


def test_three_nuclei_are_the_worst_and_all_together_have_the_mean() -> None:
    every = np.arange(569)
    texture = np.sort(nuclei(every, every + 7).texture, 1)
    real = patients().measurements
    np.testing.assert_allclose(texture[:, -1], np.maximum(real[:, 21], texture[:, -1]))
    close = np.abs(texture.mean(1) / real[:, 1] - 1)
    assert np.quantile(close, 0.95) < 0.15
    has_worst = np.isclose(texture, real[:, 21, None]).sum(1)
    assert (has_worst >= 3).all()


def test_an_elongated_outline_has_the_compactness_that_the_table_says() -> None:
    """perimeter^2 / (4 pi area) - 1 of 1 + e cos 2t is 3/2 e^2 to second order."""
    t = np.linspace(0, 2 * np.pi, 2_001)
    for e in (0.02, 0.05, 0.1):
        r = 1 + e * np.cos(2 * t)
        x, y = r * np.cos(t), r * np.sin(t)
        perimeter = np.hypot(np.diff(x), np.diff(y)).sum()
        area = 0.5 * abs((x[:-1] * np.diff(y) - y[:-1] * np.diff(x)).sum())
        assert perimeter**2 / (4 * np.pi * area) - 1 == pytest.approx(1.5 * e * e, rel=0.05)


@pytest.mark.parametrize(("quantity", "least"), [(0, 0.95), (1, 0.9), (5, 0.5), (6, 0.6)])
def test_what_was_measured_can_be_measured_again(quantity: int, least: float) -> None:
    """Radius, texture, compactness and concavity follow the data from patient to patient."""
    every = np.arange(569)
    drawn = nuclei(every, every)
    t = 2 * np.pi * np.arange(ANGLES) / ANGLES
    x, y = drawn.radius * np.cos(t), drawn.radius * np.sin(t)
    nx, ny = np.roll(x, -1, -1), np.roll(y, -1, -1)
    perimeter, area = np.hypot(nx - x, ny - y).sum(-1), 0.5 * (x * ny - y * nx).sum(-1)
    again = {
        0: drawn.radius.mean(-1),
        1: drawn.texture,
        5: perimeter**2 / (4 * np.pi * area) - 1,
        6: 1 - drawn.radius.min(-1) / drawn.radius.mean(-1),
    }[quantity].mean(-1)
    real = patients().measurements[:, quantity]
    assert np.corrcoef(again, real)[0, 1] > least


# -- the pictures --------------------------------------------------------------------------------


def test_a_scan_is_the_same_alone_and_among_others() -> None:
    patient, view, scanner = np.arange(12) * 40, np.arange(12) + 3, np.arange(12) % len(NAMES)
    many = scans(patient, view, scanner)
    assert many.shape == (12, PIXELS, PIXELS, 3)
    assert many.dtype == np.uint8
    for i in (0, 5, 11):
        alone = scans(patient[i : i + 1], view[i : i + 1], scanner[i : i + 1])
        assert alone[0].tobytes() == many[i].tobytes()


def test_another_view_a_patient_or_a_scanner_makes_another_picture() -> None:
    pictures = scans(np.array([3, 3, 4, 3]), np.array([1, 2, 1, 1]), np.array([0, 0, 0, 1]))
    assert len({picture.tobytes() for picture in pictures}) == 4


@pytest.mark.parametrize("scanner", range(len(NAMES)), ids=NAMES)
def test_larger_nuclei_cover_more_of_the_picture(scanner: int) -> None:
    order = np.argsort(patients().measurements[:, 0])
    some = order[[5, 284, 563]].repeat(8)
    pictures = scans(some, np.arange(24), np.full(24, scanner)).astype(float).mean(-1)
    tones = SCANNERS[NAMES[scanner]]
    limit = 255 * (np.mean(tones.slide) + np.mean(tones.nucleus)) / 2
    dark = (pictures < limit).mean((1, 2)).reshape(3, 8).mean(1)
    assert (np.diff(dark) > 0.02).all()


def test_a_small_picture_shows_the_same_field_as_a_large_one() -> None:
    patient, view, scanner = np.array([0, 300]), np.array([1, 2]), np.array([0, 3])
    large, small = scans(patient, view, scanner), scans(patient, view, scanner, PIXELS // 2)
    half = large.reshape(2, PIXELS // 2, 2, PIXELS // 2, 2, 3).mean((2, 4))
    for one, other in zip(half, small, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.85


def test_no_scanner_is_in_two_splits_and_none_is_left_out() -> None:
    names = [name for split in OF_SPLIT.values() for name in split]
    assert sorted(names) == sorted(NAMES)
    assert len(OF_SPLIT["validation"]) == len(OF_SPLIT["test"]) == 1
    assert NUCLEI == 9
