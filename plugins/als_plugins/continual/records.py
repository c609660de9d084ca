"""What a sequence of scenarios was asked for, and what it has found, as files."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, model_validator

from als_engine.limits import EPISODES, MAX_SEED, STEPS
from als_engine.models import Model, Name
from als_engine.task import Split

__all__ = ["METHODS", "MOST_SCENARIOS", "Method", "Scores", "SequenceJob"]

Method = Literal["nothing", "replay", "ewc", "lora", "alone"]
METHODS: Final = get_args(Method)

MOST_SCENARIOS: Final = 20

Count = Annotated[int, Field(ge=1, le=STEPS)]


class SequenceJob(Model):
    """What is learnt, in which order and how.

    Attributes:
        scenarios: ids, in the order in which they are learnt.
        method: what keeps what was learnt before; see `als_plugins.continual.keeping`.
        steps: demonstrated steps of each scenario.
        updates: gradient steps for each scenario.
        batch: demonstrated steps in a gradient step.
        learning_rate: of Adam; it falls to 0 along each scenario.
        encoder: registered id of the encoder that all scenarios share.
        sensors: what all of them read.
        action_mode: of all of them.
        kept: demonstrated steps of each scenario that `replay` keeps.
        strength: of what holds weights back with `ewc`.
        rank: of what `lora` adds.
        episodes: of each evaluation. split: where their levels come from.
        seed: of everything.
    """

    scenarios: list[Name] = Field(min_length=1, max_length=MOST_SCENARIOS)
    method: Method = "nothing"
    steps: Count = 8_000
    updates: Count = 800
    batch: Annotated[int, Field(ge=2, le=100_000)] = 256
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    encoder: Name = "attention"
    sensors: list[Name] = Field(
        default=["entities", "proprioception", "text"], min_length=1, max_length=50
    )
    action_mode: Literal["discrete", "continuous", "factored", "guided"] = "continuous"
    kept: Count = 500
    strength: Annotated[float, Field(ge=0.0, le=1e9)] = 1.0
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    episodes: Annotated[int, Field(ge=1, le=EPISODES)] = 50
    split: Split = "validation"
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0

    @model_validator(mode="after")
    def _apart(self) -> SequenceJob:
        if len(set(self.scenarios)) < len(self.scenarios):
            raise ValueError("scenarios: each can be learnt once")
        return self


class Scores(Model):
    """What is known of the scenarios after one of them was learnt.

    Attributes:
        scores: of each scenario so far, in order: 0 is random, 1 is the expert.
        returns: mean returns on the same episodes.
        random, expert: those of the yardsticks.
        weights: that are stored for all scenarios so far, shared ones once.
        seconds: that learning this scenario took.
    """

    scores: list[float] = Field(max_length=MOST_SCENARIOS)
    returns: list[float] = Field(max_length=MOST_SCENARIOS)
    random: list[float] = Field(max_length=MOST_SCENARIOS)
    expert: list[float] = Field(max_length=MOST_SCENARIOS)
    weights: int = Field(ge=0, le=STEPS)
    seconds: float = Field(ge=0.0)
