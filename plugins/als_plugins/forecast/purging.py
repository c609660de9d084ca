"""Takes a person out of tracks, and out of CSV files of walks: no byte of them stays there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError
from als_engine.plugins.findings import Purged
from als_engine.system.files import replacing
from als_engine.system.safe_files import is_file
from als_plugins.forecast.csv_file import COLUMNS, bounded_lines, column_places
from als_plugins.forecast.tracks import RECORD, Tracks, read_tracks, write_tracks

__all__ = ["purge_csv", "purge_tracks"]

_LEARNT = "Forecasters that have learnt from it stay as they are: train them anew."


def purge_tracks(path: Path, person: str) -> Purged | None:
    """Takes a person out of a folder of tracks; see `als_engine.plugins.hookspecs.Purger`.

    Of tracks of worlds, whole scenes go in which the person acted: the others there went where they
    went because of the person.
    """
    if not is_file(path / RECORD):
        return None
    tracks = read_tracks(path)
    names = tracks.record.names
    others = tuple(each for each in names if each != person)
    if person not in names:
        return Purged(known=others)
    left = _without(tracks, names.index(person))
    write_tracks(left, path)
    gone = f"{person} is gone, {tracks.scenes - left.scenes} scenes of {tracks.scenes} with them"
    return Purged(gone, others, (_LEARNT,))


def _without(tracks: Tracks, number: int) -> Tracks:
    """Tracks without somebody, who is the number-th of their names."""
    theirs: NDArray[np.bool_] = tracks.person == number
    present, position = tracks.present.copy(), tracks.position.copy()
    person = tracks.person - (tracks.person > number)
    if tracks.record.scenario is not None:
        kept = ~theirs.any(axis=1)
    else:
        scene, column = np.nonzero(theirs)
        present[scene, :, column] = False
        position[scene, :, column] = 0.0
        person[scene, column] = -1
        kept = present.any(axis=(1, 2))
    names = [each for i, each in enumerate(tracks.record.names) if i != number]
    record = tracks.record.model_copy(update={"names": names})
    less = replace(tracks, present=present, position=position, person=person, record=record)
    return less.select(np.flatnonzero(kept))


def purge_csv(path: Path, person: str) -> Purged | None:
    """Takes a person's rows out of a CSV file of walks; see `hookspecs.Purger`.

    All other lines stay as they are, byte by byte.
    """
    if path.suffix.lower() != ".csv" or not is_file(path):
        return None
    known, gone, kept = dict[str, None](), 0, list[str]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            taken = _Taken(bounded_lines(file, path))
            rows = csv.reader(taken, strict=True)
            header = _header(rows)
            if not {*COLUMNS} <= {*header}:
                return None
            place = column_places(path, header)[0]
            kept.append(taken.lines())
            for cells in rows:
                line, who = taken.lines(), cells[place].strip() if place < len(cells) else ""
                if who == person:
                    gone += 1
                    continue
                known[who] = None
                kept.append(line)
    except (UnicodeDecodeError, csv.Error):
        return None
    except OSError as error:
        raise SavedFileError(f"cannot read {path}: {error.strerror or error}") from None
    others = tuple(each for each in known if each)
    if not gone:
        return Purged(known=others)
    with replacing(path) as temporary:
        temporary.write_bytes("".join(kept).encode("utf-8"))
    return Purged(f"{gone:,} rows of {person} are gone", others, (_LEARNT,))


def _header(rows: Iterator[list[str]]) -> list[str]:
    """The names of a file's columns; none where it is no table that is read here."""
    try:
        return [each.strip("\ufeff ").lower() for each in next(rows, [])]
    except SavedFileError:
        return []


class _Taken:
    """Lines, with those that were taken since somebody asked last."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._since = lines, list[str]()

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._since.append(line)
            yield line

    def lines(self) -> str:
        found, self._since = "".join(self._since), []
        return found
