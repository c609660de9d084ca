"""What hands and mouths do: pick up, put down, use and speak, as events of the step.

A carried prop leaves the physics and rides in front of its holder's chest; put down, it goes back
into the physics where there is room for it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE, Commands
from als_engine.bodies.doors import swing
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import square_outside, wrap
from als_engine.geometry.sight import WallRows
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import (
    NOTHING,
    SHAPE_BOX,
    SHAPE_COMPOUND,
    BoolArray,
    FloatArray,
    IntArray,
)
from als_engine.world.state import WorldState

REACH: Final = 0.9
"""How far from an avatar's skin the surface of a prop may be to be picked up or used, metres."""

REACH_ANGLE: Final = math.radians(70)
"""How far to the side of its heading an avatar reaches."""

_CARRY_HEIGHT: Final = 0.62
_GAP: Final = 0.06
_CANDIDATES: Final = 5


def resolve(state: WorldState, commands: Commands) -> None:
    """Carries out all hand and speech commands, notes in `state.events` what happened, moves doors.

    What is used switches the sounds that it is the switch of.

    Avatars act in the order of their index, so two hands on one prop never both succeed.
    """
    avatars, props, bodies, events = state.avatars, state.props, state.bodies, state.events
    _resolve(
        commands.hand,
        commands.say,
        (
            avatars.position, avatars.heading, bodies.radius, bodies.height, avatars.held,
            avatars.utterance, avatars.touches_prop, avatars.touches_avatar, avatars.touches_wall,
            avatars.touching, avatars.present,
        ),
        (
            props.position, props.orientation, props.velocity, props.shape, props.half,
            props.present, props.holder, props.portable, props.usable, props.solid, state.moved,
        ),
        state.walls.rows(),
        (state.sounds.switch, state.sounds.on),
        (events.picked_up, events.put_down, events.used, events.bumped),
    )  # fmt: skip
    if state.hinges.in_use:
        swing(state)


class _Avatars(NamedTuple):
    position: FloatArray
    heading: FloatArray
    radius: FloatArray
    height: FloatArray
    held: IntArray
    utterance: IntArray
    touches_prop: BoolArray
    touches_avatar: BoolArray
    touches_wall: BoolArray
    touching: BoolArray
    present: BoolArray


class _Props(NamedTuple):
    position: FloatArray
    orientation: FloatArray
    velocity: FloatArray
    shape: NDArray[np.uint8]
    half: FloatArray
    present: BoolArray
    holder: IntArray
    portable: BoolArray
    usable: BoolArray
    solid: BoolArray
    moved: BoolArray


class _Events(NamedTuple):
    picked_up: IntArray
    put_down: IntArray
    used: IntArray
    bumped: BoolArray


@kernel
def _resolve(hand, say, avatars, props, walls, sounds, events):  # type: ignore[no-untyped-def]
    avatars, props = _Avatars(*avatars), _Props(*props)
    walls, events = WallRows(*walls), _Events(*events)
    held, holder = avatars.held, props.holder
    switch, on = sounds
    for w in range(hand.shape[0]):
        for a in range(hand.shape[1]):
            events.picked_up[w, a] = events.put_down[w, a] = events.used[w, a] = NOTHING
            if not avatars.present[w, a]:
                avatars.utterance[w, a], events.bumped[w, a] = NOTHING, False
                continue
            avatars.utterance[w, a] = say[w, a]
            touch = _touches(w, a, avatars)
            events.bumped[w, a] = touch and not avatars.touching[w, a]
            avatars.touching[w, a] = touch

            if hand[w, a] == HAND_PICK_UP and held[w, a] < 0:
                found = _reach_for(w, a, avatars, props, props.portable)
                if found >= 0:
                    held[w, a], holder[w, found] = found, a
                    events.picked_up[w, a], props.moved[w, found] = found, True
            elif hand[w, a] == HAND_PUT_DOWN and held[w, a] >= 0:
                i = held[w, a]
                spot = _free_spot(w, a, i, avatars, props, walls)
                if spot[2] > 0.0:
                    props.position[w, i, 0], props.position[w, i, 1] = spot[0], spot[1]
                    props.position[w, i, 2] = props.half[w, i, 2]
                    props.velocity[w, i] = 0.0
                    held[w, a], holder[w, i] = NOTHING, NOTHING
                    events.put_down[w, a], props.moved[w, i] = i, True
            elif hand[w, a] == HAND_USE:
                used = events.used[w, a] = _reach_for(w, a, avatars, props, props.usable)
                for i in range(switch.shape[1]):
                    if used >= 0 and switch[w, i] == used:
                        on[w, i] = not on[w, i]

            if held[w, a] >= 0:
                _carry(w, a, held[w, a], avatars, props)


