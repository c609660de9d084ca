"""Labelled scans of `ALS/Imaging-v0`: small grey pictures, and whether nuclei are malignant."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.seeding import spread
from als_engine.task import Split
from als_plugins.making.examples import Examples

__all__ = ["PIXELS", "few_scans", "most_labels", "scans_of"]

PIXELS: Final = 24


@cache
def scans_of(split: Split) -> Examples:
    """One scan of each patient of a split by each of the split's scanners, patient after patient.

    Pictures are (scans, 1, PIXELS, PIXELS), the label 1 is for malignant. Neither patients nor
    scanners are shared between splits.
    """
    imaging = registry.load(registry.scenario("ALS/Imaging-v0"))
    diagnosis = registry.load(registry.scenario("ALS/Diagnosis-v0"))
    drawn = imaging.pictures(split, 1, PIXELS)
    _, _, malignant = diagnosis.measurements(split)
    scanners = drawn.shape[1]
    grey = drawn.reshape(-1, PIXELS, PIXELS, 3).astype(np.float32).mean(-1) / 127.5 - 1.0
    return Examples(grey[:, None], np.repeat(malignant, scanners).astype(np.int64))


def most_labels() -> int:
    """Of how many patients of each class the training split has scans."""
    labels = scans_of("train").labels[:: _scanners()]
    return int(min(labels.sum(), (1 - labels).sum()))


def few_scans(labels: int, seed: int) -> Examples:
    """Scans of so many training patients of each class, one of each, by scanners drawn at random.

    Raises:
        ArgumentError: there are not so many patients.
    """
    if not 1 <= labels <= most_labels():
        raise ArgumentError(f"labels must be from 1 to {most_labels()} of each class, got {labels}")
    every, scanners = scans_of("train"), _scanners()
    rng = np.random.default_rng(spread("labelled scans", seed))
    of_patients = every.labels[::scanners]
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(of_patients == label), labels, replace=False)
            for label in (0, 1)
        ]
    )
    places = chosen * scanners + rng.integers(scanners, size=len(chosen))
    return Examples(every.values[places], every.labels[places])


def _scanners() -> int:
    diagnosis = registry.load(registry.scenario("ALS/Diagnosis-v0"))
    return len(scans_of("train").labels) // len(diagnosis.measurements("train")[2])
