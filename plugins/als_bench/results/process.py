"""The process that writes a store, and how it handles each request.

A request is one transaction, and is answered when it is on the disk. So whatever dies, and
whenever, a row that was acknowledged is there, and no other is there by half. Several such
processes may write the same file; SQLite lets one in at a time.
"""

from __future__ import annotations

import errno
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from als_bench.identity import why_mislabelled
from als_bench.records import TIERS, Chunk, RunRecord, TrainedAgent, Unit
from als_bench.results import files
from als_bench.results.schema import (
    EPISODE_COLUMNS,
    UNIT_TABLES,
    canonical,
    check_run,
    check_unit,
    describe,
    open_writer,
    reported,
    row_of,
)
from als_engine.errors import ALSError, SavedFileError, StoreError

__all__ = ["serve"]

_NO_SPACE: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def serve(pipe: Connection, path: Path) -> None:
    """Opens the store and does what comes through the pipe, until nobody holds its other end.

    An answer is None, or the error that the caller is to raise. Errors of any other kind are bugs:
    they end the process with their traceback.
    """
    with suppress(EOFError, OSError):  # The parent is gone.
        try:
            writer = _Writer(path)
        except ALSError as error:
            pipe.send(error)
            return
        pipe.send(None)
        try:
            while True:
                method, arguments = pipe.recv()
                answer = None
                try:
                    getattr(writer, method)(*arguments)
                except ALSError as error:
                    answer = error
                pipe.send(answer)
        finally:
            writer.close()


