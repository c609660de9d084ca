"""The potential behind the shaping term: whether what is known to be eaten has its insulin.

It reads the charts and the nurses' hands, never what is inside anybody. By the rules of thumb of
`rules` a gram of carbohydrate raises glucose by 1800 / 500 = 3.6 mg/dl, and a unit of insulin
lowers it by 1800 over the total daily insulin.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.system.compiling import kernel
from als_engine.world.arrays import FloatArray
from als_scenarios.medical.ward.glucose import patients
from als_scenarios.medical.ward.monitors import (
    LARGE_DOSE,
    SMALL_DOSE,
    HandRows,
    KnownRows,
    hand_rows,
    known_rows,
)

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

UNCOVERED: Final = -0.02
"""The potential of each mg/dl that is expected to come or to go, the mean over beds."""

IN_HAND: Final = 0.25
"""The part of it that insulin in a hand makes up for, as far as the neediest bed wants it."""

_PER_GRAM, _PER_UNIT = 3.6, 1800.0


def potential(state: WorldState) -> FloatArray:
    """The shaping potential, (worlds,); 0 at the end, so that it pays for nothing itself."""
    out = np.empty(state.num_worlds)
    daily = patients().daily_insulin[state["patient"]]
    _uncovered(daily, known_rows(state), hand_rows(state), out)
    return np.where(state.step >= state.max_episode_steps, 0.0, UNCOVERED * out)


@kernel(error_model="numpy")
def _uncovered(daily, known, hands, out):
    known, hands = KnownRows(*known), HandRows(*hands)
    beds = daily.shape[1]
    for w in range(daily.shape[0]):
        total, most, factor = 0.0, 0.0, 0.0
        for b in range(beds):
            grams = known.due_grams[w, b] + known.cob[w, b, 0] + known.cob[w, b, 1]
            per_unit = _PER_UNIT / daily[w, b]
            units = known.iob[w, b, 0] + known.iob[w, b, 1]
            coming = _PER_GRAM * grams - per_unit * units
            total += abs(coming)
            if coming > most:
                most, factor = coming, per_unit
        carried = 0.0
        for a in range(hands.doses.shape[1]):
            if hands.tray[w, a] > 0:
                size = SMALL_DOSE if hands.tray[w, a] == 1 else LARGE_DOSE
                carried = max(carried, size * factor * hands.doses[w, a])
        out[w] = (total - IN_HAND * min(carried, most)) / beds
