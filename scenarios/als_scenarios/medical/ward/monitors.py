"""What happens at the beds in a step: doses, meals, sensors, alarms, readings and the day's sums.

The sensors' error is that of Breton and Kovatchev (2008), "Analysis, modeling, and simulation of
the accuracy of continuous glucose sensors", Journal of Diabetes Science and Technology 2(5),
doi:10.1177/193229680800200517, with the numbers that simglucose 0.2.11 has for it: a first-order
autoregression in steps of 15 minutes, made skew by Johnson's transform. Here it runs straight from
one of its values to the next. The delay is that of the glucose under the skin.

How much insulin and carbohydrate is on board is what nurses can work out from what was given: two
compartments in a row that empty in 55 and 40 minutes on average (Hovorka et al. 2004,
Physiological Measurement 25(4), doi:10.1088/0967-3334/25/4/010).
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_scenarios.medical.ward.glucose import DEPOT, PMOL_PER_UNIT, UNDER_SKIN, V_G
from als_scenarios.medical.ward.plans import MEALS, MINUTES, START

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

SMALL_DOSE, LARGE_DOSE, SUGAR_DOSE = 0.5, 2.5, 15.0
"""What is in a dose: units of insulin, twice, and grams of sugar."""

MOST_DOSES: Final = 6
"""How many doses a hand holds."""

AHEAD: Final = 90.0
"""For how long before a meal it is announced, minutes."""

LOW, HIGH = 70.0, 250.0
"""Alarms sound below and above, mg/dl; they end 10 mg/dl further inside."""

RANGE: Final = (70.0, 180.0)
SEVERE: Final = 54.0
"""The range of glucose that is aimed at, and from where hypoglycaemia is severe, mg/dl."""

READ_WITHIN: Final = 0.9
"""From so far of where one stands to treat a patient a nurse reads the monitor, metres."""

READ_AGAIN: Final = 4
"""For so many steps a reading is new."""

SILENT, ALARM_LOW, ALARM_HIGH = range(3)

_HYSTERESIS: Final = 10.0
_KNOT: Final = 15.0  # Minutes between two values of the sensors' error.
_CORRELATED: Final = 0.7
_GAMMA, _LAMBDA, _DELTA, _XI = -0.5444, 15.9574, 1.6898, -5.47
_SENSOR_LOW, _SENSOR_HIGH = 39.0, 600.0
_SMOOTHED: Final = 15.0  # Minutes over which the monitor takes its trend.
_IOB_MINUTES, _COB_MINUTES = 55.0, 40.0
_IOB_KEPT: Final = float(pmath.exp(-MINUTES / _IOB_MINUTES))
_COB_KEPT: Final = float(pmath.exp(-MINUTES / _COB_MINUTES))
_TARGET: Final = 140.0
_WINDUP: Final = 300.0


class HandRows(NamedTuple):
    """What avatars have in their hands, (worlds, avatars): doses of one tray.

    Attributes:
        tray: the tray that they are from, in the order of `room.TRAYS`.
        doses: how many; 0 for an empty hand.
    """

    tray: IntArray
    doses: IntArray


class KnownRows(NamedTuple):
    """What the chart of each bed says, arrays (worlds, beds, ...).

    Attributes:
        glucose, trend: last read, mg/dl and mg/dl/min.
        read_at: the step of the last reading, NOTHING before the first.
        excess: what the readings have been above 140 mg/dl in all, mg/dl times hours.
        iob, cob: (…, 2), units and grams on board in two compartments.
        due_grams, due_in: the announced meal, grams and minutes from now; 0 without one.
    """

    glucose: FloatArray
    trend: FloatArray
    read_at: IntArray
    excess: FloatArray
    iob: FloatArray
    cob: FloatArray
    due_grams: FloatArray
    due_in: FloatArray


KNOWN: Final = (
    "read_glucose", "read_trend", "read_at", "excess", "iob", "cob", "due_grams", "due_in",
)  # fmt: skip
"""The task's quantities that are the fields of `KnownRows`, in their order."""


