"""Stores the results of a bundle's agents on secret seeds, as a run of its own.

That run is the only kind that ranks. It has the bundle's suite and names, the tier "executed", and
chains that come from the bundle's claims and its hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from als_bench.checking.adoption import training_of
from als_bench.checking.bundle import Bundle
from als_bench.checking.execution import Execution
from als_bench.checking.manifest import UnitRecord
from als_bench.identity import YARDSTICKS
from als_bench.provenance import machine
from als_bench.records import TIERS, RunRecord, Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.running.cells import normalised
from als_bench.running.playing import world_seeds
from als_bench.sandbox.confinement import Confinement
from als_engine.errors import ArgumentError, StoreError
from als_engine.plugins.specs import SuiteEntry

__all__ = ["Executed", "ExecutedRun", "claims_when_executed", "run_key"]

EXECUTED: Final = TIERS[-1]


@dataclass(frozen=True)
class Executed:
    """The results of a unit's agents.

    Attributes:
        unit: of the bundle.
        entry: of the suite.
        execution: how it went.
        level_key: of the levels that they were played on.
    """

    unit: UnitRecord
    entry: SuiteEntry
    execution: Execution
    level_key: int

    @property
    def mean(self) -> float | None:
        """Mean return of the episodes that were played."""
        totals = [result.total for chunk in self.execution.chunks for result in chunk.results]
        return sum(totals) / len(totals) if totals else None

    @property
    def score(self) -> float | None:
        """Where random is 0 and the expert 1; a misbehaving agent has 0 at most."""
        return normalised(self.entry, self.mean, bool(self.execution.failure))


class ExecutedRun:
    """The run in a store that the executions of a bundle make up, unit by unit."""

    def __init__(
        self,
        bundle: Bundle,
        seed: int,
        level_keys: Sequence[int],
        store: Store,
        writer: StoreWriter,
    ) -> None:
        """Begins it, or goes on with what is there of it.

        Args:
            bundle: that was verified.
            seed: the one of `secret_seed`.
            level_keys: of the bundle's units.
            store: where it is.
            writer: of the same file.

        Raises:
            StoreError: the store cannot be written.
        """
        manifest = bundle.manifest
        self._bundle, self._seed_of, self._keys = bundle, world_seeds(seed), level_keys
        self._store, self._writer = store, writer
        self.record = RunRecord(
            key=run_key(bundle),
            suite=manifest.suite,
            code=manifest.code,
            versions=manifest.versions,
            machine=machine(),  # Where they were played: here.
            tier=EXECUTED,
            bundle=bundle.hash,
        )
        writer.add_run(self.record)
        for failure in manifest.failures:
            # Whoever failed in the run itself is not asked again, nor forgotten.
            where = Unit(self.record.key, failure.entry, failure.agent, failure.seed)
            writer.add_failure(where, failure.reason)

    def found(self, force: Confinement) -> dict[int, Executed]:
        """The results that are stored already, by the unit's place in the bundle.

        Args:
            force: what agents are confined by here.

        Raises:
            StoreError: it was done with another secret.
        """
        failures = self._store.failures(self.record.key)
        wanted = self._bundle.suite.episodes
        found: dict[int, Executed] = {}
        for i, (unit, key) in enumerate(zip(self._bundle.manifest.units, self._keys, strict=True)):
            where = self._where(unit)
            chunks = tuple(self._store.chunks(where))
            results = [result for chunk in chunks for result in chunk.results]
            claims = self._store.claims(where)
            ours = claims is None or claims == claims_when_executed(self._bundle, unit, key)
            if not ours or any(r.seed != self._seed_of(r.episode) for r in results):
                raise StoreError(
                    f"{self._store.path} has run {self.record.key} with another secret"
                )
            failure = failures.get(where, "")
            if failure or len(results) == wanted:
                execution = Execution(chunks, failure, force)
                found[i] = Executed(unit, self._bundle.entry(unit), execution, key)
        return found

    def add(self, one: Executed) -> None:
        """Keeps what the agents of a unit did.

        Raises:
            ArgumentError: an agent was not confined: that is no execution.
            StoreError: the store cannot be written.
        """
        if not one.execution.ranks:
            raise ArgumentError(f"{one.unit.name} was not confined, so it is not kept")
        where = self._where(one.unit)
        if (trained := training_of(self._bundle, one.unit)) is not None:
            self._writer.add_training(where, trained)
        claims = claims_when_executed(self._bundle, one.unit, one.level_key)
        self._writer.add_claims(where, claims)
        for chunk in one.execution.chunks:
            self._writer.add_chunk(where, chunk)
        if one.execution.failure:
            self._writer.add_failure(where, one.execution.failure)

    def conclude(self, executed: Sequence[Executed]) -> None:
        """Keeps the verdict on every agent, when all units are there."""
        for agent, detail in _details(executed):
            self._writer.add_verdict(self.record.key, agent, EXECUTED, self._bundle.hash, detail)

    def _where(self, unit: UnitRecord) -> Unit:
        return Unit(self.record.key, unit.entry, unit.agent, unit.seed)


def run_key(bundle: Bundle) -> str:
    """The key of the run that a bundle's executions make up."""
    return f"{bundle.manifest.run}-{bundle.hash[:16]}"


def claims_when_executed(bundle: Bundle, unit: UnitRecord, level_key: int) -> dict[str, Any]:
    """The bundle's claims, that these episodes are the board's own, and on which levels."""
    return {
        **bundle.manifest.claims(unit),
        "executed": bundle.hash,
        "level_key": f"{level_key:032x}",
    }


def _held_by(one: Executed) -> str:
    """What held an agent while it was executed, in words."""
    if one.unit.player.agent in YARDSTICKS:
        return "a yardstick, which nothing confines"
    return str(one.execution.force)


def _details(executed: Sequence[Executed]) -> Iterator[tuple[str, str]]:
    """What was executed of each agent, in words."""
    for agent in sorted({one.unit.agent for one in executed}):
        own = [one for one in executed if one.unit.agent == agent]
        results = [r for one in own for chunk in one.execution.chunks for r in chunk.results]
        failed = sum(bool(one.execution.failure) for one in own)
        seeds = f", episode 0 with seed {results[0].seed}" if results else ""
        yield (
            agent,
            f"{len(results)} episodes of {len(own)} unit{'s' * (len(own) != 1)} executed{seeds}"
            f"{f'; {failed} failed' if failed else ''}; {_held_by(own[0])}",
        )
