"""The charts of all beds and the nurse's own hands as observations."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING
from als_scenarios.medical.ward.glucose import DAILY, WEIGHT, patients
from als_scenarios.medical.ward.monitors import (
    AHEAD,
    ALARM_HIGH,
    ALARM_LOW,
    MOST_DOSES,
    HandRows,
    KnownRows,
    hand_rows,
    known_rows,
)
from als_scenarios.medical.ward.nursing import aims
from als_scenarios.medical.ward.plans import MAX_BEDS, MINUTES, START
from als_scenarios.medical.ward.room import TRAYS, feet

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

BED_COLUMNS: Final = (
    "present", "forward", "left", "distance", "in_reach", "read", "glucose", "age", "trend",
    "alarm_low", "alarm_high", "meal_grams", "meal_in", "insulin_on_board", "carbs_on_board",
    "weight", "daily_insulin",
)  # fmt: skip

ROUND_COLUMNS: Final = (
    "sugar", "small_doses", "large_doses", "time",
    *(f"{tray}_{what}" for tray in TRAYS for what in ("forward", "left", "in_reach")),
)  # fmt: skip

_AWAY: Final = ("forward", "left")
_SIGNED: Final = (*_AWAY, "trend")
_FAR: Final = 10.0
_GLUCOSE, _OLD, _STEEP, _GRAMS = 400.0, 240.0, 5.0, 120.0
_UNITS, _KILOGRAMS, _DAILY = 15.0, 120.0, 70.0
_DAY: Final = 24 * 60


class Charts(Sensor):
    """What a nurse knows: `charts`, float32 (8, 17), and `round`, float32 (13,).

    `charts` has a row for each bed, and rows of 0 where the ward has fewer than eight. The columns
    1 to 4 are the nurse's own, all others the same for everyone:

    | column | is | range |
    | --- | --- | --- |
    | present | 1 for a bed | 0, 1 |
    | forward, left | of where one stands to treat, seen from the body, over 10 m | ±1 |
    | distance | to there, over 10 m | 0 to 1 |
    | in_reach | 1 if `use` would now be at this bed | 0, 1 |
    | read | 1 once the monitor has been read | 0, 1 |
    | glucose | as last read, over 400 mg/dl; 0 before | 0 to 1 |
    | age | of that reading, over 4 hours; 1 before | 0 to 1 |
    | trend | as last read, over 5 mg/dl/min | ±1 |
    | alarm_low, alarm_high | an alarm sounds | 0, 1 |
    | meal_grams | carbohydrate of the announced meal, over 120 g; 0 without one | 0 to 1 |
    | meal_in | until then, over 90 minutes | 0 to 1 |
    | insulin_on_board | of the boluses given, over 15 units | 0 to 1 |
    | carbs_on_board | of meals and sugar given, over 120 g | 0 to 1 |
    | weight | over 120 kg | 0 to 1 |
    | daily_insulin | total daily insulin, over 70 units | 0 to 1 |

    `round` is the nurse's own, all from 0 to 1 but for `forward` and `left`, ±1: the doses in the
    hand, over 6, `sugar`, `small_doses` or `large_doses`; the `time` of day, over 24 hours; and of
    the trays of sugar, small and large doses, one after the other, `forward` and `left` over 10 m,
    and `in_reach`, 1 if `use` would now be there.
    """

    provides: ClassVar[tuple[str, ...]] = ("charts", "round")

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's spaces, bounded column by column."""
        charts, own = np.zeros((MAX_BEDS, len(BED_COLUMNS))), np.zeros(len(ROUND_COLUMNS))
        charts[:, [BED_COLUMNS.index(name) for name in _SIGNED]] = -1.0
        own[[i for i, name in enumerate(ROUND_COLUMNS) if name.endswith(_AWAY)]] = -1.0
        spaces = {"charts": charts, "round": own}
        return {
            name: gymnasium.spaces.Box(
                low.astype(np.float32), np.ones_like(low, np.float32), dtype=np.float32
            )
            for name, low in spaces.items()
            if name in self.enabled
        }

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `charts`, (worlds, observers, 8, 17), and `round`, (worlds, observers, 13)."""
        observers, table = self.setup.observers, patients().parameters
        charts, own = (
            out[name] if name in self.enabled else np.zeros((0, *shape), np.float32)
            for name, shape in (("charts", (0, 0, 0)), ("round", (0, 0)))
        )
        ward = state["patient"].shape[1]
        _fill(
            (state.step, observers),
            (state.avatars.position, state.avatars.heading),
            (
                feet(state, ward),
                _trays(state, ward),
            ),
            aims(state, ward),
            known_rows(state),
            state["alarm"],
            (table, state["patient"]),
            hand_rows(state),
            charts,
            own,
        )


def _trays(state: WorldState, beds: int) -> NDArray[np.float64]:
    """Where the trays stand, (worlds, 3, 3)."""
    return np.ascontiguousarray(state.props.position[:, beds : beds + len(TRAYS)])


@kernel(error_model="numpy")
def _fill(time, avatars, places, aim, known, alarm, bodies, hands, charts, own):
    step, observers = time
    position, heading = avatars
    feet, trays = places
    known, hands = KnownRows(*known), HandRows(*hands)
    parameters, patient = bodies
    for w in range(step.shape[0]):
        for a in range(observers):
            me = (
                position[w, a, 0], position[w, a, 1],
                pmath.cos(heading[w, a]), pmath.sin(heading[w, a]),
            )  # fmt: skip
            if charts.shape[0]:
                charts[w, a] = 0.0
                for b in range(patient.shape[1]):
                    row = charts[w, a, b]
                    row[0] = 1.0
                    row[1], row[2], row[3] = _away(me, feet[w, b])
                    row[4] = aim[w, a] == b
                    _write_down(w, b, step[w], known, alarm, row)
                    p = parameters[patient[w, b]]
                    row[15] = min(p[WEIGHT] / _KILOGRAMS, 1.0)
                    row[16] = min(p[DAILY] / _DAILY, 1.0)
            if own.shape[0]:
                row = own[w, a]
                row[:3] = 0.0
                row[hands.tray[w, a]] = hands.doses[w, a] / MOST_DOSES
                row[3] = min((START + MINUTES * step[w]) / _DAY, 1.0)
                for t in range(trays.shape[1]):
                    row[4 + 3 * t], row[5 + 3 * t], _ = _away(me, trays[w, t])
                    row[6 + 3 * t] = aim[w, a] == patient.shape[1] + t


@inner
def _away(me, place):
    """Where a place is, seen from an avatar, and how far."""
    x, y, cos, sin = me
    dx, dy = place[0] - x, place[1] - y
    forward = min(max((dx * cos + dy * sin) / _FAR, -1.0), 1.0)
    left = min(max((dy * cos - dx * sin) / _FAR, -1.0), 1.0)
    return forward, left, min(math.sqrt(dx * dx + dy * dy) / _FAR, 1.0)


@inner
def _write_down(w, b, step, known, alarm, row):
    """What the chart of a bed says."""
    was_read = known.read_at[w, b] != NOTHING
    row[5] = was_read
    row[6] = min(known.glucose[w, b] / _GLUCOSE, 1.0)
    row[7] = min(MINUTES * (step - known.read_at[w, b]) / _OLD, 1.0) if was_read else 1.0
    row[8] = min(max(known.trend[w, b] / _STEEP, -1.0), 1.0)
    row[9], row[10] = alarm[w, b] == ALARM_LOW, alarm[w, b] == ALARM_HIGH
    row[11] = min(known.due_grams[w, b] / _GRAMS, 1.0)
    row[12] = min(known.due_in[w, b] / AHEAD, 1.0)
    row[13] = min((known.iob[w, b, 0] + known.iob[w, b, 1]) / _UNITS, 1.0)
    row[14] = min((known.cob[w, b, 0] + known.cob[w, b, 1]) / _GRAMS, 1.0)