@inner
def _touches(w, a, avatars):  # type: ignore[no-untyped-def]
    touch = avatars.touches_wall[w, a]
    for i in range(avatars.touches_prop.shape[2]):
        touch |= avatars.touches_prop[w, a, i]
    for b in range(avatars.touches_avatar.shape[2]):
        touch |= avatars.touches_avatar[w, a, b]
    return touch


@inner
def _carry(w, a, i, avatars, props):  # type: ignore[no-untyped-def]
    """Keeps what a hand holds before its chest."""
    position, heading, orientation = avatars.position, avatars.heading[w, a], props.orientation
    ahead = avatars.radius[a] + 0.8 * max(props.half[w, i, 0], props.half[w, i, 1])
    props.position[w, i, 0] = position[w, a, 0] + ahead * pmath.cos(heading)
    props.position[w, i, 1] = position[w, a, 1] + ahead * pmath.sin(heading)
    props.position[w, i, 2] = position[w, a, 2] + _CARRY_HEIGHT * avatars.height[a]
    orientation[w, i, 0] = orientation[w, i, 1] = 0.0
    orientation[w, i, 2] = pmath.sin(heading / 2.0)
    orientation[w, i, 3] = pmath.cos(heading / 2.0)
    props.velocity[w, i] = 0.0


@inner
def _reach_for(w, a, avatars, props, wanted):  # type: ignore[no-untyped-def]
    """The nearest wanted prop within reach in front, or NOTHING."""
    best, nearest = NOTHING, REACH
    for i in range(wanted.shape[1]):
        if not (wanted[w, i] and props.present[w, i] and props.holder[w, i] < 0):
            continue
        dx = props.position[w, i, 0] - avatars.position[w, a, 0]
        dy = props.position[w, i, 1] - avatars.position[w, a, 1]
        size = max(props.half[w, i, 0], props.half[w, i, 1])
        gap = math.sqrt(dx * dx + dy * dy) - avatars.radius[a] - size
        angle = wrap(pmath.atan2(dy, dx) - avatars.heading[w, a])
        if gap < nearest and (abs(angle) <= REACH_ANGLE or gap < 0.0):
            best, nearest = i, gap
    return best


@inner
def _free_spot(w, a, i, avatars, props, walls):  # type: ignore[no-untyped-def]
    """Where prop i fits on the floor around its holder: (x, y, 1), or (0, 0, 0) when nowhere.

    Straight ahead is tried first, then further and further to the sides.
    """
    size = math.sqrt(props.half[w, i, 0] ** 2 + props.half[w, i, 1] ** 2)
    away = avatars.radius[a] + size + _GAP
    for k in range(2 * _CANDIDATES - 1):
        turn = ((k + 1) // 2) * (1.0 if k % 2 else -1.0) * REACH_ANGLE / (_CANDIDATES - 1)
        x = avatars.position[w, a, 0] + away * pmath.cos(avatars.heading[w, a] + turn)
        y = avatars.position[w, a, 1] + away * pmath.sin(avatars.heading[w, a] + turn)
        free = True
        for b in range(avatars.radius.size):
            reach = size + avatars.radius[b] + 0.5 * _GAP
            d = (x - avatars.position[w, b, 0]) ** 2 + (y - avatars.position[w, b, 1]) ** 2
            free = free and (d >= reach * reach or not avatars.present[w, b])
        for j in range(props.shape.shape[1]):
            free = free and (j == i or _is_clear_of(w, j, x, y, size, props))
        for j in range(walls.used[w]):
            dx, dy = x - walls.position[w, j, 0], y - walls.position[w, j, 1]
            half_x, half_y = walls.half[w, j, 0], walls.half[w, j, 1]
            gap = square_outside(dx, dy, walls.cos[w, j], walls.sin[w, j], half_x, half_y)
            free = free and gap >= size * size
        if free:
            return x, y, 1.0
    return 0.0, 0.0, 0.0


@inner
def _is_clear_of(w, j, x, y, size, props):  # type: ignore[no-untyped-def]
    """Whether a disc of a radius has room beside prop j."""
    if not (props.solid[w, j] and props.present[w, j] and props.holder[w, j] < 0):
        return True
    dx, dy = x - props.position[w, j, 0], y - props.position[w, j, 1]
    if props.shape[w, j] == SHAPE_BOX or props.shape[w, j] == SHAPE_COMPOUND:
        # Its distance from the box as it stands: next to a long desk there is room.
        qz, qw = props.orientation[w, j, 2], props.orientation[w, j, 3]
        cos, sin = qw * qw - qz * qz, 2.0 * qw * qz
        half_x, half_y = props.half[w, j, 0], props.half[w, j, 1]
        return square_outside(dx, dy, cos, sin, half_x, half_y) >= size * size
    reach = size + props.half[w, j, 0]
    return dx * dx + dy * dy >= reach * reach
