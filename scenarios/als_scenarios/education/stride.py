"""Moves the expert: forwards over long ways, sideways over short ones, around classmates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

_TURN: Final = 0.9  # Radians off course from which it turns,
_ENOUGH: Final = 0.35  # and off which it is still turning when it stops: braking does the rest.
_TURNING: Final = 0.6  # radians per second
_PERSON: Final = 0.5  # Two radii, metres.
_AVOID: Final = 0.45  # How near, skin to skin, a classmate is walked around, metres.
_BEND: Final = 1.5


def stride(
    state: WorldState,
    directions: FloatArray,
    commands: Commands,
    who: BoolArray,
    turns: BoolArray,
) -> None:
    """Moves avatars along `directions`, (worlds, avatars, 2), world's frame, at most of length 1.

    It turns only where `turns`, (worlds, avatars), allows it and the way is far off its heading,
    and goes by steps forward and aside otherwise: discrete actions do one thing at a time, and
    whoever turns on the spot stands.
    """
    avatars, bodies = state.avatars, state.bodies
    wanted = _around_others(state, directions)
    angle = pmath.atan2(wanted[..., 1], wanted[..., 0]) - avatars.heading
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    walks = np.square(wanted).sum(axis=-1) > 1e-9
    turning = (np.abs(avatars.turn_rate) > _TURNING) & (
        np.sign(avatars.turn_rate) == np.sign(angle)
    )
    off = np.abs(angle) > np.where(turning, _ENOUGH, _TURN)
    turn = np.where(off & walks & turns, np.sign(angle), 0.0)
    # Twice the wanted velocity less the present one: what it lacks most comes first.
    velocity = avatars.velocity[..., :2] / bodies.speed[:, None]
    x, y = np.moveaxis(2 * wanted - velocity, -1, 0)
    cos, sin = pmath.cos(avatars.heading), pmath.sin(avatars.heading)
    move = np.clip(np.stack([cos * x + sin * y, cos * y - sin * x], -1), -1.0, 1.0)
    move[~walks] = 0.0
    commands.turn[who], commands.move[who] = turn[who], move[who]


def _around_others(state: WorldState, directions: FloatArray) -> FloatArray:
    """Bends directions past the avatars that are near and ahead."""
    place = state.avatars.position[..., :2]
    x, y = directions[..., 0, None], directions[..., 1, None]
    away = place[:, None] - place[:, :, None]
    distance = pmath.hypot(away[..., 0], away[..., 1])
    ahead = x * away[..., 0] + y * away[..., 1]
    left = x * away[..., 1] - y * away[..., 0]
    near = np.clip(1 - (distance - _PERSON) / _AVOID, 0.0, 1.0)
    near[(ahead <= 0) | (np.abs(left) > _PERSON + 0.1)] = 0.0
    bend = _BEND * np.where(left >= -0.05, -near, near).sum(axis=-1)
    length = np.sqrt(1 + bend**2)
    bent = np.stack(
        [
            directions[..., 0] - bend * directions[..., 1],
            directions[..., 1] + bend * directions[..., 0],
        ],
        -1,
    )
    result: FloatArray = bent / length[..., None]
    return result
