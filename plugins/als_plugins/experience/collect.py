"""Collects experience: runs a policy through a scenario's levels and keeps all that avatars sense.

Episode i is the world reset with `spread("collecting", seed, i)`, whichever world runs it and
however many run at once, so a dataset does not depend on how it was collected, and an interrupted
collecting goes on exactly where it stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.agents.run_folder import claimed
from als_engine.agents.saving import versions
from als_engine.checks import MAX_SEED, at_least_one, check_undecided, whole_number
from als_engine.envs.batch import Batch
from als_engine.errors import ALSError, ArgumentError, PhysicsError, SavedFileError, TaskError
from als_engine.models import checked_fields
from als_engine.seeding import row_seeds, spread
from als_engine.simulation import Simulation, simulate
from als_engine.system.files import make_folder
from als_engine.system.locking import LOCK
from als_plugins.experience.policies import Policies
from als_plugins.experience.recorder import Recorder, broken
from als_plugins.experience.records import (
    RECORD,
    DatasetRecord,
    SourceRecord,
    describe_actions,
    describe_sensors,
    read_dataset,
    source_id,
    write_dataset,
)
from als_plugins.experience.shards import Shards
from als_plugins.experience.together import put_together

__all__ = ["UNFINISHED", "Collected", "Progress", "begin_dataset", "collect"]

UNFINISHED: Final = ".collecting"


@dataclass(frozen=True)
class Progress:
    """The progress of a collecting.

    Attributes:
        episodes: that are finished, those of earlier runs and those left out among them.
        total: how many there will be.
        steps: taken in this run, over all worlds.
        left_out: episodes that cannot be used.
    """

    episodes: int
    total: int
    steps: int
    left_out: int


@dataclass(frozen=True)
class Collected:
    """The contents of a source after a collecting.

    Attributes:
        folder: of the dataset.
        source: the record in `dataset.json`.
        new: episodes that this run added or left out; 0 when all were there already.
    """

    folder: Path
    source: SourceRecord
    new: int


OnProgress = Callable[[Progress], None]


def collect(
    scenario: str,
    folder: Path | str,
    *,
    policy: str = "random",
    episodes: int,
    seed: int = 0,
    worlds: int = 16,
    observers: int = 1,
    split: str = "train",
    arguments: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Collected:
    """Collects episodes into a dataset, which it makes or adds to.

    The same call again goes on where it was interrupted; with more episodes it adds the missing
    ones; when all are there it does nothing.

    Args:
        scenario: its id.
        folder: of the dataset; a new or empty folder, or one with a dataset.
        policy: "random", "expert", "mix" (the expert in even episodes, random in odd ones),
            "turns" (both in every episode, see `policies`), or the folder or id of another agent.
        episodes: how many; each gives one for every observer.
        seed: another one gives other episodes.
        worlds: how many run at once; makes no difference to the episodes.
        observers: avatars of each world that the policy drives; background drives the others.
        split: "train", "validation" or "test": where levels are drawn from.
        arguments: of the scenario, such as `sensors`; by default its own sensors are collected.
        on_progress: called whenever an episode ends.

    Returns:
        What there is of it now.

    Raises:
        UnknownIdError: there is no such scenario or policy.
        ArgumentError: an argument is not allowed.
        SavedFileError: the folder cannot be written, or holds something else; what it held is as
            it was.
        TaskError: the task answers with a wrong shape or type, or a metric that is not finite.
    """
    folder = Path(folder)
    episodes, worlds = at_least_one("episodes", episodes), at_least_one("worlds", worlds)
    seed = whole_number("seed", seed, 0, MAX_SEED)
    given = dict(arguments or {})
    check_undecided(
        "collecting", given, split="--split", seed="--seed", num_worlds="--worlds",
        worlds="--worlds", observers="--drive",
    )  # fmt: skip
    policies = Policies(policy, scenario, given, observers)
    simulation = simulate(
        scenario, min(worlds, episodes), observers, **{**policies.arguments, "split": split}
    )
    try:
        record = _describe(scenario, policy, policies, simulation, seed)
        with _claimed(folder):
            return _add(folder, record, policies, simulation, episodes, on_progress)
    finally:
        simulation.close()


def _add(
    folder: Path,
    record: SourceRecord,
    policies: Policies,
    simulation: Simulation,
    episodes: int,
    on_progress: OnProgress,
) -> Collected:
    """Adds the episodes of a source that are missing to the dataset in a folder."""
    dataset = begin_dataset(folder)
    known = next((s for s in dataset.sources if s.id == record.id), record)
    shards = Shards(folder / UNFINISHED / record.id.removeprefix("als/"), record)
    try:
        wanted = max(episodes, known.attempted, 1 + max(shards.done, default=-1))
        todo = sorted(set(range(known.attempted, wanted)) - shards.done)
        batch = Batch(simulation, AutoresetMode.DISABLED)
        runner = _Runner(batch, policies, shards, record.seed, todo)
        runner.run(lambda: on_progress(_progress(runner, shards, known, wanted)))
        if shards.done:
            spaces = simulation.observation_space, simulation.action_space
            known = put_together(folder, known, shards, spaces)
            others = [s for s in dataset.sources if s.id != known.id]
            write_dataset(folder, DatasetRecord(sources=[*others, known]))
            shards.delete()
            with suppress(OSError):  # Another source may be unfinished.
                (folder / UNFINISHED).rmdir()
    finally:
        shards.close()
    return Collected(folder, known, len(todo))


def _progress(runner: _Runner, shards: Shards, known: SourceRecord, wanted: int) -> Progress:
    left_out = sum(known.left_out.values()) + shards.count_left_out
    return Progress(known.attempted + len(shards.done), wanted, runner.steps, left_out)


def _describe(
    scenario: str, policy: str, policies: Policies, simulation: Any, seed: int
) -> SourceRecord:
    """The record of a source of which nothing is there yet.

    Raises:
        ArgumentError: something in it cannot be written down.
    """
    identity = {
        "arguments": policies.arguments,
        "agent": policies.digest,
        "observers": simulation.observers,
        "split": simulation.split,
        "seed": seed,
    }
    try:
        with checked_fields():
            return SourceRecord(
                id=source_id(scenario, policy, identity),
                scenario=scenario,
                policy=policy,
                observations=describe_sensors(simulation.observation_space),
                actions=describe_actions(simulation.action_space),
                versions=versions(),
                **identity,
            )
    except TypeError as error:
        raise ArgumentError(f"the arguments of {scenario} must be JSON: {error}") from None


def begin_dataset(folder: Path) -> DatasetRecord:
    """The dataset in a folder, or a new one there.

    Raises:
        SavedFileError: the folder holds something else.
    """
    if (folder / RECORD).exists():
        return read_dataset(folder)
    if any(path.name not in (UNFINISHED, LOCK) for path in folder.iterdir()):
        raise SavedFileError(
            f"{folder} holds other files: name a new or empty folder, or a dataset"
        )
    empty = DatasetRecord()
    write_dataset(folder, empty)
    return empty


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Keeps other processes from collecting into the same folder, which may be somebody else's.

    Raises:
        SavedFileError: another one does, the folder cannot be written, or there are links in it.
    """
    make_folder(folder)
    with claimed(folder):
        yield


