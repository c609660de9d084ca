"""The expert: it knows what is inside everybody, and tries doses on a copy of the model.

It is an upper line and no rule for practice: it reads the true states, the pumps and the meals
that nobody has announced yet.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray
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
    risk_of,
    runge_kutta,
)
from als_scenarios.medical.ward.monitors import MOST_UNITS, SMALL_DOSE, SUGAR_DOSE
from als_scenarios.medical.ward.nursing import Wants
from als_scenarios.medical.ward.plans import MEALS, MINUTES, START

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

_STEP: Final = 3.0
"""Minutes of a step of the copy."""

_AHEAD: Final = 80
"""How many such steps it looks ahead: four hours."""

_DELAY: Final = 7
"""After so many of them a dose that is fetched now is given."""

_PARTS: Final = (0.0, 0.015, 0.03, 0.05, 0.075, 0.11, 0.16)
"""The doses of insulin that it tries, as parts of the total daily insulin."""

_GLASSES: Final = (1.0, 2.0)
_LOWER_IS_WORSE: Final = 2.0
_SAFE: Final = 112.5
_WORTH_IT: Final = 0.25
"""A dose is given if it lowers the mean risk by this."""

_DETOUR: Final = 0.1


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
        (state["meal_time"], state["meal_grams"]), (insulin, sugar, urgency),
    )  # fmt: skip
    return Wants(insulin, sugar, urgency, np.zeros(shape), _DETOUR)


@kernel(error_model="numpy")
def _try_doses(asked, step, parameters, beds, meals, wants):
    beds = BedRows(*beds)
    insulin, sugar, urgency = wants
    body, work = np.empty(STATES), np.empty((3, STATES))
    for w in range(asked.shape[0]):
        if not asked[w]:
            continue
        now = START + MINUTES * step[w]
        for b in range(insulin.shape[1]):
            p = parameters[beds.patient[w, b]]
            nothing, before, least = 0.0, -1.0, 0.0
            for part in _PARTS:
                units = np.floor(part * p[DAILY] / SMALL_DOSE + 0.5) * SMALL_DOSE
                units = min(units, MOST_UNITS)
                if units == before:
                    continue
                before = units
                expected = _risk_with(w, b, p, (units, 0.0), now, beds, meals, body, work)
                if units == 0.0:
                    nothing = least = expected
                elif expected < least:
                    least, insulin[w, b] = expected, units
            for glasses in _GLASSES:
                grams = glasses * SUGAR_DOSE
                expected = _risk_with(w, b, p, (0.0, grams), now, beds, meals, body, work)
                if expected < least:
                    least, insulin[w, b], sugar[w, b] = expected, 0.0, grams
            urgency[w, b] = nothing - least
            if urgency[w, b] < _WORTH_IT:
                urgency[w, b] = insulin[w, b] = sugar[w, b] = 0.0


@inner
def _risk_with(w, b, p, dose, now, beds, meals, body, work):
    """The mean risk of the next hours if a dose is given soon; low glucose counts twice."""
    units, grams = dose
    for i in range(STATES):
        body[i] = beds.body[w, b, i]
    basal, plate = p[BASAL] * beds.pump[w, b], beds.plate[w, b]
    meal, eating = beds.stomach[w, b], beds.eating[w, b]
    total = 0.0
    for k in range(_AHEAD):
        if k == _DELAY:
            body[DEPOT] += units * PMOL_PER_UNIT / p[WEIGHT]
            plate += grams
        time = now + _STEP * k
        for m in range(MEALS):
            if time - _STEP <= meals[0][w, b, m] < time:
                plate += meals[1][w, b, m]
        bite = min(EATS, plate / _STEP)
        if bite > 0.0 and not eating:
            meal = body[0] + body[1]
        eating = bite > 0.0
        plate -= bite * _STEP
        meal += 1000.0 * bite * _STEP
        runge_kutta(body, p, (basal, 1000.0 * bite, meal), _STEP, work)
        glucose = body[PLASMA] / p[V_G]
        risk = risk_of(glucose)
        total += _LOWER_IS_WORSE * risk if glucose < _SAFE else risk
    return total / _AHEAD
