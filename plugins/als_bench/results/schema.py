"""The tables of a store, how its file is opened, and how records become rows.

Episodes are narrow rows in the order of their key, so that a table over a million of them is one
pass over some forty megabytes. Whatever is wide (metrics, suites, learning curves) stands in tables
of its own.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from als_bench.records import TIERS, EpisodeResult, RunRecord, Unit
from als_bench.results.rows import RUN_KEY, UNIT_NAME
from als_engine.errors import StoreError
from als_engine.system.safe_files import is_file

__all__ = [
    "EPISODE_COLUMNS",
    "SCHEMA_VERSION",
    "UNIT_TABLES",
    "canonical",
    "check_run",
    "check_unit",
    "describe",
    "episode_of",
    "is_store",
    "open_reader",
    "open_writer",
    "reported",
    "row_of",
    "run_of",
]

SCHEMA_VERSION: Final = 1
"""Kept in the file as SQLite's `user_version`; goes up when the tables change."""

APPLICATION: Final = 0x414C5342
"""Kept in the file as SQLite's `application_id`: "ALSB" in ASCII tells a store from others."""

_MAGIC: Final = b"SQLite format 3\0"

PATIENCE: Final = 120.0
"""How long a writer waits for the others, seconds."""

EPISODE_COLUMNS: Final = ("seed", "level", "length", "total", "success", "terminated", "chain")
"""Of the table `episodes`, after its key."""

UNIT_TABLES: Final = (
    "episodes",
    "metrics",
    "logs",
    "trainings",
    "demonstrations",
    "claims",
    "failures",
)
"""The tables whose rows belong to a unit."""

_DEMONSTRATIONS: Final = """CREATE TABLE IF NOT EXISTS demonstrations (
    unit INTEGER PRIMARY KEY, demonstrated INTEGER NOT NULL
)"""
"""Of the trainings that had any: a store that knows none of them reads as it did."""

