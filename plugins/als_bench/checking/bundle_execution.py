"""Runs the agents of a bundle on secret seeds; interrupted, it goes on where it was."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from als_bench.checking.bundle import Bundle
from als_bench.checking.executed import (
    Executed,
    ExecutedRun,
    claims_when_executed,
)
from als_bench.checking.execution import execute, level_key, secret_seed
from als_bench.claims import origin_of
from als_bench.contestants import Contestant
from als_bench.results.store import Store, StoreWriter
from als_bench.running.executors import LocalExecutor
from als_bench.running.tasks import PlayTask, Seat
from als_bench.sandbox.agent import Limits
from als_bench.sandbox.confinement import Confinement, confinement
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.plugins.specs import SuiteSpec

__all__ = ["execute_bundle"]


def execute_bundle(
    folder: Path,
    secret: bytes,
    *,
    checked: Bundle | None = None,
    store: Path | None = None,
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
        checked: the bundle as it was verified; nothing else is executed, whatever is in the folder
            by now. None opens it.
        store: where each unit is kept when it is done, as part of a run that ranks; what is there
            already is not done again.
        episodes: for each unit; by default as many as the suite has.
        workers: processes that play.
        limits: what each agent may use.
        force: what to confine agents by; None for all that the machine has.
        on_progress: called with the units that are done, and how many there are.

    Returns:
        The units in the bundle's order.

    Raises:
        SavedFileError: the bundle cannot be read, or is another one than was checked.
        ArgumentError: more episodes than the suite has, or none; or they are to be kept, and are
            fewer than the suite has, or of agents that were not confined.
        ConfinementError: the kernel refused to confine an agent.
        StoreError: the store cannot be written, or has this bundle with another secret.
    """
    bundle = checked or Bundle.open(folder)
    count = _count(bundle.suite, episodes, kept=store is not None)
    seed = secret_seed(secret, bundle.hash)
    units = bundle.manifest.units
    keys = [level_key(secret, bundle.hash, (u.entry, u.agent, u.seed)) for u in units]
    found: dict[int, Executed] = {}
    with ExitStack() as stack:
        run = None
        if store is not None:
            writer = stack.enter_context(StoreWriter(store))
            run = ExecutedRun(bundle, seed, keys, stack.enter_context(Store(store)), writer)
            found = run.found(force or confinement())
        missing = [i for i in range(len(units)) if i not in found]
        calls = [
            (i, (str(folder), bundle.hash, i, seed, keys[i], count, limits, force)) for i in missing
        ]
        on_progress(len(found), len(units))
        for i, each in stack.enter_context(closing(_executed(calls, workers))):
            found[i] = each
            if run is not None:
                run.add(each)
            on_progress(len(found), len(units))
        executed = [found[i] for i in range(len(units))]
        if run is not None:
            run.conclude(executed)
    return executed


def _count(suite: SuiteSpec, episodes: int | None, kept: bool) -> int:
    """How many episodes of each unit are played."""
    count = suite.episodes if episodes is None else episodes
    if not 1 <= count <= suite.episodes:
        raise ArgumentError(
            f"episodes must be 1 to {suite.episodes}, as {suite.id} has, not {count}"
        )
    if kept and count < suite.episodes:
        raise ArgumentError(f"{count} of {suite.episodes} episodes do not rank: keep none or all")
    return count


def _executed(
    calls: Sequence[tuple[int, tuple[Any, ...]]], workers: int
) -> Generator[tuple[int, Executed], None, None]:
    """Calls `_execute_unit` in worker processes; yields what they return as it comes."""
    executor = LocalExecutor(max(1, min(workers, len(calls))))
    try:
        futures = {executor.submit(_execute_unit, *call): i for i, call in calls}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        executor.close()


def _execute_unit(
    folder: str,
    hash: str,
    index: int,
    seed: int,
    key: int,
    episodes: int,
    limits: Limits | None,
    force: Confinement | None,
) -> Executed:
    """What a worker process does with one unit."""
    bundle = _opened(folder)
    if bundle.hash != hash:
        raise SavedFileError(f"{folder} was changed while it was read")
    unit = bundle.manifest.units[index]
    entry = bundle.entry(unit)
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
        origin=origin_of(claims_when_executed(bundle, unit, key)),
        level_key=key,
    )
    return Executed(unit, entry, execute(task, limits=limits, force=force), key)


@functools.cache
def _opened(folder: str) -> Bundle:
    return Bundle.open(Path(folder))
