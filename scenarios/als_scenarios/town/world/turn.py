"""A step of the errands of `ALS/World-v0`: lessons, requests, listening, and what helpers do."""

from __future__ import annotations

from typing import Final

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING
from als_scenarios.town.world.block import BED
from als_scenarios.town.world.day import in_hours
from als_scenarios.town.world.deeds import lead, speak, use
from als_scenarios.town.world.errands import (
    ASKS_AT,
    BOARD_CALLS,
    CALLS,
    DONE,
    FOLLOWS,
    GIVER,
    HEARD,
    LAID,
    LESSON,
    MISSED,
    MISTAKES_NOW,
    OPEN,
    OPENED_AT,
    OPENS,
    PENDING,
    READS,
    SENT,
    SENT_UNTIL,
    SHUT,
    SICK,
    STAGE,
    STATUS,
    TASK,
    TURNED,
    WITHDRAWN,
    WITHDRAWN_AFTER,
    close,
    hears,
    is_known,
    knows,
    of_world,
)
from als_scenarios.town.world.items import (
    ANSWER,
    BUILD,
    CHILD,
    FIND,
    GUIDE,
    MUSEUM,
    PATIENT,
    PUPIL,
    SCHOOL,
    TEACHER,
    TREAT,
    WARD,
)
from als_scenarios.town.world.life import CALM, fall_ill, recover
from als_scenarios.town.world.requests import ERRANDS, URGENT, URGENT_WINDOW, WINDOW
from als_scenarios.town.world.ways import away

SICK_BEFORE: Final = 25
"""So many steps before the errand is asked for its patient falls ill."""


@kernel
def advance(step, acts, tables, pupils):  # type: ignore[no-untyped-def]
    """Moves all errands on by a step.

    Args:
        step: (worlds,).
        acts: the prop that each avatar uses, the verb and the slot that it says, (worlds, avatars).
        tables: the arrays of `moment`, written.
        pupils: (worlds, inhabitants) written: who is in a lesson.
    """
    used, verb, slot = acts
    for w in range(step.shape[0]):
        now = of_world(w, tables)
        now.book[:, TURNED], now.flags[MISTAKES_NOW] = 0, 0
        _teach(step[w], now, pupils[w])
        _ask(step[w], now)
        for n in range(now.folk.shape[0]):
            if now.folk[n, SENT] >= 0 and step[w] >= now.folk[n, SENT_UNTIL]:
                now.folk[n, SENT] = NOTHING
        for h in range(now.hand.shape[0]):
            _listen(h, now)
            if used[w, h] >= 0:
                use(h, used[w, h], step[w], now)
            if verb[w, h] >= 0:
                speak(h, verb[w, h], slot[w, h], step[w], now)
        lead(now)
        _settle(now)
        _calls(now)


@inner
def _teach(step, now, pupils):  # type: ignore[no-untyped-def]
    """A lesson is on while the teacher and two who learn are at school in its hours."""
    learners, helpers = 0, now.hand.shape[0]
    for n in range(pupils.shape[0]):
        here = now.where[helpers + n] == SCHOOL and not now.folk[n, SICK]
        pupils[n] = here and n in (PUPIL, PATIENT, CHILD)
        learners += here and n in (PUPIL, PATIENT)
    teacher = now.where[helpers + TEACHER] == SCHOOL and not now.folk[TEACHER, SICK]
    on = teacher and learners > 1 and in_hours(SCHOOL, step)
    now.flags[LESSON] = on
    for n in range(pupils.shape[0]):
        pupils[n] = pupils[n] and on


@inner
def _ask(step, now):  # type: ignore[no-untyped-def]
    """Requests are made, withdrawn, and expire."""
    for e in range(ERRANDS):
        task = now.book[e, TASK]
        if now.book[e, STATUS] == PENDING:
            sick = task == TREAT and step >= now.book[e, ASKS_AT] - SICK_BEFORE
            if sick and not now.folk[PATIENT, SICK]:
                fall_ill(PATIENT, now)
            ready = step >= now.book[e, ASKS_AT]
            if task == ANSWER:
                ready = ready and now.flags[LESSON]
            elif task == GUIDE:
                ready = ready and not now.flags[SHUT] and in_hours(MUSEUM, step)
            if ready:
                now.book[e, STATUS], now.book[e, OPENED_AT] = OPEN, step
                now.book[e, TURNED] = OPEN
        elif now.book[e, STATUS] == OPEN:
            age = step - now.book[e, OPENED_AT]
            after = now.book[e, WITHDRAWN_AFTER]
            if after > 0 and age >= after:
                close(e, WITHDRAWN, now)
            elif age >= (URGENT_WINDOW if e == URGENT else WINDOW):
                close(e, MISSED, now)


@inner
def _listen(h, now):  # type: ignore[no-untyped-def]
    """A helper who is near understands a request, and reads the chart."""
    x, y, bed = now.position[h, 0], now.position[h, 1], now.stand[BED]
    for e in range(ERRANDS):
        if now.book[e, STATUS] != OPEN:
            continue
        if not knows(h, e, now):
            now.book[e, HEARD + h] += hears(e, h, now)
        elif now.book[e, TASK] == TREAT and now.book[e, STAGE] == 0:
            near = now.where[h] == WARD and away(x, y, bed[0], bed[1]) < READS
            now.book[e, STAGE] = int(near)


@inner
def _settle(now):  # type: ignore[no-untyped-def]
    """What follows from errands that are over: here, and elsewhere in the town."""
    for e in range(ERRANDS):
        turned, task = now.book[e, TURNED], now.book[e, TASK]
        if turned <= OPEN:
            continue
        if task == GUIDE:
            now.folk[now.book[e, GIVER], FOLLOWS] = NOTHING
        elif task == FIND:
            now.folk[CHILD, FOLLOWS] = NOTHING
        if turned != DONE:
            continue
        if now.book[e, OPENS]:
            now.flags[SHUT] = 0
        if task == ANSWER:
            now.body[PUPIL, CALM] = now.body[PATIENT, CALM] = now.body[CHILD, CALM] = 1.0
        elif task == TREAT:
            recover(PATIENT, now)
        elif task == BUILD:
            now.flags[LAID] = 1


@inner
def _calls(now):  # type: ignore[no-untyped-def]
    """Who still has to be understood."""
    now.folk[:, CALLS], now.flags[BOARD_CALLS] = 0, 0
    for e in range(ERRANDS):
        if now.book[e, STATUS] == OPEN and not is_known(e, now):
            n = now.book[e, GIVER]
            if n < 0:
                now.flags[BOARD_CALLS] = 1
            else:
                now.folk[n, CALLS] = 1
