"""What each guest of `ALS/Gathering-v0` is about to do at the private door, and to say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING
from als_scenarios.social.gathering.door import (
    ADMITTED,
    AT_DOOR,
    INSIDE,
    PARTY,
    WAITING,
    is_open,
)
from als_scenarios.social.gathering.house import ENTRY, FIRST_SEAT, SEATS, WAIT
from als_scenarios.social.gathering.words import I_AM

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

SAYS_NAME_EVERY: Final = 30
"""Steps after which a guest before the door says again who it is."""
TOP_SPEED: Final = 2.0
"""Of everybody's body, metres per second."""
UNHURRIED: Final = 0.6
"""The part of that at which a host walks who behaves as a guest."""
SIDEWAYS: Final = 0.7
"""The part of its speed that a body has sideways, as `bodies.avatar` has it."""
STRIDES: Final = 0.95
"""Strides in a second (about 114 steps a minute), at which a walker sways."""


def plan(state: WorldState) -> None:
    """Writes what guests are about to do; it follows from the rest of the state alone.

    `busy` is who has something to do at the door, `goal` the place to go to for it, `says` the
    sentence that it says next, and `swing` the part of full sideways speed with which a walker
    sways now. `neighbour` and `pace` have a row for each avatar: where the nearest other one is,
    and the part of full speed at which it walks. One guest at a time goes to the door.
    """
    _plan(
        (state.step, state.time_step, state.avatars.position, state["places"], is_open(state)),
        (state["claims"], state["invited"], state["due"], state["stage"], state["since"]),
        (state["reply"], state["errand"], state["gait"]),
        state.speech.sentence,
        (
            state["busy"],
            state["goal"],
            state["says"],
            state["neighbour"],
            state["pace"],
            state["swing"],
        ),
    )


@kernel
def _plan(world, door, guest, sentence, out):  # type: ignore[no-untyped-def]
    step, dt, position, places, opened = world
    claims, invited, due, stage, since = door
    reply, errand, gait = guest
    busy, goal, says, neighbour, pace, swing = out
    worlds, guests = stage.shape
    for w in range(worlds):
        first, seated = -1, 0
        for i in range(guests):
            comes = stage[w, i] == PARTY and claims[w, i] >= 0 and due[w, i] <= step[w]
            if comes and (first < 0 or due[w, i] < due[w, first]):
                first = i
        for i in range(guests):
            if stage[w, i] == WAITING or stage[w, i] == ADMITTED:
                first = -1
        for i in range(guests):
            place = NOTHING
            at_door = i == first or stage[w, i] == WAITING
            if at_door:
                place = WAIT
            elif stage[w, i] == ADMITTED:
                place = ENTRY if opened[w] else WAIT
            elif stage[w, i] == INSIDE:
                place = FIRST_SEAT + seated % SEATS
                seated += 1
            busy[w, i] = place != NOTHING
            goal[w, i, 0] = places[w, place, 0] if place != NOTHING else 0.0
            goal[w, i, 1] = places[w, place, 1] if place != NOTHING else 0.0
            says[w, i] = sentence[reply[w, i], 0] if reply[w, i] >= 0 else NOTHING
            if at_door:
                x = position[w, i + 1, 0] - places[w, WAIT, 0]
                y = position[w, i + 1, 1] - places[w, WAIT, 1]
                again = (step[w] - since[w, i]) % SAYS_NAME_EVERY == 0
                if x * x + y * y < (0.8 * AT_DOOR) ** 2 and (stage[w, i] == PARTY or again):
                    says[w, i] = sentence[I_AM, invited[w, claims[w, i]]]
            pace[w, i + 1] = gait[w, i, 0] / TOP_SPEED
            turn = 2.0 * math.pi * STRIDES * dt * (step[w] + errand[w, i] % 97)
            swing[w, i] = gait[w, i, 1] * pmath.cos(turn) / (SIDEWAYS * TOP_SPEED)
        pace[w, 0] = UNHURRIED
        for a in range(guests + 1):
            nearest = math.inf
            for j in range(guests + 1):
                x, y = position[w, j, 0] - position[w, a, 0], position[w, j, 1] - position[w, a, 1]
                if j != a and x * x + y * y < nearest:
                    nearest = x * x + y * y
                    neighbour[w, a, 0], neighbour[w, a, 1] = position[w, j, 0], position[w, j, 1]
