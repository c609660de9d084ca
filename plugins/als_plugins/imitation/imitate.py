"""Trains an agent from demonstrations; its folder has what that of a training has.

`imitation.json` says what was asked for. Checkpoints hold weights, optimizer and counters; what was
demonstrated is not kept in them. Whoever goes on from one is shown new episodes, or reads the
dataset again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from als_engine.agents.agent import Learner, Observation, Progress, Training
from als_engine.agents.beginning import begin_from
from als_engine.agents.learners import make_learner
from als_engine.agents.saving import TRAINING, find_agent
from als_engine.agents.tracking import check_tracker
from als_engine.agents.training import (
    Job,
    Trained,
    absolute,
    arguments_for,
    make_worlds,
    run_training,
    taken_up,
    written,
)
from als_engine.agents.training_folder import RunOfLearner
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.models import checked_fields
from als_engine.seeding import Generators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.imitation.imitation import Imitation
from als_plugins.imitation.minari_folder import minari_folder
from als_plugins.imitation.parameters import ImitationParameters, divided
from als_plugins.imitation.private import (
    PrivateImitation,
    check_private,
    learns_from_actions,
    study_privately,
)
from als_plugins.imitation.recorded import Recorded, is_dataset, open_recorded, study
from als_plugins.imitation.sources import Demonstrator
from als_plugins.imitation.worlds import Lessons
from als_plugins.learners.clock import Clock, UpdateLog
from als_plugins.learners.hyperparameters import parse
from als_plugins.learners.network_learner import NetworkLearner
from als_plugins.learners.setup import adam, few_threads
from als_plugins.learners.setup import device as torch_device
from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["ImitationFolder", "ImitationJob", "imitate", "resume_imitation", "where"]

LIVE_STEPS: Final = 100_000
PLANNED: Final = "privacy/planned"
"""In a checkpoint: the gradient steps that the noise was worked out for."""

OnProgress = Callable[[Progress], None]
Method = Literal["bc", "dagger"]


class ImitationJob(Job):
    """The settings of an imitation; kept as `imitation.json`.

    Attributes:
        source: "expert", another agent's id ("heuristic:rule=NAME") or folder, or the folder of a
            dataset.
        method: "bc", the source drives; "dagger", the student drives more and more.
        imitation: hyperparameters of the imitation itself.
    """

    source: str = Field(min_length=1, max_length=4_000)
    method: Method
    imitation: dict[str, JsonValue] = Field(default_factory=dict)


class ImitationFolder(RunOfLearner[ImitationJob]):
    """The folder of an imitation."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "imitation.json", "an imitation", ImitationJob)


def imitate(
    scenario: str,
    source: str = "expert",
    method: Method | None = None,
    agent: str | None = None,
    *,
    steps: int | None = None,
    folder: Path | str | None = None,
    worlds: int = 32,
    workers: int = 1,
    observers: int = 1,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    checkpoint_every: int = 50_000,
    device: str = "auto",
    begin: Path | str | None = None,
    track: str = "none",
    on_progress: OnProgress = lambda progress: None,
) -> Trained:
    """Trains an agent from demonstrations: a new one, or a saved one further.

    Args:
        scenario: its id.
        source: who demonstrates: "expert", the id of another agent such as "heuristic:rule=NAME",
            the folder of one, the folder of a dataset, or the id or folder of a Minari dataset.
        method: "bc" (behaviour cloning) or "dagger" (Ross et al. 2011); by default dagger, and bc
            from a dataset.
        agent: the learner's id; by default mappo, or that of the agent to begin from.
        steps: demonstrated steps, over all rows; by default 100,000, or all of a dataset's.
        folder: a new or empty folder for everything that is written; None writes nothing.
        worlds: how many are stepped at once.
        workers: processes that step them.
        observers: avatars of each world that are rows.
        seed: of the learner and the worlds.
        arguments: keyword arguments of the scenario.
        config: hyperparameters of the learner, and those of `ImitationParameters`.
        checkpoint_every: steps between checkpoints.
        device: "auto", "cpu" or "cuda".
        begin: the folder of a saved agent of this learner and scenario, whose weights to begin
            with. Arguments of the scenario, and what network it is, are by default that agent's.
        track: "wandb" or "none", as for a training.
        on_progress: called a few times a second.

    Raises:
        UnknownIdError: there is no such scenario, agent or source.
        ArgumentError: an argument or hyperparameter is not allowed, the learner cannot imitate, or
            the source cannot demonstrate here.
        SavedFileError: the folder cannot be written or holds something already, or the source is
            damaged.
    """
    check_tracker(track)
    own, others = divided(config or {})
    begun = None
    if begin is not None:
        found = begin_from(begin, agent, scenario, arguments or {}, others)
        agent, arguments, others = found.agent, found.arguments, found.config
        begin, begun = str(found.folder), found.training
    agent = agent or "mappo"
    given = arguments_for(agent, scenario, arguments or {})
    recorded = is_dataset(source)
    if recorded and method == "dagger":
        raise ArgumentError(f"{source} is a dataset, which cannot be asked: use the method bc")
    chosen: Method = method or ("bc" if recorded else "dagger")
    with checked_fields():
        job = ImitationJob(
            scenario=scenario,
            agent=agent,
            steps=LIVE_STEPS if steps is None else steps,
            worlds=1 if recorded else worlds,
            workers=1 if recorded else workers,
            observers=observers,
            seed=seed,
            arguments=given,
            config=others,
            checkpoint_every=checkpoint_every,
            device=device,
            begin=begin,
            begun=begun,
            track=track,
            source=where(source),
            method=chosen,
            imitation=own,
        )
    job = job.model_copy(update={"config": absolute(agent, job.config)})
    imitator = Imitator(job, make_learner(job))
    if imitator.recorded is not None:
        job = job.model_copy(update={"steps": _steps_of(source, imitator.recorded, steps)})
    run = None if folder is None else ImitationFolder(folder)
    with nullcontext() if run is None else run.new(written(job)):
        return _run(job, imitator, run, None, on_progress)


