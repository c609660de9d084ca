"""Runs a suite: trains its agents, plays its episodes and stores the results.

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

from als_bench.claims import claims_of, origin_of, player_claims
from als_bench.contestants import Contestant
from als_bench.provenance import run_record
from als_bench.records import EVALUATION_SEED, RunRecord, TrainedAgent, Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.running.executors import Executor, make_executor
from als_bench.running.plan import Item, chunks, plan
from als_bench.running.tasks import PlayTask, Seat, TrainTask, play_task, train_task
from als_bench.suites import check_suite
from als_engine.agents.saving import RECORD, AgentRecord
from als_engine.errors import (
    ALSError,
    ArgumentError,
    MachineError,
    StoreError,
    WorkerError,
    unknown,
)
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteSpec
from als_engine.system.watched import watchable

__all__ = ["Finished", "RunProgress", "run_suite"]

ATTEMPTS: Final = 2
"""How often a task is tried whose process dies: a machine may be at fault, or the agent."""

BUSY: Final = 2
"""Tasks that an executor has for each worker: one that is done, and one for when it is."""


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run.

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
    """The outcome of a run.

    Attributes:
        run: its record; the key is what the table is printed for.
        episodes: how many this call has added.
        failures: unit to the reason why it has no result.
        undone: unit to the fault of the machine that kept it from being done; it is not scored, and
            the same call does it again.
    """

    run: RunRecord
    episodes: int
    failures: Mapping[Unit, str] = field(default_factory=dict)
    undone: Mapping[Unit, str] = field(default_factory=dict)


def run_suite(
    suite: SuiteSpec,
    contestants: Sequence[Contestant],
    store: Path,
    *,
    seeds: int | None = None,
    only: Sequence[str] = (),
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
        only: names of entries; empty for all of the suite's.
        workers: tasks at once.
        executor: "local" or "ray".
        on_progress: called whenever something is stored.

    Raises:
        StoreError: the file cannot be read or written, or holds other results of the same run.
        ArgumentError: the suite has no such entry, or an agent cannot play in one.
    """
    names = [entry.name for entry in suite.entries]
    for name in only:
        if name not in names:
            raise ArgumentError(f"{suite.id}: {unknown('entry', name, names)}")
    chosen = [entry for entry in suite.entries if not only or entry.name in only]
    check_suite(dataclasses.replace(suite, entries=tuple(chosen)), contestants)
    record = run_record(suite)
    items = plan(suite, record.key, contestants, suite.seeds if seeds is None else seeds)
    items = [item for item in items if not only or item.entry.name in only]
    tasks = make_executor(executor, workers)
    # Its processes start with their first task, within this block.
    with watchable(store), StoreWriter(store) as writer:
        writer.add_run(record)
        with Store(store) as stored:
            run = _Run(suite, record, items, stored, writer, tasks)
            try:
                run.start(on_progress)
                run.work()
            finally:
                run.executor.close()
    return Finished(record, run.added, run.failures, run.undone)


