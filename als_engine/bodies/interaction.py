"""What hands and mouths do: pick up, put down, use and speak, as events of the step.

A carried prop leaves the physics and rides in front of its holder's chest; put down, it goes back
into the physics where there is room for it.
"""

from __future__ import annotations

import math
from typing import Final

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE, Commands
from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, SHAPE_BOX
from als_engine.world.state import WorldState

REACH: Final = 0.9
"""How far from an avatar's skin the surface of a prop may be to be picked up or used, metres."""

REACH_ANGLE: Final = math.radians(70)
"""How far to the side of its heading an avatar reaches."""

_CARRY_HEIGHT: Final = 0.62
_GAP: Final = 0.06
_CANDIDATES: Final = 5


def resolve(state: WorldState, commands: Commands) -> None:
    """Carries out all hand and speech commands, and notes in `state.events` what happened.

    Avatars act in the order of their index, so two hands on one prop never both succeed.
    """
    avatars, props, walls, events = state.avatars, state.props, state.walls, state.events
    _resolve(
        commands.hand, commands.say, avatars.position, avatars.heading, state.bodies.radius,
        state.bodies.height, avatars.held, avatars.utterance, avatars.touches_prop,
        avatars.touches_avatar, avatars.touches_wall, avatars.touching, props.position,
        props.orientation, props.velocity, props.shape, props.half, props.present, props.holder,
        props.portable, props.usable, props.solid, walls.count, walls.position, walls.half,
        walls.cos, walls.sin, events.picked_up, events.put_down, events.used, events.bumped,
        state.moved,
    )  # fmt: skip


@kernel
def _resolve(  # type: ignore[no-untyped-def]
    hand, say, position, heading, radius, height, held, utterance, touches_prop, touches_avatar,
    touches_wall, touching, prop_position, orientation, velocity, shape, half, present, holder,
    portable, usable, solid, wall_count, wall_position, wall_half, wall_cos, wall_sin, picked_up,
    put_down, used, bumped, moved,
):  # fmt: skip
    worlds, avatars = hand.shape
    props = half.shape[1]
    for w in range(worlds):
        for a in range(avatars):
            picked_up[w, a] = put_down[w, a] = used[w, a] = NOTHING
            utterance[w, a] = say[w, a]
            touch = touches_wall[w, a]
            for i in range(props):
                touch |= touches_prop[w, a, i]
            for b in range(avatars):
                touch |= touches_avatar[w, a, b]
            bumped[w, a] = touch and not touching[w, a]
            touching[w, a] = touch

            if hand[w, a] == HAND_PICK_UP and held[w, a] < 0:
                found = _reach_for(
                    position[w, a], heading[w, a], radius[a], prop_position[w], half[w],
                    present[w], holder[w], portable[w],
                )  # fmt: skip
                if found >= 0:
                    held[w, a], holder[w, found], picked_up[w, a] = found, a, found
                    moved[w, found] = True
            elif hand[w, a] == HAND_PUT_DOWN and held[w, a] >= 0:
                i = held[w, a]
                spot = _free_spot(
                    w, a, i, position, heading, radius, prop_position, orientation, shape, half,
                    present, holder, solid, wall_count, wall_position, wall_half, wall_cos,
                    wall_sin,
                )  # fmt: skip
                if spot[2] > 0.0:
                    prop_position[w, i, 0], prop_position[w, i, 1] = spot[0], spot[1]
                    prop_position[w, i, 2] = half[w, i, 2]
                    velocity[w, i] = 0.0
                    held[w, a], holder[w, i], put_down[w, a] = NOTHING, NOTHING, i
                    moved[w, i] = True
            elif hand[w, a] == HAND_USE:
                used[w, a] = _reach_for(
                    position[w, a], heading[w, a], radius[a], prop_position[w], half[w],
                    present[w], holder[w], usable[w],
                )  # fmt: skip

            if held[w, a] >= 0:
                i = held[w, a]
                ahead = radius[a] + 0.8 * max(half[w, i, 0], half[w, i, 1])
                prop_position[w, i, 0] = position[w, a, 0] + ahead * pmath.cos(heading[w, a])
                prop_position[w, i, 1] = position[w, a, 1] + ahead * pmath.sin(heading[w, a])
                prop_position[w, i, 2] = position[w, a, 2] + _CARRY_HEIGHT * height[a]
                orientation[w, i, 0] = orientation[w, i, 1] = 0.0
                orientation[w, i, 2] = pmath.sin(heading[w, a] / 2.0)
                orientation[w, i, 3] = pmath.cos(heading[w, a] / 2.0)
                velocity[w, i] = 0.0


