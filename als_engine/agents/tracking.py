"""Tracks a training elsewhere: its settings, learning curve, numbers and result.

The only tracker is Weights & Biases. It never asks anything, waits for its server no longer than
`PATIENCE`, and whatever goes wrong with it costs a warning and not the training.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.checks import one_of
from als_engine.errors import ArgumentError
from als_engine.seeding import Generators
from als_engine.texts import command

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Job

__all__ = ["TRACKERS", "Tracker", "check_tracker", "tracked"]

TRACKERS: Final = ("none", "wandb")

PATIENCE: Final = 10.0
"""Seconds for which a tracker's server is waited for, at the beginning and at the end."""

PROJECT: Final = "als-engine"


class Tracker:
    """Tracks nothing.

    Attributes:
        where: the page of what is tracked, or the command that sends it there; empty for nothing.
    """

    where = ""

    def log(self, values: Mapping[str, float], steps: int) -> None:
        """Adds numbers by name; those that are not finite are left out."""

    def finish(self, result: Mapping[str, Any], failed: bool = False) -> None:
        """Adds the result, and ends the tracking."""


def check_tracker(name: str) -> None:
    """Checks that a training can be tracked so.

    Raises:
        ArgumentError: there is no such tracker, or its package is not installed.
    """
    if one_of("track", name, TRACKERS) == "wandb" and find_spec("wandb") is None:
        raise ArgumentError(
            'track="wandb" needs Weights & Biases; install it with: pip install "als-engine[wandb]"'
        )


@contextmanager
def tracked(job: Job, folder: Path | None, steps: int, generators: Generators) -> Iterator[Tracker]:
    """Tracks what is done in the block; one that fails is marked as failed.

    Args:
        job: the settings.
        folder: of the training; None where it has none.
        steps: that it begins at.
        generators: of the training, from which no tracker draws.
    """
    tracker = Tracker()
    if job.track == "wandb":
        with generators.outside():
            tracker = _begun(job, folder, steps, generators)
    try:
        yield tracker
    except BaseException:
        tracker.finish({}, failed=True)
        raise


def _begun(job: Job, folder: Path | None, steps: int, generators: Generators) -> Tracker:
    try:
        return _Wandb(job, folder, steps, generators)
    except Exception as error:  # Whatever that library and its process fail with.
        warnings.warn(f"W&B does not track this training: {_line(error)}", stacklevel=2)
        return Tracker()


class _Wandb(Tracker):
    """A run of Weights & Biases; a training that is taken up again has one for each part."""

    def __init__(self, job: Job, folder: Path | None, steps: int, generators: Generators) -> None:
        self._generators = generators
        self._settings: dict[str, Any] = {
            "config": {**job.model_dump(), "begun at": steps},
            "reinit": "create_new",
        }
        name = f"{job.scenario} {job.agent}" if folder is None else folder.resolve().name
        for field, value in {
            "project": PROJECT,
            "group": name,
            "name": f"{name} from {steps}" if steps else name,
            "dir": None if folder is None else str(folder),
        }.items():
            variable = "WANDB_RUN_GROUP" if field == "group" else f"WANDB_{field.upper()}"
            if variable not in os.environ:
                self._settings[field] = value
        self._run = self._open()
        self._run.define_metric("steps")
        self._run.define_metric("*", step_metric="steps")

    def _open(self) -> Any:
        """Begins a run, offline where nobody is logged in or the server does not answer."""
        mode, reason = _mode()
        if mode == "online":
            try:
                return self._opened("online")
            except Exception as error:
                mode, reason = "offline", f"its server does not answer ({_line(error)})"
        run = self._opened(mode)
        if mode == "offline":
            self.where = command("wandb", "sync", Path(run.dir).parent)
        if reason:
            warnings.warn(f"W&B: {reason}; the training is tracked offline", stacklevel=2)
        return run

    def _opened(self, mode: Any) -> Any:
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_code=True,
            disable_git=True,
            symlink=False,
            init_timeout=PATIENCE,
            finish_timeout=PATIENCE,
            finish_timeout_raises=True,
        )
        run = wandb.init(mode=mode, settings=settings, **self._settings)
        _remove_links(run)
        if mode == "online":
            self.where = str(run.url)
        return run

    def log(self, values: Mapping[str, float], steps: int) -> None:
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._do(lambda run: run.log({**finite, "steps": steps}))

    def finish(self, result: Mapping[str, Any], failed: bool = False) -> None:
        def end(run: Any) -> None:
            run.summary.update({f"result/{name}": value for name, value in result.items()})
            run.finish(exit_code=int(failed))
            _remove_links(run)

        self._do(end)

    def _do(self, what: Callable[[Any], None]) -> None:
        """Does something with the run; where it fails, that is the end of the tracking."""
        if self._run is None:
            return
        try:
            with self._generators.outside():
                what(self._run)
        except Exception as error:
            self.where = command("wandb", "sync", Path(self._run.dir).parent)
            self._run = None
            message = f"W&B does not go on: {_line(error)}; this sends what there is: {self.where}"
            warnings.warn(message, stacklevel=4)


def _mode() -> tuple[Any, str]:
    """How W&B is to run here, and why not otherwise."""
    import wandb

    settings = wandb.setup().settings
    if settings.mode != "online":
        return settings.mode, ""
    silent, settings.silent = settings.silent, True
    try:
        known = wandb.login(prompt=False, verify=False)
    finally:
        settings.silent = silent
    return ("online", "") if known else ("offline", "nobody is logged in (wandb login)")


def _remove_links(run: Any) -> None:
    """Removes the links among what a run has written: a folder that is resumed may hold none."""
    for path in Path(run.dir).parent.rglob("*"):
        if path.is_symlink():
            path.unlink(missing_ok=True)


def _line(error: Exception) -> str:
    """The first line of what a stranger's error says."""
    return (f"{error}".strip() or type(error).__name__).splitlines()[0][:200]
