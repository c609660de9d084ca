"""The folder of a training, and the files that a training writes into it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import Field, JsonValue

from als_engine.agents.agent import Learner, Progress
from als_engine.agents.curriculum.base import LEVELS_FILE, LOG, Curriculum
from als_engine.agents.curriculum.settings import CurriculumSettings
from als_engine.agents.run_folder import RunFolder
from als_engine.agents.run_logs import Curve, cut_curve
from als_engine.agents.saving import AgentRecord, TrainingRecord, finite, read_record, write_agent
from als_engine.agents.tracking import Tracker
from als_engine.limits import OBSERVERS, STEPS, WORKERS, WORLDS
from als_engine.models import Model, read_model

if TYPE_CHECKING:
    from als_engine.agents.event_log import EventLog
    from als_engine.agents.self_play import Pool
    from als_engine.envs.equalised import EqualisedRows
    from als_engine.envs.rows import Rows

__all__ = [
    "JOB",
    "Books",
    "Disturb",
    "Equalise",
    "Job",
    "RunOfLearner",
    "SelfPlay",
    "TrainingFolder",
    "counted",
]

JOB: Final = "training.json"
COLUMNS: Final = ("steps", "seconds", "episodes", "mean_return", "success")


class SelfPlay(Model):
    """The settings of self-play; see `als_engine.agents.self_play`.

    Attributes:
        size: past selves that are kept, the newest always among them.
        newest: the part of the episodes that are played against the newest one.
        scripted: the part of the worlds in which the scenario's behaviours play, those of training.
        rivals: ids or folders of agents that are in the pool from the beginning and stay.
    """

    size: int = Field(default=8, ge=1, le=100)
    newest: float = Field(default=0.5, ge=0.0, le=1.0)
    scripted: float = Field(default=0.25, ge=0.0, le=1.0)
    rivals: list[str] = Field(default_factory=list, max_length=100)


class Disturb(Model):
    """The settings of a training on disturbed observations; see `als_engine.agents.disturbance`.

    Attributes:
        noise: the standard deviation of Gaussian noise, as a part of each sensor's range.
        drop: the probability that an observation is the last one again.
    """

    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    drop: float = Field(default=0.0, ge=0.0, lt=1.0)


class Equalise(Model):
    """The settings of a training for the groups that are served worst; see `envs.equalised`.

    Attributes:
        weight: of the outcomes of all groups together, in rewards.
        sharpness: how much more the worst count, for each unit that an outcome is lower.
    """

    weight: float = Field(default=5.0, gt=0.0, le=1e6)
    sharpness: float = Field(default=20.0, ge=0.0, le=1e4)


class Job(Model):
    """The settings of a training; kept as `training.json`.

    Attributes:
        scenario, agent: registered ids.
        steps: environment steps in all, over all rows.
        worlds, workers, observers: as for `als_engine.Rows`.
        seed: of the learner and the worlds.
        arguments: of the scenario.
        config: hyperparameters.
        checkpoint_every: steps.
        device: "auto", "cpu" or "cuda".
        begin: the folder of the agent whose weights it begins with; None for new ones.
        begun: how that agent was trained.
        track: what it is tracked with: "none" or "wandb".
        curriculum: which levels or arguments are met when; None for all levels alike.
        self_play: how it plays against itself; None where it does not.
        disturb: how what the learner sees is disturbed; None for not at all.
        equalise: how it learns for the groups of people that it serves worst; None for not at all.
    """

    scenario: str
    agent: str = "ppo"
    steps: int = Field(ge=1, le=STEPS)
    worlds: int = Field(default=16, ge=1, le=WORLDS)
    workers: int = Field(default=1, ge=1, le=WORKERS)
    observers: int = Field(default=1, ge=1, le=OBSERVERS)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    config: dict[str, JsonValue] = Field(default_factory=dict)
    checkpoint_every: int = Field(default=50_000, ge=1, le=STEPS)
    device: str = "auto"
    begin: str | None = None
    begun: TrainingRecord | None = None
    track: str = "none"
    curriculum: CurriculumSettings | None = None
    self_play: SelfPlay | None = None
    disturb: Disturb | None = None
    equalise: Equalise | None = None


_JobT = TypeVar("_JobT", bound=Job)


class RunOfLearner(RunFolder, Generic[_JobT]):
    """The folder of a training of some kind; its settings say of which."""

    def __init__(self, path: Path | str, record: str, what: str, model: type[_JobT]) -> None:
        """Takes where it is; see `RunFolder`.

        Args:
            path: of the folder.
            record: name of the file with its settings.
            what: such as "a training", for messages.
            model: of its settings.
        """
        super().__init__(path, record, what, owns=["agent", "wandb", LOG, LEVELS_FILE])
        self.agent, self._model = self.path / "agent", model
        self.curriculum = self.path / LOG

    def job(self) -> _JobT:
        """The settings of the training."""
        self.require()
        return read_model(self.record, self._model)

    def cut_logs(self) -> None:
        """See `RunFolder.cut_logs`."""
        super().cut_logs()
        checkpoint = self.checkpoints.newest()
        cut_curve(self.curriculum, None if checkpoint is None else int(checkpoint.name))

    def save_checkpoint(
        self,
        learner: Learner,
        record: AgentRecord,
        progress: Progress,
        also: Iterable[Curriculum | EqualisedRows | Pool | None] = (),
    ) -> None:
        """Writes a checkpoint, with what else belongs to it; removes all but the last two."""

        def fill(folder: Path) -> None:
            write_agent(learner, folder, record)
            learner.save_training(folder)
            for each in also:
                if each is not None:
                    each.save(folder)

        self.checkpoints.save(progress.steps, fill)


class TrainingFolder(RunOfLearner[Job]):
    """The folder of a training."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, JOB, "a training", Job)


