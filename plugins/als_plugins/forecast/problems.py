"""What a forecaster learns from: tensors of the train and the validation part, by its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_engine.limits import check_memory
from als_plugins.forecast.forecaster import Forecaster, ForecasterRecord, fit_baseline
from als_plugins.forecast.gaps import EDGE, draw_gaps, fit_gap_baseline, gap_inputs
from als_plugins.forecast.measures import fit_scale
from als_plugins.forecast.tracks import Tracks
from als_plugins.forecast.windows import Past, features, find_windows, frame_of, gather

if TYPE_CHECKING:
    import torch

__all__ = ["Problem", "fitted_baseline", "make_problem", "window_arrays"]

_MOST: Final = 200_000
"""The most windows that are learned from; of more, every so many-th."""

_HELD: Final = 2_000

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Problem:
    """What a network learns from.

    Attributes:
        record: of the forecaster, with the classes that there are.
        train, held: the arguments of the network's `loss`, of all windows of a part.
        units: the windows of the train part that belong together, where somebody asked for that.
    """

    record: ForecasterRecord
    train: Sequence[torch.Tensor]
    held: Sequence[torch.Tensor]
    units: Sequence[NDArray[np.intp]] = ()

    def calibrated(self, forecaster: Forecaster, tracks: Tracks) -> Forecaster:
        """The forecaster with the scales that the validation part asks for; paths alone."""
        if self.record.task != "path":
            return forecaster
        return calibrated(forecaster, tracks)


def make_problem(
    record: ForecasterRecord, tracks: Tracks, seed: int, unit: str | None = None
) -> Problem:
    """Cuts tracks into windows for a task.

    Args:
        record: of the forecaster.
        tracks: all of them.
        seed: of the gaps that are drawn.
        unit: whose windows are to be told apart, of each "scene" or "person"; for paths alone.

    Raises:
        ArgumentError: nobody is there for long enough, or the tracks do not tell what is asked.
    """
    import torch

    if record.task in ("hand", "utterance", "goal"):
        from als_plugins.forecast.next_steps import next_windows, with_classes

        record = with_classes(record, tracks)
        both: list[Arrays] = [
            next_windows(record, tracks, part) for part in ("train", "validation")
        ]
    else:
        make = _gap_arrays if record.task == "gap" else _path_arrays
        rng = np.random.default_rng(seed)
        both = [make(record, tracks, part, rng) for part in ("train", "validation")]
    train, held = (
        [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays] for arrays in both
    )
    if not len(train[0]):
        length = (record.history + record.horizon) * record.time_step
        raise ArgumentError(f"nobody in the train part is there for {length:g} s on end")
    units = () if unit is None else _units(record, tracks, unit)
    return Problem(record, train, held, units)


def window_arrays(
    record: ForecasterRecord, tracks: Tracks, part: str
) -> tuple[NDArray[np.intp], Sequence[torch.Tensor]]:
    """The windows of a part as a network of paths learns from them.

    Returns:
        (windows,), the scene of each, and the arguments of the network's `loss`.
    """
    import torch

    windows = _windows(record, tracks.of_part(part), part, record.history + record.horizon)
    arrays = _path_arrays(record, tracks, part, np.random.default_rng(0))
    return windows[:, 0], [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays]


def _units(record: ForecasterRecord, tracks: Tracks, unit: str) -> Sequence[NDArray[np.intp]]:
    """The windows of each scene, or of each person."""
    chosen = tracks.of_part("train")
    scene, _, column = _windows(record, chosen, "train", record.history + record.horizon).T
    whose = scene if unit == "scene" else chosen.person[scene, column]
    return [np.flatnonzero(whose == each) for each in np.unique(whose)]


def _windows(record: ForecasterRecord, chosen: Tracks, part: str, length: int) -> NDArray[np.intp]:
    """Where the windows of a part begin, as `find_windows` returns it."""
    stride = 1 if part == "train" else max(1, record.history // 2)
    windows = find_windows(chosen, length, stride)
    most = _MOST if part == "train" else _HELD
    return windows[:: max(1, -(-len(windows) // most))]


def _cut(
    record: ForecasterRecord, tracks: Tracks, part: str, history: int, horizon: int
) -> tuple[Past, NDArray[np.float32]]:
    chosen = tracks.of_part(part)
    windows = _windows(record, chosen, part, history + horizon)
    numbers = 8 * record.others * history + 6 * (history + horizon)
    check_memory(f"{len(windows)} windows", 8 * len(windows) * numbers)
    return gather(chosen, windows, history, horizon, record.others)


def _path_arrays(
    record: ForecasterRecord, tracks: Tracks, part: str, rng: np.random.Generator
) -> Arrays:
    past, future = _cut(record, tracks, part, record.history, record.horizon)
    frame = frame_of(past.own)
    return [*features(past, frame), past.there, frame.into(future)]


def _gap_arrays(
    record: ForecasterRecord, tracks: Tracks, part: str, rng: np.random.Generator
) -> Arrays:
    length = record.history + record.horizon
    if length <= 2 * EDGE:
        raise ArgumentError(f"windows of {length} steps leave no room for a gap")
    past, _ = _cut(record, tracks, part, length, 0)
    inputs, frame = gap_inputs(past, draw_gaps(len(past), length, rng))
    return [*inputs, frame.into(past.own)]


def fitted_baseline(record: ForecasterRecord, tracks: Tracks) -> Forecaster:
    """A baseline fitted by the train part, and calibrated by the validation part.

    Raises:
        ArgumentError: nobody in the train part is there for long enough.
    """
    gap = record.task == "gap"
    length = record.history + record.horizon
    past, future = _cut(
        record, tracks, "train", length if gap else record.history, 0 if gap else record.horizon
    )
    if not len(past):
        raise ArgumentError(
            f"nobody in the train part is there for {length * record.time_step:g} s on end"
        )
    trained = record.trained.model_copy(update={"windows": len(past)})
    record = record.model_copy(update={"trained": trained})
    if gap:
        seen = draw_gaps(len(past), length, np.random.default_rng(0))
        return Forecaster(record, fitted=fit_gap_baseline(record.model, past, past.own, seen))
    forecaster = Forecaster(record, fitted=fit_baseline(record.model, past, future))
    return calibrated(forecaster, tracks)


def calibrated(forecaster: Forecaster, tracks: Tracks) -> Forecaster:
    """A forecaster of paths with the scales that the validation part asks for."""
    record = forecaster.record
    past, future = _cut(record, tracks, "validation", record.history, record.horizon)
    if not len(past):
        return forecaster
    scale = fit_scale(forecaster.forecast(past), future)
    return Forecaster(
        record.model_copy(update={"scale": scale}), forecaster.network, forecaster.fitted
    )
