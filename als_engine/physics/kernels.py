"""The physics' kernels: which props may move, who may touch something, and what was touched."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, TOUCH_SECTORS

SUBSTEP: Final = 1 / 60
"""Seconds; a step is four of them."""

GRAVITY: Final = -9.81

WALL: Final = -1
"""What `feel` reads for a body that is neither prop nor avatar; avatar `a` is `WALL - 1 - a`."""

FAR: Final = 1_000.0
"""Where props that are carried or absent are parked, metres along x and y."""

_EXPLODED: Final = 500.0
_TOUCHING: Final = 0.01
_REACH: Final = 0.06
_WAKE: Final = 0.35
_QUIET: Final = 3
_UPRIGHT: Final = 0.02


@kernel
def find_awake(  # type: ignore[no-untyped-def]
    position, velocity, half, mass, solid, present, holder, avatar_position, radius, quiet, awake
):
    """Marks the props that may move in the coming step.

    Those are the ones that moved in one of the last few steps, the ones that an avatar is close
    to, and the ones that one of these may push, directly or through others. A needless mark costs
    a read, never a bit.
    """
    worlds, props = mass.shape
    for w in range(worlds):
        for i in range(props):
            free = mass[w, i] > 0.0 and solid[w, i] and present[w, i] and holder[w, i] < 0
            moving = velocity[w, i, 0] != 0.0 or velocity[w, i, 1] != 0.0
            moving |= velocity[w, i, 2] != 0.0
            for a in range(radius.shape[0]):
                dx = avatar_position[w, a, 0] - position[w, i, 0]
                dy = avatar_position[w, a, 1] - position[w, i, 1]
                reach = _bounding_radius(half[w, i]) + radius[a] + _WAKE
                moving |= dx * dx + dy * dy < reach * reach
            awake[w, i] = free and moving
        spreading = True
        while spreading:
            spreading = False
            for i in range(props):
                if awake[w, i] or not (mass[w, i] > 0.0 and solid[w, i] and present[w, i]):
                    continue
                if holder[w, i] < 0 and _near_awake(i, position[w], half[w], awake[w]):
                    awake[w, i] = spreading = True
        for i in range(props):
            quiet[w, i] = 0 if awake[w, i] else min(quiet[w, i] + 1, _QUIET)
            free = mass[w, i] > 0.0 and solid[w, i] and present[w, i] and holder[w, i] < 0
            awake[w, i] = free and quiet[w, i] < _QUIET


@kernel
def _near_awake(i, position, half, awake):  # type: ignore[no-untyped-def]
    for j in range(awake.shape[0]):
        if awake[j]:
            dx, dy = position[j, 0] - position[i, 0], position[j, 1] - position[i, 1]
            reach = _bounding_radius(half[i]) + _bounding_radius(half[j]) + _WAKE
            if dx * dx + dy * dy < reach * reach:
                return True
    return False


@kernel
def _bounding_radius(half):  # type: ignore[no-untyped-def]
    return math.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])


@kernel
def parking(prop, half_height):  # type: ignore[no-untyped-def]
    """A place on the floor, far away, where a prop falls asleep and meets nobody."""
    place = np.empty(3)
    place[0], place[1], place[2] = FAR + 10.0 * prop, FAR, half_height
    return place


@kernel
def take_pose(pose, time_step, position, orientation, velocity):  # type: ignore[no-untyped-def]
    """Writes what was read of a prop that is awake: `pose` is (7,), place and quaternion."""
    for k in range(3):
        velocity[k] = (pose[k] - position[k]) / time_step
        position[k] = pose[k]
    for k in range(4):
        orientation[k] = pose[3 + k]


@kernel
def scan(  # type: ignore[no-untyped-def]
    readings, height, position, velocity, radius, wall_count, wall_position, wall_half, wall_cos,
    wall_sin, prop_position, prop_orientation, prop_half, solid, present, holder, near, broken,
):  # fmt: skip
    """Writes the avatars' readings to the state and marks who is close enough to touch something.

    A world whose readings are not finite or too large is marked in `broken` (worlds,), and nothing
    is written of it. Returns the first one, or NOTHING.
    """
    worlds, avatars = near.shape
    first = NOTHING
    for w in range(worlds):
        broken[w] = not is_sound(readings[w], prop_position[w], prop_orientation[w])
        if broken[w]:
            first = w if first == NOTHING else first
            near[w] = False
            continue
        for a in range(avatars):
            for k in range(3):
                position[w, a, k] = readings[w, a, k]
                velocity[w, a, k] = readings[w, a, 3 + k]
            position[w, a, 2] -= height[a] / 2.0
        for a in range(avatars):
            near[w, a] = (
                _near_avatar(w, a, position, radius)
                or _near_prop(w, a, position, radius, prop_position, prop_orientation, prop_half,
                              solid, present, holder)
                or _near_wall(w, a, position, radius, wall_count, wall_position, wall_half,
                              wall_cos, wall_sin)
            )  # fmt: skip
    return first


@kernel
def is_sound(readings, prop_position, prop_orientation):  # type: ignore[no-untyped-def]
    """Says whether one world's bodies are where bodies can be: finite, and not too far away.

    Readings are (avatars, 6), position and velocity.
    """
    for a in range(readings.shape[0]):
        for k in range(6):  # A NaN fails every comparison.
            if not (-_EXPLODED < readings[a, k] < _EXPLODED):
                return False
    for i in range(prop_position.shape[0]):
        for k in range(3):
            if not (abs(prop_position[i, k]) < _EXPLODED):
                return False
        for k in range(4):
            if not (abs(prop_orientation[i, k]) < 2.0):
                return False
    return True


@kernel
def _near_avatar(w, a, position, radius):  # type: ignore[no-untyped-def]
    for b in range(radius.shape[0]):
        dx = position[w, b, 0] - position[w, a, 0]
        dy = position[w, b, 1] - position[w, a, 1]
        reach = radius[a] + radius[b] + _REACH
        if b != a and dx * dx + dy * dy < reach * reach:
            return True
    return False


@kernel
def _near_prop(  # type: ignore[no-untyped-def]
    w, a, position, radius, prop_position, orientation, half, solid, present, holder
):
    for i in range(half.shape[1]):
        if solid[w, i] and present[w, i] and holder[w, i] < 0:
            dx = position[w, a, 0] - prop_position[w, i, 0]
            dy = position[w, a, 1] - prop_position[w, i, 1]
            reach = _bounding_radius(half[w, i]) + radius[a] + _REACH
            if dx * dx + dy * dy >= reach * reach:
                continue
            q = orientation[w, i]
            if abs(q[0]) > _UPRIGHT or abs(q[1]) > _UPRIGHT:
                return True  # It lies on its side: the ball around it has to do.
            c, s = 1.0 - 2.0 * q[2] * q[2], 2.0 * q[2] * q[3]
            x = max(0.0, abs(c * dx + s * dy) - half[w, i, 0])
            y = max(0.0, abs(c * dy - s * dx) - half[w, i, 1])
            # A tilt within the bound moves an edge by less than a few per cent of the size.
            reach = radius[a] + _REACH + 4.0 * _UPRIGHT * half[w, i, 2]
            if x * x + y * y < reach * reach:
                return True
    return False


@kernel
def _near_wall(  # type: ignore[no-untyped-def]
    w, a, position, radius, count, wall_position, half, cos, sin
):
    for i in range(count[w]):
        dx = position[w, a, 0] - wall_position[w, i, 0]
        dy = position[w, a, 1] - wall_position[w, i, 1]
        x = max(0.0, abs(cos[w, i] * dx + sin[w, i] * dy) - half[w, i, 0])
        y = max(0.0, abs(cos[w, i] * dy - sin[w, i] * dx) - half[w, i, 1])
        reach = radius[a] + _REACH
        if x * x + y * y < reach * reach:
            return True
    return False


@kernel
def forget_contacts(forces, touches_prop, touches_avatar, touches_wall):  # type: ignore[no-untyped-def]
    """Clears what `feel` writes, for all worlds."""
    forces[:] = 0.0
    touches_prop[:] = False
    touches_avatar[:] = False
    touches_wall[:] = False


@kernel
def feel(  # type: ignore[no-untyped-def]
    w, a, other, normal_x, normal_y, distance, force, heading, forces, touches_prop,
    touches_avatar, touches_wall,
):  # fmt: skip
    """Adds one contact of avatar `a` in world `w`.

    Args:
        w: the world.
        a: the avatar.
        other: what it touches; see `WALL`.
        normal_x: horizontal part of the direction from the other body to the avatar.
        normal_y: the same.
        distance: metres between the surfaces, negative where they overlap.
        force: newtons.
        heading: (worlds, avatars).
        forces: (worlds, avatars, sectors), newtons; added to.
        touches_prop: (worlds, avatars, props).
        touches_avatar: (worlds, avatars, avatars).
        touches_wall: (worlds, avatars).
    """
    if distance > _TOUCHING:
        return
    if other >= 0:
        touches_prop[w, a, other] = True
    elif other == WALL:
        touches_wall[w, a] = True
    else:
        touches_avatar[w, a, WALL - 1 - other] = True
    angle = pmath.atan2(-normal_y, -normal_x) - heading[w, a]
    sector = math.floor(angle / (2.0 * math.pi) * TOUCH_SECTORS + 0.5) % TOUCH_SECTORS
    forces[w, a, int(sector)] += force
