"""What a saved agent says of how it was trained, and what it has told of its data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from als_engine.limits import MAX_SEED, STEPS

__all__ = ["Model", "PrivacyRecord", "TrainingRecord"]


class Model(BaseModel):
    """Unknown fields, wrong types and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PrivacyRecord(Model):
    """What a private imitation has told of its dataset, by differential privacy's accountant.

    Attributes:
        epsilon, delta: so much, at most, of each unit.
        unit: what could be added or left out: one "episode", or all episodes of a "person".
        units: how many there were.
        clip: the length that each unit's gradient was cut to.
        noise: the deviation of the noise, in lengths of `clip`.
        updates: gradient steps.
        repeatable: whether the noise was drawn from the seed; whoever knows it can take it out.
    """

    epsilon: float = Field(ge=0)
    delta: float = Field(gt=0, lt=1)
    unit: Literal["episode", "person"]
    units: int = Field(ge=1, le=STEPS)
    clip: float = Field(gt=0)
    noise: float = Field(ge=0)
    updates: int = Field(ge=0, le=STEPS)
    repeatable: bool = False


class TrainingRecord(Model):
    """The provenance of a trained agent.

    Where a training began from a saved agent, that agent's steps and seconds are counted in.

    Attributes:
        steps: environment steps that it has learnt from, over all rows.
        demonstrated: those of them whose action somebody else has shown: an expert, another agent,
            a person.
        seed: of the learner and the worlds.
        seconds: of wall-clock time, resumed parts included.
        mean_return, success: over the last hundred episodes; None when none had ended.
        privacy: one for each private imitation that it has learnt by.
    """

    steps: int = Field(ge=0, le=STEPS)
    demonstrated: int = Field(default=0, ge=0, le=STEPS)
    seed: int = Field(ge=0, le=MAX_SEED)
    seconds: float = Field(ge=0)
    mean_return: float | None = None
    success: float | None = None
    privacy: list[PrivacyRecord] = Field(default_factory=list, max_length=100)
