"""Pretrains an encoder on a dataset of experience, with checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.errors import ArgumentError
from als_engine.models import checked_fields
from als_engine.seeding import Generators, spread
from als_plugins.encoders.saving import PretrainingRecord, read_encoder_record, save_encoder
from als_plugins.experience.consent import check_consent
from als_plugins.experience.dataset import open_experience
from als_plugins.pretraining.group import joined
from als_plugins.pretraining.job import Job, PretrainingFolder, digest_of
from als_plugins.pretraining.objectives import check_weights
from als_plugins.pretraining.report import make_report
from als_plugins.pretraining.trainer import Trainer

if TYPE_CHECKING:
    from als_engine.agents.event_log import EventLog

__all__ = ["PretrainProgress", "Pretrained", "pretrain", "resume_pretraining"]

LOG_EVERY: Final = 10  # steps
TELL_EVERY: Final = 0.2  # seconds


@dataclass(frozen=True)
class PretrainProgress:
    """The progress of a pretraining.

    Attributes:
        step, steps: gradient steps taken, and at most to take.
        samples: windows that went through it.
        loss: of the last batch.
        held_out: the newest loss on held-out levels; None before the first evaluation.
        best: the lowest of these.
    """

    step: int
    steps: int
    samples: int
    loss: float
    held_out: float | None
    best: float | None


@dataclass(frozen=True)
class Pretrained:
    """The result of a pretraining.

    Attributes:
        folder: of the saved encoder.
        record: what is saved with it; of one that was stopped, how far it came.
        report: what it has learnt; empty for one that was stopped.
        stopped: by Ctrl-C, after saving a checkpoint; there is no saved encoder then.
    """

    folder: Path
    record: PretrainingRecord
    report: dict[str, Any]
    stopped: bool


OnProgress = Callable[[PretrainProgress], None]


def pretrain(
    dataset: Path | str,
    folder: Path | str,
    *,
    encoder: str = "attention",
    config: Mapping[str, Any] | None = None,
    sensors: Sequence[str] | None = None,
    objectives: Mapping[str, float] | None = None,
    steps: int = 2_000,
    batch: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    seed: int = 0,
    patience: int = 10,
    evaluate_every: int = 100,
    checkpoint_every: int = 500,
    device: str = "auto",
    resume: bool = False,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pretrained:
    """Pretrains an encoder; under `torchrun`, together with the other processes.

    Args:
        dataset: folder that `als collect` wrote.
        folder: a new or empty folder for everything that is written; see `job`.
        encoder: its id.
        config: the encoder's arguments.
        sensors: the observation keys it is to read; None for all of the dataset.
        objectives: name to weight, of `masked`, `temporal`, `crossmodal`, `dynamics` and
            `destination`; by default `masked` alone.
        steps: gradient steps at most.
        batch: windows in a step, over all processes.
        learning_rate: at its highest; it rises for a twentieth of the steps, then falls to 0.
        weight_decay: of AdamW.
        seed: of weights, order and masks.
        patience: evaluations without a lower held-out loss after which it ends.
        evaluate_every: steps between measurements of the held-out loss.
        checkpoint_every: steps between checkpoints.
        device: "auto", "cpu" or "cuda".
        resume: goes on with the same pretraining where the folder holds one; one that is finished
            is returned as it is.
        on_progress: called a few times a second.
        should_stop: asked at every step; then a checkpoint is saved and that is that.

    Raises:
        ArgumentError: an argument is not allowed or does not fit the dataset, or the loss is not
            finite any more.
        SavedFileError: the dataset or a checkpoint cannot be read, or the folder not be written,
            or it holds something else.
        UnknownIdError: there is no such encoder.
    """
    weights = dict({"masked": 1.0} if objectives is None else objectives)
    check_weights(weights)
    with checked_fields():
        job = Job(
            dataset=str(Path(dataset).resolve()),
            collected=digest_of(dataset),
            encoder=encoder,
            config=dict(config or {}),
            sensors=None if sensors is None else list(sensors),
            objectives=weights,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            seed=seed,
            patience=patience,
            evaluate_every=evaluate_every,
            checkpoint_every=checkpoint_every,
            device=device,
        )
    place = PretrainingFolder(folder)
    if resume and place.begun:
        place.check(job)
        return _run(job, place, True, on_progress, should_stop)
    return _run(job, place, False, on_progress, should_stop)


def resume_pretraining(
    folder: Path | str,
    *,
    dataset: Path | str | None = None,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pretrained:
    """Goes on with the pretraining in a folder, to the bit as if it had never been stopped.

    Args:
        folder: of the pretraining.
        dataset: where its dataset is now; None for where it was.
        on_progress: as for `pretrain`.
        should_stop: as for `pretrain`.

    Raises:
        SavedFileError: there is none, its newest checkpoint is damaged, or the dataset holds
            something else.
    """
    place = PretrainingFolder(folder)
    job = place.job() if dataset is None else place.on(dataset)
    return _run(job, place, True, on_progress, should_stop)


def _run(
    job: Job,
    place: PretrainingFolder,
    resume: bool,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
) -> Pretrained:
    if resume and place.finished:
        return _finished(place)
    generators = Generators(spread("pretraining", job.seed))

    def told(progress: PretrainProgress) -> None:
        with generators.outside():
            on_progress(progress)

    with joined() as group, generators, ExitStack() as held:
        experience = open_experience(job.dataset, job.sensors)
        check_consent(experience.folder, experience.sources, "pretraining")
        trainer = Trainer(job, experience, group)
        if group.leads:
            text = job.model_dump_json(indent=2) + "\n"
            held.enter_context(place.going_on() if resume else place.new(text))
        group.told(0.0)  # The others wait until there is a folder.
        checkpoint = place.checkpoints.newest() if resume else None
        if checkpoint is not None:
            trainer.load(checkpoint)
        run = _Run(trainer, place, told)
        stopped = run.train(should_stop)
        # What is measured at the end takes a while; all that it needs is in the last checkpoint.
        if group.told(float(stopped or should_stop())):
            return Pretrained(place.encoder, run.record(), {}, True)
        if group.leads:
            run.finish()
        group.told(0.0)  # Nobody leaves before everything is written.
    return _finished(place)


def _finished(place: PretrainingFolder) -> Pretrained:
    record = read_encoder_record(place.encoder).pretraining
    if record is None:
        raise ArgumentError(f"{place.encoder} was not pretrained: name another folder")
    return Pretrained(place.encoder, record, place.report(), False)


class _Run:
    """A trainer at work, with a clock, a log and checkpoints."""

    def __init__(self, trainer: Trainer, place: PretrainingFolder, on_progress: OnProgress) -> None:
        self.trainer, self.place, self.on_progress = trainer, place, on_progress
        self._earlier, self._begun = trainer.counters.seconds, time.monotonic()
        self._told = 0.0
        self._held_out: float | None = None
        self._saved = trainer.counters.step if trainer.counters.step else -1

    def record(self) -> PretrainingRecord:
        """The provenance of the encoder, so far."""
        job, counters = self.trainer.job, self.trainer.counters
        return PretrainingRecord(
            scenarios=list(self.trainer.experience.scenarios),
            objectives=job.objectives,
            steps=counters.step,
            samples=counters.step * self.trainer.order.batch,
            seed=job.seed,
            seconds=round(self._seconds(), 1),
            loss=counters.best,
        )

    def train(self, should_stop: Callable[[], bool]) -> bool:
        """Takes the steps that are left; returns whether it was stopped before the last one."""
        trainer, job = self.trainer, self.trainer.job
        if trainer.done():
            return False
        batches, log = trainer.clips(), self._log()
        stopped = False
        try:
            for clip in batches:
                logged, stopping = trainer.step(clip, should_stop())
                step = trainer.counters.step
                if step % job.evaluate_every == 0 or step == job.steps:
                    self._held_out = trainer.evaluate()
                    if self._held_out is not None:
                        logged["held out"] = self._held_out
                self._write(log, logged)
                self._tell(logged["loss"])
                ended = trainer.done()
                stopped = stopping and not ended
                if ended or stopped:
                    break
                if step % job.checkpoint_every == 0:
                    self._save()
        finally:
            batches.close()
        self._save()
        return stopped

    def finish(self) -> None:
        """Saves the encoder with its best weights, and the report."""
        self.trainer.restore_best()
        report = make_report(self.trainer)
        record = self.record()
        encoder = self.trainer.network.encoder
        save_encoder(encoder, self.trainer.job.encoder, self.place.encoder, record)
        self.place.write_report(report)

    def _save(self) -> None:
        trainer = self.trainer
        seconds = round(self._seconds(), 1)
        trainer.counters = trainer.counters.model_copy(update={"seconds": seconds})
        self._earlier, self._begun = seconds, time.monotonic()
        if trainer.group.leads and trainer.counters.step != self._saved:
            self.place.checkpoints.save(trainer.counters.step, trainer.save)
        self._saved = trainer.counters.step

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._begun

    def _log(self) -> EventLog | None:
        """The log; what a killed run wrote after its checkpoint has been taken out."""
        if not self.trainer.group.leads:
            return None
        from als_engine.agents.event_log import EventLog

        return EventLog(self.place.logs)

    def _write(self, log: EventLog | None, logged: Mapping[str, float]) -> None:
        step = self.trainer.counters.step
        if log is not None and (step % LOG_EVERY == 0 or "held out" in logged):
            log.add({name.replace(" ", "_"): value for name, value in logged.items()}, step)

    def _tell(self, loss: float) -> None:
        counters, job = self.trainer.counters, self.trainer.job
        now = time.monotonic()
        if not self.trainer.group.leads or (
            now - self._told < TELL_EVERY and counters.step < job.steps
        ):
            return
        self._told = now
        self.on_progress(
            PretrainProgress(
                step=counters.step,
                steps=job.steps,
                samples=counters.step * self.trainer.order.batch,
                loss=loss,
                held_out=self._held_out,
                best=counters.best,
            )
        )
