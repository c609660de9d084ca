"""Glucose and insulin of people with type 1 diabetes, for all beds of all worlds at once.

The equations are those of the UVA/Padova simulator, version S2008: Dalla Man, Rizza and Cobelli
(2007), "Meal simulation model of the glucose-insulin system", IEEE Transactions on Biomedical
Engineering 54(10), doi:10.1109/TBME.2007.893506, with the subcutaneous insulin and glucose of
Kovatchev, Breton, Dalla Man and Cobelli (2009), "In silico preclinical trials", Journal of Diabetes
Science and Technology 3(1), doi:10.1177/193229680900300106. `patients.csv` holds the parameters of
the thirty public virtual patients (ten adolescents, ten adults, ten children), and their total
daily insulin, as the package simglucose 0.2.11 (Xie 2018, https://github.com/jxx123/simglucose, MIT
licence) publishes them.

Fourth-order Runge-Kutta steps integrate thirteen states:

| state | is | unit |
| --- | --- | --- |
| 0, 1, 2 | glucose in the stomach, solid and ground, and in the gut | mg (whole body) |
| 3, 4 | glucose in plasma and in slow tissue | mg/kg |
| 5, 9 | insulin in plasma and in the liver | pmol/kg |
| 6 | insulin in the interstitium, above its basal level | pmol/l |
| 7, 8 | insulin's delayed signal to the liver, in two steps | pmol/l |
| 10, 11 | insulin under the skin, injected and dissolved | pmol/kg |
| 12 | glucose under the skin, which a sensor measures | mg/kg |
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

STATES: Final = 13
PLASMA, TISSUE, UNDER_SKIN, DEPOT = 3, 4, 12, 10
"""Places of glucose in plasma, in tissue and under the skin, and of injected insulin."""

PMOL_PER_UNIT: Final = 6000.0
"""Insulin in a unit, pmol."""

EATS: Final = 5.0
"""How fast people eat, grams of carbohydrate a minute."""

LEAST, MOST = 20.0, 600.0
"""Where the risk function ends, mg/dl."""

COLUMNS: Final = (
    "BW", "kabs", "kmax", "kmin", "b", "d", "f", "kp1", "kp2", "kp3", "Fsnc", "ke1", "ke2", "k1",
    "k2", "Vm0", "Vmx", "Km0", "p2u", "ki", "m1", "m2", "m4", "m30", "ka1", "ka2", "kd", "ksc",
    "Vg", "Vi", "Ib", "u2ss", "Gpb", "Gtb", "Ipb", "Ilb", "isc1ss", "isc2ss", "TDI",
)  # fmt: skip
"""The columns of the parameters, as the simulator calls them."""

(
    WEIGHT, K_ABS, K_MAX, K_MIN, GUT_B, GUT_D, ABSORBED, KP1, KP2, KP3, BRAIN, KE1, KE2, K1, K2,
    VM0, VMX, KM0, P2U, K_I, M1, M2, M4, M30, KA1, KA2, K_D, K_SC, V_G, V_I, I_B, BASAL,
) = range(32)  # fmt: skip
DAILY: Final = COLUMNS.index("TDI")


class Patients(NamedTuple):
    """The virtual patients; arrays have one row for each.

    Attributes:
        names: such as "adult_003"; the part before the line is the age group.
        parameters: (30, 39), in the order of `COLUMNS`.
        basal: (30, 13), the states that the basal rate of insulin holds.
    """

    names: tuple[str, ...]
    parameters: FloatArray
    basal: FloatArray

    @property
    def weight(self) -> FloatArray:
        """(30,): body weight, kilograms."""
        return self.parameters[:, WEIGHT]

    @property
    def daily_insulin(self) -> FloatArray:
        """(30,): total daily insulin, basal and boluses together, units."""
        return self.parameters[:, DAILY]


@cache
def patients() -> Patients:
    """The thirty patients, read once."""
    head, *rows = files(__package__).joinpath("patients.csv").read_text("ascii").split()
    if tuple(head.split(",")[1:]) != COLUMNS:
        raise ValueError("patients.csv has other columns than the model")
    names = tuple(row.partition(",")[0] for row in rows)
    table = np.array([row.split(",")[1:] for row in rows], np.float64)
    of = {name: table[:, i] for i, name in enumerate(COLUMNS)}
    basal = np.zeros((len(rows), STATES))
    for state, name in (
        (3, "Gpb"), (4, "Gtb"), (5, "Ipb"), (7, "Ib"), (8, "Ib"), (9, "Ilb"), (10, "isc1ss"),
        (11, "isc2ss"), (12, "Gpb"),
    ):  # fmt: skip
        basal[:, state] = of[name]
    for array in (table, basal):
        array.setflags(write=False)
    return Patients(names, table, basal)


def starting_at(patient: int, glucose: float) -> NDArray[np.float64]:
    """The basal states of a patient, (13,), with all glucose scaled to `glucose` mg/dl in plasma.

    Insulin is at its basal level, so glucose drifts to the basal one unless something happens.
    """
    every = patients()
    states: FloatArray = every.basal[patient].copy()
    states[[PLASMA, TISSUE, UNDER_SKIN]] *= (
        glucose * every.parameters[patient, V_G] / states[PLASMA]
    )
    return states


class BedRows(NamedTuple):
    """What the kernels need to know of every bed, arrays (worlds, beds, ...).

    Attributes:
        patient: index of the patient. body: (…, 13) states.
        pump: the basal rate of the pump, over the one that holds the basal glucose.
        plate: grams that are there to be eaten. stomach: mg of the meal that the stomach goes by.
        eating: whether something was eaten in the last step.
    """

    patient: IntArray
    body: FloatArray
    pump: FloatArray
    plate: FloatArray
    stomach: FloatArray
    eating: BoolArray


def bed_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `BedRows`, as a plain tuple for kernels."""
    return tuple(state[name] for name in BedRows._fields)