def resume_imitation(
    folder: Path | str,
    *,
    steps: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    track: str | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Trained:
    """Goes on with an imitation from its newest checkpoint, with new episodes of its source.

    Args:
        folder: of the imitation.
        steps: demonstrated steps in all, when it is to be longer or shorter than planned.
        workers: processes, when it is to have others than before.
        device: when it is to be another than before.
        track: when it is to be tracked otherwise than before.
        on_progress: called a few times a second.

    Raises:
        ArgumentError: what was asked for is not allowed, or was reached already.
        SavedFileError: there is no imitation in the folder, or it or the source is damaged.
    """
    run = ImitationFolder(folder)
    changes = {"steps": steps, "workers": workers, "device": device, "track": track}
    with taken_up(run, **changes) as (job, learner, checkpoint):
        imitator = Imitator(job, learner)
        if imitator.recorded is not None:
            _steps_of(job.source, imitator.recorded, job.steps)
        return _run(job, imitator, run, checkpoint, on_progress)


def _run(
    job: ImitationJob,
    imitator: Imitator,
    run: ImitationFolder | None,
    checkpoint: Path | None,
    on_progress: OnProgress,
) -> Trained:
    def make_rows(job: Job, checkpoint: Path | None) -> Rows:
        return make_worlds(job, checkpoint, "imitation", imitator.arguments)

    trained = run_training(job, imitator, run, checkpoint, on_progress, make_rows)
    return replace(trained, agent=imitator.learner)


def where(source: str) -> str:
    """The source, by a name that means the same from everywhere."""
    if is_dataset(source):
        return str((minari_folder(source) or Path(source)).resolve())
    found, _ = find_agent(source)
    return source if isinstance(found, str) else str(found.resolve())


def _steps_of(source: str, recorded: Recorded, steps: int | None) -> int:
    """How many steps of a dataset are learnt from."""
    if steps is not None and steps > recorded.steps:
        raise ArgumentError(
            f"{source} has {recorded.steps} steps to learn from, not {steps}: give more passes "
            "over them with passes=..."
        )
    return steps or recorded.steps


class Imitator(Learner):
    """A learner that learns from demonstrations instead.

    Attributes:
        learner: who learns.
        arguments: of the worlds that it needs.
        recorded: the dataset that it learns from, or None.
    """

    def __init__(self, job: ImitationJob, learner: Learner) -> None:
        """Opens the source.

        Raises:
            ArgumentError: the learner cannot imitate, or the source cannot demonstrate here.
            SavedFileError: the source is damaged.
        """
        super().__init__(learner.observation_space, learner.action_space, **learner.config)
        if not isinstance(learner, NetworkLearner):
            raise ArgumentError(f"{job.agent} cannot learn from demonstrations: use mappo or ppo")
        self.learner, self._student = learner, learner.student()
        self._parameters = parse("imitation", ImitationParameters, job.imitation)
        self._job = job
        if self._parameters.epsilon is not None:
            check_private(self._student, learner.action_space)
            if not is_dataset(job.source):
                raise ArgumentError(
                    f"{job.source} can be asked as often as one likes: epsilon goes with a dataset"
                )
        self._private: PrivateImitation | None = None
        self.recorded: Recorded | None = None
        self._source: Demonstrator | None = None
        self.arguments: Mapping[str, Any] = job.arguments
        if is_dataset(job.source):
            self.recorded = open_recorded(job.source, job.scenario, learner)
        else:
            self._source = Demonstrator.opened(job.source, job.scenario, job.arguments)
            self.arguments = self._source.arguments
        self._imitation: Imitation | None = None
        self._optimizer: Any = None
        self._planned: int | None = None

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """As the learner does."""
        return self.learner.act(observation, state, deterministic)

    def save_weights(self, folder: Path) -> None:
        """Writes the learner's."""
        self.learner.save_weights(folder)

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Learns from demonstrations."""
        steps = 0
        if training.resume is not None:
            self.learner.load_weights(training.resume)
            steps = int(training.resume.name)
        generators = Generators(spread("imitation", training.seed, steps))
        with generators, few_threads(self.observation_space):
            self._student.begin()
            if self._parameters.epsilon is None:
                return self._learn(rows, training, steps)
            with learns_from_actions(self._student):
                return self._learn(rows, training, steps)

    def _learn(self, rows: Rows, training: Training, steps: int) -> Progress:
        student = self._student
        student.policy.to(torch_device(training.device))
        student.train(False)
        rate, decay = self._parameters.imitation_rate, student.parameters.weight_decay
        self._optimizer = adam(student.policy, rate, decay)
        if training.resume is not None:
            self._load_training(training.resume)
        log = UpdateLog(training, rows.recent)
        if self._parameters.epsilon is not None:
            return self._learn_privately(rows, training, steps, log)
        imitation = Imitation(
            student, self._optimizer, self._parameters, log, training.steps, steps
        )

        def progress(steps: int) -> Progress:
            return training.progress(steps, rows.recent, demonstrated=steps)

        clock, stop = Clock(training, progress, steps), training.should_stop

        def after_step(steps: int) -> None:
            clock.report(steps)
            clock.check(steps)

        if self.recorded is not None:
            rng = np.random.default_rng(spread("imitation", training.seed, steps))
            self.recorded.seed(rng)
            study(imitation, self.recorded, stop, after_step)
        else:
            assert self._source is not None
            rows.seed(training.seed)
            dagger = self._job.method == "dagger"
            lessons = Lessons(imitation, rows, self._source, training.seed, dagger=dagger)
            lessons.run(training.steps, stop, after_step)
        training.on_progress(progress(imitation.steps))
        return progress(imitation.steps)

    def _learn_privately(
        self, rows: Rows, training: Training, steps: int, log: UpdateLog
    ) -> Progress:
        """As `_learn`, so that what is learnt tells little of any unit.

        Raises:
            ArgumentError: there are too few units, or it is to go on for other steps than planned.
        """
        assert self.recorded is not None
        private = self._private = PrivateImitation(
            self._student, self._optimizer, self._parameters, self.recorded, log,
            total=training.steps, steps=steps, seed=training.seed,
        )  # fmt: skip
        if self._planned not in (None, private.planned):
            raise ArgumentError(
                "a private imitation goes on for the steps that it was planned for: its noise "
                "depends on them"
            )

        def progress(steps: int) -> Progress:
            done = training.progress(steps, rows.recent, demonstrated=steps)
            return replace(done, privacy=private.record())

        clock = Clock(training, progress, steps)

        def after_step(steps: int) -> None:
            clock.report(steps)
            clock.check(steps)

        study_privately(private, training.should_stop, after_step)
        training.on_progress(progress(private.steps))
        return progress(private.steps)

    def save_training(self, folder: Path) -> None:
        """Writes the state of the optimizer."""
        arrays = optimizer_arrays(self._optimizer)
        kept = {f"optimizer/{name}": array for name, array in arrays.items()}
        if self._private is not None:
            kept[PLANNED] = np.array(self._private.planned, np.int64)
        write_tensors(folder / TRAINING, kept)

    def _load_training(self, folder: Path) -> None:
        expected = expected_arrays(self._optimizer)
        like = {f"optimizer/{name}": array for name, array in expected.items()}
        if self._parameters.epsilon is not None:
            like[PLANNED] = np.zeros((), np.int64)
        optional = [name for name in like if name != PLANNED]
        found = dict(read_tensors(folder / TRAINING, like, optional=optional))
        if PLANNED in found:
            self._planned = int(found.pop(PLANNED))
        try:
            mine = {name.partition("/")[2]: array for name, array in found.items()}
            restore_optimizer(self._optimizer, mine)
        except (ValueError, TypeError, RuntimeError) as error:
            message = f"{folder / TRAINING} does not fit this imitation: {error}"
            raise SavedFileError(message) from error
