"""Uses forecasters: forecasts of a moment and filled gaps, as tables that are written as CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.forecast.csv_file import read_csv, read_rows, recent, write_csv
from als_plugins.forecast.gaps import EDGE, fill
from als_plugins.forecast.moments import busiest_step, moment_of
from als_plugins.forecast.tracks import Tracks, read_tracks
from als_plugins.forecast.windows import Past

if TYPE_CHECKING:
    from als_plugins.forecast.forecaster import Forecaster, ForecasterRecord
    from als_plugins.forecast.moments import Moment

__all__ = ["Chosen", "choose_moment", "fill_gaps", "open_tracks", "write_filled", "write_forecast"]


def open_tracks(data: Path, time_step: float, max_gap: float) -> Tracks:
    """Tracks of a folder, or of a CSV file at even steps.

    Args:
        data: the folder or the file.
        time_step: seconds, for a file.
        max_gap: seconds, for a file: rows that are farther apart are not joined.

    Raises:
        SavedFileError: it cannot be read.
    """
    if data.is_dir():
        return read_tracks(data)
    return read_csv(data, time_step, max_gap)


@dataclass(frozen=True)
class Chosen:
    """A moment with its tracks.

    Attributes:
        moment: whose people are forecast.
        tracks: where it is from.
        iso: whether times are written as ISO 8601.
    """

    moment: Moment
    tracks: Tracks
    iso: bool


def choose_moment(
    data: Path, record: ForecasterRecord, at: float | None, scene: int | None, max_gap: float
) -> Chosen:
    """The moment that a user names, or one that shows something.

    Args:
        data: a folder of tracks, or a CSV file.
        record: of the forecaster.
        at: seconds, of the file or of the scene; None for the file's last time, or the step of the
            scene at which most people are there and walk.
        scene: of a folder; None for the first of the test part.
        max_gap: seconds, for a file.

    Raises:
        ArgumentError: there is no such moment, or nobody is there.
        SavedFileError: the data cannot be read.
    """
    if not data.is_dir():
        if scene is not None:
            raise ArgumentError("--scene is for folders of tracks; a CSV file has times: --at")
        rows = read_rows(data)
        now = float(rows.time.max()) if at is None else at
        tracks = recent(rows, data.name, record.time_step, max_gap, now, record.history)
        return Chosen(moment_of(tracks, 0, record.history - 1, record), tracks, rows.iso)
    tracks = read_tracks(data)
    if scene is None:
        test = np.flatnonzero(tracks.part == 2)
        scene = int(test[0]) if len(test) else 0
    if not 0 <= scene < tracks.scenes:
        raise ArgumentError(f"there are scenes 0 to {tracks.scenes - 1}, not {scene}")
    if at is None:
        step = busiest_step(tracks, scene, record)
    else:
        step = round((at - float(tracks.start[scene])) / tracks.time_step)
    return Chosen(moment_of(tracks, scene, step, record), tracks, False)


def write_forecast(
    forecaster: Forecaster, chosen: Chosen, path: Path, futures: int, seed: int
) -> int:
    """Writes forecasts as a CSV file that this library, too, reads.

    Rows hold the mean forecast and the root of the mean variance over both axes (`spread`, metres);
    with `futures`, each sampled future instead, numbered in the column `future`.

    Returns:
        How many rows.

    Raises:
        SavedFileError: it cannot be written.
    """
    moment, record = chosen.moment, forecaster.record
    found = forecaster.forecast(moment.past)
    people, steps = len(moment.names), record.horizon
    ahead = moment.time + record.time_step * np.arange(1, steps + 1)
    if futures:
        drawn = found.sample(futures, np.random.default_rng(seed)).transpose(1, 0, 2, 3)
        places = drawn.reshape(-1, 2)
        names = np.repeat(np.array(moment.names, object), futures * steps)
        number = np.tile(np.repeat(np.arange(futures), steps), people)
        more = [("future", [str(each) for each in number.tolist()])]
    else:
        places = found.middle.reshape(-1, 2)
        names = np.repeat(np.array(moment.names, object), steps)
        away = found.mean - found.middle[:, None]
        within = np.trace(found.covariance, axis1=-2, axis2=-1) + np.square(away).sum(axis=-1)
        variance = np.einsum("wm,wmt->wt", found.weight, within) / 2
        more = [("spread", [f"{each:.4f}" for each in np.sqrt(variance).ravel().tolist()])]
    times = np.tile(ahead, len(places) // steps)
    write_csv(path, names.tolist(), times, places, chosen.iso, more)
    return len(places)


def fill_gaps(forecaster: Forecaster, tracks: Tracks) -> tuple[Tracks, NDArray[np.bool_]]:
    """Fills the gaps of tracks that are short enough, with the means of the forecaster.

    Args:
        forecaster: for gaps.
        tracks: with gaps.

    Returns:
        Tracks without these gaps, and (scenes, steps, people), which places are filled.

    Raises:
        ArgumentError: it is no forecaster for gaps, or the steps are others than it was trained on.
    """
    record = forecaster.record
    if not np.isclose(tracks.time_step, record.time_step, rtol=1e-6):
        raise ArgumentError(
            f"the tracks have steps of {tracks.time_step:g} s, the forecaster was trained on "
            f"{record.time_step:g} s"
        )
    position, filled = tracks.position.copy(), np.zeros_like(tracks.present)
    length = record.history + record.horizon
    for scene, person, begin, end in _gaps(tracks, length - 2 * EDGE):
        room = (length - (end - begin)) // 2
        there = tracks.present[scene, :, person]
        first, last = begin - 1, end
        while first > 0 and there[first - 1] and begin - first < room:
            first -= 1
        while last < len(there) - 1 and there[last + 1] and last - end < room - 1:
            last += 1
        steps = slice(first, last + 1)
        seen = there[None, steps]
        past = _around(tracks, scene, person, steps, begin, record.others)
        gap = slice(begin - first, end - first)
        position[scene, begin:end, person] = fill(forecaster, past, seen).middle[0, gap]
        filled[scene, begin:end, person] = True
    return replace(tracks, position=position, present=tracks.present | filled), filled


def _gaps(tracks: Tracks, most: int) -> list[tuple[int, int, int, int]]:
    """Scene, person, first step and end of gaps of at most so many steps, with edges to go by."""
    found = []
    present = tracks.present
    change = np.diff(present.astype(np.int8), axis=1)
    for scene, person in np.argwhere(present.any(axis=1)).tolist():
        ends = np.flatnonzero(change[scene, :, person] == -1) + 1
        begins = np.flatnonzero(change[scene, :, person] == 1) + 1
        for begin in ends.tolist():
            later = begins[begins > begin]
            if not len(later):
                continue
            end = int(later[0])
            before = present[scene, max(0, begin - EDGE) : begin, person]
            after = present[scene, end : end + EDGE, person]
            edges = before.sum() == EDGE and after.sum() == EDGE
            if edges and end - begin <= most:
                found.append((scene, person, begin, end))
    return found


def _around(tracks: Tracks, scene: int, person: int, steps: slice, begin: int, count: int) -> Past:
    """A window of a person with a gap, and of those who are nearest where it begins."""
    place = tracks.position[scene, begin - 1]
    away = np.linalg.norm(place - place[person], axis=-1)
    away[~tracks.present[scene, begin - 1]] = np.inf
    away[person] = np.inf
    near = np.argsort(away, kind="stable")[:count]
    near = near[np.isfinite(away[near])]
    there = tracks.present[scene, steps][:, near].T
    others = tracks.position[scene, steps][:, near].transpose(1, 0, 2) * there[..., None]
    own = tracks.position[scene, steps, person]
    return Past(own[None], others[None].astype(np.float32), there[None], tracks.time_step)


def write_filled(tracks: Tracks, filled: NDArray[np.bool_], iso: bool, path: Path) -> None:
    """Writes tracks as a CSV file with a column `filled`, 1 for what nobody saw.

    Raises:
        SavedFileError: it cannot be written.
    """
    scene, person, step = np.nonzero(tracks.present.transpose(0, 2, 1))
    names = [tracks.record.names[i] for i in tracks.person[scene, person].tolist()]
    time = tracks.start[scene] + step * tracks.time_step
    place = tracks.position[scene, step, person].astype(np.float64)
    marks = [str(int(each)) for each in filled[scene, step, person].tolist()]
    write_csv(path, names, time, place, iso, [("filled", marks)])