class MonitorRows(NamedTuple):
    """The monitors, arrays (worlds, beds, ...).

    Attributes:
        shown: what the sensor measures, mg/dl. slow: the same, smoothed.
        error: the state of the sensors' autoregression. noise: (…, 2), its last and next value.
        alarm: SILENT, ALARM_LOW or ALARM_HIGH. alarmed: whether that has just changed.
        rewrite: whether the sign has something new to show. called: a meal was just announced.
    """

    shown: FloatArray
    slow: FloatArray
    error: FloatArray
    noise: FloatArray
    alarm: NDArray[np.int8]
    alarmed: BoolArray
    rewrite: BoolArray
    called: BoolArray


class SumRows(NamedTuple):
    """The day so far, (worlds, beds): steps in range, below 70, below 54, above 180, and risk."""

    within: FloatArray
    below: FloatArray
    severe: FloatArray
    above: FloatArray
    risk: FloatArray


SUMS: Final = ("within", "below", "severe", "above", "risk_so_far")
"""The task's quantities that are the fields of `SumRows`, in their order."""


def hand_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `HandRows`, as a plain tuple for kernels."""
    return (state["hand_tray"], state["hand_doses"])


def known_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `KnownRows`, as a plain tuple for kernels."""
    return tuple(state[name] for name in KNOWN)


def monitor_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `MonitorRows`, as a plain tuple for kernels."""
    return tuple(state[name] for name in MonitorRows._fields)


def sum_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `SumRows`, as a plain tuple for kernels."""
    return tuple(state[name] for name in SUMS)


def noise_of(error: Any) -> Any:
    """The sensors' error, mg/dl, of the state of its autoregression."""
    grown = pmath.exp((error - _GAMMA) / _DELTA)
    return _XI + _LAMBDA * 0.5 * (grown - 1.0 / grown)


def first_noise(rng: np.random.Generator, beds: int) -> tuple[FloatArray, FloatArray]:
    """The sensors at the start: the autoregression's state, (beds,), and two values, (beds, 2)."""
    first = rng.standard_normal(beds)
    second = _CORRELATED * (first + rng.standard_normal(beds))
    return second, np.stack([noise_of(first), noise_of(second)], 1)


def new_values(step: NDArray[np.int64]) -> BoolArray:
    """Whether the sensors' error takes a new value in this step, (worlds,)."""
    return np.asarray((MINUTES * step) % _KNOT < MINUTES)


@kernel(error_model="numpy")
def treat(used, nurses, hands, weights, patient, body, plate, on_board, given):
    """Carries out what nurses use: a tray puts a dose into the hand, a bed takes one out of it.

    Drawing from another tray drops what was in the hand.

    Args:
        used: (worlds, avatars) index of the prop.
        nurses: (worlds, avatars), who is one.
        hands: as `HandRows`, changed.
        weights: (patients,) kilograms.
        patient: (worlds, beds) index.
        body: (worlds, beds, 13) states, changed.
        plate: (worlds, beds) grams to eat, changed.
        on_board: iob and cob as in `KnownRows`, changed.
        given: (worlds, 3), the doses, units and grams of this step, filled.
    """
    hands = HandRows(*hands)
    iob, cob = on_board
    beds = patient.shape[1]
    for w in range(used.shape[0]):
        given[w] = 0.0
        for a in range(used.shape[1]):
            what = used[w, a]
            if what < 0 or not nurses[w, a] or what >= beds + 3:
                continue
            if what >= beds:
                same = hands.tray[w, a] == what - beds
                hands.doses[w, a] = min(hands.doses[w, a] + 1, MOST_DOSES) if same else 1
                hands.tray[w, a] = what - beds
            elif hands.doses[w, a] > 0:
                hands.doses[w, a] -= 1
                units, grams = _dose(hands.tray[w, a])
                body[w, what, DEPOT] += units * PMOL_PER_UNIT / weights[patient[w, what]]
                iob[w, what, 0] += units
                plate[w, what] += grams
                cob[w, what, 0] += grams
                given[w, 0] += 1.0
                given[w, 1] += units
                given[w, 2] += grams


