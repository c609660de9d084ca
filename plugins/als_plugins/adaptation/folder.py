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
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from als_engine.errors import SavedFileError
from als_engine.files import make_folder, replacing, write_text
from als_engine.safe_files import read_tensors, replace_folder, write_tensors
from als_engine.saving import AgentRecord, Model, read_model, write_agent
from als_plugins.adaptation.chart import adaptation_chart
from als_plugins.adaptation.credit import Credit
from als_plugins.learners.sb3 import SB3Learner
from als_plugins.learners.training_state import FILE as TRAINING

__all__ = ["Folder", "Job", "Round", "State"]

JOB: Final = "adaptation.json"
STATE: Final = "state.json"
FEEDBACK: Final = "feedback.safetensors"

FIRST: Final = "0000"
"""The snapshot of the agent as it was; the others are named after their rounds."""

MAX_ROUNDS: Final = 1_000

Outcome = Literal["start", "best", "kept", "rolled back", "drift", "unchanged"]
Snapshot = Annotated[str, Field(pattern=r"^\d{4}$")]


class Job(Model):
    """What was asked for.

    Attributes:
        agent: the folder of the agent, for people to read: its weights are in the first snapshot.
        scenario, arguments, observers: where it acts.
        feedback: "none", "frozen", or as `als_plugins.adaptation.channel.open_channel` takes it;
            "channel" for one that was passed as an object.
        drift: arguments that change half-way; None for a world that stays as it is.
        steps: environment steps to learn from, over all rows.
        worlds: how many are stepped at once.
        seed: of the learner, the worlds and the simulated teacher.
        evaluate_every: steps of a round.
        episodes: that every evaluation runs.
        split: where their levels come from.
        margin: by which an update may be worse, in standard deviations of the returns.
        task_weight: of the task's reward; 0 hides it.
        feedback_weight: of feedback, where 1 is as much as the task's reward.
        fade: the share of this weight that is gone at the end of the run, or before a drift.
        learning_rate: constant.
        device: "auto", "cpu" or "cuda".
    """

    agent: str
    scenario: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    observers: int = Field(default=1, ge=1, le=1_000)
    feedback: str = Field(default="simulated:0.1", min_length=1, max_length=4_000)
    drift: dict[str, JsonValue] | None = None
    steps: int = Field(ge=1, le=1_000_000_000)
    worlds: int = Field(default=16, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    evaluate_every: int = Field(default=8_192, ge=1)
    episodes: int = Field(default=32, ge=2, le=10_000)
    split: Literal["test", "train"] = "test"
    margin: float = Field(default=0.05, ge=0.0, le=10.0)
    task_weight: float = Field(default=1.0, ge=0.0, le=1e6)
    feedback_weight: float = Field(default=1.0, ge=0.0, le=1e6)
    fade: float = Field(default=0.5, ge=0.0, le=1.0)
    learning_rate: float = Field(default=1e-4, gt=0.0, le=1.0)
    device: str = "auto"

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return -(-self.steps // self.evaluate_every)

    @property
    def drift_round(self) -> int | None:
        """The first round in the changed world, counted from 1."""
        return None if self.drift is None else self.rounds // 2 + 1


class Round(Model):
    """A line of the log: an evaluation and what followed from it.

    Attributes:
        round: from 1; 0 is the agent as it was.
        steps: that have been learnt from, also those that were taken back.
        drifted: whether the world has changed by then.
        outcome: what was done. "drift" notes that the world was found to have changed.
        mean, low, high: of the return, with its 95 percent interval.
        success: the part of the episodes that succeeded.
        difference, difference_low, difference_high: to the best agent, in the same episodes; in a
            line about a drift, to what the same agent did before.
        best: the return of the best agent after this round, in the world as it is.
        events: of feedback in this round. praise: their mean value.
        trust: that feedback has earned, 0 to 1. weight: of feedback in this round.
        message: all of that for people.
    """

    round: int = Field(ge=0)
    steps: int = Field(ge=0)
    drifted: bool = False
    outcome: Outcome
    mean: float
    low: float
    high: float
    success: float
    difference: float = 0.0
    difference_low: float = 0.0
    difference_high: float = 0.0
    best: float
    events: int = Field(default=0, ge=0)
    praise: float = 0.0
    trust: float = 0.0
    weight: float = 0.0
    message: str = Field(max_length=1_000)


class State(Model):
    """How far it has come.

    Attributes:
        round: that was ended last.
        steps: learnt from so far.
        channel_step: steps of the worlds, by which feedback is timed.
        current, best: names of snapshots.
        timesteps: name of a snapshot to what its learner had counted.
        phase: the round after which the world was last found to be another one.
        seconds: of wall-clock time.
        rounds: the log.
    """

    round: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0)
    channel_step: int = Field(default=0, ge=0)
    current: Snapshot = "0000"
    best: Snapshot = "0000"
    timesteps: dict[Snapshot, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: {"0000": 0}
    )
    phase: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0.0)
    rounds: list[Round] = Field(default_factory=list, max_length=2 * MAX_ROUNDS)


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
