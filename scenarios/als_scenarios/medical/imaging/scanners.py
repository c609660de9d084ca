"""The scanners of the reading room: each shows the same slide in another style.

Real scanners and stains differ between hospitals in colour, contrast, sharpness and noise, and
classifiers that learnt on some fail on others (Tellez et al. 2019,
https://doi.org/10.1016/j.media.2019.101544). The numbers below are this scenario's, chosen so that
every style is told from the others at a glance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split

Tone = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scanner:
    """One style; tones are red, green and blue from 0 to 1.

    Attributes:
        slide: of the empty slide.
        cytoplasm: around the nuclei, where it is densest.
        nucleus: of a nucleus of usual density.
        contrast: of the curve x + contrast * x (1 - x) from light to tone, -1 to 1.
        blur: passes of a filter (1, 2, 1) / 4 along rows and columns.
        grain: largest noise of one pixel; it is distributed as a triangle.
        vignette: what is lacking in the corners.
        bands: how much lighter and darker groups of three rows are.
    """

    slide: Tone
    cytoplasm: Tone
    nucleus: Tone
    contrast: float
    blur: int
    grain: float
    vignette: float
    bands: float

    def numbers(self) -> list[float]:
        """All of them in one row, as kernels read it."""
        row: list[float] = []
        for field in fields(self):
            value = getattr(self, field.name)
            row += value if isinstance(value, tuple) else (value,)
        return row


SCANNERS: Final[Mapping[str, Scanner]] = {
    "rose": Scanner(
        (0.97, 0.93, 0.96), (0.93, 0.70, 0.83), (0.36, 0.19, 0.56), 0.0, 0, 0.05, 0.10, 0.0
    ),
    "mint": Scanner(
        (0.93, 0.97, 0.95), (0.60, 0.85, 0.80), (0.10, 0.25, 0.44), 0.2, 1, 0.04, 0.0, 0.0
    ),
    "amber": Scanner(
        (0.99, 0.94, 0.80), (0.94, 0.78, 0.52), (0.46, 0.22, 0.14), -0.2, 0, 0.10, 0.30, 0.0
    ),
    "grey": Scanner(
        (0.90, 0.90, 0.90), (0.73, 0.73, 0.74), (0.20, 0.20, 0.23), 0.1, 1, 0.12, 0.15, 0.02
    ),
    "violet": Scanner(
        (0.94, 0.95, 1.00), (0.75, 0.73, 0.95), (0.28, 0.10, 0.48), 0.35, 2, 0.06, 0.35, 0.0
    ),
    "dusk": Scanner(
        (0.68, 0.75, 0.86), (0.53, 0.61, 0.78), (0.15, 0.19, 0.40), -0.3, 1, 0.14, 0.40, 0.03
    ),
}  # fmt: skip

NAMES: Final = tuple(SCANNERS)
OF_SPLIT: Final[Mapping[Split, tuple[str, ...]]] = {
    "train": ("rose", "mint", "amber", "grey"),
    "validation": ("violet",),
    "test": ("dusk",),
}
"""Which scanners the levels of each split have."""

TABLE: Final[NDArray[np.float64]] = np.array([each.numbers() for each in SCANNERS.values()])
"""(scanners, 14): a row for each scanner."""
TABLE.setflags(write=False)
