"""Runs a suite: trains where there is something to train, plays, and stores what was seen.

Whatever interrupts a run, the same call goes on: what is stored is not done again, and what is done
again gives the same bits. So the end is the same as without the interruption.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from als_engine.benchmark.contestants import Contestant
from als_engine.benchmark.executors import Executor, make_executor
from als_engine.benchmark.plan import Item, chunks, plan
from als_engine.benchmark.provenance import origin_of, run_record
from als_engine.benchmark.records import RunRecord, Unit
from als_engine.benchmark.store import Store, StoreWriter
from als_engine.benchmark.tasks import PlayTask, TrainTask, play_task, train_task
from als_engine.errors import ALSError, StoreError, WorkerError
from als_engine.specs import SuiteSpec

__all__ = ["Finished", "RunProgress", "run_suite"]

ATTEMPTS: Final = 2
"""How often a task is tried whose process dies: a machine may be at fault, or the agent."""

EVALUATION_SEED: Final = 0
"""Of episode 0 of every unit: all agents meet the same levels."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come.

    Attributes:
        done, total: in environment steps, each episode counting as its time limit.
        episodes, all_episodes: stored, and to be stored in the end.
        doing: what was done last.
    """

    done: int
    total: int
    episodes: int
    all_episodes: int
    doing: str


@dataclass(frozen=True)
class Finished:
    """What a run has come to.

    Attributes:
        run: its record; the key is what the table is printed for.
        episodes: how many this call has added.
        failures: unit to the reason why it has no result.
    """

    run: RunRecord
    episodes: int
    failures: Mapping[Unit, str] = field(default_factory=dict)


def run_suite(
    suite: SuiteSpec,
    contestants: Sequence[Contestant],
    store: Path,
    *,
    seeds: int | None = None,
    workers: int = 1,
    executor: str = "local",
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> Finished:
    """Does what is missing.

    Args:
        suite: what is played.
        contestants: who plays.
        store: the file of the results; made when it is missing.
        seeds: training seeds for each agent that learns; by default the suite's.
        workers: tasks at once.
        executor: "local" or "ray".
        on_progress: called whenever something is stored.

    Raises:
        StoreError: the file cannot be read or written, or holds other results of the same run.
        ALSError: a scenario or an agent cannot be made.
    """
    record = run_record(suite)
    items = plan(suite, record.key, contestants, suite.seeds if seeds is None else seeds)
    with StoreWriter(store) as writer:
        writer.add_run(record)
        run = _Run(suite, record, items, Store(store), writer, make_executor(executor, workers))
        try:
            run.start(on_progress)
            run.work()
        finally:
            run.executor.close()
    return Finished(record, run.added, run.failures)


@dataclass
class _Waiting:
    """A task that an executor has."""

    item: Item
    task: TrainTask | PlayTask
    attempt: int = 1


class _Run:
    """A run while it lasts: hands out tasks and stores their results."""

    def __init__(
        self,
        suite: SuiteSpec,
        record: RunRecord,
        items: Sequence[Item],
        store: Store,
        writer: StoreWriter,
        executor: Executor,
    ) -> None:
        self.suite, self.record, self.items = suite, record, items
        self.store, self.writer, self.executor = store, writer, executor
        self.added = 0
        self.failures: dict[Unit, str] = {}
        self._waiting: dict[Future[Any], _Waiting] = {}
        self._done = {item.unit: store.done(item.unit) for item in items}

    def start(self, on_progress: Callable[[RunProgress], None]) -> None:
        """Hands out everything that can be done now."""
        self._on_progress = on_progress
        for item in self.items:
            if len(self._done[item.unit]) >= self.suite.episodes:
                continue
            if item.trains and self.store.training(item.unit) is None:
                self._submit(_Waiting(item, TrainTask(item.contestant, item.entry, item.unit.seed)))
            else:
                self._play(item)
        self._report("")

    def work(self) -> None:
        """Stores results until there is nothing left to do."""
        while self._waiting:
            ended, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                waiting = self._waiting.pop(future)
                try:
                    result = future.result()
                except StoreError:
                    raise
                except ALSError as error:
                    self._failed(waiting, error)
                else:
                    self._store(waiting, result)

    def _submit(self, waiting: _Waiting) -> None:
        task = waiting.task
        function: Callable[[Any], Any] = train_task if isinstance(task, TrainTask) else play_task
        self._waiting[self.executor.submit(function, task)] = waiting

    def _play(self, item: Item) -> None:
        """Hands out the episodes that are missing."""
        trained = self.store.training(item.unit)
        files = trained.files if trained is not None else item.contestant.files
        origin = origin_of(self.record, item.unit, item.entry, item.contestant, files)
        for episodes in chunks(self.suite.episodes, self._done[item.unit]):
            task = PlayTask(
                item.contestant,
                item.entry,
                files,
                episodes,
                self.suite.split,
                EVALUATION_SEED,
                origin,
            )
            self._submit(_Waiting(item, task))

    def _store(self, waiting: _Waiting, result: Any) -> None:
        item = waiting.item
        if isinstance(waiting.task, TrainTask):
            self.writer.add_training(item.unit, result)
            self._play(item)
        else:
            self.writer.add_chunk(item.unit, result)
            self._done[item.unit] |= set(waiting.task.episodes)
            self.added += len(waiting.task.episodes)
        self._report(f"{item.entry.name}: {item.contestant.label}")

    def _failed(self, waiting: _Waiting, error: ALSError) -> None:
        """Tries again where a process has died; whatever else goes wrong would do so again."""
        if isinstance(error, WorkerError) and waiting.attempt < ATTEMPTS:
            task, attempt = waiting.task, waiting.attempt + 1
            if isinstance(task, TrainTask):
                task = dataclasses.replace(task, attempts=attempt)
            self._submit(_Waiting(waiting.item, task, attempt))
            return
        unit = waiting.item.unit
        self.failures[unit] = str(error)
        self.writer.add_failure(unit, str(error))
        self._report(f"{unit.entry}: {unit.agent} failed")

    def _report(self, doing: str) -> None:
        played = sum(map(len, self._done.values()))
        done = total = 0
        for item in self.items:
            training = item.entry.steps if item.trains else 0
            one = self._limit(item)
            episodes = len(self._done[item.unit])
            total += training + self.suite.episodes * one
            if item.unit in self.failures:
                done += training + self.suite.episodes * one
            else:
                pending = any(
                    waiting.item is item and isinstance(waiting.task, TrainTask)
                    for waiting in self._waiting.values()
                )
                done += episodes * one + (0 if pending else training)
        whole = self.suite.episodes * len(self.items)
        self._on_progress(RunProgress(done, total, played, whole, doing))

    def _limit(self, item: Item) -> int:
        from als_engine.registry import registry

        limit = registry.scenario(item.entry.scenario).max_episode_steps
        given = item.contestant.in_evaluation(item.entry).get("max_episode_steps")
        return int(given or limit)
