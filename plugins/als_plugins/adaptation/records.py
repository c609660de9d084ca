"""Records of an adaptation: its job, its rounds and its state."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, field_validator

from als_engine.evaluation.splits import CHOOSING, for_choosing
from als_engine.limits import OBSERVERS, STEPS, WORLDS
from als_engine.models import Model
from als_engine.task import Split

__all__ = ["FIRST", "MAX_ROUNDS", "Job", "Outcome", "Round", "State"]

FIRST: Final = "0000"
"""The snapshot of the agent as it was; the others are named after their rounds."""

MAX_ROUNDS: Final = 1_000

Outcome = Literal["start", "best", "kept", "rolled back", "drift", "unchanged"]
Snapshot = Annotated[str, Field(pattern=r"^\d{4}$")]


class Job(Model):
    """The settings of an adaptation.

    Attributes:
        agent: the folder of the agent; once there is a first snapshot, its weights are there.
        scenario, arguments, observers: where it acts.
        feedback: "none", "frozen", or as `als_plugins.adaptation.opening.open_channel` takes it;
            "channel" for one that was passed as an object.
        drift: arguments that change half-way; None for a world that stays as it is.
        steps: environment steps to learn from, over all rows.
        worlds: how many are stepped at once.
        seed: of the learner, the worlds and the simulated teacher.
        evaluate_every: steps of a round.
        episodes: that every evaluation runs.
        split: where their levels come from; not the test split, since rounds are kept by them.
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
    observers: int = Field(default=1, ge=1, le=OBSERVERS)
    feedback: str = Field(default="simulated:0.1", min_length=1, max_length=4_000)
    drift: dict[str, JsonValue] | None = None
    steps: int = Field(ge=1, le=1_000_000_000)
    worlds: int = Field(default=16, ge=1, le=WORLDS)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    evaluate_every: int = Field(default=8_192, ge=1, le=STEPS)
    episodes: int = Field(default=32, ge=2, le=10_000)
    split: Split = CHOOSING
    margin: float = Field(default=0.05, ge=0.0, le=10.0)
    task_weight: float = Field(default=1.0, ge=0.0, le=1e6)
    feedback_weight: float = Field(default=1.0, ge=0.0, le=1e6)
    fade: float = Field(default=0.5, ge=0.0, le=1.0)
    learning_rate: float = Field(default=1e-4, gt=0.0, le=1.0)
    device: str = "auto"

    @field_validator("split")
    @classmethod
    def _not_for_reporting(cls, split: str) -> str:
        return for_choosing(split)

    @property
    def rounds(self) -> int:
        """The number of rounds."""
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

    round: int = Field(ge=0, le=MAX_ROUNDS)
    steps: int = Field(ge=0, le=STEPS)
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
    events: int = Field(default=0, ge=0, le=STEPS)
    praise: float = 0.0
    trust: float = 0.0
    weight: float = 0.0
    message: str = Field(max_length=1_000)


class State(Model):
    """The state of an adaptation.

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

    round: int = Field(default=0, ge=0, le=MAX_ROUNDS)
    steps: int = Field(default=0, ge=0, le=STEPS)
    channel_step: int = Field(default=0, ge=0, le=STEPS)
    current: Snapshot = "0000"
    best: Snapshot = "0000"
    timesteps: dict[Snapshot, Annotated[int, Field(ge=0, le=STEPS)]] = Field(
        default_factory=lambda: {"0000": 0}
    )
    phase: int = Field(default=0, ge=0, le=MAX_ROUNDS)
    seconds: float = Field(default=0.0, ge=0.0)
    rounds: list[Round] = Field(default_factory=list, max_length=2 * MAX_ROUNDS)

    @property
    def drift_at(self) -> int | None:
        """The steps after which the world changed, as far as the log goes."""
        before = [line.steps for line in self.rounds if not line.drifted]
        return before[-1] if before and len(before) < len(self.rounds) else None

    @property
    def rolled_back(self) -> int:
        """The number of rounds that were rolled back."""
        return sum(line.outcome == "rolled back" for line in self.rounds)
