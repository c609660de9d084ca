"""What goes on inside the inhabitants of `ALS/World-v0`: a model of needs, for all worlds at once.

Each inhabitant is tired, hungry, ill and knowing, each from 0 to 1, and has a calm of its own;
nobody observes any of it. Time is in hours.

- Tiredness is the homeostatic process of the two-process model of sleep (Daan, Beersma and Borbely
  1984, "Timing of human sleep", doi:10.1152/ajpregu.1984.246.2.R161), of people who are awake:
  S <- 1 - (1 - S) exp(-dt / 18.18).
- Hunger rises evenly, to 1 in eight hours, and falls within half an hour where there is a meal. A
  bare table, without what was to be built for it, feeds half as fast. These rates are this
  scenario's.
- Infection is by the Wells-Riley equation (Riley, Murphy and Riley 1978, doi:10.1093/
  oxfordjournals.aje.a112560): who is for a time t in a room with I ill people catches it with the
  probability 1 - exp(-I q p t / Q). Its figures are this scenario's: the quanta q are 67 an hour,
  one breathes p = 0.48 cubic metres an hour, and Q is six changes an hour of the air of a room of
  35 cubic metres. A dose I q p t / Q is added up for everybody, who falls ill at a threshold drawn
  from the exponential distribution of mean 1: the same probabilities. In the yard and the street
  nobody is infected; the nurse wears a mask, which keeps out 95 %. Incubation, days in reality, is
  cut down to 45 minutes. Who has caught it is well again after about two hours on the ward; the
  patient is not without the right medicine.
- Knowledge is Bush and Mosteller's linear operator (1951, doi:10.1037/h0054388): in each hour of a
  lesson a quarter of what is not known is learnt.
- Calm returns to 0 as exp(-t / 2).

Well-being is 1 less the drive of homeostatic reinforcement learning (Keramati and Gutkin 2014,
doi:10.7554/eLife.04811) over the greatest: the drive is the sum of the fourth powers of the four
deviations (tired, hungry, ill, not knowing), to the power of one third.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import FloatArray
from als_scenarios.town.world.day import is_mealtime
from als_scenarios.town.world.items import MUSEUM, NURSE, PATIENT, WARD, YARD

TIRED, HUNGRY, ILL, KNOWS, CALM, DOSE, THRESHOLD, INCUBATES = range(8)
"""Columns of `body`, (worlds, inhabitants, 8): the four needs, calm, the infection so far, that at
which one catches it, and the hours since then, 0 for who has not."""

COLUMNS: Final = INCUBATES + 1
_SICK: Final = 4
"""The column of `errands.folk` that says who looks ill."""

HOURS: Final = 1.0 / 60.0
"""Of a step."""

TIRES: Final = 18.18
HUNGERS: Final = 8.0
EATS: Final = 0.5
QUANTA, BREATH, AIR = 67.0, 0.48, 210.0
MASK: Final = 0.05
INCUBATES_FOR: Final = 0.75
RECOVERS: Final = 1.5
WELL_AGAIN: Final = 0.25
LEARNS: Final = 0.25
CALMS: Final = 2.0
MOST_DRIVE: Final = 4.0 ** (1.0 / 3.0)
IMMUNE: Final = -1e9


def first_body(rng: np.random.Generator, inhabitants: int) -> FloatArray:
    """How people are in the morning, (inhabitants, 8)."""
    draws = rng.random((inhabitants, 4))
    body = np.zeros((inhabitants, COLUMNS))
    body[:, TIRED] = 0.1 + 0.2 * draws[:, 0]
    body[:, HUNGRY] = 0.1 + 0.2 * draws[:, 1]
    body[:, KNOWS] = 0.3 + 0.4 * draws[:, 2]
    body[:, THRESHOLD] = -np.asarray(pmath.log(1.0 - draws[:, 3]))
    return body


@inner
def well_being_of(needs):  # type: ignore[no-untyped-def]
    """1 less the drive over its greatest, of one inhabitant's four needs."""
    total = 0.0
    for i in range(4):
        off = 1.0 - needs[i] if i == KNOWS else needs[i]
        total += off * off * off * off
    if total <= 0.0:
        return 1.0
    return 1.0 - pmath.exp(pmath.log(total) / 3.0) / MOST_DRIVE


