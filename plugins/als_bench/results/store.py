"""The results of benchmarks: one row for each episode, and the logs that replay them.

A store is an SQLite file, written through one process, with a folder `FILE.d` beside it for logs
and trained agents: copy both. Rows are keyed by (run, entry, agent, training seed, episode) and
written idempotently, so that an interrupted run may do again whatever it is not sure of.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from als_bench.records import Chunk, EpisodeResult, RunRecord, TrainedAgent, Unit
from als_bench.results.files import agent_folder, log_path, read_agent, read_log
from als_bench.results.process import serve
from als_bench.results.rows import (
    CLAIMS,
    COUNT,
    DIGEST,
    EFFORT,
    EPISODE,
    FAILURE,
    PLAYED,
    RUN,
    SEED_MEAN,
    TRAINING,
    UNIT,
    VERDICT,
)
from als_bench.results.schema import (
    EPISODE_COLUMNS,
    PATIENCE,
    describe,
    episode_of,
    open_reader,
    reported,
    run_of,
)
from als_engine.envs.processes import Failure, Process
from als_engine.errors import ALSError, StoreError

__all__ = ["SeedMean", "Store", "StoreWriter"]

_EPISODE: Final = f"{', '.join(EPISODE_COLUMNS)}, metrics"
_IS_UNIT: Final = (
    "unit = (SELECT id FROM units WHERE run = ? AND entry = ? AND agent = ? AND seed = ?)"
)
_EPISODES_OF_UNIT: Final = (
    f"SELECT episode, {_EPISODE} FROM episodes JOIN metrics USING (unit, episode) "
    f"WHERE {_IS_UNIT} ORDER BY episode"
)


class StoreWriter:
    """Writes a store. Each call returns when what it was given is on the disk.

    The writing is done by a process of its own, which ends with this one, however that ends. Any
    number of writers, in any number of processes, may have the same file open.
    """

    def __init__(self, path: Path) -> None:
        """Opens the store, and makes it when it is missing.

        Raises:
            StoreError: the file is something else, damaged, too new, or cannot be written.
        """
        self.path = path.absolute()
        self._lock = threading.Lock()
        # It ends when its pipe does, not sooner: what it was given is written first.
        self._process = Process(
            serve,
            self.path,
            blocked=(signal.SIGINT, signal.SIGTERM),
            watched=False,
            patience=PATIENCE,
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def add_run(self, run: RunRecord) -> None:
        """Stores a run; units belong to one that is stored.

        Raises:
            StoreError: another run has the same key, or the file cannot be written.
        """
        self._call("add_run", run)

    def add_claims(self, unit: Unit, claims: Mapping[str, Any]) -> None:
        """Stores what the unit's hash chains come from; see `claims.claims_of`.

        Raises:
            StoreError: other claims are stored for the unit, or the file cannot be written.
        """
        self._call("add_claims", unit, dict(claims))

    def add_training(self, unit: Unit, trained: TrainedAgent) -> None:
        """Stores what came of a training; a failure of the unit is forgotten.

        Raises:
            StoreError: another agent, curve or number of steps is stored for the unit, or the file
                cannot be written.
        """
        self._call("add_training", unit, trained)

    def add_chunk(self, unit: Unit, chunk: Chunk) -> None:
        """Stores the episodes that are not there yet, and their log; a failure is forgotten.

        Raises:
            StoreError: an episode is there with another content (then none is stored), the chunk
                is not in itself right, or the file cannot be written.
        """
        self._call("add_chunk", unit, chunk)

    def add_failure(self, unit: Unit, reason: str) -> None:
        """Stores why a unit has no (further) episodes, in one line; the last reason is kept.

        Raises:
            StoreError: the file cannot be written.
        """
        self._call("add_failure", unit, reason)

    def add_verdict(self, run: str, agent: str, tier: str, bundle: str, detail: str) -> None:
        """Stores what a verification has found; a later one of the same bundle takes its place.

        Raises:
            StoreError: there is no such run or tier, or the file cannot be written.
        """
        self._call("add_verdict", run, agent, tier, bundle, detail)

    def remove(self, unit: Unit) -> None:
        """Removes a unit with its episodes and logs, if it is there; `forget` comes after it."""
        self._call("remove", unit)

    def forget(self) -> None:
        """Writes the file anew, so that no byte stays of what was removed.

        Raises:
            StoreError: another process has it open, or it cannot be written.
        """
        self._call("forget")

    def close(self) -> None:
        """Ends the process, once it has written what it was given."""
        self._process.close()

    def __enter__(self) -> StoreWriter:
        """Returns the writer, which the end of the block closes."""
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _call(self, method: str, *arguments: object) -> None:
        with self._lock:
            if self._process.pipe.closed:
                raise StoreError(f'"{self.path}" is closed; open it again')
            try:
                with suppress(BrokenPipeError):  # It has died: the answer says so.
                    self._process.pipe.send((method, arguments))
                self._answer()
            except ALSError:
                raise
            # After Ctrl-C, half a request may be on its way: nothing can follow it.
            except BaseException:
                self._process.pipe.close()
                raise

    def _answer(self) -> None:
        try:
            answer = self._process.pipe.recv()
        except (EOFError, OSError) as error:
            if not self._process.has_died(error):
                raise
            raise self._dead() from None
        if isinstance(answer, Failure):
            answer.throw()
        if answer is not None:
            raise answer

    def _dead(self) -> StoreError:
        self._process.close()
        return StoreError(
            f'the process that writes "{self.path}" has died (exit code {self._process.exitcode}); '
            "what was stored before is safe: do the same again"
        )


@dataclass(frozen=True)
class SeedMean:
    """The mean results of an agent with one training seed in one entry.

    Attributes:
        entry, agent, seed: which unit.
        episodes: how many it has.
        total, success, length: their means.
    """

    entry: str
    agent: str
    seed: int
    episodes: int
    total: float
    success: float
    length: float


class Store:
    """Reads a store, which others may write meanwhile. Every answer is of one moment."""

    def __init__(self, path: Path) -> None:
        """Opens the store.

        Raises:
            StoreError: the file is missing, something else, damaged or too new.
        """
        self.path = path.absolute()
        self._connection = open_reader(self.path)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        """Returns the store, which the end of the block closes."""
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        rows = self._rows(
            RUN, "SELECT key, suite, code, versions, tier, bundle, machine FROM runs ORDER BY id"
        )
        return [run_of(row) for row in rows]

    def units(self, run: str) -> list[Unit]:
        """The units of a run that have episodes, a training or a failure, in order."""
        rows = self._rows(UNIT, "SELECT run, entry, agent, seed FROM units WHERE run = ?", run)
        return sorted(Unit(*row) for row in rows)

    def done(self, unit: Unit) -> set[int]:
        """The numbers of the unit's episodes."""
        return {row[0] for row in self._of(COUNT, unit, "SELECT episode FROM episodes")}

    def episodes(self, unit: Unit) -> list[EpisodeResult]:
        """The unit's episodes, in order."""
        return list(self._results(unit).values())

    def chunks(self, unit: Unit) -> Iterator[Chunk]:
        """The unit's episodes with the logs that replay them, each as it was stored, in order.

        Raises:
            StoreError: a log is missing, or is not the one that was stored.
        """
        with self.snapshot():
            firsts = [row[0] for row in self._of(COUNT, unit, "SELECT first FROM logs")]
            results = self._results(unit)
        for first in sorted(firsts):
            with self._files():
                chunk = read_log(log_path(self.path, unit, first), results)
            yield chunk
            for result in chunk.results:
                del results[result.episode]
        if results:
            raise StoreError(
                f'"{self.path}" has no log of episode {min(results)}, {describe(unit)}'
            )

    def claims(self, unit: Unit) -> dict[str, Any] | None:
        """The claims that the unit's hash chains start from; None when it has not been played."""
        rows = self._of(CLAIMS, unit, "SELECT claims FROM claims")
        return dict(rows[0][0]) if rows else None

    def players(self, run: str) -> dict[str, set[str]]:
        """Label to the registered ids of what has played under it; see `claims.player_claims`."""
        rows = self._rows(
            PLAYED, "SELECT agent, claims FROM claims JOIN units ON id = unit WHERE run = ?", run
        )
        found: dict[str, set[str]] = {}
        for label, claims in rows:
            found.setdefault(label, set()).add(claims["player"]["agent"])
        return found

    def training(self, unit: Unit, *, with_files: bool = True) -> TrainedAgent | None:
        """The result of the unit's training; None when it was not trained.

        Args:
            unit: which.
            with_files: whether to read the agent's files.

        Raises:
            StoreError: the agent's files are missing, or others than were stored.
        """
        columns = f"digest, curve, steps, seconds, attempts, {self._demonstrated}"
        rows = self._of(TRAINING, unit, f"SELECT {columns} FROM trainings")
        for digest, curve, steps, seconds, attempts, demonstrated in rows:
            files = {}
            if digest and with_files:
                with self._files():
                    files = read_agent(agent_folder(self.path, unit), digest)
            return TrainedAgent(files, tuple(curve), steps, seconds, attempts, demonstrated)
        return None

    def efforts(self, run: str) -> dict[str, tuple[float, float]]:
        """Label to the steps of a training, and how many of them were demonstrated, on average."""
        rows = self._rows(
            EFFORT,
            f"SELECT agent, avg(steps) AS steps, avg({self._demonstrated}) AS demonstrated "
            "FROM trainings JOIN units ON id = unit WHERE run = ? AND steps > 0 GROUP BY agent",
            run,
        )
        return {agent: (steps, demonstrated) for agent, steps, demonstrated in rows}

    @property
    def _demonstrated(self) -> str:
        """The demonstrated steps of a row of `trainings`; older stores have no table of them."""
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'demonstrations'"
        if not self._rows(COUNT, tables)[0][0]:
            return "0"
        return (
            "coalesce((SELECT demonstrated FROM demonstrations "
            "WHERE demonstrations.unit = trainings.unit), 0)"
        )

    def agent_folder(self, unit: Unit) -> Path | None:
        """Where the unit's trained agent is kept; None when there is none."""
        rows = self._of(DIGEST, unit, "SELECT digest FROM trainings")
        return agent_folder(self.path, unit) if rows and rows[0][0] else None

    def failures(self, run: str) -> dict[Unit, str]:
        """Why units of a run have no (further) episodes."""
        rows = self._rows(
            FAILURE,
            "SELECT run, entry, agent, seed, reason FROM failures JOIN units ON id = unit "
            "WHERE run = ? ORDER BY entry, agent, seed",
            run,
        )
        return {Unit(*key): reason for *key, reason in rows}

    def verdicts(self, run: str) -> list[tuple[str, str, str, str]]:
        """The results of a run's verifications: (agent, tier, bundle, detail)."""
        rows = self._rows(
            VERDICT,
            "SELECT agent, tier, bundle, detail FROM verdicts WHERE run = ? "
            "ORDER BY agent, tier, bundle",
            run,
        )
        return [(agent, tier, bundle, detail) for agent, tier, bundle, detail in rows]

    def seed_means(self, run: str) -> list[SeedMean]:
        """The means of each unit that has episodes, by entry, agent and seed."""
        rows = self._rows(
            SEED_MEAN,
            # Grouped before it is joined: in the order of the table, nothing is sorted.
            "SELECT entry, agent, seed, n, total, success, length FROM units JOIN (SELECT unit, "
            "count(*) AS n, avg(total) AS total, avg(success) AS success, avg(length) AS length "
            "FROM episodes WHERE unit IN (SELECT id FROM units WHERE run = ?) GROUP BY unit) "
            "ON unit = id",
            run,
        )
        return sorted((SeedMean(*row) for row in rows), key=lambda m: (m.entry, m.agent, m.seed))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All answers within it are of the same moment; one may stand within another."""
        if self._connection.in_transaction:
            yield
            return
        with reported("read", self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def copy(self, path: Path) -> int:
        """Writes all rows into a new file, without logs and agents; returns how many episodes."""
        with reported("read", self.path):
            self._connection.execute("PRAGMA query_only = OFF")
            try:
                self._connection.execute("VACUUM INTO ?", (str(path),))
            finally:
                self._connection.execute("PRAGMA query_only = ON")
        return int(self._rows(COUNT, "SELECT count(*) FROM episodes")[0][0])

    def rows(self, unit: Unit) -> Iterator[tuple[Any, ...]]:
        """The unit's episodes one by one: number, `EPISODE_COLUMNS`, metrics as JSON.

        The chain is a signed number here.
        """
        for row, checked in self._checked(EPISODE, _EPISODES_OF_UNIT, *_key(unit)):
            yield (*checked[:-1], row[-1])

    def _results(self, unit: Unit) -> dict[int, EpisodeResult]:
        rows = self._checked(EPISODE, _EPISODES_OF_UNIT, *_key(unit))
        return {checked[0]: episode_of(checked) for _, checked in rows}

    def _of(self, shape: TypeAdapter[Any], unit: Unit, select: str) -> list[tuple[Any, ...]]:
        return self._rows(shape, f"{select} WHERE {_IS_UNIT}", *_key(unit))

    def _rows(self, shape: TypeAdapter[Any], query: str, *values: object) -> list[tuple[Any, ...]]:
        return [checked for _, checked in self._checked(shape, query, *values)]

    def _checked(
        self, shape: TypeAdapter[Any], query: str, *values: object
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """The rows of a query, each as it is in the file and as its shape has it.

        Raises:
            StoreError: a row has another shape; names the column.
        """
        with reported("read", self.path):
            cursor = self._connection.execute(query, values)
            for row in cursor:
                try:
                    yield row, shape.validate_python(row)
                except ValidationError as error:
                    first = error.errors(include_url=False, include_input=False)[0]
                    column = cursor.description[int(first["loc"][0])][0]
                    raise StoreError(
                        f'"{self.path}" is damaged, or was not written by ALS Engine: '
                        f"{column}: {first['msg']}"
                    ) from None

    @contextmanager
    def _files(self) -> Iterator[None]:
        """Turns an error about a file into one that says what to do."""
        try:
            yield
        except ALSError as error:
            raise StoreError(
                f'{error}; the files of "{self.path}" are in "{self.path.name}.d" beside it'
            ) from error


def _key(unit: Unit) -> tuple[str, str, str, int]:
    return unit.run, unit.entry, unit.agent, unit.seed
