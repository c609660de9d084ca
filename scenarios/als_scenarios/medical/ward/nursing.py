"""How nurses carry out what somebody wants to be done: who does what next, and with which hand.

An expert or a rule says what each bed wants, as `Wants`; this file turns that into commands, from
where the nurses are and what they have in their hands alone.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from als_engine.bodies.avatar import HAND_USE
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.navigation import face, reached
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_scenarios.medical.ward.monitors import (
    LARGE_DOSE,
    MOST_DOSES,
    SMALL_DOSE,
    SUGAR_DOSE,
    HandRows,
    hand_rows,
)
from als_scenarios.medical.ward.room import LARGE, SMALL, SUGAR, TRAYS, feet, standing_places

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.state import WorldState

_LARGE_FROM: Final = 2.0
"""From so many units large doses are given."""

_START_OFF, _AT_TRAY = 1.0, 1.0
"""What any errand takes beside the way, and what drawing takes, in metres of the way."""

_CLOSE: Final = 0.2


class Wants(NamedTuple):
    """What each bed wants, arrays (worlds, beds).

    Attributes:
        insulin, sugar: units and grams to be given now; 0 for none, and at most one of them.
        urgency: how much that matters, in any unit.
        visit: how much it matters to read the monitor, in the same unit; 0 for not at all.
    """

    insulin: FloatArray
    sugar: FloatArray
    urgency: FloatArray
    visit: FloatArray


def aims(state: WorldState, num_beds: int) -> IntArray:
    """The bed or tray that each avatar would use now, (worlds, avatars), or NOTHING."""
    out: IntArray = np.empty((state.num_worlds, state.num_avatars), np.int32)
    avatars, props = state.avatars, state.props
    _aim(
        (avatars.position, avatars.heading, state.bodies.radius),
        (props.position, props.half),
        num_beds + len(TRAYS),
        out,
    )
    return out


@kernel(error_model="numpy")
def _aim(avatars, props, usable, out):
    position, heading, radius = avatars
    places, half = props
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            best, nearest = NOTHING, REACH
            for i in range(usable):
                dx = places[w, i, 0] - position[w, a, 0]
                dy = places[w, i, 1] - position[w, a, 1]
                gap = math.sqrt(dx * dx + dy * dy) - radius[a] - max(half[w, i, 0], half[w, i, 1])
                if gap < nearest:
                    angle = wrap(pmath.atan2(dy, dx) - heading[w, a])
                    if abs(angle) <= REACH_ANGLE or gap < 0.0:
                        best, nearest = i, gap
            out[w, a] = best


def carry_out(
    state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator, wants: Wants
) -> None:
    """Lets nurses do what is wanted: to the counter, fill the hand, to the bed, give it.

    Args:
        state: the worlds.
        who: (worlds, avatars), the nurses.
        commands: written.
        navigator: knows the ways.
        wants: of each bed.
    """
    num_beds = wants.insulin.shape[1]
    goal: IntArray = np.full(who.shape, NOTHING, np.int32)
    touch: BoolArray = np.zeros(who.shape, np.bool_)
    places = standing_places(state, num_beds)
    aim = aims(state, num_beds)
    _assign(
        who, aim, state.avatars.position, feet(state, num_beds), places, hand_rows(state),
        tuple(wants), goal, touch,
    )  # fmt: skip
    busy = goal != NOTHING
    use = busy & touch & (aim == goal)
    commands.hand[use] = HAND_USE
    chosen = np.maximum(goal, 0)[..., None]
    place = np.take_along_axis(places, chosen[..., None], axis=2)[:, :, 0]
    walks = busy & ~use
    navigator.walk(place, commands, walks)
    there = walks & reached(state, place, _CLOSE)
    if there.any():
        props = np.take_along_axis(state.props.position[..., :2], chosen, axis=1)
        face(state, props, commands, there)


@kernel(error_model="numpy")
def _assign(who, aim, position, feet, places, hands, wants, goal, touch):
    hands = HandRows(*hands)
    insulin, sugar, urgency, visit = wants
    beds = insulin.shape[1]
    taken = np.empty(beds, np.bool_)
    for w in range(who.shape[0]):
        taken[:] = False
        for a in range(who.shape[1]):
            if not who[w, a]:
                continue
            me, held = position[w, a], (hands.tray[w, a], hands.doses[w, a])
            best, most, treats = NOTHING, 0.0, False
            for b in range(beds):
                if taken[b]:
                    continue
                away = _distance(me, feet[w, b])
                looks = visit[w, b] / (_START_OFF + away)
                if looks > most:
                    best, most, treats = b, looks, False
                tray = _tray_for(insulin[w, b], sugar[w, b])
                if tray == NOTHING:
                    continue
                if held[0] != tray or held[1] == 0:
                    counter = places[w, a, beds + tray]
                    away = _distance(me, counter) + _distance(counter, feet[w, b]) + _AT_TRAY
                treat = urgency[w, b] / (_START_OFF + away)
                if treat > most:
                    best, most, treats = b, treat, True
            if best == NOTHING:
                continue
            taken[best] = True
            goal[w, a], touch[w, a] = best, treats
            if treats:
                tray = _tray_for(insulin[w, best], sugar[w, best])
                draws = aim[w, a] == beds + tray
                lacks = draws and _lacks(tray, held, insulin[w], sugar[w], taken, best)
                if held[0] != tray or held[1] == 0 or lacks:
                    goal[w, a] = beds + tray


@inner
def _distance(me, place):
    dx, dy = me[0] - place[0], me[1] - place[1]
    return math.sqrt(dx * dx + dy * dy)


@inner
def _tray_for(insulin, sugar):
    """The tray whose doses a bed wants, or NOTHING."""
    if sugar > 0.0:
        return SUGAR
    if insulin >= _LARGE_FROM:
        return LARGE
    return SMALL if insulin > 0.0 else NOTHING


@inner
def _lacks(tray, held, insulin, sugar, taken, best):
    """Whether more doses of a tray are wanted, by a bed and all that nobody else goes to."""
    wanted = 0.0
    for b in range(taken.shape[0]):
        if (b == best or not taken[b]) and _tray_for(insulin[b], sugar[b]) == tray:
            size = SMALL_DOSE if tray == SMALL else LARGE_DOSE
            amount = sugar[b] / SUGAR_DOSE if tray == SUGAR else insulin[b] / size
            wanted += math.floor(amount + 0.5)
    return held[1] < min(wanted, MOST_DOSES)