@kernel
def measure(worlds, body, content):  # type: ignore[no-untyped-def]
    """Writes the well-being of everybody in some worlds, (worlds, inhabitants)."""
    for w in worlds:
        for n in range(body.shape[1]):
            content[w, n] = well_being_of(body[w, n])


@kernel
def live(where, step, laid, lesson, people, content, hours):  # type: ignore[no-untyped-def]
    """Lets a time pass for everybody.

    Args:
        where: (worlds, inhabitants) the place of each.
        step: (worlds,), which tells whether it is the time of a meal in the yard.
        laid: (worlds,) whether the table is laid.
        lesson: (worlds, inhabitants) who is in a lesson.
        people: `body` and `folk`, written.
        content: (worlds, inhabitants) well-being, 0 to 1, written.
        hours: how long.
    """
    body, folk = people
    ages, calms = pmath.exp(-hours / TIRES), pmath.exp(-hours / CALMS)
    learns = pmath.exp(hours * pmath.log(1.0 - LEARNS))
    heals = pmath.exp(-hours / RECOVERS)
    for w in range(where.shape[0]):
        for n in range(where.shape[1]):
            own = body[w, n]
            own[TIRED] = 1.0 - (1.0 - own[TIRED]) * ages
            own[HUNGRY] = min(1.0, own[HUNGRY] + hours / HUNGERS)
            if where[w, n] == YARD and is_mealtime(step[w]):
                eaten = hours / EATS * (1.0 if laid[w] else 0.5)
                own[HUNGRY] = max(0.0, own[HUNGRY] - eaten)
            if lesson[w, n]:
                own[KNOWS] = 1.0 - (1.0 - own[KNOWS]) * learns
            own[CALM] *= calms
            _infect(n, where[w], body[w], folk[w], hours)
            if folk[w, n, _SICK] and n != PATIENT and where[w, n] == WARD:
                own[ILL] *= heals
                if own[ILL] < WELL_AGAIN:
                    _recover(n, body[w], folk[w])
            content[w, n] = well_being_of(own)


@inner
def _infect(n, where, body, folk, hours):  # type: ignore[no-untyped-def]
    """Adds up what somebody breathes in, and lets an infection break out."""
    own = body[n]
    if folk[n, _SICK]:
        return
    if own[INCUBATES] > 0.0:
        own[INCUBATES] += hours
        if own[INCUBATES] > INCUBATES_FOR:
            own[INCUBATES] = 0.0
            folk[n, _SICK], own[ILL] = 1, 1.0
        return
    place, sick = where[n], 0
    if place > MUSEUM:
        return
    for other in range(where.shape[0]):
        sick += folk[other, _SICK] and where[other] == place
    dose = sick * QUANTA * BREATH * hours / AIR
    own[DOSE] += dose * (MASK if n == NURSE else 1.0)
    if own[DOSE] >= own[THRESHOLD]:
        own[INCUBATES] = 1e-9


@inner
def fall_ill(n, now):  # type: ignore[no-untyped-def]
    """Makes somebody ill, in the world of an `errands.Now`."""
    now.folk[n, _SICK], now.body[n, ILL] = 1, 1.0


@inner
def recover(n, now):  # type: ignore[no-untyped-def]
    """Makes somebody well, who cannot catch it again, in the world of an `errands.Now`."""
    _recover(n, now.body, now.folk)


@inner
def _recover(n, body, folk):  # type: ignore[no-untyped-def]
    folk[n, _SICK], body[n, ILL], body[n, DOSE] = 0, 0.0, IMMUNE
