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
    MOST_SUGAR,
    MOST_UNITS,
    SMALL_DOSE,
    SUGAR_DOSE,
    HandRows,
    hand_rows,
)
from als_scenarios.medical.ward.room import BIN, LARGE, SMALL, SUGAR, TRAYS, feet, standing_places

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.navigation import Navigator
    from als_engine.world.state import WorldState

_AT_THE_COUNTER: Final = 1.0
"""So near to the next tray a nurse goes on filling the hand, metres."""

_ENOUGH: Final = 0.6
"""From this part of what is wanted it is not worth going back to the counter."""

_LARGE_FROM: Final = 2.75
_CLOSE: Final = 0.2


class Wants(NamedTuple):
    """What each bed wants, arrays (worlds, beds).

    Attributes:
        insulin, sugar: units and grams to be given now; 0 for none, and at most one of them.
        urgency: how much that matters, in any unit.
        visit: how much it matters to read the monitor, in the same unit; 0 for not at all.
        detour: by how much of that unit a bed has to matter more for each metre it is farther.
    """

    insulin: FloatArray
    sugar: FloatArray
    urgency: FloatArray
    visit: FloatArray
    detour: float


def in_doses(units: FloatArray) -> FloatArray:
    """Units of insulin as whole small doses, rounded down, and at most what a hand holds."""
    doses = np.floor(units / SMALL_DOSE + 1e-9)
    return np.clip(doses * SMALL_DOSE, 0.0, MOST_UNITS)


def in_glasses(grams: FloatArray) -> FloatArray:
    """Grams of sugar as whole doses, rounded up, and at most what a hand holds."""
    return np.clip(np.ceil(grams / SUGAR_DOSE - 1e-9) * SUGAR_DOSE, 0.0, MOST_SUGAR)


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
    _assign(
        who, state.avatars.position, feet(state, num_beds), places, hand_rows(state),
        tuple(wants), goal, touch,
    )  # fmt: skip
    busy = goal != NOTHING
    use = busy & touch & (aims(state, num_beds) == goal)
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
def _assign(who, position, feet, places, hands, wants, goal, touch):
    hands = HandRows(*hands)
    insulin, sugar, urgency, visit, detour = wants
    beds = insulin.shape[1]
    taken = np.empty(beds, np.bool_)
    for w in range(who.shape[0]):
        taken[:] = False
        for a in range(who.shape[1]):
            if not who[w, a]:
                continue
            me, units, grams = position[w, a], hands.insulin[w, a], hands.sugar[w, a]
            best, most = NOTHING, 0.0
            for b in range(beds):
                if taken[b] or not _fits(units, insulin[w, b], sugar[w, b]):
                    continue
                worth = urgency[w, b] - detour * _distance(me, feet[w, b]) + 100.0 * detour
                if worth > most:
                    best, most = b, worth
            if best != NOTHING:
                taken[best] = True
                near = _at_counter(me, places[w, a], beds)
                tray = _tray(units, grams, insulin[w, best], sugar[w, best], near)
                goal[w, a] = best if tray == NOTHING else beds + tray
                touch[w, a] = True
                continue
            if units > 0.0 and _any_free(insulin[w], taken):  # Too much is in the hand.
                goal[w, a], touch[w, a] = beds + BIN, True
                continue
            for b in range(beds):
                if not taken[b] and visit[w, b] > 0.0:
                    worth = visit[w, b] - detour * _distance(me, feet[w, b]) + 100.0 * detour
                    if worth > most:
                        best, most = b, worth
            if best != NOTHING:
                taken[best] = True
                goal[w, a] = best


@inner
def _distance(me, place):
    dx, dy = me[0] - place[0], me[1] - place[1]
    return math.sqrt(dx * dx + dy * dy)


@inner
def _at_counter(me, places, beds):
    found = False
    for tray in range(beds, places.shape[0]):
        found = found or _distance(me, places[tray]) < _AT_THE_COUNTER
    return found


@inner
def _any_free(insulin, taken):
    found = False
    for b in range(taken.shape[0]):
        found = found or (insulin[b] > 0.0 and not taken[b])
    return found


@inner
def _fits(units, insulin, sugar):
    """Whether a nurse with that in the hand is of use to a bed that wants this."""
    if sugar > 0.0:
        return True  # Insulin in the hand is given up for it.
    if insulin <= 0.0:
        return False
    return units <= 1.25 * insulin + SMALL_DOSE


@inner
def _tray(units, grams, insulin, sugar, near):
    """The tray to go to for a bed, or NOTHING where the hand has enough for it."""
    if sugar > 0.0:
        lacks = grams < sugar if near else grams <= 0.0
        return SUGAR if lacks else NOTHING
    lacking = insulin - units
    if lacking >= 0.5 * SMALL_DOSE and (near or units < _ENOUGH * insulin):
        return LARGE if lacking >= _LARGE_FROM else SMALL
    return NOTHING
