"""The avatar's motor side: commands, and how they become forces.

Actions become `Commands` (`codec.py`), which scripted behaviours write directly; `drive` turns
commands into the forces that the physics applies and integrates headings, within each body's
limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.body import LOCOMOTION
from als_engine.world.state import WorldState

HAND_REST, HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE = range(4)

_SIDEWAYS: Final = 0.7


class Commands:
    """What every avatar wants to do in this step.

    Attributes:
        move: (worlds, avatars, 2) forward and left, in [-1, 1] of full speed, in the body's frame.
        turn: (worlds, avatars) in [-1, 1] of full turn speed, counter-clockwise positive.
        hand: (worlds, avatars) int8: HAND_REST, HAND_PICK_UP, HAND_PUT_DOWN or HAND_USE.
        say: (worlds, avatars) int32 index of an utterance or NOTHING.
        work: (worlds, avatars, effectors) int32 what each effector does, 0 to rest.
        goal: (worlds, avatars) int32 the thing to walk to, or NOTHING; see `Guide`. Its steps are
            written to `move` and `turn`.
        towards: (worlds, avatars, 2) metres, where somebody scripted walks to or looks at, NaN for
            nowhere in particular; None where nobody asks. `Navigator.walk` and `face` note it, and
            a guided action names the thing there.
        effectors: each effector's (worlds, avatars) of `work`, by name.
    """

    def __init__(
        self,
        num_worlds: int,
        num_avatars: int,
        effectors: Sequence[str] = (),
        noted: bool = False,
    ) -> None:
        """Allocates the arrays; `noted` asks for `towards`."""
        shape = (num_worlds, num_avatars)
        self.move: FloatArray = np.zeros((*shape, 2))
        self.turn: FloatArray = np.zeros(shape)
        self.hand: NDArray[np.int8] = np.zeros(shape, np.int8)
        self.say: IntArray = np.full(shape, NOTHING, np.int32)
        self.work: IntArray = np.zeros((*shape, len(effectors)), np.int32)
        self.goal: IntArray = np.full(shape, NOTHING, np.int32)
        self.towards: FloatArray | None = np.full((*shape, 2), np.nan) if noted else None
        self.effectors = {name: self.work[..., i] for i, name in enumerate(effectors)}

    def clear(self) -> None:
        """Everybody stands still."""
        self.move.fill(0.0)
        self.turn.fill(0.0)
        self.hand.fill(HAND_REST)
        self.say.fill(NOTHING)
        self.work.fill(0)
        self.goal.fill(NOTHING)
        if self.towards is not None:
            self.towards.fill(np.nan)

    def rest(self, who: BoolArray) -> None:
        """Some of them, (worlds, avatars), stand still."""
        self.move[who] = 0.0
        self.turn[who] = 0.0
        self.hand[who] = HAND_REST
        self.say[who] = NOTHING
        self.work[who] = 0
        self.goal[who] = NOTHING
        if self.towards is not None:
            self.towards[who] = np.nan


class Possible:
    """Which actions every avatar can take now; `Task.action_mask` sets what it cannot to False.

    Attributes:
        locomotion: (worlds, avatars, 7) bool, in the order of `LOCOMOTION`.
        hand: (worlds, avatars, 4) bool: HAND_REST, HAND_PICK_UP, HAND_PUT_DOWN and HAND_USE.
        say: (worlds, avatars, sentences) bool.
        effectors: by name, (worlds, avatars, commands) bool, the first of them to rest.
        goals: (worlds, avatars, things) bool, where one can walk to; no things where nobody asks.
    """

    def __init__(
        self,
        num_worlds: int,
        num_avatars: int,
        sentences: int,
        effectors: Mapping[str, int],
        things: int = 0,
    ) -> None:
        """Allocates the arrays; `effectors` has how many commands each takes."""
        shape = (num_worlds, num_avatars)
        self.locomotion: BoolArray = np.ones((*shape, len(LOCOMOTION)), np.bool_)
        self.hand: BoolArray = np.ones((*shape, HAND_USE + 1), np.bool_)
        self.say: BoolArray = np.ones((*shape, sentences), np.bool_)
        self.effectors = {
            name: np.ones((*shape, count), np.bool_) for name, count in effectors.items()
        }
        self.goals: BoolArray = np.ones((*shape, things), np.bool_)

    def begin(self, state: WorldState) -> None:
        """All that the hand's load allows: a full hand takes nothing, an empty one puts nothing."""
        self.locomotion.fill(True)
        self.hand.fill(True)
        for each in (self.say, *self.effectors.values()):
            each.fill(True)
        full = state.avatars.held != NOTHING
        self.hand[..., HAND_PICK_UP], self.hand[..., HAND_PUT_DOWN] = ~full, full
        if self.goals.size:
            self.goals[:] = there(state)

    def end(self, state: WorldState) -> None:
        """Whatever a task says, an avatar can rest; one that is absent can do nothing else."""
        if state.avatars.come_and_go:
            absent = ~state.avatars.present
            every = (self.locomotion, self.hand, self.say, self.goals, *self.effectors.values())
            for each in every:
                each[absent] = False
        for each in (self.locomotion, self.hand, *self.effectors.values()):
            each[..., 0] = True


