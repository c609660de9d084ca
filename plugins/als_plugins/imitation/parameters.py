"""The hyperparameters of imitation, which stand beside those of the learner that imitates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from als_plugins.learners.hyperparameters import Rate, Share

__all__ = ["ImitationParameters", "Yardstick", "divided", "is_yardstick"]


def is_yardstick(name: str) -> bool:
    """Whether it names who belongs to a scenario: its expert, or one of its simple rules."""
    return re.fullmatch(r"expert|heuristic(:rule=[\w.-]{1,100})?", name) is not None


def _checked(name: str) -> str:
    if not is_yardstick(name):
        raise ValueError("takes expert, or heuristic:rule=NAME")
    return name


Yardstick = Annotated[str, AfterValidator(_checked)]

_KEPT_BYTES: Final = 1 << 30


class ImitationParameters(BaseModel):
    """How demonstrations are learnt from.

    Attributes:
        passes: gradient passes for each new demonstrated step, over all that are kept; None for 8,
            or where so few steps are demonstrated up to 64, as many as make 500 gradient steps.
        imitation_rate: the learning rate of Adam; it falls to 0 along the imitation.
        imitation_batch: demonstrated steps in a gradient step.
        handover: the part of the imitation along which the source's share of the episodes falls
            from 1 to 0, with the method `dagger`.
        noise: the part of the source's own steps in which something random is done instead, several
            steps in a row (after Laskey et al. 2017). What is shown is still what the source would
            do. Without it what is to be done often follows from how the avatar moves already, and
            nothing else is learnt from.
        kept: demonstrated steps that are kept; None for as many as fit into 1 GiB. When there is
            no more room, new ones replace others at random.
        epsilon: how much the agent may tell of any unit of its dataset (differential privacy, by
            DP-SGD); None for any amount. See `als_plugins.imitation.private`.
        delta: the probability with which it may tell more; below one over the number of units.
        clip: the length that each unit's gradient is cut to.
        unit: what is protected: one "episode", or all episodes of a "person".
        repeatable: whether noise and batches are drawn from the seed, for experiments. Whoever
            knows the seed can take the noise out, so there is no protection then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    passes: Annotated[float, Field(gt=0.0, le=100_000.0)] | None = None
    imitation_rate: Rate = 1e-3
    imitation_batch: Annotated[int, Field(ge=2, le=100_000)] = 256
    handover: Share = 0.3
    noise: Annotated[float, Field(ge=0.0, le=0.9)] = 0.2
    kept: Annotated[int, Field(ge=100, le=100_000_000)] | None = None
    epsilon: Annotated[float, Field(gt=0.0, le=1_000.0)] | None = None
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-5
    clip: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    unit: Literal["episode", "person"] = "episode"
    repeatable: bool = False

    def passes_for(self, steps: int) -> float:
        """Gradient passes, for so many demonstrated steps in all."""
        return self.passes or min(64.0, max(8.0, 500 * self.imitation_batch / steps))

    def room_for(self, step_bytes: int, steps: int) -> int:
        """Demonstrated steps that are kept, of so many that there will be."""
        return min(steps, self.kept or max(1_000, _KEPT_BYTES // step_bytes))

    def learning_starts(self, steps: int) -> int:
        """Demonstrated steps that have to be there before anything is learnt from them."""
        return min(4_096, steps // 10)


def divided(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters of imitation, and those of the learner."""
    names = ImitationParameters.model_fields
    return (
        {name: value for name, value in config.items() if name in names},
        {name: value for name, value in config.items() if name not in names},
    )
