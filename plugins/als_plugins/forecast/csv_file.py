"""Reads CSV files `user_id,timestamp,x,y` as tracks, and writes forecasts as such files.

What is done with what real files hold, in this order:

1. A byte order mark, further columns, any order of columns and of rows, and blank lines are fine.
2. Timestamps are all numbers (seconds) or all ISO 8601. `x` and `y` are metres.
3. The same row twice counts once. Two places of one person at one time are an error.
4. A person's rows that are more than `max_gap` seconds apart begin a new stretch. Within a stretch
   places are interpolated linearly at even steps of time, which begin with the file's first time.
5. The time is cut at 70 and 85 percent into train, validation and test, and each of these into
   scenes of a minute at most.

Every other thing is an error of one line that names the file's line.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError
from als_engine.limits import check_memory
from als_engine.system.files import replacing
from als_engine.system.safe_files import is_file
from als_plugins.forecast.tracks import MAX_NAMES, PARTS, Tracks, TracksRecord

__all__ = [
    "COLUMNS",
    "Rows",
    "bounded_lines",
    "column_places",
    "read_csv",
    "read_rows",
    "recent",
    "resampled",
    "write_csv",
]

COLUMNS: Final = ("user_id", "timestamp", "x", "y")
MAX_BYTES: Final = 1 << 31
MAX_ROWS: Final = 20_000_000
MAX_METRES: Final = 1e6
MAX_SECONDS: Final = 1e11
"""Times are within so many seconds of 0: float64 still tells microseconds apart."""

MAX_STEPS: Final = 50_000_000
"""The most steps of time between a file's first and last row."""

_MAX_LINE: Final = 10_000
_SHARES: Final = (0.7, 0.85, 1.0)
_SCENE: Final = 60.0  # seconds


class Rows(NamedTuple):
    """The rows of a file, sorted by person and time.

    Attributes:
        names: of the people, in the order in which the file names them.
        person: (rows,) int32 index of `names`.
        time: (rows,) float64 seconds.
        place: (rows, 2) float64 metres.
        iso: whether the file's timestamps are ISO 8601.
    """

    names: tuple[str, ...]
    person: NDArray[np.int32]
    time: NDArray[np.float64]
    place: NDArray[np.float64]
    iso: bool


def read_csv(path: Path, time_step: float = 0.2, max_gap: float = 1.0) -> Tracks:
    """Reads a CSV file as tracks; see the top of this file for the rules.

    Args:
        path: of the file.
        time_step: seconds between two steps of the tracks.
        max_gap: seconds; rows that are farther apart are not joined.

    Raises:
        SavedFileError: it cannot be read, or a line of it is wrong, which is named.
        ArgumentError: the tracks need more memory than there is.
    """
    return resampled(read_rows(path), path.name, time_step, max_gap)


# -- rows -----------------------------------------------------------------------------------------


