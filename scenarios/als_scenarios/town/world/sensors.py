"""The observation `errand`: what a helper has understood, and what it sees, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import WorldwiseSensor
from als_engine.system.compiling import inner, kernel
from als_scenarios.town.world.block import BED, OUTSIDE, POSTS
from als_scenarios.town.world.day import PARTS, part_of
from als_scenarios.town.world.errands import (
    CALLS,
    FIRST,
    FOLLOWS,
    GIVER,
    LESSON,
    SECOND,
    SICK,
    STAGE,
    TASK,
    is_open,
    moment,
    of_world,
)
from als_scenarios.town.world.items import (
    ANSWER,
    DELIVER,
    MUSEUM,
    OFFICE,
    PLACES,
    PULSES,
    ROLES,
    SCHOOL,
    SIZES,
    TASKS,
    TEMPERATURES,
    TREAT,
    WARD,
)
from als_scenarios.town.world.reach import aim
from als_scenarios.town.world.requests import ERRANDS, URGENT, WINDOW
from als_scenarios.town.world.shaping import begun
from als_scenarios.town.world.stops import foremost, stops_of, time_left, unheard
from als_scenarios.town.world.ways import (
    X_HIGH,
    X_LOW,
    Y_HIGH,
    Y_LOW,
    away,
    next_point,
    way,
)

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

FAR: Final = 10.0
"""Metres that read as 1."""

MOST: Final = 2.0

COMPASS: Final = ("way", "forward", "left")
HEAD: Final = (
    "helper", "time", *PARTS, *(f"{name}_open" for name in PLACES), "lesson",
    *(f"in_{name}" for name in PLACES), "in_street", "medicine", "parcel",
    *(f"held_{k + 1}" for k in range(SIZES)), "leads", "request", *COMPASS,
    "at_pillow",
)  # fmt: skip
ERRAND: Final = (
    "present", *TASKS, "urgent", "written", "time_left", "begun",
    *(f"first_{k + 1}" for k in range(SIZES)), *(f"second_{k + 1}" for k in range(SIZES)),
    *COMPASS,
)  # fmt: skip
PLACE: Final = COMPASS
PERSON: Final = ("present", "forward", "left", "way", "here", "calls", "ill", "follows")
POST: Final = ("forward", "left", "in_reach", *(f"label_{k + 1}" for k in range(SIZES)))

KNOWN: Final = 2
"""Errands that are shown: the foremost, and the next."""

_CALL: Final = HEAD.index("way")
_ERRANDS: Final = len(HEAD)
_PLACES: Final = _ERRANDS + KNOWN * len(ERRAND)
_PEOPLE: Final = _PLACES + len(PLACES) * len(PLACE)
_POSTS: Final = _PEOPLE + len(ROLES) * len(PERSON)
SIZE: Final = _POSTS + POSTS * len(POST)

_HELD: Final = HEAD.index("held_1")
_OPEN: Final = HEAD.index("school_open")
_IN: Final = HEAD.index("in_school")
_FIRST: Final = ERRAND.index("first_1")
_TURN: Final = ERRAND.index("way")
_LABEL: Final = POST.index("label_1")
_SIGNED: Final = ("forward", "left")
_SUM: Final = 12.0
_DEGREES: Final = (np.array(TEMPERATURES) - 37.0) / 3.0
_BEATS: Final = (np.array(PULSES) - 80.0) / 40.0


class ErrandSensor(WorldwiseSensor):
    """What a helper knows of the town, float32 (209,); zeros for everybody else.

    What somebody asks for is here once the helper has understood it, by standing near or reading
    the board, and the chart once it was read. `way`, `forward` and `left` are a compass: the length
    of the way, over 10 m, and the unit vector, seen from the body, to where to walk straight to.

    | columns | are | range |
    | --- | --- | --- |
    | helper | 1 | 0, 1 |
    | time | the part of the day that is over | 0 to 1 |
    | morning, noon, afternoon, evening | the part of the day | 0, 1 |
    | school_open ... yard_open | the lamp over each door | 0, 1 |
    | lesson | a lesson is on | 0, 1 |
    | in_school ... in_yard, in_street | where one is | 0, 1 |
    | medicine, parcel | what one holds | 0, 1 |
    | 6 of held | which: the label of the post that it is from | 0, 1 |
    | leads | somebody follows | 0, 1 |
    | request | somebody calls, or there is something new on the board | 0, 1 |
    | way, forward, left | compass to the nearest such request | 0 to 2; ±1 |
    | at_pillow | `use` would give the patient what one holds | 0, 1 |
    | then for the foremost errand and the next: present | 1; else all its columns are 0 | 0, 1 |
    | answer ... tell | its task | 0, 1 |
    | urgent, written | it is so | 0, 1 |
    | time_left | over 400 steps | 0 to 1 |
    | begun | how far it has come: the chart read, something in the hand, somebody who comes \
