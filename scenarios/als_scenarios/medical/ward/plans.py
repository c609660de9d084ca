"""Who lies in the ward, what they eat and when: the draws of a level, and what each split has.

Of the ten patients of each age group, the third, sixth and ninth are met in the test split alone,
the first and the seventh in the validation split alone. A meal plan is a pattern of times and
shares of the day's carbohydrate, made for this scenario; each belongs to one split as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split
from als_scenarios.medical.ward.glucose import patients, starting_at

START: Final = 6 * 60
"""When an episode begins, minutes after midnight."""

MINUTES: Final = 1.5
"""Minutes that pass in a step."""

MIN_BEDS, MAX_BEDS = 4, 8

MEALS: Final = 5
"""The most meals that a plan has."""

NEVER: Final = -10_000
"""The time of a meal that a plan has not, minutes."""

_STAYS: Final = 0x57A75
"""Keeps the draws of stays apart from all others."""

_TEST_RANKS, _VALIDATION_RANKS = (2, 5, 8), (0, 6)
_GROUP: Final = 10

DAILY_CARBOHYDRATE: Final[Mapping[str, float]] = {"adolescent": 160, "adult": 190, "child": 100}
"""What a day's meals hold together before chance, grams, by age group."""


class Plan(NamedTuple):
    """A meal plan: when there is a meal, minutes after midnight, and its share of the day."""

    name: str
    split: Split
    meals: tuple[tuple[int, float], ...]


PLANS: Final = (
    Plan("three meals", "train", ((450, 0.28), (750, 0.38), (1110, 0.34))),
    Plan("afternoon snack", "train", ((450, 0.25), (750, 0.33), (930, 0.10), (1110, 0.32))),
    Plan("early", "train", ((430, 0.30), (690, 0.36), (1050, 0.34))),
    Plan("morning snack", "train", ((460, 0.24), (600, 0.10), (770, 0.34), (1120, 0.32))),
    Plan("heavy lunch", "train", ((450, 0.20), (760, 0.50), (1110, 0.30))),
    Plan("late", "train", ((510, 0.28), (810, 0.36), (1140, 0.36))),
    Plan("heavy breakfast", "validation", ((440, 0.42), (760, 0.32), (1100, 0.26))),
    Plan(
        "two snacks", "validation",
        ((450, 0.22), (600, 0.10), (750, 0.30), (930, 0.10), (1110, 0.28)),
    ),
    Plan("heavy dinner", "test", ((450, 0.18), (750, 0.30), (1080, 0.52))),
    Plan("brunch", "test", ((570, 0.50), (1050, 0.50))),
    Plan("five a day", "test", ((430, 0.2), (590, 0.2), (740, 0.2), (920, 0.2), (1110, 0.2))),
    Plan("supper", "test", ((480, 0.25), (780, 0.35), (1170, 0.40))),
)  # fmt: skip


@cache
def patients_of(split: Split) -> NDArray[np.intp]:
    """The patients of a split, indices into `glucose.patients()`."""
    rank = np.arange(len(patients().names)) % _GROUP
    test, validation = np.isin(rank, _TEST_RANKS), np.isin(rank, _VALIDATION_RANKS)
    chosen = {"test": test, "validation": validation, "train": ~(test | validation)}[split]
    return np.flatnonzero(chosen)


@cache
def plans_of(split: Split) -> tuple[int, ...]:
    """The meal plans of a split, indices into `PLANS`."""
    return tuple(i for i, plan in enumerate(PLANS) if plan.split == split)


def group_of(patient: int) -> str:
    """The age group of a patient: "adolescent", "adult" or "child"."""
    return patients().names[patient].partition("_")[0]


class Admission(NamedTuple):
    """A level's patients; arrays have one row for each bed.

    Attributes:
        patient: (beds,) index. plan: (beds,) index.
        body: (beds, 13), the states at the start.
        pump: (beds,), how the pump's basal rate is set, over the one that holds basal glucose.
        meal_time: (beds, 5), minutes after midnight or NEVER. meal_grams: (beds, 5).
    """

    patient: NDArray[np.intp]
    plan: NDArray[np.intp]
    body: NDArray[np.float64]
    pump: NDArray[np.float64]
    meal_time: NDArray[np.int32]
    meal_grams: NDArray[np.float64]


def admit(rng: np.random.Generator, split: Split, beds: int, stay: int | None = None) -> Admission:
    """Draws who lies in each bed, how they are at the start, and what they will eat.

    Args:
        rng: of the level.
        split: whose patients and plans there are.
        beds: how many.
        stay: the number of a stay, in which the same patients lie in them; None where the level
            alone decides.
    """
    pool = patients_of(split)
    # Nobody twice where there are enough people.
    who = rng.choice(pool, beds, replace=beds > len(pool))
    if stay is not None:
        who = np.random.default_rng([_STAYS, stay]).choice(pool, beds, replace=beds > len(pool))
    plan = rng.choice(np.array(plans_of(split)), beds)
    glucose, pump = rng.uniform(80.0, 200.0, beds), rng.uniform(0.9, 1.3, beds)
    shift, size = rng.integers(-15, 16, (beds, MEALS)), rng.uniform(0.85, 1.15, (beds, MEALS))
    time = np.full((beds, MEALS), NEVER, np.int32)
    grams = np.zeros((beds, MEALS))
    for bed in range(beds):
        daily = DAILY_CARBOHYDRATE[group_of(int(who[bed]))]
        for i, (when, share) in enumerate(PLANS[int(plan[bed])].meals):
            time[bed, i] = when + int(shift[bed, i])
            grams[bed, i] = max(5.0, 5.0 * np.floor(daily * share * size[bed, i] / 5.0 + 0.5))
    body = np.stack([starting_at(int(p), float(g)) for p, g in zip(who, glucose, strict=True)])
    return Admission(who, plan, body, pump, time, grams)
