"""Trains a registered learner on a scenario, so that neither Ctrl-C nor a full disk costs much.

A training has a folder:

- `training.json`: what was asked for, and all that going on needs to know
- `agent/`: the trained agent, once there is one
- `checkpoints/<steps>/`: saved agents with the state of their training, the last two of them
- `progress.csv`: the learning curve; `curriculum.csv`, `levels.csv`: what a curriculum has drawn
- `tensorboard/`: what the learner measures
- `wandb/`: where it is tracked by Weights & Biases, what is not sent yet
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from als_engine.agents.agent import Learner, Progress, Training
from als_engine.agents.beginning import begin_from
from als_engine.agents.curriculum.making import make_curriculum
from als_engine.agents.curriculum.settings import Given, parse
from als_engine.agents.learners import make_learner
from als_engine.agents.saving import AgentRecord, read_record, save_agent, spaces
from als_engine.agents.tracking import check_tracker, tracked
from als_engine.agents.training_folder import (
    JOB,
    Books,
    Disturb,
    Equalise,
    Job,
    RunOfLearner,
    SelfPlay,
    TrainingFolder,
    counted,
)
from als_engine.checks import check_undecided
from als_engine.errors import ArgumentError
from als_engine.models import checked_fields
from als_engine.plugins.registry import registry
from als_engine.seeding import Generators, spread
from als_engine.system.interrupts import interruptible, uninterrupted

if TYPE_CHECKING:
    from als_engine.agents.curriculum.base import Curriculum
    from als_engine.agents.self_play import Pool
    from als_engine.envs.rows import Rows

__all__ = [
    "JOB",
    "Disturb",
    "Equalise",
    "Job",
    "SelfPlay",
    "Trained",
    "absolute",
    "arguments_for",
    "finished_training",
    "make_worlds",
    "read_job",
    "resume_training",
    "run_training",
    "taken_up",
    "train_agent",
    "written",
]

OnProgress = Callable[[Progress], None]
J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        agent: as far as it came.
        record: what was, or would be, saved with it.
        progress: how far it came.
        seconds: of wall-clock time, of this run alone.
        folder: the saved agent; None when none was to be saved, or it was stopped.
        stopped: by Ctrl-C, after saving a checkpoint.
        tracked: the page of its tracker, or the command that sends it there; empty without one.
    """

    agent: Learner
    record: AgentRecord
    progress: Progress
    seconds: float
    folder: Path | None
    stopped: bool
    tracked: str = ""