along, the first post built | 0 to 1 |
    | 6 of first, 6 of second | the two numbers of what is asked, one-hot: parcel and addressee, \
what is liked most and second, place and place, colour and colour, place and addressee; of \
"answer" the operands over 12, of "treat" temperature (less 37, over 3) and \
pulse (less 80, over 40), each in the first column | ±1 |
    | way, forward, left | compass to where it goes on: a place, a person | 0 to 2; ±1 |
    | then for each of 5 places: way, forward, left | compass to its middle | 0 to 2; ±1 |
    | then for each of 9 inhabitants: present | 1; else all its columns are 0 | 0, 1 |
    | forward, left | where it is, over 10 m | ±2 |
    | way | how far that is to walk, over 10 m | 0 to 2 |
    | here | 1 in the same place | 0, 1 |
    | calls, ill, follows | it wants something; it looks ill; it follows this helper | 0, 1 |
    | then for each of the 4 posts of the place where one is, all 0 in the street: forward, left | \
where it is, over 10 m | ±2 |
    | in_reach | `use` would be of it | 0, 1 |
    | 6 of label | one-hot: the medicine, the parcel, the colour; of an exhibit the strength of \
each attribute; at school the number over 12, in the first column | 0 to 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("errand",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low, high = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
        high[_CALL], low[_CALL + 1 : _CALL + 3] = MOST, -1.0
        for start, count, names, most in (
            (_ERRANDS, KNOWN, ERRAND, 1.0), (_PLACES, len(PLACES), PLACE, 1.0),
            (_PEOPLE, len(ROLES), PERSON, MOST), (_POSTS, POSTS, POST, MOST),
        ):  # fmt: skip
            below, above = (
                a[start : start + count * len(names)].reshape(count, len(names))
                for a in (low, high)
            )
            for name in _SIGNED:
                below[:, names.index(name)], above[:, names.index(name)] = -most, most
            if "way" in names:
                above[:, names.index("way")] = MOST
            if "first_1" in names:
                below[:, _FIRST : _FIRST + 2 * SIZES] = -1.0
        return {"errand": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `errand`, (worlds, observers, 209), of some worlds."""
        props = state.props
        _fill(
            worlds, (state.step, state.max_episode_steps),
            (state.avatars.heading, state.bodies.radius), (props.position, props.half),
            moment(state), (state["label"], state["strengths"]), out["errand"],
        )  # fmt: skip


@kernel
def _fill(worlds, time, avatars, props, tables, labels, out):  # type: ignore[no-untyped-def]
    step, limit = time
    heading, radius = avatars
    # Where compasses point to, x, y, place, and the column of each.
    goals, stops = np.empty((1 + KNOWN + len(PLACES), 4)), np.empty((ERRANDS, 4))
    for w in worlds:
        now = of_world(w, tables)
        out[w] = 0.0
        for h in range(min(out.shape[1], now.hand.shape[0])):
            row = out[w, h]
            x, y = now.position[h, 0], now.position[h, 1]
            cos, sin = pmath.cos(heading[w, h]), pmath.sin(heading[w, h])
            here = x, y, cos, sin, now.where[h]
            used = aim(x, y, heading[w, h], radius[h], props[0][w], props[1][w])
            row[1] = min(1.0, step[w] / limit)
            _head(h, step[w], now, labels[0][w], row)
            row[_CALL + 3] = used == BED
            stops_of(h, now, stops)
            count = _errands(h, step[w], stops, now, row, goals)
            for p in range(len(PLACES)):
                floor = now.places[p]
                goals[count, 0] = 0.5 * (floor[X_LOW] + floor[X_HIGH])
                goals[count, 1] = 0.5 * (floor[Y_LOW] + floor[Y_HIGH])
                goals[count, 2], goals[count, 3] = p, _PLACES + p * len(PLACE)
                count += 1
            for k in range(count):
                start = int(goals[k, 3])
                _point(here, goals[k], now.places, row[start : start + len(COMPASS)])
            for n in range(now.folk.shape[0]):
                start = _PEOPLE + n * len(PERSON)
                _person(h, n, here, now, row[start : start + len(PERSON)])
            if now.where[h] != OUTSIDE:
                _posts(here, used, props[0][w], labels[0][w], labels[1][w], row[_POSTS:])


@inner
def _head(h, step, now, label, row):  # type: ignore[no-untyped-def]
    row[0] = 1.0
    row[2 + part_of(step)] = 1.0
    for p in range(len(PLACES)):
        row[_OPEN + p] = is_open(p, step, now)
    row[_OPEN + len(PLACES)] = now.flags[LESSON]
    row[_IN + now.where[h]] = 1.0
    kind, post = now.hand[h, 0], now.hand[h, 1]
    row[_HELD - 2], row[_HELD - 1] = kind == TREAT, kind == DELIVER
    if kind >= 0:
        place = WARD if kind == TREAT else OFFICE
        row[_HELD + label[place, post]] = 1.0
    for n in range(now.folk.shape[0]):
        if now.folk[n, FOLLOWS] == h:
            row[_HELD + SIZES] = 1.0


@inner
def _errands(h, step, stops, now, row, goals):  # type: ignore[no-untyped-def]
    """Writes that something is wanted, and the two errands that come first.

    Returns how many goals of compasses were written.
    """
    e, count = unheard(h, stops, now), 0
    if e >= 0:
        row[_CALL - 1] = 1.0
        goals[0, :3], goals[0, 3], count = stops[e, :3], _CALL, 1
    e, start = -1, _ERRANDS
    for _ in range(KNOWN):
        e = foremost(h, e, step, now)
        if e < 0:
            break
        _errand(h, e, step, now, row[start : start + len(ERRAND)])
        goals[count, :3], goals[count, 3] = stops[e, :3], start + _TURN
        count, start = count + 1, start + len(ERRAND)
    return count


@inner
def _see(x, y, here, out):  # type: ignore[no-untyped-def]
    """Writes where a point is, seen from (x, y, cos, sin, place)."""
    dx, dy = (x - here[0]) / FAR, (y - here[1]) / FAR
    out[0] = min(MOST, max(-MOST, dx * here[2] + dy * here[3]))
    out[1] = min(MOST, max(-MOST, dy * here[2] - dx * here[3]))


@inner
def _point(here, goal, places, out):  # type: ignore[no-untyped-def]
    """Writes a compass to a point, (x, y, place, ...)."""
    x, y, place = goal[0], goal[1], int(goal[2])
    out[0] = min(MOST, way(here[0], here[1], here[4], x, y, place, places) / FAR)
    tx, ty = next_point(here[0], here[1], here[4], x, y, place, places)
    length = away(here[0], here[1], tx, ty)
    if length > 1e-6:
        dx, dy = (tx - here[0]) / length, (ty - here[1]) / length
        out[1] = min(1.0, max(-1.0, dx * here[2] + dy * here[3]))
        out[2] = min(1.0, max(-1.0, dy * here[2] - dx * here[3]))


@inner
def _errand(h, e, step, now, out):  # type: ignore[no-untyped-def]
    task, i, j = now.book[e, TASK], now.book[e, FIRST], now.book[e, SECOND]
    out[0], out[1 + task] = 1.0, 1.0
    rest = 1 + len(TASKS)
    out[rest], out[rest + 1] = e == URGENT, now.book[e, GIVER] < 0
    out[rest + 2] = min(1.0, max(0.0, time_left(e, step, now) / WINDOW))
    out[rest + 3] = begun(h, e, now)
    if task == ANSWER:
        out[_FIRST], out[_FIRST + SIZES] = (i + 1) / _SUM, (j + 1) / _SUM
    elif task != TREAT:
        out[_FIRST + i], out[_FIRST + SIZES + j] = 1.0, 1.0
    elif now.book[e, STAGE] > 0:
        out[_FIRST], out[_FIRST + SIZES] = _DEGREES[i], _BEATS[j]


@inner
def _person(h, n, here, now, out):  # type: ignore[no-untyped-def]
    a = now.hand.shape[0] + n
    x, y, place = now.position[a, 0], now.position[a, 1], now.where[a]
    out[0] = 1.0
    _see(x, y, here, out[1:3])
    out[3] = min(MOST, way(here[0], here[1], here[4], x, y, place, now.places) / FAR)
    out[4], out[5] = place == here[4], now.folk[n, CALLS]
    out[6], out[7] = now.folk[n, SICK], now.folk[n, FOLLOWS] == h


@inner
def _posts(here, used, props, label, strengths, out):  # type: ignore[no-untyped-def]
    """Writes what stands in the place where one is."""
    place = here[4]
    for k in range(POSTS):
        part = out[k * len(POST) : (k + 1) * len(POST)]
        _see(props[POSTS * place + k, 0], props[POSTS * place + k, 1], here, part)
        part[2] = used == POSTS * place + k
        if place == SCHOOL:
            part[_LABEL] = label[place, k] / _SUM
        elif place == MUSEUM:
            for a in range(SIZES):
                part[_LABEL + a] = strengths[k, a]
        else:
            part[_LABEL + label[place, k]] = 1.0
