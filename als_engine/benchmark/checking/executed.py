"""Runs the agents of a bundle on secret seeds, and keeps what they did as a run of its own.

That run is the only kind that ranks. It has the bundle's suite and names, the tier "executed", and
chains that come from the bundle's claims and its hash.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from als_engine.benchmark.cells import normalised
from als_engine.benchmark.checking.adoption import training_of
from als_engine.benchmark.checking.bundle import Bundle, entry_of
from als_engine.benchmark.checking.execution import Execution, execute, secret_seed
from als_engine.benchmark.checking.manifest import Manifest, UnitRecord
from als_engine.benchmark.claims import origin_of
from als_engine.benchmark.contestants import Contestant
from als_engine.benchmark.executors import LocalExecutor
from als_engine.benchmark.records import TIERS, RunRecord, Unit
from als_engine.benchmark.results.store import StoreWriter
from als_engine.benchmark.sandbox.agent import Limits
from als_engine.benchmark.sandbox.confinement import Confinement
from als_engine.benchmark.tasks import PlayTask, Seat
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.specs import SuiteEntry, SuiteSpec

__all__ = ["Executed", "execute_bundle", "store_executions"]

EXECUTED: Final = TIERS[-1]


@dataclass(frozen=True)
class Executed:
    """What the agents of a unit did.

    Attributes:
        unit: of the bundle.
        entry: of the suite.
        execution: how it went.
    """

    unit: UnitRecord
    entry: SuiteEntry
    execution: Execution

    @property
    def mean(self) -> float | None:
        """Mean return of the episodes that were played."""
        totals = [result.total for chunk in self.execution.chunks for result in chunk.results]
        return sum(totals) / len(totals) if totals else None

    @property
    def score(self) -> float | None:
        """Where random is 0 and the expert 1; a misbehaving agent has 0 at most."""
        return normalised(self.entry, self.mean, bool(self.execution.failure))


def execute_bundle(
    folder: Path,
    secret: bytes,
    *,
    episodes: int | None = None,
    workers: int = 1,
    limits: Limits | None = None,
    force: Confinement | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Executed]:
    """Runs all agents of a bundle that was verified.

    Args:
        folder: the bundle.
        secret: the board's.
        episodes: for each unit; by default as many as the suite has.
        workers: processes that play.
        limits: what each agent may use.
        force: what to confine agents by; None for all that the machine has.
        on_progress: called with the units that are done, and how many there are.

    Returns:
        The units in the bundle's order.

    Raises:
        SavedFileError: the bundle cannot be read.
        ArgumentError: more episodes than the suite has, or none.
        ConfinementError: the kernel refused to confine an agent.
    """
    bundle = Bundle.open(folder)
    suite = _suite(bundle.manifest)
    count = suite.episodes if episodes is None else episodes
    if not 1 <= count <= suite.episodes:
        raise ArgumentError(
            f"episodes must be 1 to {suite.episodes}, as {suite.id} has, not {count}"
        )
    seed = secret_seed(secret, bundle.hash)
    units = bundle.manifest.units
    executor = LocalExecutor(min(workers, len(units)))
    found: dict[int, Executed] = {}
    try:
        futures = {
            executor.submit(
                _execute_unit, str(folder), bundle.hash, i, seed, count, limits, force
            ): i
            for i in range(len(units))
        }
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            on_progress(len(found), len(units))
    finally:
        executor.close()
    return [found[i] for i in range(len(units))]


def store_executions(bundle: Bundle, executed: list[Executed], writer: StoreWriter) -> RunRecord:
    """Keeps what `execute_bundle` has found, as a run that ranks.

    Raises:
        ArgumentError: an agent was not confined: that is no execution.
        StoreError: the store cannot be written.
    """
    for one in executed:
        if not one.execution.ranks:
            raise ArgumentError(f"{one.unit.name} was not confined, so it is not kept")
    manifest = bundle.manifest
    run = RunRecord(
        key=f"{manifest.run}-{bundle.hash[:8]}",
        suite=manifest.suite,
        code=manifest.code,
        versions=manifest.versions,
        machine=manifest.machine,
        tier=EXECUTED,
        bundle=bundle.hash,
    )
    writer.add_run(run)
    for one in executed:
        unit = Unit(run.key, one.unit.entry, one.unit.agent, one.unit.seed)
        if (trained := training_of(bundle, one.unit)) is not None:
            writer.add_training(unit, trained)
        writer.add_claims(unit, _claims(bundle, one.unit))
        for chunk in one.execution.chunks:
            writer.add_chunk(unit, chunk)
        if one.execution.failure:
            writer.add_failure(unit, one.execution.failure)
    for failure in manifest.failures:
        # Whoever failed in the run itself is not asked again, nor forgotten.
        writer.add_failure(
            Unit(run.key, failure.entry, failure.agent, failure.seed), failure.reason
        )
    for agent, detail in _details(executed):
        writer.add_verdict(run.key, agent, EXECUTED, bundle.hash, detail)
    return run


def _execute_unit(
    folder: str,
    hash: str,
    index: int,
    seed: int,
    episodes: int,
    limits: Limits | None,
    force: Confinement | None,
) -> Executed:
    """What a worker process does with one unit."""
    bundle = _opened(folder)
    if bundle.hash != hash:
        raise SavedFileError(f"{folder} was changed while it was read")
    unit = bundle.manifest.units[index]
    entry = entry_of(_suite(bundle.manifest), unit.entry)
    if entry is None:
        raise SavedFileError(f"{folder}: {unit.entry} is no entry of its suite")
    players = [player for player in (unit.player, unit.partner) if player is not None]
    task = PlayTask(
        seats=tuple(
            Seat(Contestant(player.agent, player.agent, config=player.config), bundle.agent(player))
            for player in players
        ),
        entry=dataclasses.replace(entry, observers=unit.observers),
        arguments=unit.arguments,
        episodes=range(episodes),
        seed=seed,
        origin=origin_of(_claims(bundle, unit)),
    )
    return Executed(unit, entry, execute(task, limits=limits, force=force))


def _claims(bundle: Bundle, unit: UnitRecord) -> dict[str, Any]:
    """The bundle's claims, and that these episodes are the board's own."""
    return {**bundle.manifest.claims(unit), "executed": bundle.hash}


def _details(executed: list[Executed]) -> Iterator[tuple[str, str]]:
    """What was executed of each agent, in words."""
    for agent in sorted({one.unit.agent for one in executed}):
        own = [one for one in executed if one.unit.agent == agent]
        results = [r for one in own for chunk in one.execution.chunks for r in chunk.results]
        failed = sum(bool(one.execution.failure) for one in own)
        seeds = f", seeds from {min(r.seed for r in results)}" if results else ""
        yield (
            agent,
            f"{len(results)} episodes of {len(own)} unit{'s' * (len(own) != 1)} executed{seeds}"
            f"{f'; {failed} failed' if failed else ''}; {own[0].execution.force}",
        )


def _suite(manifest: Manifest) -> SuiteSpec:
    return SuiteSpec(**manifest.suite)  # type: ignore[arg-type]  # It checks every field itself.


@functools.cache
def _opened(folder: str) -> Bundle:
    return Bundle.open(Path(folder))
