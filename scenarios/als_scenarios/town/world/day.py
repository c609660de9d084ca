"""The day in `ALS/World-v0`: the clock, opening hours, and where whom the hour calls."""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import inner
from als_engine.world.arrays import IntArray
from als_scenarios.town.world.items import MUSEUM, OFFICE, SCHOOL, WARD, YARD

START: Final = 8 * 60
"""Minutes after midnight at which a day begins; a step is a minute."""

NOON, AFTERNOON, EVENING = 240, 330, 600
"""The steps with which the parts of the day begin, after the morning."""

PARTS: Final = ("morning", "noon", "afternoon", "evening")

SCHOOL_ENDS: Final = 700
OFFICE_ENDS: Final = 760
MUSEUM_BEGINS: Final = 90

RHYTHM: Final[IntArray] = np.array(
    [
        [SCHOOL, SCHOOL, SCHOOL, OFFICE],
        [SCHOOL, YARD, SCHOOL, YARD],
        [WARD, WARD, WARD, YARD],
        [SCHOOL, YARD, SCHOOL, MUSEUM],
        [OFFICE, OFFICE, OFFICE, MUSEUM],
        [OFFICE, YARD, MUSEUM, MUSEUM],
        [YARD, YARD, SCHOOL, YARD],
        [MUSEUM, YARD, MUSEUM, OFFICE],
        [YARD, OFFICE, MUSEUM, YARD],
    ],
    np.int32,
)
"""(9, 4) where each inhabitant is in each part of the day, if nothing else calls."""


@inner
def part_of(step):  # type: ignore[no-untyped-def]
    """The part of the day, 0 to 3."""
    return int(step >= NOON) + int(step >= AFTERNOON) + int(step >= EVENING)


@inner
def in_hours(place, step):  # type: ignore[no-untyped-def]
    """Whether a place has opened and not closed yet; ward and yard always are open."""
    if place == SCHOOL:
        return step < SCHOOL_ENDS
    if place == OFFICE:
        return step < OFFICE_ENDS
    if place == MUSEUM:
        return step >= MUSEUM_BEGINS
    return True


@inner
def is_mealtime(step):  # type: ignore[no-untyped-def]
    """Whether there is a meal in the yard: at noon, and in the evening."""
    return NOON <= step < NOON + 90 or step >= EVENING


def clock(step: int) -> str:
    """The time and the part of the day, such as 08:30 and morning below."""
    hours, minutes = divmod(START + step, 60)
    part = sum(step >= begins for begins in (NOON, AFTERNOON, EVENING))
    return f"{hours:02d}:{minutes:02d}\n{PARTS[part]}"
