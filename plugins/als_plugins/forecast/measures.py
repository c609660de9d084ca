"""How good forecasts of paths are: errors, the best of twenty futures, likelihood, coverage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.forecast.forecaster import Forecaster
from als_plugins.forecast.mixture import Doubles, Mixture
from als_plugins.forecast.tracks import Tracks
from als_plugins.forecast.windows import find_windows, gather

__all__ = ["FUTURES", "Measured", "PathScore", "fit_scale", "measure_paths"]

FUTURES: Final = 20
_SCALES: Final = np.geomspace(0.4, 2.5, 41)
_MOST: Final = 20_000
"""The most windows that are measured; of more, every so many-th."""


@dataclass(frozen=True)
class PathScore:
    """Forecasts up to a number of seconds.

    Attributes:
        seconds: ahead.
        mean_error: of the mean forecast, over all steps up to then, metres.
        final_error: at the last of them, metres.
        best_mean, best_final: of the best of twenty sampled futures, metres.
        nll: negative logarithm of the density, over all steps up to then, nats.
        within_50, within_90: how often people were in the regions of 50 and 90 percent then.
    """

    seconds: float
    mean_error: float
    final_error: float
    best_mean: float
    best_final: float
    nll: float
    within_50: float
    within_90: float


@dataclass(frozen=True)
class Measured:
    """A forecaster on a part of tracks.

    Attributes:
        model: its name.
        part: of the tracks. windows: how many forecasts. scores: by seconds ahead.
    """

    model: str
    part: str
    windows: int
    scores: tuple[PathScore, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {**asdict(self), "scores": [asdict(score) for score in self.scores]}


def measure_paths(forecaster: Forecaster, tracks: Tracks, part: str, seed: int = 0) -> Measured:
    """Measures forecasts of paths.

    Args:
        forecaster: for paths.
        tracks: all of them.
        part: that is forecast: "validation" to choose, "test" to report.
        seed: of the futures that are drawn.

    Raises:
        ArgumentError: nobody in that part is there for long enough.
    """
    record, chosen = forecaster.record, tracks.of_part(part)
    stride = max(1, record.history // 2)
    windows = find_windows(chosen, record.history + record.horizon, stride)
    if not len(windows):
        length = (record.history + record.horizon) * record.time_step
        raise ArgumentError(f"nobody in the {part} part is there for {length:g} s on end")
    windows = windows[:: -(-len(windows) // _MOST)]
    past, future = gather(chosen, windows, record.history, record.horizon, record.others)
    rng = np.random.default_rng(seed)
    ends = _ends(record.horizon, record.time_step)
    parts = [
        _errors(forecaster.forecast(each), future[first : first + len(each)], ends, rng)
        for first, each in _counted(past)
    ]
    whole = np.concatenate(parts).mean(axis=0)
    scores = tuple(
        PathScore(step * record.time_step, *row)
        for step, row in zip(ends, whole.tolist(), strict=True)
    )
    return Measured(record.model, part, len(windows), scores)


def _ends(horizon: int, time_step: float) -> list[int]:
    """After how many steps 1, 2, ... seconds are over; the last step where there is no second."""
    seconds = range(1, int(horizon * time_step + 1e-6) + 1)
    return [min(horizon, round(second / time_step)) for second in seconds] or [horizon]


def _counted(past: Any, size: int = 500) -> Any:
    return zip(range(0, len(past), size), past.chunks(size), strict=True)


def _errors(
    found: Mixture, future: NDArray[np.float32], ends: list[int], rng: np.random.Generator
) -> Doubles:
    """(windows, ends, 7), in the order of `PathScore`."""
    apart = np.linalg.norm(found.middle - future, axis=-1)
    drawn = np.linalg.norm(found.sample(FUTURES, rng) - future, axis=-1)
    nll = -found.log_density(future)
    last = [end - 1 for end in ends]
    confidence = found.steps(last).confidence(future[:, last], rng)
    rows = [
        [
            apart[:, :end].mean(axis=1),
            apart[:, end - 1],
            drawn[:, :, :end].mean(axis=2).min(axis=0),
            drawn[:, :, end - 1].min(axis=0),
            nll[:, :end].mean(axis=1),
            confidence[:, i] <= 0.5,
            confidence[:, i] <= 0.9,
        ]
        for i, end in enumerate(ends)
    ]
    return np.array(rows, np.float64).transpose(2, 0, 1)


def fit_scale(found: Mixture, future: NDArray[np.float32]) -> list[float]:
    """By which number each step's spread is multiplied to make the futures likeliest."""
    steps = future.shape[1]
    density = [
        found.scaled(np.full(steps, scale)).log_density(future).mean(axis=0) for scale in _SCALES
    ]
    return [float(scale) for scale in _SCALES[np.argmax(density, axis=0)]]
