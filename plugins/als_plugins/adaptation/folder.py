"""The folder of an adaptation.

- `adaptation.json`: what was asked for
- `state.json`: how far it has come: the rounds so far and which snapshots count
- `snapshots/`: saved agents with the state of their training: the first, the current, the best
- `feedback.safetensors`: what predicts the feedback
- `events.jsonl`: a copy of recorded feedback
- `agent/`: the best agent, once it is done
- `log.jsonl`, `progress.csv`, `adaptation.svg`: the rounds for people, made anew from the state
"""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Final

from als_engine.agents.run_folder import RunFolder
from als_engine.agents.saving import TRAINING, AgentRecord, write_agent
from als_engine.models import read_model
from als_engine.system.files import replacing, write_text
from als_engine.system.safe_files import is_file, read_tensors, replace_folder, write_tensors
from als_engine.texts import cell
from als_plugins.adaptation.chart import adaptation_chart
from als_plugins.adaptation.credit import Credit
from als_plugins.adaptation.records import FIRST, Job, Round, State
from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["Folder"]

JOB: Final = "adaptation.json"
STATE: Final = "state.json"
FEEDBACK: Final = "feedback.safetensors"
EVENTS: Final = "events.jsonl"


class Folder(RunFolder):
    """Writes and reads it; everything is replaced whole."""

    def __init__(self, path: Path | str) -> None:
        """Takes where it is, or will be."""
        owns = ("agent", "snapshots", STATE, FEEDBACK, EVENTS, "log.jsonl", "adaptation.svg")
        super().__init__(path, JOB, "an adaptation", owns)
        self.agent, self._snapshots = self.path / "agent", self.path / "snapshots"
        self.events = self.path / EVENTS

    def job(self) -> Job:
        """The settings of the adaptation.

        Raises:
            SavedFileError: there is no adaptation here.
        """
        self.require()
        return read_model(self.record, Job)

    @property
    def has_come(self) -> bool:
        """Whether there is something in it to go on from."""
        return is_file(self.path / STATE)

    def cut_logs(self) -> None:
        """Writes the logs as the state has them."""
        if (state := self.state()) is not None:
            self._write_logs(state)

    def state(self) -> State | None:
        """The state of the adaptation; None before the first evaluation."""
        if not is_file(self.path / STATE):
            return None
        return read_model(self.path / STATE, State)

    def snapshot(self, name: str) -> Path:
        """Where a snapshot is."""
        return self._snapshots / name

    def training_of(self, name: str) -> Path | None:
        """A snapshot to take up the training from; None for the first, which has no optimizer."""
        path = self.snapshot(name)
        return path if is_file(path / TRAINING) else None

    def save_snapshot(self, name: str, learner: NetworkLearner, record: AgentRecord) -> None:
        """Writes a snapshot; with the state of the training, when there is one."""

        def fill(folder: Path) -> None:
            write_agent(learner, folder, record)
            if name != FIRST:
                learner.save_training(folder)

        replace_folder(self.snapshot(name), fill)

    def save_state(self, state: State, credit: Credit | None) -> None:
        """Writes how far it has come, and removes snapshots that count no more."""
        if credit is not None:
            with replacing(self.path / FEEDBACK) as path:
                write_tensors(path, credit.tensors())
        write_text(self.path / STATE, state.model_dump_json() + "\n")
        self._write_logs(state)
        for old in self._snapshots.iterdir():
            if old.name not in {FIRST, state.current, state.best}:
                shutil.rmtree(old, ignore_errors=True)

    def _write_logs(self, state: State) -> None:
        lines = [line.model_dump_json() for line in state.rounds]
        write_text(self.path / "log.jsonl", "".join(f"{line}\n" for line in lines))
        write_text(self.curve, _table(state.rounds))
        write_text(self.path / "adaptation.svg", adaptation_chart(state.rounds, state.drift_at))

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
            {
                name: round(value, 5) if isinstance(value, float) else cell(value)
                for name, value in line.model_dump().items()
            }
        )
    return text.getvalue()