def read_rows(path: Path) -> Rows:
    """Reads and checks all rows of a file.

    Raises:
        SavedFileError: it cannot be read, or a line of it is wrong, which is named.
    """
    if not is_file(path):
        raise SavedFileError(f"{path} is no file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise SavedFileError(f"{path} has {size} bytes; at most {MAX_BYTES} are read")
    names: dict[str, int] = {}
    person, time, x, y, lines = array("i"), array("d"), array("d"), array("d"), array("q")
    iso: bool | None = None
    for line, (name, stamp, across, up) in _cells(path):
        who = names.setdefault(name, len(names))
        if len(names) > MAX_NAMES:
            raise _wrong(path, line, f"more than {MAX_NAMES} people")
        if len(lines) >= MAX_ROWS:
            raise _wrong(path, line, f"more than {MAX_ROWS} rows")
        seconds, is_iso = _seconds(path, line, stamp)
        if iso not in (None, is_iso):
            raise _wrong(path, line, "timestamps are numbers here and dates elsewhere")
        iso = is_iso
        person.append(who)
        time.append(seconds)
        x.append(_metres(path, line, "x", across))
        y.append(_metres(path, line, "y", up))
        lines.append(line)
    if not lines:
        raise SavedFileError(f"{path} has no rows below its header")
    places = np.stack([np.array(x), np.array(y)], axis=1)
    people, when = np.array(person, np.int32), np.array(time)
    order = np.lexsort((np.array(lines), when, people))
    people, when, places = people[order], when[order], places[order]
    kept = _once(path, people, when, places, np.array(lines)[order])
    return Rows(tuple(names), people[kept], when[kept], places[kept], bool(iso))


def _once(
    path: Path,
    who: NDArray[np.int32],
    when: NDArray[np.float64],
    places: NDArray[np.float64],
    lines: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which rows are no copies of the one before."""
    same = np.zeros(len(who), np.bool_)
    same[1:] = (who[1:] == who[:-1]) & (when[1:] == when[:-1])
    elsewhere = np.zeros(len(who), np.bool_)
    elsewhere[1:] = (places[1:] != places[:-1]).any(axis=1)
    if (odd := np.flatnonzero(same & elsewhere)).size:
        first = int(odd[0])
        other = int(lines[first - 1])
        raise _wrong(path, int(lines[first]), f"another place at the time of line {other}")
    return ~same


def _cells(path: Path) -> Iterator[tuple[int, tuple[str, str, str, str]]]:
    """The line number and the four cells of every row."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(bounded_lines(file, path), strict=True)
            places = column_places(path, next(reader, None))
            width = max(places) + 1
            for cells in reader:
                line = reader.line_num
                if not cells or cells == [""]:
                    continue
                if len(cells) < width:
                    raise _wrong(path, line, f"{len(cells)} cells; {width} are needed")
                name, stamp, x, y = (cells[place].strip() for place in places)
                if not name or len(name) > 200:
                    raise _wrong(path, line, "user_id is empty or longer than 200 characters")
                yield line, (name, stamp, x, y)
    except UnicodeDecodeError:
        raise _wrong(path, line + 1, "this or a later line is not UTF-8") from None
    except csv.Error as error:
        raise _wrong(path, line + 1, str(error)) from None
    except OSError as error:
        raise SavedFileError(f"cannot read {path}: {error.strerror or error}") from None


def bounded_lines(lines: Iterator[str], path: Path) -> Iterator[str]:
    """The lines of an open file.

    Raises:
        SavedFileError: one is too long, or has a NUL.
    """
    number = 0
    while True:
        # Never `for line in lines`: one line of two gigabytes would be read whole.
        text = lines.readline(_MAX_LINE + 1)  # type: ignore[attr-defined]
        if not text:
            return
        number += 1
        if len(text) > _MAX_LINE:
            raise _wrong(path, number, f"longer than {_MAX_LINE} characters")
        if "\0" in text:
            raise _wrong(path, number, "a NUL character")
        yield text


def column_places(path: Path, cells: list[str] | None) -> list[int]:
    """Where the four columns are in a header.

    Raises:
        SavedFileError: one is missing, or there is no header.
    """
    if cells is None:
        raise SavedFileError(f"{path} is empty")
    names = [cell.strip().lower() for cell in cells]
    for other, said in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and other in names[0]:
            raise _wrong(path, 1, f"columns are separated by {said}; write commas")
    for column in COLUMNS:
        if names.count(column) != 1:
            how = "has no" if column not in names else "has more than one"
            raise _wrong(
                path, 1, f'the header {how} column "{column}"; needed: {",".join(COLUMNS)}'
            )
    return [names.index(column) for column in COLUMNS]


def _seconds(path: Path, line: int, text: str) -> tuple[float, bool]:
    """The time of a row, and whether it is written as a date."""
    try:
        seconds, iso = _number(text), False
    except ValueError:
        try:
            # Python 3.10 does not know the Z of ISO 8601.
            ends = text[-1:] in ("Z", "z")
            when = datetime.fromisoformat(text[:-1] + "+00:00" if ends else text)
            if when.tzinfo is None:
                when = when.replace(tzinfo=timezone.utc)
            seconds, iso = when.timestamp(), True
        except (ValueError, OverflowError):
            raise _wrong(
                path, line, f"timestamp {text[:40]!r} is neither seconds nor ISO 8601"
            ) from None
    if not abs(seconds) <= MAX_SECONDS:
        raise _wrong(path, line, f"timestamp {text[:40]!r} is out of range; write seconds")
    return seconds, iso


def _metres(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = _number(text)
    except ValueError:
        raise _wrong(path, line, f"{name} is {text[:40]!r}, no number") from None
    if not abs(value) <= MAX_METRES:
        raise _wrong(path, line, f"{name} is {text[:40]!r}; at most {MAX_METRES:g} metres")
    return value


def _number(text: str) -> float:
    """A number as CSV files have it: no `1_000`, which Python takes and nobody means."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _wrong(path: Path, line: int, what: str) -> SavedFileError:
    return SavedFileError(f"{path}, line {line}: {what}")


# -- even steps -----------------------------------------------------------------------------------


class _Stretch(NamedTuple):
    """A person without a gap: the first step, and places at it and the following ones."""

    person: int
    first: int
    places: NDArray[np.float64]


def resampled(rows: Rows, source: str, time_step: float, max_gap: float) -> Tracks:
    """Rows as tracks at even steps; see the top of this file for the rules.

    Raises:
        SavedFileError: there is no stretch of two steps, or the times are too far apart.
        ArgumentError: the tracks need more memory than there is.
    """
    begin = float(rows.time.min())
    steps = int((float(rows.time.max()) - begin) / time_step + 1e-6) + 1
    if steps > MAX_STEPS:
        raise SavedFileError(f"{source}: {steps} steps of {time_step:g} s; at most {MAX_STEPS}")
    stretches = list(_stretches(rows, begin, time_step, max_gap))
    if not stretches:
        raise SavedFileError(
            f"{source}: nobody has rows for two steps of {time_step:g} s that are at most "
            f"{max_gap:g} s apart"
        )
    return _tracks(stretches, _borders(steps, time_step), begin, rows.names, source, time_step)


def recent(
    rows: Rows, source: str, time_step: float, max_gap: float, at: float, steps: int
) -> Tracks:
    """The last steps up to a time, as one scene.

    Whoever has no row at that time, but one at most `max_gap` seconds before, counts as having gone
    on with the velocity of their last two rows.

    Args:
        rows: of a file.
        source: its name.
        time_step: seconds.
        max_gap: seconds; rows that are farther apart are not joined.
        at: the time of the last step, seconds.
        steps: how many.

    Raises:
        SavedFileError: nobody is there.
    """
    begin = at - (steps - 1) * time_step
    near = (rows.time > begin - max_gap - time_step) & (rows.time <= at + 1e-9)
    some = rows._replace(person=rows.person[near], time=rows.time[near], place=rows.place[near])
    last = np.flatnonzero(np.diff(some.person, append=-1) != 0)
    last = last[(last > 0) & (some.time[last] < at) & (some.time[last] >= at - max_gap)]
    last = last[some.person[last - 1] == some.person[last]]
    past = (some.time[last] - some.time[last - 1])[:, None]
    velocity = (some.place[last] - some.place[last - 1]) / past
    ahead = some.place[last] + velocity * (at - some.time[last])[:, None]
    some = some._replace(
        person=np.insert(some.person, last + 1, some.person[last]),
        time=np.insert(some.time, last + 1, at),
        place=np.insert(some.place, last + 1, ahead, axis=0),
    )
    stretches = [
        each
        for each in _stretches(some, begin, time_step, max_gap)
        if each.first < steps and each.first + len(each.places) > 0
    ]
    if not stretches:
        raise SavedFileError(f"{source}: nobody is there in the {steps} steps before {at:g} s")
    scene = [(0, steps, 0)]
    return _tracks(stretches, scene, begin, rows.names, source, time_step)


def _tracks(
    stretches: Sequence[_Stretch],
    scenes: list[tuple[int, int, int]],
    begin: float,
    names: tuple[str, ...],
    source: str,
    time_step: float,
) -> Tracks:
    """Stretches in the arrays of scenes, each a first step, an end, and a part."""
    pieces = _pieces(stretches, scenes)
    people = max(len({s.person for s in group}) for group in pieces.values())
    length = max(end - first for first, end, _ in pieces)
    check_memory(f"{len(pieces)} scenes with {people} people", 12 * len(pieces) * length * people)
    shape = (len(pieces), length, people)
    position, present = np.zeros((*shape, 2), np.float32), np.zeros(shape, np.bool_)
    person = np.full((len(pieces), people), -1, np.int32)
    for i, ((first, end, _), group) in enumerate(pieces.items()):
        columns = {who: k for k, who in enumerate(sorted({s.person for s in group}))}
        person[i, : len(columns)] = list(columns)
        for stretch in group:
            low, high = max(first, stretch.first), min(end, stretch.first + len(stretch.places))
            steps, column = slice(low - first, high - first), columns[stretch.person]
            position[i, steps, column] = stretch.places[low - stretch.first : high - stretch.first]
            present[i, steps, column] = True
    return Tracks(
        position=position,
        present=present,
        person=person,
        part=np.array([part for _, _, part in pieces], np.int8),
        level=np.full(len(pieces), -1, np.int64),
        start=begin + time_step * np.array([first for first, _, _ in pieces], np.float64),
        record=TracksRecord(source=source[:1_000], time_step=time_step, names=list(names)),
    )


def _stretches(rows: Rows, begin: float, time_step: float, max_gap: float) -> Iterator[_Stretch]:
    apart = (np.diff(rows.person) != 0) | (np.diff(rows.time) > max_gap * (1 + 1e-9))
    borders = [0, *(np.flatnonzero(apart) + 1).tolist(), len(rows.time)]
    for low, high in pairwise(borders):
        time = (rows.time[low:high] - begin) / time_step
        # A time that is a step but for rounding is that step.
        first, last = math.ceil(time[0] - 1e-6), math.floor(time[-1] + 1e-6)
        if last - first < 1:
            continue
        at = np.arange(first, last + 1)
        places = np.stack([np.interp(at, time, rows.place[low:high, k]) for k in (0, 1)], axis=1)
        yield _Stretch(int(rows.person[low]), first, places)


def _borders(steps: int, time_step: float) -> list[tuple[int, int, int]]:
    """The scenes: first step, end, and part."""
    scenes, first, scene = [], 0, max(2, round(_SCENE / time_step))
    for part in range(len(PARTS)):
        end = round(_SHARES[part] * steps)
        while first < end:
            scenes.append((first, min(first + scene, end), part))
            first = scenes[-1][1]
    return scenes


def _pieces(
    stretches: Sequence[_Stretch], scenes: list[tuple[int, int, int]]
) -> dict[tuple[int, int, int], list[_Stretch]]:
    """The stretches that reach into each scene, for scenes in which somebody is."""
    starts = np.array([first for first, _, _ in scenes])
    found: dict[int, list[_Stretch]] = {}
    for stretch in stretches:
        low = max(0, int(np.searchsorted(starts, stretch.first, "right")) - 1)
        high = int(np.searchsorted(starts, stretch.first + len(stretch.places) - 1, "right"))
        for i in range(low, high):
            found.setdefault(i, []).append(stretch)
    return {scenes[i]: found[i] for i in sorted(found)}


# -- writing --------------------------------------------------------------------------------------


def write_csv(
    path: Path,
    names: Sequence[str],
    time: NDArray[np.float64],
    place: NDArray[np.float64],
    iso: bool,
    more: Sequence[tuple[str, Sequence[str]]] = (),
) -> None:
    """Writes rows `user_id,timestamp,x,y` and further columns.

    Args:
        path: of the file.
        names: of each row.
        time: (rows,) seconds.
        place: (rows, 2) metres.
        iso: whether timestamps are written as ISO 8601, UTC.
        more: names and cells of further columns.

    Raises:
        SavedFileError: it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *(name for name, _ in more)])
        for i, name in enumerate(names):
            row = [name, _stamp(float(time[i]), iso), f"{place[i, 0]:.4f}", f"{place[i, 1]:.4f}"]
            writer.writerow([*row, *(cells[i] for _, cells in more)])


def _stamp(seconds: float, iso: bool) -> str:
    if not iso:
        return f"{seconds:.6f}".rstrip("0").rstrip(".")
    when = datetime.fromtimestamp(seconds, timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
