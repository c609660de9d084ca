"""What somebody sees of the yard, and knows of itself: an observation of 89 numbers."""

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
from als_scenarios.game.commons.growth import share_of, stock_of
from als_scenarios.game.commons.plan import Yard, in_reach
from als_scenarios.game.commons.rules import (
    AWAY,
    HOARSE,
    PICKING,
    Bodies,
    People,
    people,
)
from als_scenarios.game.commons.yard import FRUITS, MOST_AVATARS, PUMPS, SPOTS

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

OWN, PUMP, FRUIT, PERSON = 9, 2, 4, 6
"""Columns about oneself and the river, and of each pump, fruit and person."""

SHOWN: Final = 8
"""The nearest fruits that are shown."""

COLUMNS: Final = OWN + PUMPS * PUMP + SHOWN * FRUIT + (MOST_AVATARS - 1) * PERSON

FRUIT_RANGE: Final = 6.0
RANGE: Final = 12.0
"""Metres that read as 1, of fruit and of everything else; what is farther reads as 1, too."""

MEALS: Final = 50
MEMORY: Final = 60
"""Steps for which it is seen who took too much or cleaned."""


class Orchard(Sensor):
    """The yard as one sees it, float32 (89,).

    Places are seen from the body, forward and left. Fruit and people go from the nearest to the
    farthest; where there are fewer the rest is 0. The columns are those that `Commons`
    lists; each has its range in the space.
    """

    provides: ClassVar[tuple[str, ...]] = ("orchard",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros(COLUMNS, np.float32)
        for first, count, wide, place in (
            (OWN, PUMPS, PUMP, 0),
            (OWN + PUMPS * PUMP, SHOWN, FRUIT, 1),
            (OWN + PUMPS * PUMP + SHOWN * FRUIT, MOST_AVATARS - 1, PERSON, 1),
        ):
            for k in range(count):
                low[first + k * wide + place : first + k * wide + place + 2] = -1.0
        return {"orchard": gymnasium.spaces.Box(low, np.ones_like(low), dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `orchard`, (worlds, observers, 89)."""
        avatars = state.avatars
        _look(
            state.step / max(state.max_episode_steps, 1),
            (avatars.position, avatars.heading),
            state.bodies.radius,
            (state.props.position, state["planted"], state["ripe"], state["dirt"]),
            people(state),
            out["orchard"],
        )


@kernel
def _look(time, bodies, radius, yard, everybody, out):  # type: ignore[no-untyped-def]
    bodies, yard, all_ = Bodies(*bodies), Yard(*yard), People(*everybody)
    far, order = np.empty(FRUITS), np.empty(FRUITS, np.int64)
    for w in range(out.shape[0]):
        share = share_of(yard.dirt[w])
        for a in range(out.shape[1]):
            row = out[w, a]
            row[:] = 0.0
            row[0] = all_.away[w, a] > 0
            row[1] = all_.away[w, a] / AWAY
            row[2] = all_.busy[w, a] / PICKING
            row[3] = all_.hoarse[w, a] / HOARSE
            row[4] = min(1.0, all_.meals[w, a] / MEALS)
            row[5] = max(0.0, 1.0 - time[w])
            row[6] = share
            held = in_reach(w, a, bodies, radius[a], yard)
            if 0 <= held < FRUITS:
                row[7] = stock_of(yard.ripe[w], held // SPOTS) / SPOTS
            row[8] = held >= FRUITS
            first = OWN
            for k in range(PUMPS):
                place = yard.places[w, FRUITS + k]
                _see(w, a, place[0], place[1], bodies, RANGE, row[first : first + 2])
                first += PUMP
            _see_fruit(w, a, first, bodies, yard, far, order, row)
            _see_people(w, a, first + SHOWN * FRUIT, bodies, all_, far, order, row)


@inner
def _see(w, a, x, y, bodies, reach, row):  # type: ignore[no-untyped-def]
    """Writes where a place is, seen from the body."""
    dx, dy = x - bodies.position[w, a, 0], y - bodies.position[w, a, 1]
    cos, sin = pmath.cos(bodies.heading[w, a]), pmath.sin(bodies.heading[w, a])
    row[0] = min(1.0, max(-1.0, (cos * dx + sin * dy) / reach))
    row[1] = min(1.0, max(-1.0, (cos * dy - sin * dx) / reach))


@inner
def _insert(found, most, gap, thing, far, order):  # type: ignore[no-untyped-def]
    """Puts a thing among the nearest `most`; returns how many there are now."""
    if found == most and gap >= far[most - 1]:
        return found
    place = min(found, most - 1)
    while place > 0 and far[place - 1] > gap:
        far[place], order[place] = far[place - 1], order[place - 1]
        place -= 1
    far[place], order[place] = gap, thing
    return min(found + 1, most)


@inner
def _gap(w, a, x, y, bodies):  # type: ignore[no-untyped-def]
    dx, dy = x - bodies.position[w, a, 0], y - bodies.position[w, a, 1]
    return math.sqrt(dx * dx + dy * dy)


@inner
def _see_fruit(w, a, first, bodies, yard, far, order, row):  # type: ignore[no-untyped-def]
    found = 0
    for i in range(FRUITS):
        if yard.ripe[w, i]:
            gap = _gap(w, a, yard.places[w, i, 0], yard.places[w, i, 1], bodies)
            found = _insert(found, SHOWN, gap, i, far, order)
    for n in range(found):
        i, c = order[n], first + n * FRUIT
        row[c] = 1.0
        place = yard.places[w, i]
        _see(w, a, place[0], place[1], bodies, FRUIT_RANGE, row[c + 1 : c + 3])
        row[c + 3] = stock_of(yard.ripe[w], i // SPOTS) / SPOTS


@inner
def _see_people(w, a, first, bodies, all_, far, order, row):  # type: ignore[no-untyped-def]
    found = 0
    for b in range(all_.away.shape[1]):
        if b != a:
            gap = _gap(w, a, bodies.position[w, b, 0], bodies.position[w, b, 1], bodies)
            found = _insert(found, MOST_AVATARS - 1, gap, b, far, order)
    for n in range(found):
        b, c = order[n], first + n * PERSON
        row[c] = 1.0
        x, y = bodies.position[w, b, 0], bodies.position[w, b, 1]
        _see(w, a, x, y, bodies, RANGE, row[c + 1 : c + 3])
        row[c + 3] = all_.away[w, b] > 0
        row[c + 4] = max(0.0, 1.0 - all_.since_taken[w, b] / MEMORY)
        row[c + 5] = max(0.0, 1.0 - all_.since_washed[w, b] / MEMORY)
