"""Gaps in tracks: where people were while nobody saw them, by what was seen before and after.

The straight line over the gap and the smoother of Rauch, Tung and Striebel are the baselines; the
network reads the window from both ends.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.forecast.baselines import ACCELERATIONS, NOISES, smooth
from als_plugins.forecast.forecaster import Forecaster
from als_plugins.forecast.mixture import Doubles, Mixture
from als_plugins.forecast.tracks import Tracks
from als_plugins.forecast.windows import Frame, Past, features, find_windows, gather

__all__ = ["GapMeasured", "GapScore", "draw_gaps", "fill", "fit_gap_baseline", "gap_inputs",
           "measure_gaps", "over_curve", "over_line"]  # fmt: skip

EDGE: Final = 3
"""So many steps at least are seen before and after a gap."""

_STILL: Final = 0.05
_MOST: Final = 4_000

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class GapScore:
    """Gaps of a number of seconds.

    Attributes:
        seconds: that nobody saw.
        mean_error: over the steps of the gap, metres. nll: likewise, nats.
        within_50, within_90: how often people were in the regions of 50 and 90 percent.
    """

    seconds: float
    mean_error: float
    nll: float
    within_50: float
    within_90: float


@dataclass(frozen=True)
class GapMeasured:
    """Who fills gaps, on a part of tracks; as `measures.Measured`."""

    model: str
    part: str
    windows: int
    scores: tuple[GapScore, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {**asdict(self), "scores": [asdict(score) for score in self.scores]}


def draw_gaps(windows: int, length: int, rng: np.random.Generator) -> Bools:
    """A gap in each window: (windows, length), where something is seen."""
    size = rng.integers(1, length - 2 * EDGE + 1, size=windows)
    begin = EDGE + np.floor(rng.random(windows) * (length - 2 * EDGE - size + 1)).astype(np.intp)
    step = np.arange(length)
    return (step < begin[:, None]) | (step >= (begin + size)[:, None])


def middle_gap(windows: int, length: int, size: int) -> Bools:
    """The same gap in the middle of each window."""
    begin = (length - size) // 2
    step = np.arange(length)
    return np.broadcast_to((step < begin) | (step >= begin + size), (windows, length))


def over_line(places: NDArray[np.float32], seen: Bools) -> NDArray[np.float32]:
    """Places (windows, steps, 2) with a straight line at even speed over each window's gap."""
    share, before, after, rows = _gap(seen)
    start, end = places[rows, before], places[rows, after]
    line = start[:, None] + share[..., None] * (end - start)[:, None]
    return np.where(seen[..., None], places, line).astype(np.float32)


def over_curve(places: NDArray[np.float32], seen: Bools) -> NDArray[np.float32]:
    """Likewise with the cubic curve that has the velocities before and after the gap.

    It is the likeliest way under white acceleration: what the smoother says where nothing is noisy.
    """
    share, before, after, rows = _gap(seen)
    start, end = places[rows, before], places[rows, after]
    steps = (after - before)[:, None].astype(np.float32)
    out = (start - places[rows, before - EDGE + 1]) / (EDGE - 1) * steps
    into = (places[rows, after + EDGE - 1] - end) / (EDGE - 1) * steps
    t = share[..., None]
    square, cube = t * t, t * t * t
    curve = (
        (2 * cube - 3 * square + 1) * start[:, None]
        + (cube - 2 * square + t) * out[:, None]
        + (3 * square - 2 * cube) * end[:, None]
        + (cube - square) * into[:, None]
    )
    return np.where(seen[..., None], places, curve).astype(np.float32)


def _gap(seen: Bools) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], Any]:
    """Of one gap in each window: the share of it that is over at each step, and its two ends."""
    steps = seen.shape[1]
    before = (~seen).argmax(axis=1) - 1
    after = steps - (~seen[:, ::-1]).argmax(axis=1)
    share = (np.arange(steps) - before[:, None]) / np.maximum(1, after - before)[:, None]
    return np.clip(share, 0.0, 1.0), before, after, np.arange(len(seen))


def gap_inputs(past: Past, seen: Bools) -> tuple[tuple[NDArray[Any], ...], Frame]:
    """What the network reads, and the frames: from where the gap begins, toward where it ends."""
    filled = over_curve(past.own, seen)
    _, before, after, rows = _gap(seen)
    way = filled[rows, after] - filled[rows, before]
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    turn = np.where(length > _STILL, way / np.maximum(length, 1e-6), np.array([1, 0], np.float32))
    frame = Frame(filled[rows, before], turn.astype(np.float32))
    own, others = features(replace(past, own=filled), frame)
    marks = np.stack([seen, np.sqrt(_bridge(seen) * past.time_step)], axis=-1)
    own = np.concatenate([own, marks.astype(np.float32)], axis=-1)
    return (own, others, past.there), frame


