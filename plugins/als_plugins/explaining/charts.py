"""Draws the deletion test as SVG, coloured by the page's style sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from als_engine.reports.series_chart import Series, band_chart

if TYPE_CHECKING:
    from als_plugins.explaining.checks import Deletion

__all__ = ["deletion_chart"]

_BAND: Final = (5, 95)


def deletion_chart(deletion: Deletion) -> Markup:
    """The fall of a number over how many parts are taken away: the strongest, and random ones."""
    low, high = np.percentile(deletion.random, _BAND, axis=0).tolist()
    middle, strongest = deletion.random.mean(axis=0).tolist(), deletion.strongest.tolist()
    counts = deletion.counts
    return band_chart(
        [
            Series("random ones", "random", counts, middle, low, high),
            Series("the strongest", "trained", counts, strongest),
        ],
        [],
        "parts taken away",
        "fall",
        y_range=(min(0.0, *low, *strongest), max(*high, *strongest)),
    )
