"""Takes a person out of the folder of a study: its file, its rows, and what it played."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any, Final

from als_engine.agents.run_folder import claimed
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.persons import read_episode, read_episodes
from als_engine.plugins.findings import Purged
from als_engine.system.files import replacing, write_text
from als_engine.system.safe_files import is_file, read_bytes

__all__ = ["purge_played", "purge_study"]

PARTICIPANTS: Final = "participants"
EPISODES: Final = "episodes"
TABLES: Final = ("trials", "answers")
PLAYED: Final = re.compile(r"person-\d+\.json")
MOST: Final = 1 << 30
"""The largest table that is read, bytes."""


def purge_study(folder: Path, person: str) -> Purged | None:
    """Takes out what a person did and answered in a study; see `hookspecs.Purger`.

    The person's own file goes last, so that there is something to go on from until then. Nobody may
    be taking part now.
    """
    if not (folder / PARTICIPANTS).is_dir():
        return None
    with claimed(folder):
        known = tuple(sorted(path.stem for path in (folder / PARTICIPANTS).glob("*.json")))
        if person not in known:
            return Purged(known=known)
        rows = sum(_without_rows(folder, table, person) for table in TABLES)
        played = []
        if any((folder / EPISODES).glob("person-*.json")):
            every = read_episodes(folder / EPISODES)
            played = [path for path, episode in every if episode.person == person]
        for path in (*played, folder / PARTICIPANTS / f"{person}.json"):
            path.unlink()
    gone = f"{person} is gone, {rows} rows and {len(played)} played episodes"
    return Purged(gone, tuple(each for each in known if each != person))


def purge_played(path: Path, person: str) -> Purged | None:
    """Removes an episode that a person played, wherever its file lies; see `hookspecs.Purger`."""
    if not PLAYED.fullmatch(path.name) or not is_file(path):
        return None
    who = read_episode(path).person
    if who != person:
        return Purged(known=(who,))
    path.unlink()
    return Purged(f"what {person} played is gone")


def _without_rows(folder: Path, table: str, person: str) -> int:
    """Writes a table anew without a person's rows; returns how many those were."""
    text, columns = folder / f"{table}.csv", folder / f"{table}.parquet"
    count = 0
    if is_file(text):
        head, *rows = csv.reader(io.StringIO(read_bytes(text, MOST).decode("utf-8", "replace")))
        if "person" not in head:
            raise SavedFileError(f"{text} has no column person: is it a table of a study?")
        place = head.index("person")
        left = [row for row in rows if row[place : place + 1] != [person]]
        count += len(rows) - len(left)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([head, *left])
        write_text(text, out.getvalue())
    if is_file(columns):
        count += _without_in_parquet(columns, person)
    return count


def _without_in_parquet(path: Path, person: str) -> int:
    try:
        import pyarrow as arrow
        from pyarrow import compute, parquet
    except ModuleNotFoundError:
        raise ArgumentError(f"{path} needs pyarrow: pip install 'als-engine[parquet]'") from None
    try:
        table: Any = parquet.read_table(path)
        left = table.filter(compute.not_equal(table["person"], person))
    except (arrow.ArrowException, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SavedFileError(f"{path} is no table of a study: {reason}") from None
    with replacing(path) as temporary, temporary.open("wb") as file:
        parquet.write_table(left, file)
    return int(table.num_rows - left.num_rows)