@inner
def risk_of(glucose):
    """The risk of a glucose, mg/dl: 0 at 112.5, 100 at either end.

    Kovatchev et al. (1997), Diabetes Care 20(11), doi:10.2337/diacare.20.11.1655.
    """
    glucose = min(max(glucose, 20.0), 600.0)
    skewed = 1.509 * (pmath.exp(1.084 * pmath.log(pmath.log(glucose))) - 5.381)
    return 10.0 * skewed * skewed


@inner(forceinline=True)
def _tanh(x):
    return 1.0 - 2.0 / (pmath.exp(2.0 * x) + 1.0)


@inner
def emptying_of(held, p, meal):
    """How fast the stomach empties, per minute, with `held` mg in it of a meal of `meal` mg."""
    if meal < 1.0:  # A milligram is no meal, and could not be divided by.
        return p[K_MAX]
    rising = 2.5 / (meal * (1.0 - p[GUT_B])) * (held - p[GUT_B] * meal)
    falling = 2.5 / (meal * p[GUT_D]) * (held - p[GUT_D] * meal)
    half = 0.5 * (p[K_MAX] - p[K_MIN])
    return p[K_MIN] + half * (_tanh(rising) - _tanh(falling) + 2.0)


@inner
def flow(x, p, insulin, food, meal, out):
    """The derivative of one body's states, per minute.

    Args:
        x: (13,) states.
        p: (39,) parameters.
        insulin: that is being injected, pmol/kg/min.
        food: that is being eaten, mg/min.
        meal: the glucose of the meal that the stomach goes by, mg.
        out: (13,), filled.
    """
    emptying = emptying_of(x[0] + x[1], p, meal)
    out[0] = food - p[K_MAX] * x[0]
    out[1] = p[K_MAX] * x[0] - emptying * x[1]
    out[2] = emptying * x[1] - p[K_ABS] * x[2]
    appearing = p[ABSORBED] * p[K_ABS] * x[2] / p[WEIGHT]
    produced = max(0.0, p[KP1] - p[KP2] * x[3] - p[KP3] * x[8])
    excreted = p[KE1] * max(0.0, x[3] - p[KE2])
    used = (p[VM0] + p[VMX] * x[6]) * x[4] / (p[KM0] + x[4])
    exchanged = p[K1] * x[3] - p[K2] * x[4]
    out[3] = produced + appearing - p[BRAIN] - excreted - exchanged
    out[4] = exchanged - used
    absorbed = p[KA1] * x[10] + p[KA2] * x[11]
    out[5] = p[M1] * x[9] + absorbed - (p[M2] + p[M4]) * x[5]
    level = x[5] / p[V_I]
    out[6] = p[P2U] * (level - p[I_B] - x[6])
    out[7] = p[K_I] * (level - x[7])
    out[8] = p[K_I] * (x[7] - x[8])
    out[9] = p[M2] * x[5] - (p[M1] + p[M30]) * x[9]
    out[10] = insulin - (p[KA1] + p[K_D]) * x[10]
    out[11] = p[K_D] * x[10] - p[KA2] * x[11]
    out[12] = p[K_SC] * (x[3] - x[12])


@inner
def runge_kutta(x, p, given, minutes, work):
    """Advances one body by `minutes` in one fourth-order step.

    No state falls below 0 but the insulin's action.

    Args:
        x: (13,) states, changed.
        p: (39,) parameters.
        given: insulin, food and meal as `flow` has them, the same all the while.
        minutes: length of the step.
        work: (3, 13), overwritten.
    """
    insulin, food, meal = given
    slope, total, at = work[0], work[1], work[2]
    flow(x, p, insulin, food, meal, total)
    for i in range(STATES):
        at[i] = x[i] + 0.5 * minutes * total[i]
    for stage in range(2):
        flow(at, p, insulin, food, meal, slope)
        ahead = 0.5 * minutes if stage == 0 else minutes
        for i in range(STATES):
            total[i] += 2.0 * slope[i]
            at[i] = x[i] + ahead * slope[i]
    flow(at, p, insulin, food, meal, slope)
    for i in range(STATES):
        x[i] += minutes / 6.0 * (total[i] + slope[i])
        if i != 6:  # Insulin's action may well be below its basal level.
            x[i] = max(x[i], 0.0)


