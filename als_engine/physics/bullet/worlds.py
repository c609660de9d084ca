"""The kernels that build and step Bullet's worlds: every call to Bullet is made from here.

The calls of one world's step cost nearly as much from Python as its physics, so no Python runs
between them. Sleeping props are not read, and contacts are asked for only where an avatar is
close enough to something to have one.
"""

from __future__ import annotations

import numpy as np

from als_engine.physics.bullet import api
from als_engine.physics.bullet import calls as bullet
from als_engine.physics.kernels import (
    GRAVITY,
    WALL,
    feel,
    find_awake,
    forget_contacts,
    parking,
    scan,
    take_pose,
)
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, SHAPE_BOX, SHAPE_SPHERE


@kernel(nogil=False)
def build_world(  # type: ignore[no-untyped-def]
    client, time_step, substeps, things, avatars, bodies,
    wall_half, wall_position, wall_orientation,
    position, orientation, shape, half, mass, friction, solid, present,
    avatar_position, radius, height, avatar_mass,
):  # fmt: skip
    """Empties one world, creates its bodies, always in the same order, and says if that worked.

    Written are `things` (bodies,), what each body is (see `kernels.WALL`), and the numbers of the
    bodies: `avatars` (avatars,) and `bodies` (props,), NOTHING where a prop has none. The time step
    is that of all substeps, seconds. The rest are one world's rows of the arrays of `WorldState`:
    of its walls, its props and its avatars.
    """
    bullet.reset_world(client, GRAVITY, time_step, substeps)
    upright = np.zeros(4)
    upright[3] = 1.0
    last = bullet.body(client, 0.0, bullet.plane(client), np.zeros(3), upright, 0)
    made = last == 0  # `touch` knows the floor by that number.
    command = api.init_dynamics(client)
    api.set_friction(command, last, bullet.BASE, 1.0)
    bullet.submit(client, command)
    things[:] = WALL
    for i in range(wall_half.shape[0]):
        box = bullet.box(client, wall_half[i])
        last = bullet.body(client, 0.0, box, wall_position[i], wall_orientation[i], 0)
        made &= 0 < last < things.size
    for i in range(mass.size):
        bodies[i] = NOTHING
        if solid[i]:
            place = position[i] if present[i] else parking(i, half[i, 2])
            last = bodies[i] = _build_prop(
                client, shape[i], half[i], mass[i], friction[i], place, orientation[i]
            )
            made &= 0 < last < things.size
            if made:
                things[last] = i
    for a in range(radius.size):
        place = avatar_position[a].copy()
        place[2] += height[a] / 2.0
        last = avatars[a] = _build_avatar(
            client, radius[a], height[a], avatar_mass[a], place, upright
        )
        made &= 0 < last < things.size
        if made:
            things[last] = WALL - 1 - a
    return made


@kernel(nogil=False)
def _build_prop(client, shape, half, mass, friction, place, orientation):  # type: ignore[no-untyped-def]
    if shape == SHAPE_BOX:
        form = bullet.box(client, half)
    elif shape == SHAPE_SPHERE:
        form = bullet.sphere(client, half[0])
    else:
        form = bullet.cylinder(client, half[0], 2.0 * half[2])
    body = bullet.body(client, mass, form, place, orientation, bullet.MAY_SLEEP)
    command = api.init_dynamics(client)
    api.set_friction(command, body, bullet.BASE, friction)
    api.set_rolling_friction(command, body, bullet.BASE, 0.0 if shape == SHAPE_BOX else 0.01)
    api.set_activation(command, body, bullet.SLEEPS)
    bullet.submit(client, command)
    return body


@kernel(nogil=False)
def _build_avatar(client, radius, height, mass, place, upright):  # type: ignore[no-untyped-def]
    form = bullet.capsule(client, radius, height - 2.0 * radius)
    body = bullet.body(client, mass, form, place, upright, 0)
    command = api.init_dynamics(client)
    # Bullet reads an inertia of zero as infinite: it stays upright.
    api.set_inertia(command, body, bullet.BASE, np.zeros(3).ctypes)
    # The commanded force is all that moves it along the floor.
    api.set_friction(command, body, bullet.BASE, 0.0)
    api.set_linear_damping(command, body, 0.0)
    api.set_angular_damping(command, body, 0.0)
    api.set_activation(command, body, bullet.NEVER_SLEEPS)
    bullet.submit(client, command)
    return body


