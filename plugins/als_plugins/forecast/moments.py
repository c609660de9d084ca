"""A moment of tracks: who is there, what was seen of them, and what came then where it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.forecast.forecaster import ForecasterRecord
from als_plugins.forecast.tracks import Tracks
from als_plugins.forecast.windows import Past, gather

__all__ = ["Moment", "busiest_step", "moment_of"]


@dataclass(frozen=True)
class Moment:
    """People at a moment.

    Attributes:
        past: what was seen of each of them.
        names: theirs.
        time: of the moment, seconds.
        future: (people, horizon, 2) float32 metres, NaN where it is not known.
        left_out: how many others are there who were not seen for long enough.
        level: of the world; -1 for a CSV file.
    """

    past: Past
    names: tuple[str, ...]
    time: float
    future: NDArray[np.float32]
    left_out: int
    level: int


def moment_of(tracks: Tracks, scene: int, step: int, record: ForecasterRecord) -> Moment:
    """The moment of a step of a scene.

    Args:
        tracks: all of them.
        scene: its number.
        step: of the scene.
        record: of the forecaster, which says how many steps it needs.

    Raises:
        ArgumentError: there is no such scene or step, or nobody was there for long enough.
    """
    scenes, steps, _ = tracks.present.shape
    if not 0 <= scene < scenes:
        raise ArgumentError(f"there are scenes 0 to {scenes - 1}, not {scene}")
    first, length = step - record.history + 1, record.history
    if not 0 <= first <= step < steps:
        raise ArgumentError(
            f"scene {scene} has {steps} steps of {tracks.time_step:g} s; a forecast needs {length} "
            f"of them up to its moment, which is step {step}"
        )
    there = tracks.present[scene, first : step + 1]
    people = np.flatnonzero(there.all(axis=0))
    if not len(people):
        raise ArgumentError(
            f"nobody is there for {length * tracks.time_step:g} s up to that moment of the scene"
        )
    windows = np.stack([np.full_like(people, scene), np.full_like(people, first), people], axis=1)
    past, _ = gather(tracks, windows, length, 0, record.others)
    future = np.full((len(people), record.horizon, 2), np.nan, np.float32)
    known = min(record.horizon, steps - step - 1)
    ahead = slice(step + 1, step + 1 + known)
    places: NDArray[Any] = tracks.position[scene, ahead][:, people].transpose(1, 0, 2)
    seen = tracks.present[scene, ahead][:, people].T
    future[:, :known] = np.where(seen[..., None], places, np.nan)
    return Moment(
        past=past,
        names=tuple(tracks.record.names[i] for i in tracks.person[scene, people].tolist()),
        time=float(tracks.start[scene]) + step * tracks.time_step,
        future=future,
        left_out=int(there[-1].sum()) - len(people),
        level=int(tracks.level[scene]),
    )


def busiest_step(tracks: Tracks, scene: int, record: ForecasterRecord) -> int:
    """The step of a scene at which most people can be forecast, and walk the most."""
    present, length = tracks.present[scene], record.history
    steps = len(present)
    best, found = -1.0, min(steps, length) - 1
    for step in range(length - 1, steps):
        first = step - length + 1
        there = present[first : step + 1].all(axis=0)
        ends = tracks.position[scene, [first, step]][:, there]
        ahead = present[step : step + record.horizon + 1].all(axis=0) & there
        walked = float(np.minimum(np.linalg.norm(ends[1] - ends[0], axis=-1), 2.0).sum())
        value = 10.0 * float(ahead.sum()) + float(there.sum()) + walked
        if step + record.horizon < steps and value > best:
            best, found = value, step
    return found