@dataclass(eq=False)
class _Waiting:
    """A task that an executor has, and the units that it is for."""

    items: Sequence[Item]
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
        self.undone: dict[Unit, str] = {}
        self._queue: list[_Waiting] = []
        self._waiting: dict[Future[Any], _Waiting] = {}
        self._done = {item.unit: store.done(item.unit) for item in items}
        self._trained: dict[Unit, TrainedAgent] = {}
        self._limits = {item.unit: _limit(item) for item in items}
        self._pairs = [item for item in items if item.partner is not None and self._lacks(item)]

    def start(self, on_progress: Callable[[RunProgress], None]) -> None:
        """Hands out everything that can be done now."""
        self._on_progress = on_progress
        alone = [item for item in self.items if item.partner is None]
        groups: dict[str, list[Item]] = {}
        for item in alone:
            if item.training:
                groups.setdefault(item.training, []).append(item)
            elif self._lacks(item):
                self._play(item)
        for group in groups.values():
            # Entries that train in the same way share one training.
            stored = [self.store.training(item.unit) for item in group]
            trained = next((one for one in stored if one is not None), None)
            if trained is not None:
                self._begin(group, trained)
            else:
                first = group[0]
                task = TrainTask(first.contestant, first.entry, first.unit.seed)
                self._queue.append(_Waiting(group, task))
        self._play_pairs()
        self._report("")

    def work(self) -> None:
        """Stores results until there is nothing left to do."""
        while self._hand_out():
            ended, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                waiting = self._waiting.pop(future)
                try:
                    result = future.result()
                except ALSError as error:
                    self._failed(waiting, error)
                else:
                    self._store(waiting, result)

    def _lacks(self, item: Item) -> bool:
        return not self._done[item.unit].issuperset(range(self.suite.episodes))

    def _hand_out(self) -> bool:
        """Keeps the executor busy; returns whether anything is being done.

        It is given few tasks at a time, and whatever can be played before what has to be trained:
        so a run that is stopped has whole units, and not a hundred trainings.
        """
        while self._queue and len(self._waiting) < BUSY * self.executor.workers:
            first = next((w for w in self._queue if isinstance(w.task, PlayTask)), self._queue[0])
            self._queue.remove(first)
            function: Callable[[Any], Any] = (
                train_task if isinstance(first.task, TrainTask) else play_task
            )
            self._waiting[self.executor.submit(function, first.task)] = first
        return bool(self._waiting)

    def _begin(self, group: Sequence[Item], trained: TrainedAgent) -> None:
        """Stores a training for all units that share it, and lets them play."""
        for item in group:
            _check_same(item, trained)
            self.writer.add_training(item.unit, trained)
            self._trained[item.unit] = trained
            if self._lacks(item):
                self._play(item)

    def _play_pairs(self) -> None:
        """Hands out the pairs of which both have been trained."""
        for item in list(self._pairs):
            assert item.partner is not None
            both = (item.unit_alone, item.partner.unit)
            if reasons := [self.undone[unit] for unit in both if unit in self.undone]:
                self._pairs.remove(item)
                self._put_off(item, reasons[0])
            elif reasons := [self.failures[unit] for unit in both if unit in self.failures]:
                self._pairs.remove(item)
                self._give_up(item, reasons[0])
            elif self._is_ready(item.contestant, both[0]) and self._is_ready(
                item.partner.contestant, both[1]
            ):
                self._pairs.remove(item)
                self._play(item)

    def _is_ready(self, contestant: Contestant, unit: Unit) -> bool:
        return not contestant.trains or unit in self._trained

    def _play(self, item: Item) -> None:
        """Hands out the episodes that are missing."""
        seats = [self._seat(item.contestant, item.unit_alone)]
        if item.partner is not None:
            seats.append(self._seat(item.partner.contestant, item.partner.unit))
        claims = claims_of(
            self.record,
            scenario=item.entry.scenario,
            arguments=item.arguments,
            split=item.entry.split,
            observers=item.entry.observers,
            seed=item.unit.seed,
            player=_player(seats[0]),
            partner=None if item.partner is None else _player(seats[1]),
        )
        if item.contestant.files:
            # Whoever checks the results needs the agent, wherever it came from.
            self.writer.add_training(item.unit_alone, TrainedAgent(item.contestant.files))
        self.writer.add_claims(item.unit, claims)
        for episodes in chunks(self.suite.episodes, self._done[item.unit]):
            task = PlayTask(
                tuple(seats),
                item.entry,
                item.arguments,
                episodes,
                EVALUATION_SEED,
                origin_of(claims),
            )
            self._queue.append(_Waiting([item], task))

    def _seat(self, contestant: Contestant, unit: Unit) -> Seat:
        trained = self._trained.get(unit)
        return Seat(contestant, contestant.files if trained is None else trained.files)

    def _store(self, waiting: _Waiting, result: Any) -> None:
        first = waiting.items[0]
        if isinstance(waiting.task, TrainTask):
            self._begin(waiting.items, result)
            self._play_pairs()
        else:
            self.writer.add_chunk(first.unit, result)
            self._done[first.unit] |= set(waiting.task.episodes)
            self.added += len(waiting.task.episodes)
        self._report(f"{first.unit.entry}: {first.unit.agent}")

    def _failed(self, waiting: _Waiting, error: ALSError) -> None:
        """Tries again where a process has died; whatever else goes wrong would do so again."""
        if isinstance(error, WorkerError | MachineError) and waiting.attempt < ATTEMPTS:
            task, attempt = waiting.task, waiting.attempt + 1
            if isinstance(task, TrainTask):
                task = dataclasses.replace(task, attempts=attempt)
            self._queue.append(_Waiting(waiting.items, task, attempt))
            return
        for item in waiting.items:
            if isinstance(error, MachineError):
                self._put_off(item, str(error))
            else:
                self._give_up(item, str(error))
        self._play_pairs()

    def _put_off(self, item: Item, reason: str) -> None:
        """Leaves a unit for the next call: what the machine cannot do is nobody's score."""
        self.undone[item.unit] = reason
        self._report(f"{item.unit.entry}: {item.unit.agent} was not done")

    def _give_up(self, item: Item, reason: str) -> None:
        self.failures[item.unit] = reason
        self.writer.add_failure(item.unit, reason)
        self._report(f"{item.unit.entry}: {item.unit.agent} failed")

    def _report(self, doing: str) -> None:
        """Trainings that several units share count for each of them, before and after."""
        training = {
            item.unit
            for waiting in (*self._waiting.values(), *self._queue)
            if isinstance(waiting.task, TrainTask)
            for item in waiting.items
        }
        done = total = episodes = 0
        for item in self.items:
            steps = item.entry.steps if item.training and item.partner is None else 0
            whole = steps + self.suite.episodes * self._limits[item.unit]
            total += whole
            played = len(self._done[item.unit])
            episodes += played
            if item.unit in self.failures or item.unit in self.undone:
                done += whole
            else:
                done += played * self._limits[item.unit] + (item.unit not in training) * steps
        everything = self.suite.episodes * len(self.items)
        self._on_progress(RunProgress(done, total, episodes, everything, doing))


def _player(seat: Seat) -> dict[str, Any]:
    return player_claims(seat.contestant.agent, seat.contestant.config, seat.files)


def _check_same(item: Item, trained: TrainedAgent) -> None:
    """Refuses results of another agent under the same name.

    Raises:
        StoreError: what was trained before has another id or other hyperparameters.
    """
    record = AgentRecord.model_validate_json(trained.files[RECORD])
    config = {name: record.config.get(name) for name in item.contestant.config}
    if record.agent != item.contestant.agent or config != dict(item.contestant.config):
        raise StoreError(
            f'"{item.unit.agent}" stands for another agent in this store: choose another name'
        )


def _limit(item: Item) -> int:
    """An episode's longest, in steps."""
    given = item.arguments.get("max_episode_steps")
    return int(given or registry.scenario(item.entry.scenario).max_episode_steps)
