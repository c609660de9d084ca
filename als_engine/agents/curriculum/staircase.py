"""A staircase: moves between easy and hard so that a given part of the episodes succeeds.

Stochastic approximation (Robbins and Monro 1951), in psychophysics a weighted up-down staircase
(Kaernbach 1991): after an episode the position moves by `step * (success - target)`. Whatever the
chances are, the mean success of T episodes with steps of one size is the target, plus the way from
the first position to the last divided by T steps; so it comes near the target wherever the easiest
and the hardest stage do not stop it. Steps become smaller whenever the direction turns (Kesten
1958), down to a size that still follows a player who learns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pydantic import Field

from als_engine.checks import at_least_one
from als_engine.errors import ArgumentError
from als_engine.limits import EPISODES
from als_engine.models import Model

__all__ = ["Staircase", "StaircaseState", "check_target"]

FIRST: Final = 0.5
"""The first step, as a part of the way from the easiest stage to the hardest."""
LEAST: Final = 0.05
"""The smallest, likewise."""


class StaircaseState(Model):
    """Where a staircase is, for a checkpoint.

    Attributes:
        position: between 0, the easiest stage, and 1, the hardest; in the middle at first.
        turns: how often its direction has changed.
        rising: its last direction; None before the first step.
        noted: how many successes or failures it has been told.
    """

    position: float = Field(default=0.5, ge=0.0, le=1.0)
    turns: int = Field(default=0, ge=0, le=EPISODES)
    rising: bool | None = None
    noted: int = Field(default=0, ge=0, le=EPISODES)


@dataclass
class Staircase:
    """Chooses stages, from 0 to `stages - 1`, each harder than the one before.

    Attributes:
        stages: how many.
        target: the part of the episodes that is to succeed, between 0 and 1.
        state: where it is.
    """

    stages: int
    target: float
    state: StaircaseState = field(default_factory=StaircaseState)

    def __post_init__(self) -> None:
        """Checks both numbers."""
        at_least_one("stages", self.stages)
        check_target(self.target)

    def draw(self, rng: np.random.Generator) -> int:
        """The next episode's stage: of the two beside the position, the nearer more often."""
        place = self.state.position * (self.stages - 1)
        return int(place + rng.random())

    def note(self, success: float) -> None:
        """Moves after an episode, or after several.

        Args:
            success: 1 where it succeeded, 0 where it did not; of several, the part that did.
        """
        now, off = self.state, float(success) - self.target
        turned = off != 0.0 and now.rising is not None and (off > 0.0) != now.rising
        turns = now.turns + turned
        step = max(LEAST, FIRST / (1 + turns))
        self.state = StaircaseState(
            position=min(1.0, max(0.0, now.position + step * off)),
            turns=turns,
            rising=now.rising if off == 0.0 else off > 0.0,
            noted=now.noted + 1,
        )


def check_target(target: float) -> float:
    """Returns a rate of success that can be aimed at.

    Raises:
        ArgumentError: it is not above 0 and below 1.
    """
    if not 0.0 < target < 1.0:
        raise ArgumentError(
            f"a success rate to aim at lies above 0 and below 1, such as 0.6; got {target:g}"
        )
    return target