class _Writer:
    """The store, open for writing. Each method is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_writer(path)

    def close(self) -> None:
        self._connection.close()

    def add_run(self, run: RunRecord) -> None:
        check_run(run)
        row = (
            canonical(dict(run.suite)),
            canonical(dict(run.code)),
            canonical(dict(run.versions)),
            run.tier,
            run.bundle,
        )
        with self._transaction() as connection:
            stored = connection.execute(
                "SELECT suite, code, versions, tier, bundle FROM runs WHERE key = ?", (run.key,)
            ).fetchone()
            if stored is None:
                connection.execute(
                    "INSERT INTO runs (key, suite, code, versions, tier, bundle, machine) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (run.key, *row, canonical(dict(run.machine))),
                )
            elif stored != row:
                names = ("suite", "code", "versions", "tier", "bundle")
                odd = next(n for n, a, b in zip(names, stored, row, strict=True) if a != b)
                raise StoreError(f'"{self.path}" has a run {run.key} with another {odd}')

    def add_claims(self, unit: Unit, claims: Mapping[str, Any]) -> None:
        player = claims["player"]
        problem = why_mislabelled(
            unit.agent, player["agent"], player["config"], {}, player["files"]
        )
        if problem:
            raise StoreError(f"cannot store {describe(unit)}: {problem}")
        row = (canonical(dict(claims)),)
        with self._transaction() as connection:
            number = self._unit(unit)
            stored = connection.execute(
                "SELECT claims FROM claims WHERE unit = ?", (number,)
            ).fetchone()
            if stored is None:
                connection.execute(
                    "INSERT INTO claims (unit, claims) VALUES (?, ?)", (number, *row)
                )
            elif stored != row:
                raise StoreError(
                    f'"{self.path}" has other claims about {describe(unit)}: give this agent '
                    "another name, or other results another file"
                )

    def add_training(self, unit: Unit, trained: TrainedAgent) -> None:
        if not all(math.isfinite(mean) for _, mean in trained.curve):
            raise StoreError(f"the curve of {describe(unit)} has a point that is no number")
        row = (
            files.digest(trained.files),
            canonical([[int(steps), float(mean)] for steps, mean in trained.curve]),
            int(trained.steps),
        )
        with self._transaction() as connection:
            number = self._unit(unit)
            stored = connection.execute(
                "SELECT digest, curve, steps FROM trainings WHERE unit = ?", (number,)
            ).fetchone()
            if stored is None:
                if trained.files:
                    files.write_agent(files.agent_folder(self.path, unit), trained.files)
                connection.execute(
                    "INSERT INTO trainings (unit, digest, curve, steps, seconds, attempts) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (number, *row, float(trained.seconds), int(trained.attempts)),
                )
                if trained.demonstrated:
                    connection.execute(
                        "INSERT INTO demonstrations (unit, demonstrated) VALUES (?, ?)",
                        (number, int(trained.demonstrated)),
                    )
                connection.execute("DELETE FROM failures WHERE unit = ?", (number,))
            elif stored != row:
                names = ("agent", "curve", "steps")
                odd = next(n for n, a, b in zip(names, stored, row, strict=True) if a != b)
                raise StoreError(
                    f'"{self.path}" has a training of {describe(unit)} with another {odd}'
                )

    def add_chunk(self, unit: Unit, chunk: Chunk) -> None:
        files.check_chunk(unit, chunk)
        rows = {result.episode: row_of(result) for result in chunk.results}
        with self._transaction() as connection:
            number = self._unit(unit)
            new = sorted(set(rows) - self._stored(unit, number, rows))
            if not new:
                return
            path = files.log_path(self.path, unit, new[0])
            files.write_log(path, files.part_of(chunk, set(new)))
            connection.executemany(
                f"INSERT INTO episodes (unit, episode, {', '.join(EPISODE_COLUMNS)}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((number, episode, *rows[episode][:-1]) for episode in new),
            )
            connection.executemany(
                "INSERT INTO metrics (unit, episode, metrics) VALUES (?, ?, ?)",
                ((number, episode, rows[episode][-1]) for episode in new),
            )
            connection.execute("INSERT INTO logs (unit, first) VALUES (?, ?)", (number, new[0]))
            connection.execute("DELETE FROM failures WHERE unit = ?", (number,))

    def add_failure(self, unit: Unit, reason: str) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO failures (unit, reason) VALUES (?, ?)",
                (self._unit(unit), " ".join(reason.split())),
            )

    def add_verdict(self, run: str, agent: str, tier: str, bundle: str, detail: str) -> None:
        if tier not in TIERS:
            raise StoreError(f"tier is one of {', '.join(TIERS)}, got {tier!r}")
        with self._transaction() as connection:
            self._need_run(run)
            connection.execute(
                "INSERT OR REPLACE INTO verdicts (run, agent, tier, bundle, detail) "
                "VALUES (?, ?, ?, ?, ?)",
                (run, agent, tier, bundle, detail),
            )

    def remove(self, unit: Unit) -> None:
        with self._transaction() as connection:
            number = self._unit(unit)
            for table in UNIT_TABLES:
                connection.execute(f"DELETE FROM {table} WHERE unit = ?", (number,))
            connection.execute("DELETE FROM units WHERE id = ?", (number,))
            # Before the rows are gone for good: while there are rows, it can be done again.
            files.remove_logs(self.path, unit)

    def forget(self) -> None:
        with reported("write", self.path):
            self._connection.execute("VACUUM")
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError(
                f'another process has "{self.path}" open, and keeps what was removed: end that one '
                "and do the same again"
            )

    def _unit(self, unit: Unit) -> int:
        """The unit's number, which is made at its first row."""
        check_unit(unit)
        self._need_run(unit.run)
        key = (unit.run, unit.entry, unit.agent, int(unit.seed))
        self._connection.execute(
            "INSERT OR IGNORE INTO units (run, entry, agent, seed) VALUES (?, ?, ?, ?)", key
        )
        number: int = self._connection.execute(
            "SELECT id FROM units WHERE run = ? AND entry = ? AND agent = ? AND seed = ?", key
        ).fetchone()[0]
        return number

    def _need_run(self, run: str) -> None:
        if not self._connection.execute("SELECT 1 FROM runs WHERE key = ?", (run,)).fetchone():
            raise StoreError(f'"{self.path}" has no run {run!r}; add_run comes first')

    def _stored(self, unit: Unit, number: int, rows: dict[int, tuple[Any, ...]]) -> set[int]:
        """The episodes that are there already.

        Raises:
            StoreError: one of them is there with another content.
        """
        if not rows:
            return set()
        found = self._connection.execute(
            f"SELECT episode, {', '.join(EPISODE_COLUMNS)}, metrics FROM episodes "
            "JOIN metrics USING (unit, episode) WHERE unit = ? AND episode BETWEEN ? AND ?",
            (number, min(rows), max(rows)),
        )
        stored = {episode: tuple(row) for episode, *row in found}
        for episode in sorted(stored.keys() & rows.keys()):
            names = (*EPISODE_COLUMNS, "metrics")
            for name, old, new in zip(names, stored[episode], rows[episode], strict=True):
                if old != new:
                    raise StoreError(
                        f'"{self.path}" has episode {episode} of {describe(unit)} already, with '
                        f"another {name} ({old}, now {new}); give other results another file"
                    )
        return set(stored)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in it is stored when it ends, or nothing of it."""
        with reported("write", self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):  # Some errors have rolled it back already.
                    self._connection.execute("ROLLBACK")
                if isinstance(error, (SavedFileError, OSError)):
                    raise StoreError(self._file_problem(error)) from error
                raise

    def _file_problem(self, error: SavedFileError | OSError) -> str:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _NO_SPACE:
            return f'cannot write to "{self.path.name}.d" beside "{self.path}": {error}'
        return (
            f'cannot write "{self.path}": the disk is full ({cause.strerror}); free some space and '
            "do the same again; what was stored before is safe"
        )