@inner
def _dose(tray):
    """The units of insulin and the grams of sugar in a dose of a tray."""
    if tray == 0:
        return 0.0, SUGAR_DOSE
    return (SMALL_DOSE if tray == 1 else LARGE_DOSE), 0.0


@kernel(error_model="numpy")
def serve(step, time, grams, plate, cob):
    """Brings the meals whose time came in this step: (worlds, beds, 5) `time` and `grams`."""
    for w in range(step.shape[0]):
        now = START + MINUTES * step[w]
        for b in range(plate.shape[1]):
            for m in range(MEALS):
                if now - MINUTES <= time[w, b, m] < now:
                    plate[w, b] += grams[w, b, m]
                    cob[w, b, 0] += grams[w, b, m]


@kernel(error_model="numpy")
def watch(step, bodies, glucose, risk, monitors, known, meals, people, chance, sums):
    """Sensors measure, alarms sound, nurses read, charts and the day's sums go on.

    Args:
        step: (worlds,) steps since the reset, this one included.
        bodies: the parameters, (worlds, beds) patients and (worlds, beds, 13) states.
        glucose: (worlds, beds), of the plasma, mg/dl.
        risk: (worlds, beds), of that.
        monitors: as `MonitorRows`, changed.
        known: as `KnownRows`, changed.
        meals: times and grams, (worlds, beds, 5).
        people: (worlds, avatars, 3) positions, (worlds, avatars) who is a nurse, and (worlds, beds,
            2) where one stands to treat.
        chance: (worlds, beds, 2) in [0, 1), for new values of the sensors' error.
        sums: as `SumRows`, changed.
    """
    parameters, patient, body = bodies
    monitors, known, sums = MonitorRows(*monitors), KnownRows(*known), SumRows(*sums)
    for w in range(step.shape[0]):
        minutes = MINUTES * step[w]
        new = minutes % _KNOT < MINUTES
        for b in range(patient.shape[1]):
            monitors.rewrite[w, b] = monitors.called[w, b] = False
            if new:
                _next_noise(w, b, monitors, chance)
            under = body[w, b, UNDER_SKIN] / parameters[patient[w, b], V_G]
            _measure(w, b, under, minutes, monitors)
            _announce(w, b, START + minutes, meals, monitors, known)
            _fade(known.iob[w, b], _IOB_KEPT, MINUTES / _IOB_MINUTES)
            _fade(known.cob[w, b], _COB_KEPT, MINUTES / _COB_MINUTES)
            if _is_read(w, b, step[w], known.read_at, people):
                _read(w, b, step[w], monitors, known)
            _add_up(w, b, glucose[w, b], risk[w, b], sums)


@inner
def _next_noise(w, b, monitors, chance):
    # The method of Box and Muller (1958).
    away = math.sqrt(-2.0 * pmath.log(1.0 - chance[w, b, 0]))
    drawn = away * pmath.cos(2.0 * math.pi * chance[w, b, 1])
    error = _CORRELATED * (monitors.error[w, b] + drawn)
    monitors.error[w, b] = error
    grown = pmath.exp((error - _GAMMA) / _DELTA)
    monitors.noise[w, b, 0] = monitors.noise[w, b, 1]
    monitors.noise[w, b, 1] = _XI + _LAMBDA * 0.5 * (grown - 1.0 / grown)


@inner
def _measure(w, b, under, minutes, monitors):
    """The sensor's number, its smoothed course, and the alarm."""
    part = (minutes % _KNOT) / _KNOT
    noise = (1.0 - part) * monitors.noise[w, b, 0] + part * monitors.noise[w, b, 1]
    shown = math.floor(min(max(under + noise, _SENSOR_LOW), _SENSOR_HIGH) + 0.5)
    monitors.shown[w, b] = shown
    monitors.slow[w, b] += (shown - monitors.slow[w, b]) * (MINUTES / _SMOOTHED)
    before = monitors.alarm[w, b]
    now = before
    if shown < LOW:
        now = ALARM_LOW
    elif shown > HIGH:
        now = ALARM_HIGH
    else:
        end = LOW + _HYSTERESIS if before == ALARM_LOW else HIGH - _HYSTERESIS
        if (shown >= end) == (before == ALARM_LOW):
            now = SILENT
    monitors.alarm[w, b] = now
    monitors.alarmed[w, b] = now != before