@kernel(nogil=False)
def step_worlds(  # type: ignore[no-untyped-def]
    clients, things, avatars, bodies, quiet, awake, near, broken, time_step, substeps, force,
    moved, position, velocity, heading, radius, height,
    pressure, touches_prop, touches_avatar, touches_wall,
    prop_position, prop_orientation, prop_velocity, half, mass, solid, present, holder,
    wall_count, wall_position, wall_half, wall_cos, wall_sin,
):  # fmt: skip
    """Advances every world by one time step and returns the first broken one, or NOTHING.

    A world is broken when it is not finite or has exploded; the others go on. `clients` are
    (worlds,) handles; `things` (worlds, bodies), `avatars` (worlds, avatars) and `bodies` (worlds,
    props) are as `build_world` has written them; `quiet`, `awake` (worlds, props), `near` (worlds,
    avatars) and `broken` (worlds,) are as `find_awake` and `scan` keep them. Forces are (worlds,
    avatars, 3), newtons; the rest are the arrays of `WorldState`.
    """
    _take_over(
        clients, bodies, quiet, moved, prop_position, prop_orientation, half, mass, present, holder
    )
    find_awake(
        prop_position, prop_velocity, half, mass, solid, present, holder, position, radius, quiet,
        awake,
    )  # fmt: skip
    readings = np.zeros((near.shape[0], near.shape[1], 6))
    origin, pose, motion = np.zeros(3), np.zeros(7), np.zeros(6)
    for w in range(clients.size):
        for a in range(avatars.shape[1]):
            bullet.push(clients[w], avatars[w, a], force[w, a], origin)
        bullet.step(clients[w])
        for a in range(avatars.shape[1]):
            bullet.read_body(clients[w], avatars[w, a], pose, motion)
            for k in range(3):
                readings[w, a, k], readings[w, a, 3 + k] = pose[k], motion[k]
        for i in range(bodies.shape[1]):
            for k in range(3):
                prop_velocity[w, i, k] = 0.0
            if awake[w, i]:
                bullet.read_body(clients[w], bodies[w, i], pose, motion)
                take_pose(
                    pose, time_step, prop_position[w, i], prop_orientation[w, i],
                    prop_velocity[w, i],
                )  # fmt: skip
    bad = scan(
        readings, height, position, velocity, radius, wall_count, wall_position, wall_half,
        wall_cos, wall_sin, prop_position, prop_orientation, half, solid, present, holder, near,
        broken,
    )  # fmt: skip
    forget_contacts(pressure, touches_prop, touches_avatar, touches_wall)
    for w in range(clients.size):
        for a in range(avatars.shape[1]):
            if near[w, a]:
                contacts = bullet.contacts_of(clients[w], avatars[w, a])
                for k in range(contacts.size):
                    other = contacts[k].body_b
                    if other != 0:  # The floor.
                        # Bullet divides the last substep's impulse by the whole step.
                        feel(
                            w, a, things[w, other], contacts[k].normal_x, contacts[k].normal_y,
                            contacts[k].distance, contacts[k].force * substeps, heading,
                            pressure, touches_prop, touches_avatar, touches_wall,
                        )  # fmt: skip
    return bad


@kernel(nogil=False)
def _take_over(  # type: ignore[no-untyped-def]
    clients, bodies, quiet, moved, position, orientation, half, mass, present, holder
):
    """Places the props that a task or a hand has moved, and wakes what may rest on them."""
    for w in range(clients.size):
        if not moved[w].any():
            continue
        for i in range(bodies.shape[1]):
            if moved[w, i]:
                here = present[w, i] and holder[w, i] == NOTHING
                spot = position[w, i] if here else parking(i, half[w, i, 2])
                _place(clients[w], bodies[w, i], spot, orientation[w, i])
        _wake(clients[w], bodies[w], mass[w])
        for i in range(bodies.shape[1]):
            quiet[w, i] = -1
            moved[w, i] = False


@kernel(nogil=False)
def _place(client, body, spot, orientation):  # type: ignore[no-untyped-def]
    """Puts a prop somewhere, at rest; one that is not solid has no body."""
    if body != NOTHING:
        still = np.zeros(3)
        bullet.place(client, body, spot, orientation)
        bullet.set_velocity(client, body, still, still)


@kernel(nogil=False)
def _wake(client, bodies, mass):  # type: ignore[no-untyped-def]
    """Wakes every prop that can move."""
    for i in range(bodies.size):
        if bodies[i] != NOTHING and mass[i] > 0.0:
            bullet.wake(client, bodies[i])


@kernel(nogil=False)
def replay_world(client, avatars, bodies, mass, world, entries, readings, poses):  # type: ignore[no-untyped-def]
    """Lets one world that was just built go through its journal, and reads where it has come to.

    Nothing is read on the way: what `step_worlds` reads changes no bit.

    Args:
        client: its handle.
        avatars: (avatars,) numbers of the bodies.
        bodies: (props,) likewise, NOTHING where a prop has none.
        mass: (props,), kilograms.
        world: its row in the journal.
        entries: the journal, `journal.Entries`.
        readings: (avatars, 6), written: place and velocity.
        poses: (props, 7), written: place and quaternion.
    """
    origin, pose, motion = np.zeros(3), np.zeros(7), np.zeros(6)
    move = 0
    for step in range(entries.steps[world]):
        first = move
        while move < entries.moves[world] and entries.move_step[world, move] == step:
            target = entries.move_pose[world, move]
            _place(client, bodies[entries.move_prop[world, move]], target[:3], target[3:])
            move += 1
        if move > first:
            _wake(client, bodies, mass)
        for a in range(avatars.size):
            bullet.push(client, avatars[a], entries.force[world, step, a], origin)
        bullet.step(client)
    for a in range(avatars.size):
        bullet.read_body(client, avatars[a], pose, motion)
        for k in range(3):
            readings[a, k], readings[a, 3 + k] = pose[k], motion[k]
    for i in range(bodies.size):
        if bodies[i] != NOTHING:
            bullet.read_body(client, bodies[i], pose, motion)
            poses[i] = pose
