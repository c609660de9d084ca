"""How pupils move and look: the scripted behaviours of those whom the caller does not drive.

All of them say what the lesson lets them say, face the teacher while it speaks to them, and look
away when their attention is low. They differ in where they look otherwise, and no more tells how
they learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import steer
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState
from als_scenarios.education.tutor.lesson import FIRST_OF_PUPILS, IDLE, TEACHER

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

LOW: Final = 0.4
"""A pupil with less attention than this looks away."""

_SWAY_STEPS: Final = 24
_WHISPER_STEPS: Final = 45


@dataclass(frozen=True, slots=True)
class Manner:
    """How a pupil looks about.

    Attributes:
        away: how far from its desk it turns when it looks away, radians.
        sway: how far it turns to and fro all the time, radians.
        follows: whether it looks after the teacher, as far as it can without turning round.
        drift: how far from its desk it looks when it has nothing to do, radians.
        whispers: whether it turns to a neighbour now and then when it has nothing to do,
            even though it attends.
    """

    away: float = 2.0
    sway: float = 0.0
    follows: bool = False
    drift: float = 0.0
    whispers: bool = False


MANNERS: Final = {
    "attends": Manner(),
    "fidgets": Manner(away=1.6, sway=0.4),
    "follows": Manner(away=2.4, follows=True),
    "dreams": Manner(away=2.6, drift=0.8),
    "whispers": Manner(away=1.5, whispers=True),
}
"""`dreams` is met in the validation split only, `whispers` in the test split only."""


def behave(manner: Manner, state: WorldState, who: BoolArray, commands: Commands) -> None:
    """Lets pupils look about in a manner and say what they have to say."""
    directions: FloatArray = np.zeros((*who.shape, 2))
    _look(
        who,
        (state.avatars.position, state["front"], state["phase"]),
        (state["attention"], state["task"], state["voice"], state["addressed"]),
        state.step,
        (manner.away, manner.sway, manner.follows, manner.drift, manner.whispers),
        FIRST_OF_PUPILS,
        directions,
        commands.say,
    )
    steer(state, directions, commands, who, 0.0, 0.0)


@kernel
def _look(who, places, pupils, step, manner, first, directions, say):  # type: ignore[no-untyped-def]
    position, front, phase = places
    attention, task, voice, addressed = pupils
    away, sway, follows, drift, whispers = manner
    for w in range(who.shape[0]):
        for a in range(1, who.shape[1]):
            if not who[w, a]:
                continue
            p = a - 1
            say[w, a] = first + voice[w, p] if voice[w, p] != NOTHING else NOTHING
            side = 1.0 if phase[w, p] < 0.5 else -1.0
            dx = position[w, TEACHER, 0] - position[w, a, 0]
            dy = position[w, TEACHER, 1] - position[w, a, 1]
            angle, free = front[w, p], task[w, p] == IDLE
            turn = step[w] + int(10 * _WHISPER_STEPS * phase[w, p])
            if attention[w, p] < LOW:
                angle += side * away
            elif addressed[w] == p:
                angle = pmath.atan2(dy, dx)
            elif follows:
                off = pmath.atan2(dy, dx) - angle
                off -= 2.0 * math.pi * math.floor((off + math.pi) / (2.0 * math.pi))
                angle += min(1.4, max(-1.4, off))
            elif whispers and free and turn // _WHISPER_STEPS % 3 == 0:
                angle += side * away
            elif free:
                angle += side * drift
            swing = 2.0 * math.pi * (step[w] / _SWAY_STEPS + phase[w, p])
            angle += sway * pmath.sin(swing)
            directions[w, a, 0], directions[w, a, 1] = pmath.cos(angle), pmath.sin(angle)
