"""Learns a world model from a dataset, with checkpoints, and measures it on held-out levels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from als_engine.errors import ArgumentError
from als_engine.models import checked_fields
from als_engine.seeding import Generators, spread
from als_plugins.experience.dataset import Experience, open_experience
from als_plugins.learners.setup import few_threads
from als_plugins.pretraining.checkpoint import Counters, read_checkpoint, write_checkpoint
from als_plugins.pretraining.job import digest_of
from als_plugins.world_models.codes import ActionCode, ObservationCode
from als_plugins.world_models.data import Steps, read_part
from als_plugins.world_models.fitting import Fitting, reward_scale
from als_plugins.world_models.job import Horizon, Job, ModelFolder, Report
from als_plugins.world_models.measuring import Errors, Rollout, errors_over, roll_out
from als_plugins.world_models.saving import Learnt, Size, make_learnt, read_learnt, save_learnt

__all__ = ["ModelProgress", "Modelled", "drawn_from", "model_dataset", "write_drawing"]

_TELL_EVERY: Final = 0.2
"""Seconds between two calls of `on_progress`."""

REPORTED: Final = ("test", "validation")
"""Where errors are measured: the first of these parts with an episode that is long enough."""


@dataclass(frozen=True)
class ModelProgress:
    """How far a training has come.

    Attributes:
        step, steps: gradient steps taken, and to take.
        loss: of the last batch. held_out: the newest loss on held-out levels, or None.
    """

    step: int
    steps: int
    loss: float
    held_out: float | None


@dataclass(frozen=True)
class Modelled:
    """What came of a training.

    Attributes:
        folder: of everything. report: what was measured; None for one that was stopped.
    """

    folder: Path
    report: Report | None


OnProgress = Callable[[ModelProgress], None]


def model_dataset(
    dataset: Path | str,
    folder: Path | str,
    *,
    size: Size | None = None,
    sensors: Sequence[str] | None = None,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Modelled:
    """Learns a model; where the folder holds the same one already, goes on with it exactly.

    Args:
        dataset: folder that `als collect` wrote.
        folder: a new or empty folder for everything that is written, or one to go on with.
        size: of the model.
        sensors: observation keys; None for all of the dataset.
        on_progress: called a few times a second.
        should_stop: asked at every step; then a checkpoint is saved and that is that.
        **settings: of `job.Job`.

    Raises:
        ArgumentError: a setting is not allowed or does not fit the dataset.
        SavedFileError: the dataset or a checkpoint cannot be read, the folder not be written, or it
            holds something else.
    """
    with checked_fields():
        job = Job(
            dataset=str(Path(dataset).resolve()),
            collected=digest_of(dataset),
            sensors=None if sensors is None else list(sensors),
            size=size or Size(),
            **settings,
        )
    place = ModelFolder(folder)
    if begun := place.begun:
        place.check(job)
        if place.finished:
            return Modelled(place.path, place.report())
    generators = Generators(spread("world model", job.seed))
    with generators:
        experience = open_experience(job.dataset, job.sensors)
        with few_threads(experience.observation_space):
            run = _Run(job, experience)
            text = job.model_dump_json(indent=2) + "\n"
            with place.going_on() if begun else place.new(text):
                told = _outside(generators, on_progress)
                if not run.train(place, told, should_stop):
                    return Modelled(place.path, None)
                run.finish(place)
    return Modelled(place.path, place.report())


def _outside(generators: Generators, on_progress: OnProgress) -> OnProgress:
    def told(progress: ModelProgress) -> None:
        with generators.outside():
            on_progress(progress)

    return told


class _Run:
    """A model at work on the parts of a dataset."""

    def __init__(self, job: Job, experience: Experience) -> None:
        self.job, self.experience = job, experience
        actions = ActionCode(experience.action_space)
        code = ObservationCode(experience.observation_space)
        train = read_part(experience, "train", actions)
        code.fit(train.numbers)
        reward = reward_scale(train.rewards)
        import torch

        torch.manual_seed(spread("weights of a model", job.seed))
        self.learnt = make_learnt(job.size, code, actions, reward)
        held_out = _standardised(experience, "validation", self.learnt)
        train.standardise(code, *reward.tolist())
        self.fitting = Fitting(
            self.learnt, train, held_out, seed=job.seed, batch=job.batch, rate=job.learning_rate
        )
        self._has_held_out = held_out is not None
        self._earlier, self._began, self._told = 0.0, time.monotonic(), 0.0

    def train(
        self, place: ModelFolder, on_progress: OnProgress, should_stop: Callable[[], bool]
    ) -> bool:
        """Takes the steps that are left; False where it was stopped before the last one."""
        job, fitting = self.job, self.fitting
        if (checkpoint := place.checkpoints.newest()) is not None:
            self._load(checkpoint)
        held_out = None
        while fitting.step < job.steps:
            if should_stop():
                self._save(place)
                return False
            logged = fitting.take()
            step = fitting.step
            if self._has_held_out and (step % job.evaluate_every == 0 or step == job.steps):
                held_out = fitting.evaluate()
            if step % job.checkpoint_every == 0 or step == job.steps:
                self._save(place)
            now = time.monotonic()
            if now - self._told > _TELL_EVERY or step == job.steps:
                self._told = now
                on_progress(ModelProgress(step, job.steps, logged["loss"], held_out))
        return True

    def finish(self, place: ModelFolder) -> None:
        """Saves the model with its best weights, and what is measured of it."""
        fitting, experience = self.fitting, self.experience
        fitting.restore_best()
        self.learnt.model.eval().requires_grad_(False)
        save_learnt(
            self.learnt, place.model, experience.observation_space, experience.action_space,
            scenarios=list(experience.scenarios), steps=fitting.step, seed=self.job.seed,
        )  # fmt: skip
        part, errors, _ = drawn_from(self.learnt, experience, False)
        spent = fitting.spent
        place.write_report(
            Report(
                kind=self.job.size.kind,
                steps=fitting.step,
                seconds=round(self._seconds(), 1),
                held_out=fitting.lowest if fitting.best else None,
                numbers=self.learnt.code.size,
                passes=round(spent["passes"] / max(spent["all"], 1e-9), 3),
                part=part,
                horizon=None
                if errors is None
                else Horizon(
                    model=errors.model.tolist(),
                    persistence=errors.persistence.tolist(),
                    reward=errors.reward.tolist(),
                    mean_reward=errors.mean_reward.tolist(),
                    windows=errors.windows,
                ),
            )
        )

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._began

    def _save(self, place: ModelFolder) -> None:
        fitting = self.fitting
        counters = Counters(
            step=fitting.step,
            seconds=round(self._seconds(), 1),
            best=fitting.lowest if fitting.best else None,
        )
        weights = self.learnt.model.state_dict()
        place.checkpoints.save(
            fitting.step,
            lambda new: write_checkpoint(new, counters, weights, fitting.best, fitting.optimizer),
        )

    def _load(self, checkpoint: Path) -> None:
        fitting = self.fitting
        model = self.learnt.model
        counters, best = read_checkpoint(checkpoint, model, fitting.optimizer)
        fitting.step, self._earlier = counters.step, counters.seconds
        if counters.best is not None:
            fitting.best, fitting.lowest = best, counters.best


def _standardised(experience: Experience, part: str, learnt: Learnt) -> Steps | None:
    """A part as a model reads it; None where there is nothing in it."""
    if not experience.part(part).steps:
        return None
    steps = read_part(experience, part, learnt.actions)
    steps.standardise(learnt.code, *learnt.reward.tolist())
    return steps


def drawn_from(
    learnt: Learnt, experience: Experience, rollout: bool = True
) -> tuple[str, Errors | None, Rollout | None]:
    """What can be drawn of a model: the part, errors over the horizon there, and a long rollout.

    Args:
        learnt: the model.
        experience: a dataset of its sensors.
        rollout: whether one is asked for.
    """
    for part in REPORTED:
        steps = _standardised(experience, part, learnt)
        errors = None if steps is None else errors_over(learnt, steps)
        if steps is not None and errors is not None:
            return part, errors, roll_out(learnt, steps) if rollout else None
    return REPORTED[0], None, None


def write_drawing(folder: Path | str, path: Path) -> None:
    """Draws the model in a folder of `model_dataset`; see `chart.write_figure`.

    Raises:
        ArgumentError: no held-out episode is long enough, or the figure cannot be made.
        SavedFileError: the model or its dataset is not there any more.
    """
    from als_engine.models import read_model
    from als_plugins.world_models.chart import write_figure

    job = read_model(ModelFolder(folder).record, Job)
    learnt, record = read_learnt(folder)
    experience = open_experience(job.dataset, job.sensors)
    with few_threads(experience.observation_space):
        part, errors, rollout = drawn_from(learnt, experience)
    if errors is None or rollout is None:
        raise ArgumentError("no held-out episode is long enough to be drawn: collect more")
    title = f"{', '.join(record.scenarios)}: {errors.windows} windows of the {part} part"
    write_figure(learnt, errors, rollout, path, title)
