"""A store that somebody else made may hold anything: one line says what is wrong."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from als_command import als
from made_results import make_store

from als_bench.results.store import Store
from als_engine.errors import ALSError

TABLES = {
    "runs": ("key", "suite", "code", "versions", "tier", "bundle", "machine"),
    "units": ("entry", "agent", "seed"),
    "episodes": ("seed", "level", "length", "total", "success", "terminated", "chain"),
    "metrics": ("metrics",),
    "trainings": ("digest", "curve", "steps", "seconds", "attempts"),
    "failures": ("reason",),
    "verdicts": ("agent", "tier", "bundle", "detail"),
    "claims": ("claims",),
}
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns]
VALUES: dict[str, Any] = {
    "a text": "odd",
    "nothing": "",
    "bytes": b"\xff\xfe",
    "no UTF-8": "CAST(x'ff' AS TEXT)",
    "a number": -7,
    "a large number": (1 << 63) - 1,
    "infinity": 9e999,
    "a list": "[1, 2]",
    "an object": '{"a": {"b": [null]}}',
    "half of JSON": '{"a": ',
    "deep JSON": "[" * 100_000,
    "a control character": "a\x1b[31mb",
    "a long text": "x" * 1_000_000,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_store(tmp_path_factory.mktemp("stores") / "sound.sqlite")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One training seed each, to be read hundreds of times."""
    return a_store(tmp_path_factory.mktemp("stores") / "small.sqlite", seeds=1)


def a_store(path: Path, seeds: int = 5) -> Path:
    make_store(path, seeds)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def damage(path: Path, table: str, column: str, value: Any) -> None:
    """Sets the value in one row, whatever the table's constraints say."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        raw = isinstance(value, str) and value.startswith("CAST")
        key = "key" if table == "runs" else "run, agent" if table == "verdicts" else "unit"
        key = "id" if table == "units" else key
        connection.execute(
            f"UPDATE OR IGNORE {table} SET {column} = {value if raw else '?'} "
            f"WHERE ({key}) IN (SELECT {key} FROM {table} ORDER BY 1 LIMIT 1)",
            () if raw else (value,),
        )


def read_everything(path: Path) -> None:
    with Store(path) as store:
        for run in store.runs():
            store.seed_means(run.key)
            store.failures(run.key)
            store.verdicts(run.key)
            for unit in store.units(run.key):
                store.done(unit)
                store.episodes(unit)
                store.claims(unit)
                store.training(unit, with_files=False)


def complaint(path: Path) -> str:
    """What is said of a store; empty when it is read."""
    try:
        read_everything(path)
    except ALSError as error:
        return str(error)
    return ""


def test_a_sound_store_is_read(sound: Path, small: Path) -> None:
    read_everything(sound)
    read_everything(small)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_value_in_every_column_is_read_or_refused(
    table: str, column: str, small: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.sqlite"
    for name, value in VALUES.items():
        shutil.copyfile(small, path)
        damage(path, table, column, value)
        message = complaint(path)
        assert len(message) < 500, name
        assert message.isprintable(), name


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("runs", "suite", '{"id": "made", "entries": [{"scenario": 3}]}'),
        ("runs", "suite", '{"id": "made", "entries": "odd", "more": 1}'),
        ("runs", "suite", "{}"),
        ("runs", "machine", "[]"),
        ("episodes", "total", "much"),
        ("units", "agent", "=cmd()"),
        ("trainings", "curve", "[[1]]"),
    ],
)
def test_commands_on_a_damaged_store_print_one_line(
    table: str, column: str, value: str, sound: Path, small: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.sqlite"
    # Where agents were trained in full they rank. Nothing of a film is in the store.
    shutil.copyfile(sound if table == "trainings" else small, path)
    damage(path, table, column, value)
    for command in (
        ("leaderboard",),
        ("leaderboard", "--html", tmp_path / "board", "--no-films"),
        ("bench", "export", "--out", tmp_path / "rows.csv"),
    ):
        done = als(*command, "--store", path)
        assert "Traceback" not in done.err
        assert not done.code or len(done.err.strip().splitlines()) <= 3, done.err