@inner
def _announce(w, b, now, meals, monitors, known):
    """The next meal within `AHEAD` minutes."""
    time, grams = meals
    next_in, next_grams = AHEAD + 1.0, 0.0
    for m in range(MEALS):
        away = time[w, b, m] - now
        if 0.0 <= away < next_in:
            next_in, next_grams = away, grams[w, b, m]
    if next_grams != known.due_grams[w, b] or next_in > known.due_in[w, b]:
        # Another meal than in the step before, or none any more.
        monitors.rewrite[w, b] = next_grams != known.due_grams[w, b]
        monitors.called[w, b] = next_grams > 0.0 and next_in > known.due_in[w, b]
    known.due_grams[w, b] = next_grams
    known.due_in[w, b] = next_in if next_grams > 0.0 else 0.0


@inner
def _fade(on_board, kept, part):
    """Two compartments, of which the first empties into the second; exact for any step."""
    on_board[1] = kept * (on_board[1] + part * on_board[0])
    on_board[0] = kept * on_board[0]


@inner
def _is_read(w, b, step, read_at, people):
    """Whether a nurse is near enough, and the last reading not new any more."""
    if read_at[w, b] != NOTHING and step - read_at[w, b] < READ_AGAIN:
        return False
    position, nurses, feet = people
    for a in range(nurses.shape[1]):
        dx = position[w, a, 0] - feet[w, b, 0]
        dy = position[w, a, 1] - feet[w, b, 1]
        if nurses[w, a] and dx * dx + dy * dy <= READ_WITHIN * READ_WITHIN:
            return True
    return False


@inner
def _read(w, b, step, monitors, known):
    shown = monitors.shown[w, b]
    known.glucose[w, b] = shown
    known.trend[w, b] = (shown - monitors.slow[w, b]) / _SMOOTHED
    if known.read_at[w, b] != NOTHING:
        hours = min(MINUTES * (step - known.read_at[w, b]), 60.0) / 60.0
        excess = known.excess[w, b] + hours * (shown - _TARGET)
        known.excess[w, b] = min(max(excess, -_WINDUP), _WINDUP)
    known.read_at[w, b] = step
    monitors.rewrite[w, b] = True


@inner
def _add_up(w, b, glucose, risk, sums):
    sums.within[w, b] += RANGE[0] <= glucose <= RANGE[1]
    sums.below[w, b] += glucose < RANGE[0]
    sums.severe[w, b] += glucose < SEVERE
    sums.above[w, b] += glucose > RANGE[1]
    sums.risk[w, b] += risk


# -- what signs and voices say --------------------------------------------------------------------


def clock(minutes: float) -> str:
    """Minutes after midnight as "07:30"."""
    whole = int(minutes)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def monitor_text(
    bed: int, glucose: float, trend: float, read: float, due: tuple[float, float], iob: float
) -> str:
    """What a bed's sign says, four lines.

    Args:
        bed: its number, from 0.
        glucose: as last read, mg/dl.
        trend: as last read, mg/dl/min.
        read: when, minutes after midnight; NOTHING before the first reading.
        due: the announced meal's grams, 0 without one, and its time, minutes after midnight.
        iob: insulin on board, units.
    """
    arrow = "=" if abs(trend) < 0.5 else "^" if trend > 0 else "v"
    value = "---" if read == NOTHING else f"{glucose:3.0f} {arrow} {clock(read)}"
    meal = f"MEAL {due[0]:.0f}g {clock(due[1])}" if due[0] else " "
    return f"BED {bed + 1}\n{value}\n{meal}\nIOB {iob:.1f} U"
