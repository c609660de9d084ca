"""A forecaster and its baselines on the same windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from als_plugins.forecast.forecaster import BASELINES, GAP_BASELINES, Forecaster
from als_plugins.forecast.gaps import measure_gaps
from als_plugins.forecast.measures import measure_paths
from als_plugins.forecast.problems import fitted_baseline
from als_plugins.forecast.tracks import Tracks

__all__ = ["compare"]


def compare(forecaster: Forecaster, tracks: Tracks, part: str, seed: int = 0) -> Sequence[Any]:
    """Measures baselines that are fitted by the tracks' train part, and the forecaster last.

    Args:
        forecaster: of any task.
        tracks: all of them.
        part: that is measured.
        seed: of what is drawn.

    Raises:
        ArgumentError: there is no such part, or nobody in it is there for long enough.
    """
    task = forecaster.record.task
    if task not in ("path", "gap"):
        from als_plugins.forecast.next_steps import measure_next

        return measure_next(forecaster, tracks, part)
    names = BASELINES if task == "path" else GAP_BASELINES
    others = [
        fitted_baseline(forecaster.record.model_copy(update={"model": name, "scale": []}), tracks)
        for name in names
        if name != forecaster.record.model
    ]
    measure: Any = measure_paths if task == "path" else measure_gaps
    return [measure(each, tracks, part, seed) for each in (*others, forecaster)]