def train_agent(
    scenario: str,
    agent: str | None = None,
    *,
    steps: int,
    folder: Path | str | None = None,
    worlds: int = 16,
    workers: int = 1,
    observers: int = 1,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    checkpoint_every: int = 50_000,
    device: str = "auto",
    begin: Path | str | None = None,
    track: str = "none",
    curriculum: Given | None = None,
    self_play: SelfPlay | None = None,
    disturb: Disturb | None = None,
    equalise: Equalise | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Trained:
    """Trains a new agent, or goes on with a saved one in a new training.

    Args:
        scenario: its id.
        agent: the learner's id; by default ppo, or that of the agent to begin from.
        steps: environment steps, over all rows.
        folder: a new or empty folder for everything that is written; None writes nothing.
        worlds: how many are stepped at once.
        workers: processes that step them.
        observers: avatars of each world that learn, sharing one policy; the scenario's background
            drives the others.
        seed: of the learner and the worlds.
        arguments: keyword arguments of the scenario. `action_mode` is the learner's preferred one
            unless it is given.
        config: hyperparameters.
        checkpoint_every: steps between checkpoints.
        device: "auto", "cpu" or "cuda".
        begin: the folder of a saved agent of this learner and scenario, whose weights to begin
            with. Arguments of the scenario, and hyperparameters that say which network it is, are
            that agent's unless they are given.
        track: "wandb" sends settings, curve, numbers and result to Weights & Biases, or keeps
            them for it where it is offline.
        curriculum: "plr", a TOML file of rules, or what such a file says; see `agents.curriculum`.
        self_play: lets it learn all roles, in as many worlds each, against its own past selves and
            the scenario's behaviours. `observers` are avatars of the role that it plays.
        disturb: how what it sees while it learns is disturbed; worlds and rewards are as they are.
        equalise: lets it learn for the groups of people that it serves worst; see `equalised`.
        on_progress: called a few times a second.

    Raises:
        UnknownIdError: there is no such scenario or agent.
        ArgumentError: an argument or hyperparameter is not allowed, or the agent to begin from has
            other ones.
        SavedFileError: the folder cannot be written or holds something already, or there is no
            agent to begin from.
    """
    check_tracker(track)
    begun = None
    if begin is not None:
        found = begin_from(begin, agent, scenario, arguments or {}, config or {})
        agent, arguments, config = found.agent, found.arguments, found.config
        begin, begun = str(found.folder), found.training
    agent = agent or "ppo"
    given = arguments_for(agent, scenario, arguments or {})
    with checked_fields():
        job = Job(
            scenario=scenario,
            agent=agent,
            steps=steps,
            worlds=worlds,
            workers=workers,
            observers=observers,
            seed=seed,
            arguments=given,
            config=dict(config or {}),
            checkpoint_every=checkpoint_every,
            device=device,
            begin=begin,
            begun=begun,
            track=track,
            curriculum=None if curriculum is None else parse(curriculum),
            self_play=self_play,
            disturb=disturb,
            equalise=equalise,
        )
    job = job.model_copy(update={"config": absolute(agent, job.config)})
    learner = make_learner(job)
    run = None if folder is None else TrainingFolder(folder)
    with nullcontext() if run is None else run.new(written(job)):
        return run_training(job, learner, run, None, on_progress)


def arguments_for(agent: str, scenario: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario's arguments with the action mode and the sensors that a learner gets.

    Raises:
        UnknownIdError: there is no such agent or scenario.
        ArgumentError: the agent does not learn, or an argument is not allowed.
    """
    _check_undecided(arguments)
    spec = registry.agent(agent)
    if not spec.trainable:
        learners = ", ".join(spec.id for spec in registry.agents() if spec.trainable)
        raise ArgumentError(f'"{agent}" does not learn; these do: {learners}')
    given = {"action_mode": spec.action_modes[0], **arguments}
    if given["action_mode"] not in spec.action_modes:
        modes = " or ".join(f'action_mode="{mode}"' for mode in spec.action_modes)
        raise ArgumentError(f'{agent} needs {modes}, got "{given["action_mode"]}"')
    # Written out, so that a scenario may change its default and saved agents go on working.
    given["sensors"] = list(spaces(scenario, given)[0].spaces)
    return given


def resume_training(
    folder: Path | str,
    *,
    steps: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    track: str | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Trained:
    """Goes on with a training from its newest checkpoint.

    Network, optimizers, counters and random states are as they were. The worlds begin new episodes,
    and a replay buffer is filled anew.

    Args:
        folder: of the training.
        steps: environment steps in all, when it is to be longer or shorter than planned.
        workers: processes, when it is to have others than before.
        device: when it is to be another than before.
        track: "wandb" or "none", when it is to be tracked otherwise than before.
        on_progress: called a few times a second.

    Raises:
        ArgumentError: what was asked for is not allowed, or was reached already.
        SavedFileError: there is no training in the folder, or it is damaged.
    """
    run = TrainingFolder(folder)
    changes = {"steps": steps, "workers": workers, "device": device, "track": track}
    with taken_up(run, **changes) as (job, learner, checkpoint):
        return run_training(job, learner, run, checkpoint, on_progress)


@contextmanager
def taken_up(
    run: RunOfLearner[J], **changes: int | str | None
) -> Iterator[tuple[J, Learner, Path | None]]:
    """Keeps others out while the block goes on with a training.

    Args:
        run: its folder.
        **changes: of its settings; None for none.

    Yields:
        Its settings, its learner as it was at the newest checkpoint, and that checkpoint.

    Raises:
        ArgumentError: a change is not allowed, or it has come as far as it was to go.
        SavedFileError: there is no training in the folder, or it is damaged.
    """
    with run.going_on():
        saved = run.job()
        _check_undecided(saved.arguments)
        job = saved.model_copy(update={k: v for k, v in changes.items() if v is not None})
        check_tracker(job.track)
        checkpoint = run.checkpoints.newest()
        if checkpoint is not None and int(checkpoint.name) >= job.steps:
            raise ArgumentError(
                f"{run.path} has come {int(checkpoint.name)} steps, as far as it was to go: "
                "give a larger number of steps to go on"
            )
        learner = make_learner(job, checkpoint)
        if job != saved:
            run.write_record(written(job))
        yield job, learner, checkpoint


def finished_training(folder: Path | str) -> AgentRecord | None:
    """The record of what a training came to; None where there is more to do.

    Raises:
        SavedFileError: there is no training in the folder, or it is damaged.
    """
    run = TrainingFolder(folder)
    job, checkpoint = run.job(), run.checkpoints.newest()
    if checkpoint is None or int(checkpoint.name) < job.steps or not run.agent.is_dir():
        return None
    return read_record(run.agent)


def read_job(folder: Path | str) -> Job:
    """Returns the settings of the training in a folder.

    Raises:
        SavedFileError: there is no training in the folder.
    """
    return TrainingFolder(folder).job()


def absolute(agent: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters whose paths mean the same from everywhere.

    Raises:
        UnknownIdError: there is no such agent.
    """
    made = registry.load(registry.agent(agent))
    ids = {spec.id for spec in registry.agents()}  # They win over folders of the same name.
    return {
        name: str(Path(value).resolve())
        if name in made.paths and isinstance(value, str) and value.partition(":")[0] not in ids
        else value
        for name, value in config.items()
    }


def _check_undecided(arguments: Mapping[str, Any]) -> None:
    """Refuses arguments of the scenario that training decides, such as the split, by name."""
    check_undecided(
        "training", arguments, seed="--seed", num_worlds="--worlds", worlds="--worlds",
        workers="--workers", observers="--drive",
    )  # fmt: skip


def written(job: Job) -> str:
    """The settings as they are kept."""
    return job.model_dump_json(indent=2) + "\n"


def run_training(
    job: Job,
    learner: Learner,
    run: RunOfLearner[Any] | None,
    checkpoint: Path | None,
    on_progress: OnProgress,
    make_rows: Callable[[Job, Path | None], Rows] | None = None,
) -> Trained:
    """Lets a learner learn, and writes what comes of it; Ctrl-C ends it with a checkpoint.

    Args:
        job: the settings.
        learner: as it was made, or at the checkpoint.
        run: its folder, which the caller has claimed; None writes nothing.
        checkpoint: where it goes on from; None at the beginning.
        on_progress: called a few times a second.
        make_rows: makes the worlds; by default those that the settings name.
    """
    generators = Generators(spread("generators in training", job.seed))
    begun = 0 if checkpoint is None else int(checkpoint.name)
    with (
        generators,
        tracked(job, None if run is None else run.path, begun, generators) as tracker,
        interruptible() as interrupted,
    ):
        for name, other in (("a curriculum", job.curriculum), ("equalise", job.equalise)):
            if job.self_play is not None and other is not None:
                raise ArgumentError(f"self-play and {name} do not go together yet: leave one out")
        curriculum = make_curriculum(job, learner, checkpoint)
        books = Books(job, learner, run, checkpoint, tracker, curriculum)
        if job.self_play is not None:
            rows, books.pool = _against_itself(job, learner, checkpoint)
        else:
            rows = (make_rows or partial(_worlds, curriculum=curriculum))(job, checkpoint)
        if job.equalise is not None:
            from als_engine.envs.equalised import equalised  # The views take their time to import.

            rows = books.equalised = equalised(rows, job.equalise, checkpoint)
        if job.disturb is not None:
            rows = _disturbed(rows, job.disturb, spread("disturbance", job.seed, begun))

        def report(progress: Progress) -> None:
            progress = counted(rows, progress)
            books.log(progress)
            # It is called by the clock, and whatever it draws is no part of the training.
            with generators.outside():
                on_progress(progress)

        training = Training(
            steps=job.steps,
            seed=job.seed,
            resume=checkpoint,
            device=job.device,
            checkpoint_every=books.every,
            on_checkpoint=lambda done: books.between_updates(counted(rows, done), interrupted),
            on_progress=report,
            on_numbers=books.numbers,
            should_stop=interrupted,
        )
        try:
            progress = counted(rows, learner.learn(rows, training))
        finally:
            rows.close()
        stopped = interrupted() and progress.steps < job.steps
        if stopped:
            interrupted.answered()
        else:
            books.look(progress, interrupted)
        saved = books.record(progress)
        if run is not None:
            if not stopped:
                saved = save_agent(learner, run.agent, saved)
            books.save_checkpoint(saved, progress)
        assert saved.training is not None
        tracker.finish({**saved.training.model_dump(), "stopped": stopped})
    where = None if run is None or stopped else run.agent
    return Trained(learner, saved, progress, books.seconds, where, stopped, tracker.where)


def _worlds(job: Job, checkpoint: Path | None, curriculum: Curriculum | None) -> Rows:
    if curriculum is None:
        return make_worlds(job, checkpoint, "training", job.arguments)
    return curriculum.around(make_worlds(job, checkpoint, "training", curriculum.arguments))


def _disturbed(rows: Rows, settings: Disturb, seed: int) -> Rows:
    from als_engine.agents.disturbance import DisturbedRows  # The views take their time to import.

    return cast("Rows", DisturbedRows(rows, settings, seed))


def _against_itself(job: Job, learner: Learner, checkpoint: Path | None) -> tuple[Rows, Pool]:
    from als_engine.agents.self_play import play_itself  # The views take their time to import.

    def make_rows(everyone: Job) -> Rows:
        return make_worlds(everyone, checkpoint, "training", job.arguments)

    return play_itself(job, learner, checkpoint, make_rows)


def make_worlds(job: Job, checkpoint: Path | None, use: str, arguments: Mapping[str, Any]) -> Rows:
    """The worlds of a training, which know their seeds.

    Args:
        job: the settings.
        checkpoint: where it goes on from.
        use: what the seeds are for, see `als_engine.seeding.spread`.
        arguments: of the scenario.
    """
    from als_engine.envs.rows import Rows  # The views take their time to import.

    with uninterrupted():
        rows = Rows(
            job.scenario, job.worlds, observers=job.observers, workers=job.workers, **arguments
        )
    # A training that is taken up again meets new levels, not those of its beginning.
    rows.spread_for(use, 0 if checkpoint is None else int(checkpoint.name))
    rows.seed(job.seed)
    return rows
