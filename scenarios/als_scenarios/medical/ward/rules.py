"""What a nurse would try first: rules that read the charts and nothing else.

The carbohydrate ratio is 500 over the total daily insulin, in grams a unit, the correction factor
1800 over it, in mg/dl a unit (on such rules: Davidson et al. 2008, Endocrine Practice 14(9),
doi:10.4158/EP.14.9.1095). Hypoglycaemia is treated with 15 g of
sugar, again after a quarter of an hour (American Diabetes Association, Standards of Care).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_scenarios.medical.ward.glucose import patients
from als_scenarios.medical.ward.monitors import ALARM_LOW, SMALL_DOSE, SUGAR_DOSE
from als_scenarios.medical.ward.nursing import Wants
from als_scenarios.medical.ward.plans import MINUTES

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

_CARBOHYDRATE_RULE, _CORRECTION_RULE = 500.0, 1800.0
_TARGET, _CORRECT_FROM = 140.0, 150.0
_NEW: Final = 20
"""A reading is gone by for so many minutes."""

_LOOK_AFTER: Final = 30
"""And taken again after so many."""

_BEFORE_MEALS: Final = 40
"""A meal's insulin is fetched so many minutes before it."""

_STILL_LOW, _CAREFUL = 80.0, 110.0
_LOW_FIRST: Final = 1_000.0
_LEAST: Final = 0.02
"""Less than this part of the total daily insulin is not given."""

# The controller's gains, as parts of the correction factor: an hour of excess, minutes of trend.
_INTEGRAL, _DERIVATIVE = 0.25, 30.0


class Known(NamedTuple):
    """What the charts say, arrays (worlds, beds).

    Attributes:
        glucose, trend: last read. age: of that reading, minutes; a day before the first.
        new: whether the reading is to be gone by.
        iob, cob: units and grams on board. daily: total daily insulin, units.
        low: it is low, as read or by the alarm.
    """

    glucose: FloatArray
    trend: FloatArray
    age: FloatArray
    new: BoolArray
    iob: FloatArray
    cob: FloatArray
    daily: FloatArray
    low: BoolArray


def read_charts(state: WorldState) -> Known:
    """The charts as numbers."""
    read_at = state["read_at"]
    age = np.where(read_at == NOTHING, 1440.0, MINUTES * (state.step[:, None] - read_at))
    new, glucose = age <= _NEW, state["read_glucose"]
    low = (state["alarm"] == ALARM_LOW) | (new & (glucose < _STILL_LOW))
    iob, cob = (state[name][..., 0] + state[name][..., 1] for name in ("iob", "cob"))
    daily = patients().daily_insulin[state["patient"]]
    return Known(glucose, state["read_trend"], age, new, iob, cob, daily, low)


def basal_bolus(state: WorldState) -> Wants:
    """Insulin for what is eaten and for what is too high, less what is on board."""
    known = read_charts(state)
    soon = (state["due_in"] <= _BEFORE_MEALS) & (state["due_grams"] > 0)
    carbohydrate = known.cob + np.where(soon, state["due_grams"], 0.0)
    away = known.glucose - _TARGET
    correct = known.new & ((known.glucose > _CORRECT_FROM) | (known.glucose < _CAREFUL))
    units = carbohydrate * (known.daily / _CARBOHYDRATE_RULE)
    units += np.where(correct, away, 0.0) * (known.daily / _CORRECTION_RULE)
    return _wants(known, units - known.iob)


def pid(state: WorldState) -> Wants:
    """Insulin by how far glucose is above the target, for how long, and where it is going."""
    known = read_charts(state)
    away = known.glucose - _TARGET + _INTEGRAL * state["excess"] + _DERIVATIVE * known.trend
    units = np.where(known.new, away, 0.0) * (known.daily / _CORRECTION_RULE)
    return _wants(known, units - known.iob)


def _wants(known: Known, units: FloatArray) -> Wants:
    """Sugar where it is low, else insulin; and a look at the bed that was not read for longest."""
    worth_it = units >= np.maximum(SMALL_DOSE, _LEAST * known.daily)
    insulin = np.where(~known.low & worth_it, units, 0.0)
    sugar = np.where(known.low & (known.cob < SUGAR_DOSE), SUGAR_DOSE, 0.0)
    urgency = insulin * (_CORRECTION_RULE / known.daily) + np.where(sugar > 0, _LOW_FIRST, 0.0)
    visit = np.where(known.age > _LOOK_AFTER, known.age, 0.0)
    return Wants(insulin, sugar, urgency, visit)