_SCHEMA: Final = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, suite TEXT NOT NULL, code TEXT NOT NULL,
    versions TEXT NOT NULL, tier TEXT NOT NULL, bundle TEXT NOT NULL, machine TEXT NOT NULL
);
CREATE TABLE units (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (key), entry TEXT NOT NULL,
    agent TEXT NOT NULL, seed INTEGER NOT NULL, UNIQUE (run, entry, agent, seed)
);
CREATE TABLE episodes (
    unit INTEGER NOT NULL, episode INTEGER NOT NULL, seed INTEGER NOT NULL, level INTEGER NOT NULL,
    length INTEGER NOT NULL, total REAL NOT NULL, success REAL NOT NULL,
    terminated INTEGER NOT NULL, chain INTEGER NOT NULL, PRIMARY KEY (unit, episode)
) WITHOUT ROWID;
CREATE TABLE metrics (
    unit INTEGER NOT NULL, episode INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (unit, episode)
) WITHOUT ROWID;
CREATE TABLE logs (
    unit INTEGER NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (unit, first)
) WITHOUT ROWID;
CREATE TABLE trainings (
    unit INTEGER PRIMARY KEY, digest TEXT NOT NULL, curve TEXT NOT NULL, steps INTEGER NOT NULL,
    seconds REAL NOT NULL, attempts INTEGER NOT NULL
);
{_DEMONSTRATIONS};
CREATE TABLE claims (unit INTEGER PRIMARY KEY, claims TEXT NOT NULL);
CREATE TABLE failures (unit INTEGER PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE verdicts (
    run TEXT NOT NULL REFERENCES runs (key), agent TEXT NOT NULL, tier TEXT NOT NULL,
    bundle TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (run, agent, tier, bundle)
);
CREATE VIEW results AS
    SELECT run, entry, agent, units.seed AS training_seed, episode, episodes.seed AS world_seed,
        level, length, total, success, terminated, chain, metrics
    FROM units JOIN episodes ON episodes.unit = units.id JOIN metrics USING (unit, episode);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_RUN_KEY = re.compile(RUN_KEY)
_NAME = re.compile(UNIT_NAME)
_LARGEST: Final = (1 << 63) - 1

_REMEDIES: Final = {
    "full": "free some space and do the same again; what was stored before is safe",
    "I/O error": "the disk is full or failing; free some space and do the same again; "
    "what was stored before is safe",
    "locked": f"another process has held it for {PATIENCE:.0f} seconds; end that one, or wait",
    "readonly": "it, or its folder, may not be written to",
    "unable to open": "its folder may not be written to",
    "not a database": "it is no store of results, or damaged; name another file",
    "malformed": "it is damaged; go back to a copy, or name another file",
}


def is_store(path: Path) -> bool:
    """Whether a file is a store. Nobody may have it open in this process: see `_check_path`."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
        uri = f"{path.resolve().as_uri()}?{_reading_mode(path)}"
        with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as connection:
            found = connection.execute("PRAGMA application_id").fetchone()[0]
    except (OSError, sqlite3.Error):
        return False
    return bool(found == APPLICATION)


def open_writer(path: Path) -> sqlite3.Connection:
    """Opens the file for writing, and makes it when it is missing or empty.

    Raises:
        StoreError: it is something else, too new, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_path(path)
    except OSError as error:
        raise StoreError(f'cannot write "{path}": {error.strerror or error}') from None
    with reported("write", path):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        try:
            if not _check_ours(connection, path):
                _create(connection, path)
            connection.execute("PRAGMA foreign_keys = ON")
            # An acknowledged row outlives a power failure, too.
            connection.execute("PRAGMA synchronous = FULL")
            # Proves that it can be written before hours of work are lost.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(_DEMONSTRATIONS)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Opens the file for reading; others may write it meanwhile.

    Raises:
        StoreError: it is missing, something else, or too new.
    """
    try:
        _check_path(path)
        if not path.exists():
            raise StoreError(f'there is no "{path}"; `als bench run` makes one')
        mode = _reading_mode(path)
    except OSError as error:
        raise StoreError(f'cannot read "{path}": {error.strerror or error}') from None
    uri = f"{path.resolve().as_uri()}?{mode}"
    with reported("read", path):
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA query_only = ON")
            if not _check_ours(connection, path):
                raise StoreError(f'"{path}" is empty; `als bench run` makes a store of it')
        except BaseException:
            connection.close()
            raise
    return connection


def _reading_mode(path: Path) -> str:
    """How SQLite is to open a file that will not be changed through this connection.

    Readers share a file beside it with writers, and make it when it is missing. Where they may not,
    and nothing waits to be written, "immutable" does without: nobody writes there.
    """
    by_user = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    log = path.with_name(f"{path.name}-wal")
    waiting = log.exists() and log.stat().st_size > 0
    return "mode=rw" if waiting or os.access(path.parent, os.W_OK, **by_user) else "immutable=1"


@contextmanager
def reported(verb: str, path: Path) -> Iterator[None]:
    """Turns what SQLite says into one line that names the file and the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = next((r for sign, r in _REMEDIES.items() if sign in str(error)), "")
        raise StoreError(f'cannot {verb} "{path}": {error}{remedy and "; "}{remedy}') from error


def _check_path(path: Path) -> None:
    """Raises a StoreError for what is there and is no regular file.

    Nothing opens the file but SQLite: a process that closes any descriptor of it gives up the locks
    that its connections hold.
    """
    if path.is_dir():
        raise StoreError(f'"{path}" is a folder; name a file, such as "{path}/results.sqlite"')
    if path.exists() and not path.is_file():
        raise StoreError(f'"{path}" is not a regular file; name another one')


def _check_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Returns whether the tables are there; raises for a file of another program or version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == 0 and version == 0 and objects == 0:
        return False
    if application != APPLICATION:
        raise StoreError(f'"{path}" is another program\'s SQLite file; name another file')
    if version > SCHEMA_VERSION:
        raise StoreError(
            f'"{path}" was written by a newer ALS Engine (schema {version}, this one knows '
            f"{SCHEMA_VERSION}); upgrade with: pip install --upgrade als-engine"
        )
    return True


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Makes the tables, in one transaction; several writers may come here at once."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            # Unlike other statements, this one does not wait for the others by itself.
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _check_ours(connection, path):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def canonical(value: object) -> str:
    """The JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _metrics(metrics: Mapping[str, float]) -> str:
    """The metrics as JSON that every program reads, which knows neither NaN nor infinity.

    What is not a number is null. What is infinite is too large for any float, which readers take
    for infinity again.
    """
    items = (f"{json.dumps(name)}:{_number(float(metrics[name]))}" for name in sorted(metrics))
    return "{" + ",".join(items) + "}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "null"
    return repr(value) if math.isfinite(value) else f"{'-' * (value < 0)}1e999"


def check_run(run: RunRecord) -> None:
    """Raises a StoreError for a run that cannot be stored."""
    if not _RUN_KEY.fullmatch(run.key):
        raise StoreError(f"a run's key is letters, digits and ._-, got {run.key!r}")
    if run.tier not in TIERS:
        raise StoreError(f'run "{run.key}": tier is one of {", ".join(TIERS)}, got {run.tier!r}')


def check_unit(unit: Unit) -> None:
    """Raises a StoreError for a unit whose names would be no good in a path or a table."""
    for kind, name in (("entry", unit.entry), ("agent", unit.agent)):
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"the name of an {kind} has 1 to 200 printable characters and begins with none of "
                f"=+-@, got {name[:100]!r}"
            )
    if not _RUN_KEY.fullmatch(unit.run) or not -_LARGEST <= unit.seed <= _LARGEST:
        raise StoreError(f"{unit} cannot be stored")


def describe(unit: Unit) -> str:
    """The unit in words, for messages."""
    return f'"{unit.agent}" in "{unit.entry}", training seed {unit.seed}, run {unit.run}'


def row_of(result: EpisodeResult) -> tuple[Any, ...]:
    """The values of `EPISODE_COLUMNS`, and the metrics as JSON.

    SQLite has signed 64-bit numbers: a chain keeps its bits.
    """
    chain = int(result.chain)
    return (
        int(result.seed),
        int(result.level),
        int(result.length),
        float(result.total),
        float(result.success),
        int(result.terminated),
        chain - (1 << 64) if chain > _LARGEST else chain,
        _metrics(result.metrics),
    )


def episode_of(row: tuple[Any, ...]) -> EpisodeResult:
    """The result in a row of the shape `rows.EPISODE`."""
    episode, seed, level, length, total, success, terminated, chain, metrics = row
    return EpisodeResult(
        episode=episode,
        seed=seed,
        level=level,
        length=length,
        total=total,
        success=success,
        terminated=bool(terminated),
        chain=chain % (1 << 64),
        metrics={name: math.nan if value is None else value for name, value in metrics.items()},
    )


def run_of(row: tuple[Any, ...]) -> RunRecord:
    """The record in a row of the shape `rows.RUN`."""
    key, suite, code, versions, tier, bundle, machine = row
    return RunRecord(
        key=key,
        suite=suite,
        code=code,
        versions=versions,
        machine=machine,
        tier=tier,
        bundle=bundle,
    )
