"""The observation `tour`: exhibits, visitors and what they said, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import WorldwiseSensor
from als_engine.system.compiling import inner, kernel
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.taste import NUM_ATTRIBUTES
from als_scenarios.tourism.tour.visit import LONGEST, SHOW, Party, Show, looks, near_exhibit
from als_scenarios.tourism.tour.ways import Museum, away, next_point, room_at, way

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

MOST_VISITORS: Final = 5
FAR: Final = 10.0
"""Metres that read as 1."""

MOST_WAY: Final = 2.5

HEAD: Final = ("guide", "in_reach", "on_show", "show_steps", "looking", "party", "time_left")
EXHIBIT: Final = (
    "forward", "left", "way", "way_forward", "way_left", "here", "on_show", "shown", "seen",
    "rating", "rated",
)  # fmt: skip
"""The columns of each exhibit after its six strengths."""

VISITOR: Final = ("present", "forward", "left", "facing", "looking", "last")
"""The columns of each visitor before the six for what it asked about last."""

_NOTICED: Final = len(HEAD)
_LIKING: Final = _NOTICED + NUM_ATTRIBUTES
_EXHIBITS: Final = _LIKING + NUM_ATTRIBUTES
_EACH: Final = NUM_ATTRIBUTES + len(EXHIBIT)
_VISITORS: Final = _EXHIBITS + EXHIBITS * _EACH
_ONE: Final = len(VISITOR) + NUM_ATTRIBUTES
SIZE: Final = _VISITORS + MOST_VISITORS * _ONE


class TourSensor(WorldwiseSensor):
    """What one can see, hear and remember of the tour, float32 (283,), from where one stands.

    | column | is | range |
    | --- | --- | --- |
    | guide | 1 for the guide, 0 for a visitor | 0, 1 |
    | in_reach | 1 where the guide could present an exhibit now | 0, 1 |
    | on_show | 1 while one is on show | 0, 1 |
    | show_steps | since when, over 75 steps | 0 to 1 |
    | looking | the part of all visitors who look at it now | 0 to 1 |
    | party | the part of all visitors who have not left | 0 to 1 |
    | time_left | the part of the time limit that is left | 0 to 1 |
    | 6 of noticed | 1 for the attribute that the guide speaks of | 0, 1 |
    | 6 of liking | for each attribute, the mean of all ratings that were heard, weighted by its \
strength in the exhibit | ±1 |
    | then for each of 12 exhibits: 6 strengths | history, nature, people, colour, drama, craft; a \
vector of length 1 | 0 to 1 |
    | forward, left | of its middle, seen from the body, over 10 m | ±2.5 |
    | way | the length of the way to where it is presented, over 10 m | 0 to 2.5 |
    | way_forward, way_left | unit vector to where to walk straight to on that way | ±1 |
    | here | 1 in the same room | 0, 1 |
    | on_show | 1 while it is on show | 0, 1 |
    | shown | 1 once visitors have looked at it | 0, 1 |
    | seen | the mean part of it that visitors have seen | 0 to 1 |
    | rating | the mean of what was said of it: "wonderful" 0.8, a question 0.35, "I see" 0, "let \
us go on" -0.5 | ±1 |
    | rated | the part of all visitors who said something | 0 to 1 |
    | then for each of 5 visitors: present | 1 for one who is there and has not said goodbye; else \
all its columns are 0 | 0, 1 |
    | forward, left | where it is, over 10 m | ±2.5 |
    | facing | the cosine between where it looks and where what is on show, or else the guide, is \
