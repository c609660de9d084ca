"""The folder of an adaptation.

- `adaptation.json`: what was asked for
- `state.json`: how far it has come: the rounds so far and which snapshots count
- `snapshots/`: saved agents with the state of their training: the first, the current, the best
- `feedback.safetensors`: what predicts the feedback
- `agent/`: the best agent, once it is done
- `log.jsonl`, `progress.csv`, `adaptation.svg`: the rounds for people, made anew from the state
"""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Final

from als_engine.errors import SavedFileError
from als_engine.files import make_folder, replacing, write_text
from als_engine.safe_files import read_tensors, replace_folder, write_tensors
from als_engine.saving import AgentRecord, read_model, write_agent
from als_plugins.adaptation.chart import adaptation_chart
from als_plugins.adaptation.credit import Credit
from als_plugins.adaptation.records import FIRST, Job, Round, State
from als_plugins.learners.sb3 import SB3Learner
from als_plugins.learners.training_state import FILE as TRAINING

__all__ = ["Folder"]

JOB: Final = "adaptation.json"
STATE: Final = "state.json"
FEEDBACK: Final = "feedback.safetensors"


class Folder:
    """Writes and reads it; everything is replaced whole."""

    def __init__(self, path: Path | str) -> None:
        """Takes where it is, or will be."""
        self.path = Path(path)
        self.agent, self._snapshots = self.path / "agent", self.path / "snapshots"

    def begin(self, job: Job) -> None:
        """Makes the folder.

        Raises:
            SavedFileError: it cannot be made, or holds something.
        """
        if (self.path / JOB).exists():
            raise SavedFileError(
                f"{self.path} holds an adaptation: go on with it by --resume, "
                "or name another folder"
            )
        make_folder(self.path)
        if any(self.path.iterdir()):
            raise SavedFileError(f"{self.path} holds other files: name a new or empty folder")
        write_text(self.path / JOB, job.model_dump_json(indent=2) + "\n")

    def job(self) -> Job:
        """What was asked for.

        Raises:
            SavedFileError: there is no adaptation here.
        """
        if not (self.path / JOB).exists():
            raise SavedFileError(f"there is no adaptation in {self.path} to go on with")
        return read_model(self.path / JOB, Job)

    def state(self) -> State | None:
        """How far it has come; None before the first evaluation."""
        if not (self.path / STATE).exists():
            return None
        return read_model(self.path / STATE, State)

    def snapshot(self, name: str) -> Path:
        """Where a snapshot is."""
        return self._snapshots / name

    def training_of(self, name: str) -> Path | None:
        """A snapshot to take up the training from; None for the first, which has no optimizer."""
        path = self.snapshot(name)
        return path if (path / TRAINING).exists() else None

    def save_snapshot(self, name: str, learner: SB3Learner, record: AgentRecord) -> None:
        """Writes a snapshot; with the state of the training, when there is one."""

        def fill(folder: Path) -> None:
            write_agent(learner, folder, record)
            if name != FIRST:
                learner.save_training(folder)

        replace_folder(self.snapshot(name), fill)

    def save_state(self, state: State, credit: Credit | None, drift_at: int | None) -> None:
        """Writes how far it has come, and removes snapshots that count no more."""
        if credit is not None:
            with replacing(self.path / FEEDBACK) as path:
                write_tensors(path, credit.tensors())
        write_text(self.path / STATE, state.model_dump_json() + "\n")
        lines = [line.model_dump_json() for line in state.rounds]
        write_text(self.path / "log.jsonl", "".join(f"{line}\n" for line in lines))
        write_text(self.path / "progress.csv", _table(state.rounds))
        write_text(self.path / "adaptation.svg", adaptation_chart(state.rounds, drift_at))
        for old in self._snapshots.iterdir():
            if old.name not in {FIRST, state.current, state.best}:
                shutil.rmtree(old, ignore_errors=True)

    def restore_credit(self, credit: Credit) -> None:
        """Reads what predicts the feedback.

        Raises:
            SavedFileError: it is damaged.
        """
        path = self.path / FEEDBACK
        if path.exists():
            credit.restore(read_tensors(path, credit.tensors()))


def _table(rounds: list[Round]) -> str:
    """The rounds without their messages, one a line."""
    text = io.StringIO()
    columns = [name for name in Round.model_fields if name != "message"]
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for line in rounds:
        table.writerow(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in line.model_dump().items()}
        )
    return text.getvalue()