def fill(forecaster: Forecaster, past: Past, seen: Bools) -> Mixture:
    """Where people were at all steps of windows with a gap each; one Gaussian a step.

    Args:
        forecaster: for gaps.
        past: windows; what stands in the gaps makes no difference.
        seen: (windows, steps).

    Raises:
        ArgumentError: it is no forecaster for gaps.
    """
    record = forecaster.record
    if record.task != "gap":
        raise ArgumentError(f'this forecaster is for "{record.task}", not for gaps')
    if forecaster.network is None:
        assert forecaster.fitted is not None
        mean, variance = _baseline(record.model, forecaster.fitted, past, seen)
        covariance = variance[..., None, None] * np.eye(2)
    else:
        mean, covariance = _network(forecaster.network, past, seen)
    return Mixture(np.ones((len(past), 1)), mean[:, None], covariance[:, None])


def _network(network: Any, past: Past, seen: Bools) -> tuple[Doubles, Doubles]:
    import torch

    inputs, frame = gap_inputs(past, seen)
    with torch.inference_mode():
        tensors = (torch.from_numpy(np.ascontiguousarray(each)) for each in inputs)
        mean, spread = (each.numpy() for each in network(*tensors))
    cos, sin = frame.turn.astype(np.float64).T
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)[:, None]
    inner = np.square(spread.astype(np.float64))[..., None] * np.eye(2)
    return frame.out_of(mean).astype(np.float64), turn @ inner @ turn.swapaxes(-1, -2)


def _baseline(
    model: str, fitted: NDArray[np.float64], past: Past, seen: Bools
) -> tuple[Doubles, Doubles]:
    if model == "kalman":
        return smooth(past.own, seen, past.time_step, float(fitted[0]), float(fitted[1]))
    # The variance of a Brownian bridge: 0 at both ends, highest in the middle.
    bridge = _bridge(seen) * past.time_step
    return over_line(past.own, seen).astype(np.float64), fitted[0] ** 2 * bridge + 1e-6


def _bridge(seen: Bools) -> Doubles:
    share, before, after, _ = _gap(seen)
    return np.asarray(share * (1 - share) * (after - before)[:, None])


def fit_gap_baseline(
    model: str, past: Past, places: NDArray[np.float32], seen: Bools
) -> NDArray[np.float64]:
    """The numbers of a baseline, by the train part."""
    rows = np.linspace(0, len(past) - 1, min(len(past), 500)).astype(np.intp)
    some, then, there = past.take(rows), places[rows], seen[rows]
    if model == "kalman":

        def likelihood(choice: tuple[float, float]) -> float:
            mean, variance = smooth(some.own, there, some.time_step, *choice)
            square = np.square(mean - then).sum(axis=-1) / (2 * variance)
            return float(-(square + np.log(variance))[~there].mean())

        return np.array(max(product(ACCELERATIONS, NOISES), key=likelihood))
    square = np.square(over_line(some.own, there) - then).sum(axis=-1)[~there]
    bridge = (_bridge(there) * some.time_step)[~there]
    return np.full(1, max(1e-3, float(np.sqrt((square / (2 * bridge)).mean()))))


def measure_gaps(forecaster: Forecaster, tracks: Tracks, part: str, seed: int = 0) -> GapMeasured:
    """Measures how gaps of 1, 2, ... seconds in the middle of windows are filled.

    Args:
        forecaster: for gaps.
        tracks: all of them.
        part: that is measured: "validation" to choose, "test" to report.
        seed: by which coverage is sampled.

    Raises:
        ArgumentError: nobody in that part is there for long enough.
    """
    record, chosen = forecaster.record, tracks.of_part(part)
    length = record.history + record.horizon
    windows = find_windows(chosen, length, max(1, record.history // 2))[:_MOST]
    if not len(windows):
        raise ArgumentError(
            f"nobody in the {part} part is there for {length * record.time_step:g} s"
        )
    past, _ = gather(chosen, windows, length, 0, record.others)
    rng, scores = np.random.default_rng(seed), []
    most = int((length - 2 * EDGE) * record.time_step + 1e-6)
    for second in range(1, most + 1):
        seen = middle_gap(len(past), length, round(second / record.time_step))
        found = fill(forecaster, past, seen)
        gap = np.flatnonzero(~seen[0]).tolist()
        found, places = found.steps(gap), past.own[:, gap]
        error = np.linalg.norm(found.middle - places, axis=-1).mean()
        confidence = found.confidence(places, rng)
        scores.append(
            GapScore(
                float(second),
                float(error),
                float(-found.log_density(places).mean()),
                float((confidence <= 0.5).mean()),
                float((confidence <= 0.9).mean()),
            )
        )
    return GapMeasured(record.model, part, len(past), tuple(scores))
