"""What a pretraining is asked for, and the folder that it writes.

- `pretraining.json`: what was asked for
- `checkpoints/<steps>/`: the last two, from which it goes on exactly
- `tensorboard/`: loss and what else is logged
- `encoder/`: the saved encoder, once there is one, with the weights of the lowest held-out loss
- `report.json`: what it has learnt, measured on held-out levels
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydantic import Field, JsonValue

from als_engine.checkpoints import Checkpoints, abandon
from als_engine.errors import SavedFileError
from als_engine.files import make_folder, write_text
from als_engine.safe_files import read_bytes
from als_engine.saving import MAX_RECORD, Model, read_model

__all__ = ["Job", "PretrainingFolder", "read_job"]

JOB: Final = "pretraining.json"
REPORT: Final = "report.json"


class Job(Model):
    """What was asked for; kept as `pretraining.json`.

    Attributes:
        dataset: its folder.
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
    encoder: str = "attention"
    config: dict[str, JsonValue] = Field(default_factory=dict)
    sensors: list[str] | None = None
    objectives: dict[str, float] = Field(default_factory=lambda: {"masked": 1.0})
    steps: int = Field(default=2_000, ge=1)
    batch: int = Field(default=64, ge=2, le=1 << 16)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    patience: int = Field(default=10, ge=1)
    evaluate_every: int = Field(default=100, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")


class PretrainingFolder:
    """The folder of a pretraining."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoder, self.logs = path / "encoder", path / "tensorboard"
        self.checkpoints = Checkpoints(path / "checkpoints")

    @property
    def begun(self) -> bool:
        """Whether there is a pretraining in it."""
        return (self.path / JOB).exists()

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return (self.path / REPORT).exists() and self.encoder.exists()

    def begin(self, job: Job) -> None:
        """Makes the folder.

        Raises:
            SavedFileError: it cannot be made, or holds something.
        """
        if self.begun:
            raise SavedFileError(
                f"{self.path} holds a pretraining: go on with it by --resume, "
                "or name another folder"
            )
        make_folder(self.path)
        if any(self.path.iterdir()):
            raise SavedFileError(f"{self.path} holds other files: name a new or empty folder")
        try:
            write_text(self.path / JOB, job.model_dump_json(indent=2) + "\n")
        except SavedFileError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Removes what was written, where there is no checkpoint that would make it worth it."""
        abandon(self.path, self.checkpoints, (JOB, self.logs.name))

    def check(self, job: Job) -> None:
        """Checks that what was begun here is this.

        Raises:
            SavedFileError: it is something else.
        """
        begun = read_job(self.path).model_dump()
        for name, value in job.model_dump().items():
            if name != "device" and begun[name] != value:
                raise SavedFileError(
                    f"{self.path} was begun with {name}={begun[name]}, not {value}: "
                    "name another folder"
                )

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


def read_job(folder: Path | str) -> Job:
    """What the pretraining in a folder was asked for.

    Raises:
        SavedFileError: there is none in the folder.
    """
    path = Path(folder) / JOB
    if not path.exists():
        raise SavedFileError(f"there is no pretraining in {folder} to go on with")
    return read_model(path, Job)
