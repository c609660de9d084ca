"""The expert: it knows what is inside everybody, and tries doses on a copy of the model.

It is an upper line and no rule for practice: it reads the true states, the pumps and the meals
that nobody has announced yet.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray
from als_scenarios.medical.ward.glucose import (
    BASAL,
    DAILY,
    DEPOT,
    EATS,
    PLASMA,
    PMOL_PER_UNIT,
    STATES,
    V_G,
    WEIGHT,
    BedRows,
    bed_rows,
    patients,
    stride,
)
from als_scenarios.medical.ward.monitors import SMALL_DOSE, SUGAR_DOSE
from als_scenarios.medical.ward.nursing import Wants
from als_scenarios.medical.ward.plans import MEALS, MINUTES, START

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

_STEP: Final = 4.0
"""Minutes of a step of the copy."""

_AHEAD: Final = 54
"""How many such steps it looks ahead."""

_DELAY: Final = 5
"""After so many of them a dose that is fetched now is given."""

_PARTS: Final = (0.0, 0.015, 0.03, 0.06, 0.1, 0.15, 0.22)
"""The doses of insulin that it tries, as parts of the total daily insulin."""

_MOST: Final = 15.0  # Units at once.
_GLASSES: Final = (1.0, 2.0)
_LOWER_IS_WORSE: Final = 3.0
_SAFE: Final = 112.5
_WORTH_IT: Final = 0.25
"""A dose is given if it lowers the mean risk by this."""


@cache
def _risks() -> FloatArray:
    """The risk of each whole mg/dl from 0 to 600, low ones twice, (601,)."""
    glucose = np.clip(np.arange(601.0), 20.0, 600.0)
    skewed = 1.509 * (pmath.exp(1.084 * pmath.log(pmath.log(glucose))) - 5.381)
    table: FloatArray = 10.0 * skewed * skewed * np.where(glucose < _SAFE, _LOWER_IS_WORSE, 1.0)
    table.setflags(write=False)
    return table


def look_ahead(state: WorldState, who: BoolArray) -> Wants:
    """The dose for each bed that gives the least risk in the next hours.

    Args:
        state: the worlds.
        who: (worlds, avatars); worlds where nobody asks are left out.
    """
    shape = state["patient"].shape
    insulin, sugar, urgency = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    _try_doses(
        who.any(1), state.step, patients().parameters, bed_rows(state),
        (state["meal_time"], state["meal_grams"]), _risks(), (insulin, sugar, urgency),
    )  # fmt: skip
    return Wants(insulin, sugar, urgency, np.zeros(shape))


@kernel(error_model="numpy")
def _try_doses(asked, step, parameters, beds, meals, risks, wants):
    beds = BedRows(*beds)
    insulin, sugar, urgency = wants
    body, food = np.empty(STATES), np.empty(_AHEAD)
    for w in range(asked.shape[0]):
        if not asked[w]:
            continue
        for b in range(insulin.shape[1]):
            p = parameters[beds.patient[w, b]]
            _served(w, b, START + MINUTES * step[w], meals, food)
            nothing, before, least = 0.0, -1.0, 0.0
            for part in _PARTS:
                units = np.floor(part * p[DAILY] / SMALL_DOSE + 0.5) * SMALL_DOSE
                units = min(units, _MOST)
                if units == before:
                    continue
                before = units
                expected = _risk_with(w, b, p, (units, 0.0), beds, food, risks, body)
                if units == 0.0:
                    nothing = least = expected
                elif expected < least:
                    least, insulin[w, b] = expected, units
            for glasses in _GLASSES:
                grams = glasses * SUGAR_DOSE
                expected = _risk_with(w, b, p, (0.0, grams), beds, food, risks, body)
                if expected < least:
                    least, insulin[w, b], sugar[w, b] = expected, 0.0, grams
            urgency[w, b] = nothing - least
            if urgency[w, b] < _WORTH_IT:
                urgency[w, b] = insulin[w, b] = sugar[w, b] = 0.0


@inner
def _served(w, b, now, meals, food):
    """What is served in each step of the copy, grams."""
    food[:] = 0.0
    for m in range(MEALS):
        k = int(np.floor((meals[0][w, b, m] - now) / _STEP))
        if 0 <= k < _AHEAD:
            food[k] += meals[1][w, b, m]


@inner
def _risk_with(w, b, p, dose, beds, food, risks, body):
    """The mean risk of the next hours if a dose is given soon; low glucose counts twice."""
    units, grams = dose
    for i in range(STATES):
        body[i] = beds.body[w, b, i]
    basal, plate = p[BASAL] * beds.pump[w, b], beds.plate[w, b]
    meal, eating, total = beds.stomach[w, b], beds.eating[w, b], 0.0
    for k in range(_AHEAD):
        plate += food[k]
        if k == _DELAY:
            body[DEPOT] += units * PMOL_PER_UNIT / p[WEIGHT]
            plate += grams
        bite = min(EATS * _STEP, plate)
        if bite > 0.0 and not eating:
            meal = body[0] + body[1]
        eating = bite > 0.0
        plate -= bite
        meal += 1000.0 * bite
        stride(body, p, basal, 1000.0 * bite, meal, _STEP)
        total += risks[int(min(max(body[PLASMA] / p[V_G], 0.0), 600.0))]
    return total / _AHEAD
