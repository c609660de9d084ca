"""The settings of a world model's training, and the folder that it writes.

- `modelling.json`: what was asked for
- `checkpoints/<steps>/`: the last two, from which it goes on exactly
- `model/`: the saved model, with the weights of the lowest held-out loss
- `report.json`: how far it is from the truth, on held-out levels
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from als_engine.agents.run_folder import RunFolder
from als_engine.errors import SavedFileError
from als_engine.limits import MAX_NUMBER, STEPS
from als_engine.models import Model, read_model
from als_engine.system.files import write_text
from als_engine.system.safe_files import is_file
from als_plugins.world_models.saving import Size

__all__ = ["Horizon", "Job", "ModelFolder", "Report"]

JOB: Final = "modelling.json"
REPORT: Final = "report.json"


class Job(Model):
    """What was asked for; kept as `modelling.json`.

    Attributes:
        dataset: its folder.
        collected: a digest of what is in it.
        sensors: the observation keys that the model reads; None for all of the dataset.
        size: of the model.
        steps: gradient steps.
        batch: windows in a step, for each member.
        learning_rate: of Adam.
        seed: of weights and batches.
        evaluate_every, checkpoint_every: steps.
    """

    dataset: str
    collected: str | None = None
    sensors: list[str] | None = None
    size: Size = Size()
    steps: int = Field(default=2_000, ge=1, le=STEPS)
    batch: int = Field(default=256, ge=2, le=1 << 16)
    learning_rate: float = Field(default=2e-3, gt=0.0, le=1.0)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    evaluate_every: int = Field(default=200, ge=1, le=STEPS)
    checkpoint_every: int = Field(default=1_000, ge=1, le=STEPS)


class Horizon(Model):
    """Errors for each number of steps ahead, from 1 on; see `measuring.Errors`.

    Attributes:
        model, persistence: of observations. reward, mean_reward: of rewards.
        windows: over how many it is a mean.
    """

    model: list[float]
    persistence: list[float]
    reward: list[float]
    mean_reward: list[float]
    windows: int = Field(ge=0, le=MAX_NUMBER)


class Report(Model):
    """What came of it; kept as `report.json`.

    Attributes:
        kind: of the model. steps: gradient steps. seconds: of this training.
        held_out: the lowest mean square error on the validation part; None where that is empty.
        numbers: of an observation that change.
        passes: the part of the training's time in forward and backward passes.
        part: where errors were measured. horizon: they; None without long enough episodes there.
    """

    kind: str
    steps: int = Field(ge=0, le=STEPS)
    seconds: float
    held_out: float | None
    numbers: int = Field(ge=0, le=MAX_NUMBER)
    passes: float
    part: str
    horizon: Horizon | None


class ModelFolder(RunFolder):
    """The folder of a world model's training."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, JOB, "a world model", ("model", REPORT))
        self.model = self.path / "model"

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return is_file(self.path / REPORT) and self.model.is_dir()

    def check(self, job: Job) -> None:
        """Checks that what was begun here is this.

        Raises:
            SavedFileError: it is something else.
        """
        begun = read_model(self.record, Job).model_dump()
        same = {"dataset"} if begun["collected"] == job.collected is not None else set()
        for name, value in job.model_dump().items():
            if name not in same and begun[name] != value:
                raise SavedFileError(
                    f"{self.path} was begun with {name}={begun[name]}, not {value}: "
                    "name another folder"
                )

    def report(self) -> Report:
        """Reads `report.json`.

        Raises:
            SavedFileError: it is none.
        """
        return read_model(self.path / REPORT, Report)

    def write_report(self, report: Report) -> None:
        """Writes `report.json`."""
        write_text(self.path / REPORT, report.model_dump_json(indent=2) + "\n")
