"""The physics' kernels: which props may move, who may touch something, and what was touched."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import square_outside
from als_engine.system.compiling import inner
from als_engine.world.arrays import NOTHING, TOUCH_SECTORS

SUBSTEP: Final = 1 / 60
"""Seconds; a step is four of them."""

GRAVITY: Final = -9.81

WALL: Final = -1
"""What `feel` reads for a body that is neither prop nor avatar; avatar `a` is `WALL - 1 - a`."""

FAR: Final = 1_000.0
"""Where props that are carried or absent are parked, metres along x and y; avatars along -y."""

_EXPLODED: Final = 500.0
_TOUCHING: Final = 0.01
_REACH: Final = 0.06
_WAKE: Final = 0.35
_QUIET: Final = 3
_UPRIGHT: Final = 0.02


@inner
def find_awake(avatars, props, quiet, awake):  # type: ignore[no-untyped-def]
    """Marks the props that may move in the coming step.

    Those are the ones that moved in one of the last few steps, the ones that an avatar is close
    to, and the ones that one of these may push, directly or through others. A needless mark costs
    a read, never a bit.

    Args:
        avatars: `AvatarRows`.
        props: `PropRows`.
        quiet: (worlds, props), for how many steps each has not been marked; written.
        awake: (worlds, props), the marks; written.
    """
    worlds, count = awake.shape
    for w in range(worlds):
        for i in range(count):
            moving = props.velocity[w, i, 0] != 0.0 or props.velocity[w, i, 1] != 0.0
            moving |= props.velocity[w, i, 2] != 0.0
            for a in range(avatars.radius.size):
                if not avatars.present[w, a]:
                    continue
                dx = avatars.position[w, a, 0] - props.position[w, i, 0]
                dy = avatars.position[w, a, 1] - props.position[w, i, 1]
                reach = _bounding_radius(props.half[w, i]) + avatars.radius[a] + _WAKE
                moving |= dx * dx + dy * dy < reach * reach
            awake[w, i] = moving and _is_free(w, i, props)
        spreading = True
        while spreading:
            spreading = False
            for i in range(count):
                if not awake[w, i] and _is_free(w, i, props) and _near_awake(w, i, props, awake):
                    awake[w, i] = spreading = True
        for i in range(count):
            quiet[w, i] = 0 if awake[w, i] else min(quiet[w, i] + 1, _QUIET)
            awake[w, i] = quiet[w, i] < _QUIET and _is_free(w, i, props)


@inner
def _is_free(w, i, props):  # type: ignore[no-untyped-def]
    return props.mass[w, i] > 0.0 and is_body(w, i, props)


@inner
def is_body(w, i, props):  # type: ignore[no-untyped-def]
    """Whether a prop stands in the world as a body that others can meet."""
    return props.solid[w, i] and props.present[w, i] and props.holder[w, i] < 0


@inner
def _near_awake(w, i, props, awake):  # type: ignore[no-untyped-def]
    for j in range(awake.shape[1]):
        if awake[w, j]:
            dx = props.position[w, j, 0] - props.position[w, i, 0]
            dy = props.position[w, j, 1] - props.position[w, i, 1]
            reach = _bounding_radius(props.half[w, i]) + _bounding_radius(props.half[w, j]) + _WAKE
            if dx * dx + dy * dy < reach * reach:
                return True
    return False


@inner
def _bounding_radius(half):  # type: ignore[no-untyped-def]
    return math.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])


@inner
def parking(prop, half_height):  # type: ignore[no-untyped-def]
    """A place on the floor, far away, where a prop falls asleep and meets nobody."""
    place = np.empty(3)
    place[0], place[1], place[2] = FAR + 10.0 * prop, FAR, half_height
    return place


@inner
def standing(w, a, avatars):  # type: ignore[no-untyped-def]
    """Where the middle of an avatar is: over its feet, or far away where it is absent."""
    place = avatars.position[w, a].copy()
    if not avatars.present[w, a]:
        place[0], place[1], place[2] = FAR + 10.0 * a, -FAR, 0.0
    place[2] += avatars.height[a] / 2.0
    return place


@inner
def take_pose(pose, time_step, w, i, props):  # type: ignore[no-untyped-def]
    """Writes what was read of a prop that is awake: `pose` is (7,), place and quaternion."""
    for k in range(3):
        props.velocity[w, i, k] = (pose[k] - props.position[w, i, k]) / time_step
        props.position[w, i, k] = pose[k]
    for k in range(4):
        props.orientation[w, i, k] = pose[3 + k]


@inner
def scan(readings, avatars, props, walls, near, broken):  # type: ignore[no-untyped-def]
    """Writes the avatars' readings to the state and marks who is close enough to touch something.

    A world whose readings are not finite or too large is marked in `broken` (worlds,), and nothing
    is written of it. Returns the first one, or NOTHING.
    """
    worlds, count = near.shape
    first = NOTHING
    for w in range(worlds):
        broken[w] = not is_sound(
            readings[w], avatars.present[w], props.position[w], props.orientation[w]
        )
        if broken[w]:
            first = w if first == NOTHING else first
            near[w] = False
            continue
        for a in range(count):
            if not avatars.present[w, a]:
                continue
            for k in range(3):
                avatars.position[w, a, k] = readings[w, a, k]
                avatars.velocity[w, a, k] = readings[w, a, 3 + k]
            avatars.position[w, a, 2] -= avatars.height[a] / 2.0
        for a in range(count):
            near[w, a] = avatars.present[w, a] and (
                _near_avatar(w, a, avatars)
                or _near_prop(w, a, avatars, props)
                or _near_wall(w, a, avatars, walls)
            )
    return first


@inner
def is_sound(readings, present, prop_position, prop_orientation):  # type: ignore[no-untyped-def]
    """Says whether one world's bodies are where bodies can be: finite, and not too far away.

    Readings are (avatars, 6), position and velocity; those of who is not present do not count.
    """
    for a in range(readings.shape[0]):
        if not present[a]:
            continue
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


@inner
def _near_avatar(w, a, avatars):  # type: ignore[no-untyped-def]
    position, radius = avatars.position, avatars.radius
    for b in range(radius.size):
        dx = position[w, b, 0] - position[w, a, 0]
        dy = position[w, b, 1] - position[w, a, 1]
        reach = radius[a] + radius[b] + _REACH
        if b != a and avatars.present[w, b] and dx * dx + dy * dy < reach * reach:
            return True
    return False


@inner
def _near_prop(w, a, avatars, props):  # type: ignore[no-untyped-def]
    for i in range(props.mass.shape[1]):
        if is_body(w, i, props):
            half = props.half[w, i]
            dx = avatars.position[w, a, 0] - props.position[w, i, 0]
            dy = avatars.position[w, a, 1] - props.position[w, i, 1]
            reach = _bounding_radius(half) + avatars.radius[a] + _REACH
            if dx * dx + dy * dy >= reach * reach:
                continue
            q = props.orientation[w, i]
            if abs(q[0]) > _UPRIGHT or abs(q[1]) > _UPRIGHT:
                return True  # It lies on its side: the ball around it has to do.
            c, s = 1.0 - 2.0 * q[2] * q[2], 2.0 * q[2] * q[3]
            # A tilt within the bound moves an edge by less than a few per cent of the size.
            reach = avatars.radius[a] + _REACH + 4.0 * _UPRIGHT * half[2]
            if square_outside(dx, dy, c, s, half[0], half[1]) < reach * reach:
                return True
    return False


@inner
def _near_wall(w, a, avatars, walls):  # type: ignore[no-untyped-def]
    reach = avatars.radius[a] + _REACH
    for i in range(walls.used[w]):
        dx = avatars.position[w, a, 0] - walls.position[w, i, 0]
        dy = avatars.position[w, a, 1] - walls.position[w, i, 1]
        half_x, half_y = walls.half[w, i, 0], walls.half[w, i, 1]
        cos, sin = walls.cos[w, i], walls.sin[w, i]
        if square_outside(dx, dy, cos, sin, half_x, half_y) < reach * reach:
            return True
    return False


@inner
def forget_contacts(avatars):  # type: ignore[no-untyped-def]
    """Clears what `feel` writes, for all worlds."""
    avatars.touch[:] = 0.0
    avatars.touches_prop[:] = False
    avatars.touches_avatar[:] = False
    avatars.touches_wall[:] = False


@inner
def feel(w, a, other, normal_x, normal_y, distance, force, avatars):  # type: ignore[no-untyped-def]
    """Adds one contact of avatar `a` in world `w`.

    Args:
        w: the world.
        a: the avatar.
        other: what it touches; see `WALL`.
        normal_x: horizontal part of the direction from the other body to the avatar.
        normal_y: the same.
        distance: metres between the surfaces, negative where they overlap.
        force: newtons.
        avatars: `AvatarRows`, whose touches are added to.
    """
    if distance > _TOUCHING:
        return
    if other >= 0:
        avatars.touches_prop[w, a, other] = True
    elif other == WALL:
        avatars.touches_wall[w, a] = True
    else:
        avatars.touches_avatar[w, a, WALL - 1 - other] = True
    angle = pmath.atan2(-normal_y, -normal_x) - avatars.heading[w, a]
    sector = math.floor(angle / (2.0 * math.pi) * TOUCH_SECTORS + 0.5) % TOUCH_SECTORS
    avatars.touch[w, a, int(sector)] += force
