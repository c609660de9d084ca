"""The settings of a pretraining, and the folder that it writes.

- `pretraining.json`: what was asked for
- `checkpoints/<steps>/`: the last two, from which it goes on exactly
- `tensorboard/`: loss and what else is logged
- `encoder/`: the saved encoder, once there is one, with the weights of the lowest held-out loss
- `report.json`: what it has learnt, measured on held-out levels
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from pydantic import Field, JsonValue

from als_engine.agents.run_folder import RunFolder
from als_engine.errors import SavedFileError
from als_engine.limits import STEPS
from als_engine.models import MAX_RECORD, Model, read_model
from als_engine.system.files import write_text
from als_engine.system.safe_files import is_file, read_bytes
from als_plugins.experience.records import RECORD as DATASET

__all__ = ["Job", "PretrainingFolder", "digest_of", "read_job"]

JOB: Final = "pretraining.json"
REPORT: Final = "report.json"


class Job(Model):
    """The settings of a pretraining; kept as `pretraining.json`.

    Attributes:
        dataset: its folder.
        collected: a digest of what is in it; another folder with the same is as good.
        encoder: registered id.
        config: the encoder's arguments.
        sensors: the observation keys it is to read; None for all of the dataset.
        objectives: name to weight.
        steps: gradient steps at most.
        batch: windows in a step, over all processes.
        learning_rate: at its highest, after the warm-up.
        weight_decay: of AdamW.
        seed: of weights, order and masks.
        patience: evaluations without a lower held-out loss after which it ends.
        evaluate_every, checkpoint_every: steps.
        device: "auto", "cpu" or "cuda".
    """

    dataset: str
    collected: str | None = None
    encoder: str = "attention"
    config: dict[str, JsonValue] = Field(default_factory=dict)
    sensors: list[str] | None = None
    objectives: dict[str, float] = Field(default_factory=lambda: {"masked": 1.0})
    steps: int = Field(default=2_000, ge=1, le=STEPS)
    batch: int = Field(default=64, ge=2, le=1 << 16)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    patience: int = Field(default=10, ge=1, le=STEPS)
    evaluate_every: int = Field(default=100, ge=1, le=STEPS)
    checkpoint_every: int = Field(default=500, ge=1, le=STEPS)
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")


class PretrainingFolder(RunFolder):
    """The folder of a pretraining."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, JOB, "a pretraining")
        self.encoder = self.path / "encoder"

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return is_file(self.path / REPORT) and self.encoder.is_dir()

    def job(self) -> Job:
        """The settings of the pretraining."""
        self.require()
        return read_model(self.record, Job)

    def check(self, job: Job) -> None:
        """Checks that what was begun here is this.

        Raises:
            SavedFileError: it is something else.
        """
        begun = self.job().model_dump()
        same = {"device", "dataset", "collected"} if self._same_data(job) else {"device"}
        for name, value in job.model_dump().items():
            if name not in same and begun[name] != value:
                raise SavedFileError(
                    f"{self.path} was begun with {name}={begun[name]}, not {value}: "
                    "name another folder"
                )

    def on(self, dataset: Path | str) -> Job:
        """The settings of the pretraining, on a dataset that may have been moved.

        Raises:
            SavedFileError: there is no pretraining here, or other experience in the dataset.
        """
        begun = self.job()
        where = {"dataset": str(Path(dataset).resolve()), "collected": digest_of(dataset)}
        moved = begun.model_copy(update=where)
        self.check(moved)
        return moved

    def _same_data(self, job: Job) -> bool:
        begun = self.job()
        return begun.dataset == job.dataset or begun.collected == job.collected is not None

    def write_report(self, report: dict[str, Any]) -> None:
        """Writes `report.json`."""
        write_text(self.path / REPORT, json.dumps(report, indent=2) + "\n")

    def report(self) -> dict[str, Any]:
        """Reads `report.json`.

        Raises:
            SavedFileError: it is none.
        """
        try:
            found = json.loads(read_bytes(self.path / REPORT, MAX_RECORD))
        except (ValueError, RecursionError) as error:
            raise SavedFileError(f"{self.path / REPORT} is not a report: {error}") from None
        if not isinstance(found, dict):
            raise SavedFileError(f"{self.path / REPORT} is not a report")
        return found


def digest_of(dataset: Path | str) -> str | None:
    """Which dataset it is, wherever it lies; None where there is none in the folder."""
    path = Path(dataset) / DATASET
    if not is_file(path):
        return None
    return hashlib.sha256(read_bytes(path, MAX_RECORD)).hexdigest()


def read_job(folder: Path | str) -> Job:
    """Returns the settings of the pretraining in a folder.

    Raises:
        SavedFileError: there is none in the folder.
    """
    return PretrainingFolder(folder).job()