class Books:
    """Counts what a training does, and writes its learning curve, logs and checkpoints.

    Attributes:
        began: when this run of it began, by the monotonic clock.
        pool: the learner's past selves, where it plays against them.
        equalised: the worlds, where it learns for those whom it serves worst.
    """

    pool: Pool | None = None
    equalised: EqualisedRows | None = None

    def __init__(
        self, job: Job, learner: Learner, run: RunOfLearner[Any] | None, checkpoint: Path | None,
        tracker: Tracker, curriculum: Curriculum | None = None,
    ) -> None:  # fmt: skip
        """Begins to count; what a checkpoint has taken is added."""
        self.began = time.monotonic()
        self._job, self._learner, self._run = job, learner, run
        self._earlier = _seconds(checkpoint, job)
        self._tracker, self._curriculum = tracker, curriculum
        # Between two checkpoints a curriculum may have to look several times.
        self.every = job.checkpoint_every
        if curriculum is not None:
            self.every = min(self.every, curriculum.every)
        begun = 0 if checkpoint is None else int(checkpoint.name)
        self._checkpoint_at = begun + job.checkpoint_every
        self._curve = None if run is None else Curve(run.curve, COLUMNS)
        last = self._curve.last if self._curve else None
        self._episodes = int(last[2]) if last and last[2].isdecimal() else 0
        self._logged = -math.inf
        self._events: EventLog | None = None
        # TensorBoard is a part of the extra `learn`, which not all learners need.
        if run is not None and find_spec("tensorboard") is not None:
            from als_engine.agents.event_log import EventLog

            self._events = EventLog(run.logs)

    @property
    def seconds(self) -> float:
        """Wall-clock time of this run of the training."""
        return time.monotonic() - self.began

    def log(self, progress: Progress) -> None:
        """Adds a point to the learning curve, about once a second."""
        seconds = self._earlier + self.seconds
        if seconds - self._logged < 1.0 and progress.steps < progress.total:
            return
        self._logged = seconds
        row = [progress.steps, round(seconds, 1), self._episodes + progress.episodes]
        row += [round(progress.mean_return, 4), round(progress.success, 4)]
        if self._curve is not None:
            self._curve.add(row)
        named = {f"curve/{name}": value for name, value in zip(COLUMNS[1:], row[1:], strict=True)}
        self._tracker.log(named, progress.steps)

    def numbers(self, values: Mapping[str, float], steps: int) -> None:
        """Writes what a learner has measured."""
        if self._events is not None:
            self._events.add(values, steps)
        self._tracker.log(values, steps)

    def between_updates(self, progress: Progress, should_stop: Callable[[], bool]) -> None:
        """Called every `every` steps: lets the curriculum look, and writes a checkpoint if due."""
        self.look(progress, should_stop)
        if progress.steps >= self._checkpoint_at or self._curriculum is None:
            self._checkpoint_at = progress.steps + self._job.checkpoint_every
            if self.pool is not None:
                self.pool.add(progress.steps)
                self.numbers(self.pool.numbers(), progress.steps)
            if self.equalised is not None:
                self.numbers(self.equalised.numbers(), progress.steps)
            if self._run is not None:
                self.save_checkpoint(self.record(progress), progress)

    def save_checkpoint(self, record: AgentRecord, progress: Progress) -> None:
        """Writes a checkpoint."""
        assert self._run is not None
        if self.pool is not None:
            self.pool.add(progress.steps)
        also = (self._curriculum, self.pool, self.equalised)
        self._run.save_checkpoint(self._learner, record, progress, also)

    def look(self, progress: Progress, should_stop: Callable[[], bool]) -> None:
        """Lets the curriculum look, where there is one, and writes down what came of it."""
        curriculum = self._curriculum
        if curriculum is None or (line := curriculum.look(self._learner, should_stop)) is None:
            return
        if self._run is not None:
            curriculum.log(self._run.path, progress.steps, line)
        named = dict(zip(curriculum.columns, line, strict=True))
        self.numbers({f"curriculum/{name}": value for name, value in named.items()}, progress.steps)

    def record(self, progress: Progress) -> AgentRecord:
        """The record that is saved with an agent at this point of the training."""
        job, before = self._job, self._job.begun
        return AgentRecord(
            agent=job.agent,
            scenario=job.scenario,
            arguments=job.arguments,
            observers=job.observers,
            training=TrainingRecord(
                steps=progress.steps + progress.recorded + (before.steps if before else 0),
                demonstrated=progress.demonstrated + (before.demonstrated if before else 0),
                seed=job.seed,
                seconds=round(self._earlier + self.seconds, 1),
                mean_return=finite(progress.mean_return),
                success=finite(progress.success),
                privacy=[
                    *(before.privacy if before else []),
                    *([progress.privacy] if progress.privacy else []),
                ],
            ),
        )


def counted(rows: Rows, progress: Progress) -> Progress:
    """A learner's progress with what its worlds have counted."""
    recent = rows.recent
    return replace(
        progress,
        episodes=recent.episodes,
        mean_return=recent.mean_return,
        success=recent.success,
    )


def _seconds(checkpoint: Path | None, job: Job) -> float:
    """How long a training has taken before, with that of the agent that it began from."""
    before = job.begun if checkpoint is None else read_record(checkpoint).training
    return before.seconds if before else 0.0
