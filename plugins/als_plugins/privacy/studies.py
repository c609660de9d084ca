"""Takes a person out of the folder of a study: its file, its rows, and what it played."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from als_engine.agents.run_folder import claimed
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.persons import read_episodes
from als_engine.system.files import replacing, write_text
from als_engine.system.safe_files import is_file, read_bytes

__all__ = ["PurgedStudy", "is_study", "purge_study"]

PARTICIPANTS: Final = "participants"
EPISODES: Final = "episodes"
TABLES: Final = ("trials", "answers")
MOST: Final = 1 << 30
"""The largest table that is read, bytes."""


@dataclass(frozen=True)
class PurgedStudy:
    """What was taken out.

    Attributes:
        rows: of the tables.
        episodes: files with what the person played.
    """

    rows: int
    episodes: int


def is_study(folder: Path) -> bool:
    """Whether a folder holds the results of `als study`."""
    return (folder / PARTICIPANTS).is_dir()


def purge_study(folder: Path, person: str) -> PurgedStudy:
    """Takes out what a person did and answered; called again after an interruption it goes on.

    The person's own file goes last, so that there is something to go on from until then.

    Args:
        folder: of the study; nobody may be taking part now.
        person: the pseudonym, as the tables have it.

    Raises:
        SavedFileError: it is no study, a study is running, or something in it is damaged.
        ArgumentError: nobody of that name took part.
    """
    if not is_study(folder):
        raise SavedFileError(f"{folder} is not the folder of a study: it has no {PARTICIPANTS}")
    with claimed(folder):
        known = sorted(path.stem for path in (folder / PARTICIPANTS).glob("*.json"))
        if person not in known:
            shown = f"there are {', '.join(known[:5])}" if known else "nobody took part"
            raise ArgumentError(f"{folder} has nothing of {person[:40]}: {shown}")
        rows = sum(_without_rows(folder, table, person) for table in TABLES)
        played = []
        if any((folder / EPISODES).glob("person-*.json")):
            every = read_episodes(folder / EPISODES)
            played = [path for path, episode in every if episode.person == person]
        for path in (*played, folder / PARTICIPANTS / f"{person}.json"):
            path.unlink()
    return PurgedStudy(rows, len(played))


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