def there(state: WorldState) -> BoolArray:
    """To which props, and then avatars, each avatar can walk, (worlds, avatars, things).

    They are present, in nobody's hand, and not the avatar itself.
    """
    props = state.props.present & (state.props.holder == NOTHING)
    things = np.concatenate([props, state.avatars.present], axis=1)
    found = np.repeat(things[:, None], state.num_avatars, axis=1)
    each = np.arange(state.num_avatars)
    found[:, each, props.shape[1] + each] = False
    return found


def drive(state: WorldState, commands: Commands, force: FloatArray) -> None:
    """Turns commands into forces, and turns the avatars.

    A body accelerates towards the commanded velocity as fast as it may, so the force on it, and
    with it the push on whatever is in its way, is at most mass times acceleration.

    Args:
        state: headings and turn rates are updated in place.
        commands: what the avatars want.
        force: (worlds, avatars, 3), newtons in the world's frame, filled in place; z stays 0.
    """
    avatars, bodies = state.avatars, state.bodies
    _drive(
        commands.move,
        commands.turn,
        (avatars.velocity, avatars.held, avatars.heading, avatars.turn_rate, avatars.present),
        (
            bodies.mass, bodies.speed, bodies.acceleration, bodies.turn_speed,
            bodies.turn_acceleration,
        ),
        state.props.mass,
        state.time_step,
        force,
    )  # fmt: skip


@kernel
def _drive(move, turn, avatars, bodies, prop_mass, dt, force):  # type: ignore[no-untyped-def]
    velocity, held, heading, turn_rate, present = avatars
    mass, speed, acceleration, turn_speed, turn_acceleration = bodies
    worlds, avatars = turn.shape
    for w in range(worlds):
        for a in range(avatars):
            if not present[w, a]:
                force[w, a] = 0.0
                continue
            gain = turn_acceleration[a] * dt
            change = max(-1.0, min(1.0, turn[w, a])) * turn_speed[a] - turn_rate[w, a]
            turn_rate[w, a] += max(-gain, min(gain, change))
            heading[w, a] = wrap(heading[w, a] + turn_rate[w, a] * dt)

            top = speed[a]
            if held[w, a] >= 0:
                top *= mass[a] / (mass[a] + prop_mass[w, held[w, a]])
            forth, left = move[w, a, 0], move[w, a, 1]
            length = math.sqrt(forth * forth + left * left)
            if length > 1.0:
                forth, left = forth / length, left / length
            if forth < 0.0:
                forth *= _SIDEWAYS
            left *= _SIDEWAYS
            c, s = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            dx = top * (c * forth - s * left) - velocity[w, a, 0]
            dy = top * (s * forth + c * left) - velocity[w, a, 1]
            need = math.sqrt(dx * dx + dy * dy)
            limit = acceleration[a] * dt
            scale = mass[a] / dt
            if need > limit:
                scale *= limit / need
            force[w, a, 0], force[w, a, 1] = dx * scale, dy * scale


def nobody(state: WorldState, who: BoolArray, commands: Commands) -> None:
    """The behaviour of an avatar that nobody drives: it stands still."""