| ±1 |
    | looking | it looks at what is on show | 0, 1 |
    | last | what it said last, as in `rating` | ±1 |
    | 6 of asked | 1 for the attribute that it asked about, if that was a question | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("tour",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low, high = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
        low[_LIKING:_EXHIBITS] = -1.0
        rows = [a[_EXHIBITS:_VISITORS].reshape(EXHIBITS, _EACH) for a in (low, high)]
        below, above = (a[:, NUM_ATTRIBUTES:] for a in rows)
        below[:, :2], above[:, :2], above[:, 2] = -MOST_WAY, MOST_WAY, MOST_WAY
        below[:, 3:5], below[:, 9] = -1.0, -1.0
        below, above = (a[_VISITORS:].reshape(MOST_VISITORS, _ONE) for a in (low, high))
        below[:, 1:3], above[:, 1:3] = -MOST_WAY, MOST_WAY
        below[:, 3], below[:, 5] = -1.0, -1.0
        return {"tour": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `tour`, (worlds, observers, 283), of some worlds."""
        avatars = state.avatars
        _fill(
            worlds, (avatars.position, avatars.heading, avatars.present),
            (state.step, state.max_episode_steps),
            (Museum.of(state), Party.of(state), Show.of(state)), out["tour"],
        )  # fmt: skip


@kernel
def _fill(worlds, avatars, time, tables, out):  # type: ignore[no-untyped-def]
    museum, party, show = Museum(*tables[0]), Party(*tables[1]), Show(*tables[2])
    position, heading, present = avatars
    step, limit = time
    visitors = party.looked.shape[1]
    looking = np.zeros(visitors)
    for w in worlds:
        e, there = show.on_show[w], 0.0
        for v in range(visitors):
            looking[v] = 0.0
            if present[w, v + 1] and party.leaving[w, v] == 0:
                there += 1.0
                x, y = position[w, v + 1, 0], position[w, v + 1, 1]
                if e >= 0 and looks(w, v, x, y, e, museum, party):
                    looking[v] = 1.0
        for a in range(out.shape[1]):
            row = out[w, a]
            row[:] = 0.0
            x, y = position[w, a, 0], position[w, a, 1]
            row[0] = a == 0
            row[1] = near_exhibit(w, position[w, 0, 0], position[w, 0, 1], museum, show) >= 0
            row[2] = e >= 0
            row[3] = min(1.0, show.show_steps[w] / LONGEST) if e >= 0 else 0.0
            row[4], row[5] = looking.sum() / visitors, there / visitors
            row[6] = max(0.0, 1.0 - step[w] / limit)
            if show.noticed[w] >= 0:
                row[_NOTICED + show.noticed[w]] = 1.0
            _liking(w, museum, show, row[_LIKING:_EXHIBITS])
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            room = room_at(x, y, museum.rooms[w])
            for i in range(EXHIBITS):
                start = _EXHIBITS + i * _EACH
                part = row[start : start + _EACH]
                _exhibit(w, i, (x, y, cos, sin, room), museum, party, show, part)
            for v in range(visitors):
                if present[w, v + 1] and party.leaving[w, v] == 0:
                    part = row[_VISITORS + v * _ONE : _VISITORS + (v + 1) * _ONE]
                    part[4] = looking[v]
                    _visitor(w, v, (x, y, cos, sin), position, heading, museum, show, part)


@inner
def _liking(w, museum, show, out):  # type: ignore[no-untyped-def]
    """The mean rating of what has each attribute, weighted by its strength."""
    for k in range(NUM_ATTRIBUTES):
        total, weight = 0.0, 0.0
        for v in range(show.rated.shape[1]):
            for i in range(EXHIBITS):
                if show.rated[w, v, i]:
                    total += museum.strengths[w, i, k] * show.rating[w, v, i]
                    weight += museum.strengths[w, i, k]
        out[k] = total / weight if weight > 0.0 else 0.0


@inner
def _see(x, y, here, out):  # type: ignore[no-untyped-def]
    """Writes where a point is, seen from (x, y, cos, sin)."""
    dx, dy = (x - here[0]) / FAR, (y - here[1]) / FAR
    out[0] = min(MOST_WAY, max(-MOST_WAY, dx * here[2] + dy * here[3]))
    out[1] = min(MOST_WAY, max(-MOST_WAY, dy * here[2] - dx * here[3]))


@inner
def _exhibit(w, i, here, museum, party, show, out):  # type: ignore[no-untyped-def]
    x, y, cos, sin, room = here
    for k in range(NUM_ATTRIBUTES):
        out[k] = museum.strengths[w, i, k]
    out = out[NUM_ATTRIBUTES:]
    target, tx, ty = museum.room_of[w, i], museum.stand[w, i, 0], museum.stand[w, i, 1]
    _see(museum.place[w, i, 0], museum.place[w, i, 1], (x, y, cos, sin), out)
    out[2] = min(MOST_WAY, way(w, x, y, room, tx, ty, target, museum) / FAR)
    nx, ny = next_point(w, x, y, room, tx, ty, target, museum)
    length = away(x, y, nx, ny)
    if length > 1e-6:
        dx, dy = (nx - x) / length, (ny - y) / length
        out[3] = min(1.0, max(-1.0, dx * cos + dy * sin))
        out[4] = min(1.0, max(-1.0, dy * cos - dx * sin))
    out[5], out[6], out[7] = room == target, show.on_show[w] == i, show.shown[w, i] > 0
    seen, said, count = 0.0, 0.0, 0.0
    visitors = party.looked.shape[1]
    for v in range(visitors):
        seen += min(1.0, party.looked[w, v, i] / SHOW)
        if show.rated[w, v, i]:
            said += show.rating[w, v, i]
            count += 1.0
    out[8], out[10] = seen / visitors, count / visitors
    out[9] = said / count if count > 0.0 else 0.0


@inner
def _visitor(w, v, here, position, heading, museum, show, out):  # type: ignore[no-untyped-def]
    x, y = position[w, v + 1, 0], position[w, v + 1, 1]
    out[0] = 1.0
    _see(x, y, here, out[1:])
    e = show.on_show[w]
    tx, ty = position[w, 0, 0], position[w, 0, 1]
    if e >= 0:
        tx, ty = museum.place[w, e, 0], museum.place[w, e, 1]
    length = max(1e-6, away(x, y, tx, ty))
    turn = heading[w, v + 1]
    facing = ((tx - x) * pmath.cos(turn) + (ty - y) * pmath.sin(turn)) / length
    out[3], out[5] = min(1.0, max(-1.0, facing)), show.last[w, v]
    if show.asked[w, v] >= 0:
        out[len(VISITOR) + show.asked[w, v]] = 1.0