@inner
def stride(x, p, insulin, food, meal, minutes):
    """A long and cheap step of the same equations, for who looks ahead.

    Backward differences in what is fast keep it stable; it is of first order, and glucose is off by
    some mg/dl.

    Args:
        x: (13,) states, changed.
        p: (39,) parameters.
        insulin: that is being injected, pmol/kg/min.
        food: that is eaten in the step, mg.
        meal: the glucose of the meal that the stomach goes by, mg.
        minutes: length of the step.
    """
    h, before = minutes, x[0] + food
    x[0] = before / (1.0 + h * p[K_MAX])
    emptying = emptying_of(before + x[1], p, meal)
    x[1] = (x[1] + h * p[K_MAX] * x[0]) / (1.0 + h * emptying)
    x[2] = (x[2] + h * emptying * x[1]) / (1.0 + h * p[K_ABS])
    x[10] = (x[10] + h * insulin) / (1.0 + h * (p[KA1] + p[K_D]))
    x[11] = (x[11] + h * p[K_D] * x[10]) / (1.0 + h * p[KA2])
    # Plasma and liver at once.
    plasma = x[5] + h * (p[KA1] * x[10] + p[KA2] * x[11])
    a, d = 1.0 + h * (p[M2] + p[M4]), 1.0 + h * (p[M1] + p[M30])
    x[5] = (d * plasma + h * p[M1] * x[9]) / (a * d - h * h * p[M1] * p[M2])
    x[9] = (x[9] + h * p[M2] * x[5]) / d
    level = x[5] / p[V_I]
    x[6] = (x[6] + h * p[P2U] * (level - p[I_B])) / (1.0 + h * p[P2U])
    x[7] = (x[7] + h * p[K_I] * level) / (1.0 + h * p[K_I])
    x[8] = (x[8] + h * p[K_I] * x[7]) / (1.0 + h * p[K_I])
    # Plasma and tissue at once; what is used goes by the tissue of the step before.
    used = max(0.0, p[VM0] + p[VMX] * x[6]) / (p[KM0] + x[4])
    appearing = p[ABSORBED] * p[K_ABS] * x[2] / p[WEIGHT]
    produced = max(0.0, p[KP1] - p[KP2] * x[3] - p[KP3] * x[8])
    excreted = p[KE1] * max(0.0, x[3] - p[KE2])
    plasma = x[3] + h * (produced + appearing - p[BRAIN] - excreted)
    a, d = 1.0 + h * p[K1], 1.0 + h * (p[K2] + used)
    x[3] = max(0.0, (d * plasma + h * p[K2] * x[4]) / (a * d - h * h * p[K1] * p[K2]))
    x[4] = max(0.0, (x[4] + h * p[K1] * x[3]) / d)


@inner
def eat(w, b, beds, minutes):
    """What a patient eats in the next minutes, mg, and the meal that the stomach then goes by."""
    bite = min(EATS * minutes, beds.plate[w, b])
    if bite > 0.0 and not beds.eating[w, b]:
        beds.stomach[w, b] = beds.body[w, b, 0] + beds.body[w, b, 1]
    beds.eating[w, b] = bite > 0.0
    beds.plate[w, b] -= bite
    beds.stomach[w, b] += 1000.0 * bite
    return 1000.0 * bite


@kernel(error_model="numpy")
def advance(parameters, beds, minutes):
    """Advances all bodies by one step of some minutes.

    Args:
        parameters: (patients, 39).
        beds: arrays as `BedRows`, changed in place.
        minutes: length of the step, at most 2, above which the fastest bodies are not stable.
    """
    beds = BedRows(*beds)
    work = np.empty((3, STATES))
    for w in range(beds.patient.shape[0]):
        for b in range(beds.patient.shape[1]):
            p = parameters[beds.patient[w, b]]
            food = eat(w, b, beds, minutes) / minutes
            given = (p[BASAL] * beds.pump[w, b], food, beds.stomach[w, b])
            runge_kutta(beds.body[w, b], p, given, minutes, work)


@kernel(error_model="numpy")
def measure(parameters, patient, body, glucose, risk):
    """Fills the glucose in plasma, mg/dl, and its risk, both (worlds, beds)."""
    for w in range(patient.shape[0]):
        for b in range(patient.shape[1]):
            glucose[w, b] = body[w, b, PLASMA] / parameters[patient[w, b], V_G]
            risk[w, b] = risk_of(glucose[w, b])
