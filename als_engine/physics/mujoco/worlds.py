"""The kernels that step MuJoCo's worlds: every call to MuJoCo in a step is made from here."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.physics.kernels import (
    GRAVITY,
    SUBSTEP,
    WALL,
    feel,
    forget_contacts,
    is_sound,
    parking,
    standing,
    take_pose,
)
from als_engine.physics.memory import read_bytes, write_bytes
from als_engine.physics.mujoco import api
from als_engine.physics.rows import AvatarRows, PropRows
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, IntArray

FLOOR: Final = -(1 << 30)
"""What `Numbers.things` holds for the floor, which nobody feels."""

AWAKE: Final = -11
"""What `mjData.tree_asleep` holds for what has moved just now: -1 - mjMINAWAKE."""

LIFTED: Final = 1e-5
"""Metres over the floor up to which an avatar stands on it."""

STILL: Final = 1e-3
"""Metres per second up to which it does so at rest."""

LOST: Final = 1e6
"""Metres, metres per second: beyond it MuJoCo would write warnings into a file."""


class Handles(NamedTuple):
    """Addresses, one each world: of its model, its data, and of arrays in them, (worlds,)."""

    model: NDArray[np.intp]
    data: NDArray[np.intp]
    positions: NDArray[np.intp]
    velocities: NDArray[np.intp]
    forces: NDArray[np.intp]
    fixed_positions: NDArray[np.intp]
    fixed_rotations: NDArray[np.intp]
    asleep: NDArray[np.intp]


class Numbers(NamedTuple):
    """What is what in each world's model.

    Attributes:
        things: (worlds, geoms), see `kernels.WALL` and `FLOOR`.
        free: (worlds, props), the number of a prop that can move, or NOTHING.
        fixed: (worlds, props), the number of a prop that cannot, or NOTHING.
        moving: (worlds,), how many props can move.
    """

    things: IntArray
    free: IntArray
    fixed: IntArray
    moving: IntArray


@kernel
def place_world(w, handles, numbers, avatars, props):  # type: ignore[no-untyped-def]
    """Puts one world's avatars and props where the state has them, at rest; the rest is reset."""
    handles, numbers = Handles(*handles), Numbers(*numbers)
    avatars, props = AvatarRows(*avatars), PropRows(*props)
    for a in range(avatars.height.size):
        _place_avatar(w, a, handles, avatars)
    for i in range(props.present.shape[1]):
        _place_prop(w, i, handles, numbers, avatars.height.size, props)
    _doze(w, handles, numbers, avatars.height.size, props)


@inner
def _place_avatar(w, a, handles, avatars):  # type: ignore[no-untyped-def]
    """Puts an avatar where the state has it, or away where it is absent, at rest."""
    place, still = standing(w, a, avatars), np.zeros(3)
    write_bytes(handles.positions[w] + 24 * a, place.ctypes, 24)
    write_bytes(handles.velocities[w] + 24 * a, still.ctypes, 24)


@inner
def _is_here(w, i, props):  # type: ignore[no-untyped-def]
    return props.present[w, i] and props.holder[w, i] == NOTHING


@inner
def _place_prop(w, i, handles, numbers, avatars, props):  # type: ignore[no-untyped-def]
    """Puts a prop where the state has it, or away where it is carried or absent, at rest."""
    pose = np.empty(7)
    here = _is_here(w, i, props)
    pose[:3] = props.position[w, i] if here else parking(i, props.half[w, i, 2])
    pose[3] = props.orientation[w, i, 3]
    pose[4:] = props.orientation[w, i, :3]
    free, fixed = numbers.free[w, i], numbers.fixed[w, i]
    if free != NOTHING:
        still = np.zeros(6)
        write_bytes(handles.positions[w] + 8 * (3 * avatars + 7 * free), pose.ctypes, 56)
        write_bytes(handles.velocities[w] + 8 * (3 * avatars + 6 * free), still.ctypes, 48)
    elif fixed != NOTHING:
        write_bytes(handles.fixed_positions[w] + 24 * fixed, pose.ctypes, 24)
        write_bytes(handles.fixed_rotations[w] + 32 * fixed, pose[3:].ctypes, 32)


@inner
def _doze(w, handles, numbers, avatars, props):  # type: ignore[no-untyped-def]
    """Wakes all that can move, and lets what is away sleep there."""
    asleep = np.full(avatars + numbers.moving[w], AWAKE, np.int32)
    for i in range(props.present.shape[1]):
        free = numbers.free[w, i]
        if free != NOTHING and not _is_here(w, i, props):
            asleep[avatars + free] = avatars + free  # A cycle of its own.
    _let_sleep(w, handles, asleep)


@kernel
def restore_sleep(w, handles, asleep):  # type: ignore[no-untyped-def]
    """Says who sleeps in a world, (trees,) as `mjData.tree_asleep` had it."""
    _let_sleep(w, Handles(*handles), asleep)


@inner
def _let_sleep(w, handles, asleep):  # type: ignore[no-untyped-def]
    """Says who sleeps in a world, (trees,) as `mjData.tree_asleep` has it.

    MuJoCo neither looks where sleepers are nor, when one is woken in the middle of a step, weighs
    it anew: what it goes by then is computed before.
    """
    awake = np.full(asleep.size, AWAKE, np.int32)
    write_bytes(handles.asleep[w], awake.ctypes, 4 * asleep.size)
    api.update_sleep(handles.model[w], handles.data[w])
    api.look(handles.model[w], handles.data[w])
    write_bytes(handles.asleep[w], asleep.ctypes, 4 * asleep.size)
    api.update_sleep(handles.model[w], handles.data[w])


