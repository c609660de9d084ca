"""What filing a case is worth, and what a reader who knows the odds makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.medical.imaging.scores import BIOPSY, FOLLOW_UP, ROUTINE
from als_scenarios.medical.imaging.worklist import OPINION_SENSITIVITY, OPINION_SPECIFICITY
from als_scenarios.medical.patients import patients

CALL_STEPS: Final = 45
"""About how many steps a way to the phone and back takes."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each term of the reward.

    Attributes:
        right: a benign case filed as routine, or a malignant one for biopsy.
        missed: a malignant case filed as routine.
        alarm: a benign case sent to biopsy.
        checked: a benign case called back for follow-up.
        delayed: a malignant case called back for follow-up.
        opinion: a second opinion.
        step: each step.
    """

    right: float = 1.0
    missed: float = -3.0
    alarm: float = -0.3
    checked: float = 0.5
    delayed: float = -0.3
    opinion: float = -0.15
    step: float = -0.002

    def table(self) -> FloatArray:
        """(2, 3): what a benign and a malignant case are worth in each category."""
        return np.array(
            [[self.right, self.checked, self.alarm], [self.missed, self.delayed, self.right]]
        )

    def worth(self, likely: FloatArray) -> FloatArray:
        """What each category is worth at a probability of malignancy, (..., 3)."""
        benign, malignant = self.table()
        return np.asarray(benign + likely[..., None] * (malignant - benign))


WEIGHTS: Final = Weights()


def terms(filed: NDArray[np.integer], ill: BoolArray) -> dict[str, FloatArray]:
    """The terms of the reward that filing has brought, each (worlds,).

    Args:
        filed: (worlds,) the category that a case was filed in, or `NOT_FILED`.
        ill: (worlds,) whether that case is malignant.
    """
    w, later = WEIGHTS, filed == FOLLOW_UP
    return {
        "right": w.right * np.where(ill, filed == BIOPSY, filed == ROUTINE),
        "missed": w.missed * (ill & (filed == ROUTINE)),
        "alarm": w.alarm * (~ill & (filed == BIOPSY)),
        "follow_up": np.where(ill, w.delayed, w.checked) * later,
    }


def after_opinion(likely: FloatArray, malignant: BoolArray) -> FloatArray:
    """The probability of malignancy once a second opinion is known, by Bayes' rule, (worlds,)."""
    of_ill = np.where(malignant, OPINION_SENSITIVITY, 1 - OPINION_SENSITIVITY)
    of_well = np.where(malignant, 1 - OPINION_SPECIFICITY, OPINION_SPECIFICITY)
    return np.asarray(likely * of_ill / (likely * of_ill + (1 - likely) * of_well))


def worth_asking(likely: FloatArray) -> BoolArray:
    """Whether a second opinion makes filing better by more than it and its way cost, (worlds,)."""
    gain = -WEIGHTS.worth(likely).max(-1)
    for malignant in (False, True):
        of_ill = OPINION_SENSITIVITY if malignant else 1 - OPINION_SENSITIVITY
        of_well = 1 - OPINION_SPECIFICITY if malignant else OPINION_SPECIFICITY
        chance = likely * of_ill + (1 - likely) * of_well
        then = after_opinion(likely, np.full(likely.shape, malignant))
        gain += chance * WEIGHTS.worth(then).max(-1)
    return np.asarray(gain > -(WEIGHTS.opinion + CALL_STEPS * WEIGHTS.step))


@cache
def size_limit() -> float:
    """The mean radius from which the size rule says biopsy: what earns most on training's."""
    train = patients().of("train")
    radius, ill = patients().measurements[train, 0], patients().malignant[train]
    limits = np.unique(radius)
    worth = WEIGHTS.table()[ill.astype(np.intp)]
    earned = np.where(radius >= limits[:, None], worth[:, BIOPSY], worth[:, ROUTINE]).sum(1)
    return float(limits[int(earned.argmax())])