@kernel
def _reach_for(  # type: ignore[no-untyped-def]
    position, heading, radius, prop_position, half, present, holder, wanted
):
    """The nearest wanted prop within reach in front, or NOTHING."""
    best, nearest = NOTHING, REACH
    for i in range(half.shape[0]):
        if not (wanted[i] and present[i] and holder[i] < 0):
            continue
        dx, dy = prop_position[i, 0] - position[0], prop_position[i, 1] - position[1]
        gap = math.sqrt(dx * dx + dy * dy) - radius - max(half[i, 0], half[i, 1])
        angle = pmath.atan2(dy, dx) - heading
        angle -= 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
        if gap < nearest and (abs(angle) <= REACH_ANGLE or gap < 0.0):
            best, nearest = i, gap
    return best


@kernel
def _free_spot(  # type: ignore[no-untyped-def]
    w, a, i, position, heading, radius, prop_position, orientation, shape, half, present, holder,
    solid, wall_count, wall_position, wall_half, wall_cos, wall_sin,
):  # fmt: skip
    """Where prop i fits on the floor around its holder: (x, y, 1), or (0, 0, 0) when nowhere.

    Straight ahead is tried first, then further and further to the sides.
    """
    size = math.sqrt(half[w, i, 0] ** 2 + half[w, i, 1] ** 2)
    away = radius[a] + size + _GAP
    for k in range(2 * _CANDIDATES - 1):
        turn = ((k + 1) // 2) * (1.0 if k % 2 else -1.0) * REACH_ANGLE / (_CANDIDATES - 1)
        x = position[w, a, 0] + away * pmath.cos(heading[w, a] + turn)
        y = position[w, a, 1] + away * pmath.sin(heading[w, a] + turn)
        free = True
        for b in range(radius.shape[0]):
            reach = size + radius[b] + 0.5 * _GAP
            d = (x - position[w, b, 0]) ** 2 + (y - position[w, b, 1]) ** 2
            free = free and d >= reach * reach
        for j in range(half.shape[1]):
            if j != i and solid[w, j] and present[w, j] and holder[w, j] < 0:
                dx, dy = x - prop_position[w, j, 0], y - prop_position[w, j, 1]
                if shape[w, j] == SHAPE_BOX:
                    # Its distance from the box as it stands: next to a long desk there is room.
                    qz, qw = orientation[w, j, 2], orientation[w, j, 3]
                    cos, sin = qw * qw - qz * qz, 2.0 * qw * qz
                    u = max(0.0, abs(cos * dx + sin * dy) - half[w, j, 0])
                    v = max(0.0, abs(cos * dy - sin * dx) - half[w, j, 1])
                    free = free and u * u + v * v >= size * size
                else:
                    reach = size + half[w, j, 0]
                    free = free and dx * dx + dy * dy >= reach * reach
        for j in range(wall_count[w]):
            dx, dy = x - wall_position[w, j, 0], y - wall_position[w, j, 1]
            u = max(0.0, abs(wall_cos[w, j] * dx + wall_sin[w, j] * dy) - wall_half[w, j, 0])
            v = max(0.0, abs(wall_cos[w, j] * dy - wall_sin[w, j] * dx) - wall_half[w, j, 1])
            free = free and u * u + v * v >= size * size
        if free:
            return x, y, 1.0
    return 0.0, 0.0, 0.0