@kernel
def step_worlds(handles, numbers, substeps, force, avatars, props, broken):  # type: ignore[no-untyped-def]
    """Advances every world by one time step and returns the first broken one, or NOTHING.

    A world is broken when it is not finite or has exploded: it is marked in `broken` (worlds,), and
    the others go on. Forces are (worlds, avatars, 3), newtons.
    """
    handles, numbers = Handles(*handles), Numbers(*numbers)
    avatars, props = AvatarRows(*avatars), PropRows(*props)
    first = NOTHING
    forget_contacts(avatars)
    for w in range(broken.size):
        if props.moved[w].any() or avatars.placed[w].any():
            for a in range(avatars.height.size):
                if avatars.placed[w, a]:
                    _place_avatar(w, a, handles, avatars)
                    avatars.placed[w, a] = False
            for i in range(props.moved.shape[1]):
                if props.moved[w, i]:
                    _place_prop(w, i, handles, numbers, avatars.height.size, props)
            _doze(w, handles, numbers, avatars.height.size, props)
            props.moved[w] = False
        broken[w] = not _advance(w, handles, numbers, substeps, force[w], avatars, props)
        if broken[w]:
            first = w if first == NOTHING else first
        else:
            _feel_contacts(w, handles, numbers, avatars)
    return first


@inner
def _advance(w, handles, numbers, substeps, force, avatars, props):  # type: ignore[no-untyped-def]
    """Steps one world and reads it; says whether it is sound."""
    count = avatars.height.size
    places = np.empty(3 * count + 7 * numbers.moving[w])
    motion = np.empty(3 * count + 6 * numbers.moving[w])
    readings = np.zeros((count, 6))
    if not is_sound(readings, avatars.present[w], props.position[w], props.orientation[w]):
        return False
    for substep in range(substeps + 1):
        if substep > 0:
            api.step(handles.model[w], handles.data[w])
        # Also before the first: MuJoCo would write what is lost into a file.
        read_bytes(places.ctypes, handles.positions[w], 8 * places.size)
        read_bytes(motion.ctypes, handles.velocities[w], 8 * motion.size)
        if not (_is_known(places) and _is_known(motion)):
            return False
        if substep == 0:
            _stand(w, handles, places, motion, force, avatars)
    for a in range(count):
        readings[a, :3] = places[3 * a : 3 * a + 3]
        readings[a, 3:] = motion[3 * a : 3 * a + 3]
    pose = np.empty(7)
    props.velocity[w] = 0.0
    for i in range(props.present.shape[1]):
        free = numbers.free[w, i]
        if free != NOTHING and _is_here(w, i, props):
            read = places[3 * count + 7 * free : 3 * count + 7 * free + 7]
            pose[:3], pose[3:6], pose[6] = read[:3], read[4:], read[3]
            take_pose(pose, SUBSTEP * substeps, w, i, props)
    if not is_sound(readings, avatars.present[w], props.position[w], props.orientation[w]):
        return False
    for a in range(count):
        if not avatars.present[w, a]:
            continue
        avatars.position[w, a] = readings[a, :3]
        avatars.position[w, a, 2] -= avatars.height[a] / 2.0
        avatars.velocity[w, a] = readings[a, 3:]
    return True


@inner
def _stand(w, handles, places, motion, force, avatars):  # type: ignore[no-untyped-def]
    """Writes the forces on one world's avatars, and puts those that stand onto the floor exactly.

    Who is lifted, by what they walk onto, gets the weight that the model spares the others.
    """
    force = force.copy()
    for a in range(avatars.height.size):
        level = avatars.height[a] / 2.0
        lift = places[3 * a + 2] - level
        if lift > LIFTED:
            force[a, 2] += GRAVITY * avatars.mass[a]
        elif lift >= -LIFTED and abs(motion[3 * a + 2]) <= STILL:
            places[3 * a + 2], motion[3 * a + 2] = level, 0.0
    count = 24 * avatars.height.size
    write_bytes(handles.positions[w], places.ctypes, count)
    write_bytes(handles.velocities[w], motion.ctypes, count)
    write_bytes(handles.forces[w], force.ctypes, count)


@inner
def _is_known(values):  # type: ignore[no-untyped-def]
    for value in values:  # noqa: SIM110 - Numba has no generators here.
        if not (abs(value) < LOST):  # A NaN fails every comparison.
            return False
    return True


@inner
def _feel_contacts(w, handles, numbers, avatars):  # type: ignore[no-untyped-def]
    """Lets one world's avatars feel what they touched in the last substep."""
    count, address = np.zeros(1, np.int32), np.zeros(1, np.intp)
    read_bytes(count.ctypes, handles.data[w] + api.COUNT_AT, 4)
    read_bytes(address.ctypes, handles.data[w] + api.CONTACTS_AT, 8)
    geoms, normal, distance = np.zeros(2, np.int32), np.zeros(3), np.zeros(1)
    force = np.zeros(6)
    for k in range(count[0]):
        at = address[0] + k * api.CONTACT_SIZE
        read_bytes(geoms.ctypes, at + api.GEOMS_AT, 8)
        one, other = numbers.things[w, geoms[0]], numbers.things[w, geoms[1]]
        if one == FLOOR or other == FLOOR or (one >= WALL and other >= WALL):
            continue
        read_bytes(normal.ctypes, at + api.NORMAL_AT, 24)
        read_bytes(distance.ctypes, at + api.DISTANCE_AT, 8)
        api.contact_force(handles.model[w], handles.data[w], k, force.ctypes)
        if one < WALL:  # The normal points away from the first.
            feel(w, WALL - 1 - one, other, -normal[0], -normal[1], distance[0], force[0], avatars)
        if other < WALL:
            feel(w, WALL - 1 - other, one, normal[0], normal[1], distance[0], force[0], avatars)