class _Runner:
    """Gives every world that is free the next episode, and keeps what comes of it."""

    def __init__(
        self, batch: Batch, policies: Policies, shards: Shards, seed: int, todo: Iterable[int]
    ) -> None:
        self.steps = 0
        self._batch, self._policies, self._shards, self._seed = batch, policies, shards, seed
        simulation = batch.simulation
        self._worlds, self._observers = simulation.num_worlds, simulation.observers
        self._recorder = Recorder(simulation, batch.observations)
        self._todo = deque(todo)
        # The episode that each world runs, and whether it is kept: when none are left, a world
        # runs one again that another has begun before, so that it cannot fail first.
        self._episode = np.zeros(self._worlds, np.int64)
        self._kept = np.zeros(self._worlds, np.bool_)

    def run(self, on_episode: Callable[[], None]) -> None:
        """Runs all episodes; what is finished is on the disk however this ends."""
        if not self._todo:
            return
        self._policies.begin(self, spread("agent in collecting", self._seed))
        everywhere = np.ones(self._worlds, np.bool_)
        try:
            self._next(everywhere)
            while self._kept.any():
                if (ended := self._step()).any():
                    self._close(ended)
                    self._next(ended)
                    on_episode()
                    if self._shards.due:
                        self._shards.write()
        except BaseException:
            with suppress(ALSError):  # What went wrong first is what there is to say.
                self._shards.write()
                self._shards.settle()
            raise
        self._shards.write()
        self._shards.settle()

    def rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """(worlds, observers, ...) to (rows, ...)."""
        return array.reshape(self._worlds * self._observers, *array.shape[2:])

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, one for each row."""
        return self.rows(self._batch.expert_actions(rule))

    def _masks(self) -> NDArray[np.bool_]:
        return self.rows(self._batch.action_masks())

    def _step(self) -> NDArray[np.bool_]:
        """One step of all worlds; returns which episodes it ended."""
        self._recorder.observe()
        seen = {key: self.rows(array) for key, array in self._batch.observations.items()}
        episodes = np.repeat(self._episode, self._observers)
        actions = self._policies.act(seen, episodes, self._masks)
        try:
            self._batch.step(actions.reshape(self._worlds, self._observers, *actions.shape[1:]))
        except PhysicsError as error:
            self._abandon(error.world, "the physics broke", error)
            return np.zeros(self._worlds, np.bool_)
        except TaskError as error:
            is_finite = np.isfinite(self._batch.simulation.rewards).all(1)
            if is_finite.all():
                raise  # A wrong shape, say: no episode would go better.
            self._abandon(int(is_finite.argmin()), "the reward is not finite", error)
            return np.zeros(self._worlds, np.bool_)
        self._recorder.act(actions, self.rows(self._batch.rewards))
        self.steps += int(self._kept.sum())
        return self._batch.terminated | self._batch.truncated

    def _close(self, ended: NDArray[np.bool_]) -> None:
        """Keeps the episodes that have ended, or says why not."""
        self._recorder.observe(ended)
        for world in np.flatnonzero(ended & self._kept).tolist():
            number = int(self._episode[world])
            attributes: dict[str, int | str] = {
                "seed": self._world_seed(number),
                "episode": number,
                "split": self._batch.simulation.split,
                "policy": self._policies.name(number),
            }
            episodes = [
                self._recorder.episode(world, avatar, {**attributes, "avatar": avatar})
                for avatar in range(self._observers)
            ]
            reason = next(filter(None, map(broken, episodes)), None)
            if reason is None:
                self._shards.add(episodes, number)
            else:
                self._shards.leave_out(number, reason)

    def _next(self, free: NDArray[np.bool_]) -> None:
        """Resets the worlds of a mask to the next episodes."""
        for world in np.flatnonzero(free).tolist():
            self._kept[world] = bool(self._todo)
            if self._todo:
                self._episode[world] = self._todo.popleft()
            elif not self._shards.is_kept(int(self._episode[world])) and self._kept.any():
                self._episode[world] = self._episode[self._kept.argmax()]
        if self._kept.any():
            self._reset(free)

    def _world_seed(self, number: int) -> int:
        """What the world of an episode is reset with."""
        return spread("collecting", self._seed, number)

    def _reset(self, which: NDArray[np.bool_]) -> None:
        seeds = [self._world_seed(number) for number in self._episode.tolist()]
        self._batch.reset(seeds, which)
        self._recorder.restart(which)
        self._policies.restart(
            np.repeat(which, self._observers),
            [
                seed
                for world in np.flatnonzero(which).tolist()
                for seed in row_seeds(seeds[world], self._observers)
            ],
        )

    def _abandon(self, world: int, reason: str, error: ALSError) -> None:
        """Leaves out the episode that broke; the others, stopped half-way, begin anew."""
        bad = int(self._episode[world])
        if not (self._kept & (self._episode == bad)).any():
            raise error  # Nothing would be different the next time.
        self._shards.leave_out(bad, reason)
        free = self._episode == bad
        self._kept[free] = False
        for world in np.flatnonzero(free).tolist():
            self._kept[world] = bool(self._todo)
            if self._todo:
                self._episode[world] = self._todo.popleft()
        running = np.flatnonzero(self._kept)
        if len(running):
            self._episode[~self._kept] = self._episode[running[0]]
            self._reset(np.ones(self._worlds, np.bool_))
