"""Trains a network of a forecaster by gradient steps, with checkpoints, and fits baselines.

The folder of a training holds

- `forecast.json`: what was asked for
- `checkpoints/<steps>/`: the last two, from which it goes on exactly
- `forecaster/`: the saved forecaster, once there is one
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from als_engine.agents.run_folder import RunFolder
from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_engine.limits import STEPS
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_plugins.forecast.forecaster import (
    BASELINES,
    GAP_BASELINES,
    NETWORKS,
    RECORD,
    Forecaster,
    ForecasterRecord,
    Task,
    Trained,
    make_network,
    read_forecaster,
    write_forecaster,
)
from als_plugins.forecast.problems import Problem, fitted_baseline, make_problem
from als_plugins.forecast.tracks import Tracks

if TYPE_CHECKING:
    import torch

    from als_plugins.forecast.private import PrivateSteps

__all__ = ["Job", "TrainProgress", "train_forecaster"]

JOB: Final = "forecast.json"
WARM_UP: Final = 0.05
STEEPEST: Final = 1.0
_TELL: Final = 0.2  # seconds


class Job(Model):
    """Schema of `forecast.json`: the settings of a training.

    Attributes:
        task, model: see `forecaster.ForecasterRecord`.
        tracks: a digest of the tracks.
        history, horizon: seconds that are seen, and that are foreseen.
        others: how many other people are looked at.
        hidden, modes: of a network.
        steps: gradient steps. batch: windows in a step.
        learning_rate: at its highest. seed: of weights and order.
        evaluate_every, checkpoint_every: steps.
        epsilon: how much may be told of each unit (differential privacy); None for any amount.
        delta, clip, unit, repeatable: as for a private imitation; see `forecast.private`.
    """

    task: Task = "path"
    model: Annotated[str, Field(max_length=40)] = "social"
    tracks: Annotated[str, Field(max_length=64)] = ""
    history: float = Field(default=2.0, gt=0, le=600)
    horizon: float = Field(default=5.0, gt=0, le=600)
    others: int = Field(default=8, ge=0, le=64)
    hidden: int = Field(default=64, ge=4, le=2_048, multiple_of=4)
    modes: int = Field(default=5, ge=1, le=50)
    steps: int = Field(default=1_000, ge=1, le=STEPS)
    batch: int = Field(default=128, ge=2, le=1 << 16)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    evaluate_every: int = Field(default=100, ge=1, le=STEPS)
    checkpoint_every: int = Field(default=500, ge=1, le=STEPS)
    epsilon: float | None = Field(default=None, gt=0, le=1_000)
    delta: float = Field(default=1e-5, gt=0, lt=1)
    clip: float = Field(default=1.0, gt=0, le=1e6)
    unit: Literal["scene", "person"] = "scene"
    repeatable: bool = False


@dataclass(frozen=True)
class TrainProgress:
    """The progress of a training.

    Attributes:
        step, steps: gradient steps taken, and to take.
        loss: of the last batch. held_out: of the validation part; None before the first time.
    """

    step: int
    steps: int
    loss: float
    held_out: float | None


OnProgress = Callable[[TrainProgress], None]


def train_forecaster(
    tracks: Tracks,
    folder: Path,
    job: Job,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Forecaster | None:
    """Trains or fits a forecaster; the same call again goes on, or returns what is finished.

    Args:
        tracks: the train part is learned from, the validation part chooses when to stop and
            calibrates.
        folder: a new or empty folder, or one with the same training.
        job: the settings; `tracks` is filled in.
        on_progress: called a few times a second.
        should_stop: asked at every step; then a checkpoint is saved and that is that.

    Returns:
        The forecaster; None where it was stopped.

    Raises:
        ArgumentError: a setting is not allowed, or the tracks are too short or too few.
        SavedFileError: the folder cannot be written, or holds something else.
    """
    simple = {"path": BASELINES, "gap": GAP_BASELINES}.get(job.task, ())
    names = (*simple, *NETWORKS)
    if job.model not in names:
        raise ArgumentError(unknown(f"model for {job.task}", job.model, names))
    if job.epsilon is not None:
        from als_plugins.forecast.private import check_private

        check_private(job, job.model in NETWORKS)
    job = job.model_copy(update={"tracks": _digest(tracks)})
    place = RunFolder(folder, JOB, "a training of a forecaster", ["forecaster"])
    resumed = place.begun
    if resumed:
        _check_same(place, job)
        if (folder / "forecaster" / RECORD).exists():
            return read_forecaster(folder)
    record = _record(tracks, job)
    if job.model not in NETWORKS:
        with place.going_on() if resumed else place.new(_text(job)):
            forecaster = fitted_baseline(record, tracks)
            write_forecaster(forecaster, folder / "forecaster")
        return forecaster
    generators = Generators(spread("forecast", job.seed))
    with ExitStack() as held:
        held.enter_context(generators)
        unit = None if job.epsilon is None else job.unit
        problem = make_problem(record, tracks, spread("forecast gaps", job.seed), unit)
        held.enter_context(place.going_on() if resumed else place.new(_text(job)))
        run = _Run(job, problem, place)
        if (newest := place.checkpoints.newest()) is not None:
            run.load(newest)

        def told(progress: TrainProgress) -> None:
            with generators.outside():
                on_progress(progress)

        if not run.train(told, should_stop):
            return None
        forecaster = run.finish(tracks)
        write_forecaster(forecaster, folder / "forecaster")
    return forecaster


def _text(job: Job) -> str:
    return job.model_dump_json(indent=2) + "\n"


def _check_same(place: RunFolder, job: Job) -> None:
    begun = read_model(place.record, Job).model_dump()
    for name, value in job.model_dump().items():
        if begun[name] != value:
            now = "other ones" if name == "tracks" else f"{name}={value}"
            then = "other tracks" if name == "tracks" else f"{name}={begun[name]}"
            raise SavedFileError(f"{place.path} was begun with {then}, not {now}: "
                                 "name another folder")  # fmt: skip


def _digest(tracks: Tracks) -> str:
    found = hashlib.sha256()
    for array in (tracks.position, tracks.present, tracks.part):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]


def _record(tracks: Tracks, job: Job) -> ForecasterRecord:
    step = tracks.time_step
    history, horizon = max(2, round(job.history / step)), max(1, round(job.horizon / step))
    if max(history, horizon) > 1_000:
        raise ArgumentError(
            f"{max(job.history, job.horizon):g} s are over 1000 steps of {step:g} s"
        )
    return ForecasterRecord(
        task=job.task,
        model=job.model,
        time_step=step,
        history=history,
        horizon=horizon,
        others=job.others,
        hidden=job.hidden,
        modes=job.modes,
        trained=Trained(source=tracks.record.source, windows=0, seed=job.seed),
    )


class _Run:
    """A network on its way through its gradient steps."""

    def __init__(self, job: Job, problem: Problem, place: RunFolder) -> None:
        import torch

        from als_plugins.pretraining.checkpoint import Counters

        torch.manual_seed(spread("forecast weights", job.seed))
        self.job, self.problem, self.place = job, problem, place
        self.network = make_network(problem.record)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=job.learning_rate, weight_decay=0.01, fused=True
        )
        self.private: PrivateSteps | None = None
        if job.epsilon is not None:
            from als_plugins.forecast.private import PrivateSteps

            self.private = PrivateSteps(
                job, self.network, self.optimizer, problem.train, problem.units
            )
        self.counters = Counters()
        self.best: dict[str, torch.Tensor] = {}
        self.busy, self.spent = 0.0, 1e-9

    def train(self, told: OnProgress, should_stop: Callable[[], bool]) -> bool:
        """Takes the steps that are left; whether that was all of them."""
        job, begun, before = self.job, time.perf_counter(), self.counters.seconds
        last_told, held = 0.0, self.counters.best
        while (step := self.counters.step) < job.steps:
            loss = self._step(step)
            step += 1
            self.spent = time.perf_counter() - begun
            changes = {"step": step, "seconds": before + self.spent}
            self.counters = self.counters.model_copy(update=changes)
            # With privacy nothing is chosen by the validation part: its people have rights, too.
            look = step % job.evaluate_every == 0 or step == job.steps
            if look and self.private is None:
                held = self._evaluate()
            stop = should_stop()
            if stop or step % job.checkpoint_every == 0:
                self.place.checkpoints.save(step, self._save)
            if time.perf_counter() - last_told > _TELL or step == job.steps:
                last_told = time.perf_counter()
                told(TrainProgress(step, job.steps, loss, held))
            if stop:
                return False
        return True

    def _step(self, step: int) -> float:
        import torch

        job = self.job
        warm = max(1, round(WARM_UP * job.steps))
        share = min(1.0, (step + 1) / warm)
        rate = job.learning_rate * share * 0.5 * (1 + math.cos(math.pi * step / job.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.private is not None:
            begun = time.perf_counter()
            value = self.private.take(step)
            self.busy += time.perf_counter() - begun
            return value
        # A function of the seed and the step, so that no random state has to be kept.
        rng = np.random.default_rng(spread("forecast order", job.seed, step))
        count = len(self.problem.train[0])
        rows = torch.from_numpy(rng.integers(count, size=min(job.batch, count)))
        batch = [array[rows] for array in self.problem.train]
        begun = time.perf_counter()
        loss = self.network.loss(*batch)  # type: ignore[operator]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.busy += time.perf_counter() - begun
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), STEEPEST)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise ArgumentError(
                f"the loss is not finite any more at step {step + 1}: begin anew with a learning "
                f"rate below {job.learning_rate:g}"
            )
        self.optimizer.step()
        return value

    def _evaluate(self) -> float | None:
        """The loss on the validation part; its lowest weights are kept."""
        import torch

        held = self.problem.held
        if not len(held[0]):
            self._keep(None)
            return None
        begun, total = time.perf_counter(), 0.0
        with torch.inference_mode():
            for first in range(0, len(held[0]), 512):
                part = [array[first : first + 512] for array in held]
                total += float(self.network.loss(*part)) * len(part[0])  # type: ignore[operator]
        self.busy += time.perf_counter() - begun
        loss = total / len(held[0])
        if self.counters.best is None or loss < self.counters.best:
            self._keep(loss)
        return loss

    def _keep(self, loss: float | None) -> None:
        self.best = {n: tensor.clone() for n, tensor in self.network.state_dict().items()}
        changes = {"best": loss, "best_step": self.counters.step}
        self.counters = self.counters.model_copy(update=changes)

    def _save(self, folder: Path) -> None:
        from als_plugins.pretraining.checkpoint import write_checkpoint

        weights: Any = self.network.state_dict()
        write_checkpoint(folder, self.counters, weights, self.best, self.optimizer)

    def load(self, folder: Path) -> None:
        """Goes back to a checkpoint."""
        from als_plugins.pretraining.checkpoint import read_checkpoint

        self.counters, self.best = read_checkpoint(folder, self.network, self.optimizer)

    def finish(self, tracks: Tracks) -> Forecaster:
        """The forecaster with the best weights, calibrated."""
        self.network.load_state_dict(self.best or self.network.state_dict())
        counters, record = self.counters, self.problem.record
        trained = record.trained.model_copy(
            update={
                "windows": len(self.problem.train[0]),
                "steps": counters.step,
                "best": counters.best_step,
                "loss": counters.best,
                "seconds": round(counters.seconds, 3),
                "busy": round(min(1.0, self.busy / self.spent), 3),
                "privacy": None if self.private is None else self.private.record(counters.step),
            }
        )
        record = record.model_copy(update={"trained": trained})
        if self.private is not None:
            return Forecaster(record, self.network.eval())
        return self.problem.calibrated(Forecaster(record, self.network.eval()), tracks)
