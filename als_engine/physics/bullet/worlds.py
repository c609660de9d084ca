"""The kernels that build and step Bullet's worlds: every call to Bullet is made from here.

The calls of one world's step cost nearly as much from Python as its physics, so no Python runs
between them. Sleeping props are not read, and contacts are asked for only where an avatar is
close enough to something to have one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry.parts import PartRows
from als_engine.geometry.sight import WallRows
from als_engine.physics.bullet import api
from als_engine.physics.bullet import calls as bullet
from als_engine.physics.bullet.journal import Entries
from als_engine.physics.kernels import (
    GRAVITY,
    WALL,
    feel,
    find_awake,
    forget_contacts,
    parking,
    scan,
    standing,
    take_pose,
)
from als_engine.physics.rows import AvatarRows, PropRows
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import (
    NOTHING,
    SHAPE_BOX,
    SHAPE_COMPOUND,
    SHAPE_SPHERE,
    BoolArray,
    FloatArray,
    IntArray,
)

FLOOR: Final = 0
"""The number of the floor: the first body of a world."""


class Worlds(NamedTuple):
    """Arrays about Bullet's worlds.

    Attributes:
        clients: (worlds,), handles.
        things: (worlds, bodies), what each body is; see `kernels.WALL`.
        avatars: (worlds, avatars), the numbers of their bodies.
        bodies: (worlds, props), likewise, NOTHING where a prop has none.
        quiet: (worlds, props), awake: the same; see `kernels.find_awake`.
        near: (worlds, avatars), broken: (worlds,); see `kernels.scan`.
    """

    clients: NDArray[np.intp]
    things: IntArray
    avatars: IntArray
    bodies: IntArray
    quiet: NDArray[np.int8]
    awake: BoolArray
    near: BoolArray
    broken: BoolArray


class WallParts(NamedTuple):
    """The walls that a world is built with, (walls, ...)."""

    half: FloatArray
    position: FloatArray
    orientation: FloatArray


class PropParts(NamedTuple):
    """The props that a world is built with, (props, ...)."""

    position: FloatArray
    orientation: FloatArray
    shape: NDArray[np.uint8]
    half: FloatArray
    mass: FloatArray
    friction: FloatArray
    solid: BoolArray
    present: BoolArray


class AvatarParts(NamedTuple):
    """The avatars that a world is built with, (avatars, ...); their middles are at `position`."""

    position: FloatArray
    radius: FloatArray
    height: FloatArray
    mass: FloatArray


@kernel(nogil=False)
def build_world(w, worlds, time_step, substeps, walls, props, parts, avatars):  # type: ignore[no-untyped-def]
    """Empties one world, creates its bodies, always in the same order, and says if that worked.

    Args:
        w: its number.
        worlds: `Worlds`, in which what each body is and the numbers of the bodies are written.
        time_step: that of all substeps, seconds.
        substeps: how many.
        walls: `WallParts`.
        props: `PropParts`.
        parts: `PartRows` of all worlds.
        avatars: `AvatarParts`.
    """
    worlds, walls, parts = Worlds(*worlds), WallParts(*walls), PartRows(*parts)
    props, avatars = PropParts(*props), AvatarParts(*avatars)
    client, things = worlds.clients[w], worlds.things[w]
    bullet.reset_world(client, GRAVITY, time_step, substeps)
    upright = np.zeros(4)
    upright[3] = 1.0
    bullet.body(client, 0.0, bullet.plane(client), np.zeros(3), upright, 0)
    command = api.init_dynamics(client)
    api.set_friction(command, FLOOR, bullet.BASE, 1.0)
    bullet.submit(client, command)
    things[:] = WALL
    last = FLOOR
    for i in range(walls.half.shape[0]):
        box = bullet.box(client, walls.half[i])
        bullet.body(client, 0.0, box, walls.position[i], walls.orientation[i], 0)
        last += 1
    for i in range(props.mass.size):
        worlds.bodies[w, i] = NOTHING
        if props.solid[i]:
            last += 1
            _build_prop(client, last, w, i, props, parts)
            worlds.bodies[w, i] = last
            things[last] = i
    for a in range(avatars.radius.size):
        last += 1
        _build_avatar(client, last, a, avatars, upright)
        worlds.avatars[w, a] = last
        things[last] = WALL - 1 - a
    return bullet.has_body(client, last)


@inner
def _build_prop(client, number, w, i, props, parts):  # type: ignore[no-untyped-def]
    half, shape = props.half[i], props.shape[i]
    if shape == SHAPE_BOX:
        form = bullet.box(client, half)
    elif shape == SHAPE_SPHERE:
        form = bullet.sphere(client, half[0])
    elif shape == SHAPE_COMPOUND:
        form = bullet.compound(client, w, i, parts)
    else:
        form = bullet.cylinder(client, half[0], 2.0 * half[2])
    place = props.position[i] if props.present[i] else parking(i, half[2])
    bullet.body(client, props.mass[i], form, place, props.orientation[i], bullet.MAY_SLEEP)
    command = api.init_dynamics(client)
    api.set_friction(command, number, bullet.BASE, props.friction[i])
    rolls = shape != SHAPE_BOX and shape != SHAPE_COMPOUND
    api.set_rolling_friction(command, number, bullet.BASE, 0.01 if rolls else 0.0)
    api.set_activation(command, number, bullet.SLEEPS)
    bullet.submit(client, command)


@inner
def _build_avatar(client, number, a, avatars, upright):  # type: ignore[no-untyped-def]
    radius, height = avatars.radius[a], avatars.height[a]
    form = bullet.capsule(client, radius, height - 2.0 * radius)
    bullet.body(client, avatars.mass[a], form, avatars.position[a], upright, 0)
    command = api.init_dynamics(client)
    # Bullet reads an inertia of zero as infinite: it stays upright.
    api.set_inertia(command, number, bullet.BASE, np.zeros(3).ctypes)
    # The commanded force is all that moves it along the floor.
    api.set_friction(command, number, bullet.BASE, 0.0)
    api.set_linear_damping(command, number, 0.0)
    api.set_angular_damping(command, number, 0.0)
    api.set_activation(command, number, bullet.NEVER_SLEEPS)
    bullet.submit(client, command)


@kernel(nogil=False)
def step_worlds(worlds, time_step, substeps, force, avatars, props, walls):  # type: ignore[no-untyped-def]
    """Advances every world by one time step and returns the first broken one, or NOTHING.

    A world is broken when it is not finite or has exploded; the others go on.

    Args:
        worlds: `Worlds`.
        time_step: that of all substeps, seconds.
        substeps: how many.
        force: (worlds, avatars, 3), newtons.
        avatars: `AvatarRows`.
        props: `PropRows`.
        walls: `WallRows`.
    """
    worlds, walls = Worlds(*worlds), WallRows(*walls)
    avatars, props = AvatarRows(*avatars), PropRows(*props)
    _take_over(worlds, avatars, props)
    find_awake(avatars, props, worlds.quiet, worlds.awake)
    readings = np.zeros((worlds.near.shape[0], worlds.near.shape[1], 6))
    for w in range(worlds.clients.size):
        _advance(w, worlds, time_step, force, readings, props)
    bad = scan(readings, avatars, props, walls, worlds.near, worlds.broken)
    forget_contacts(avatars)
    for w in range(worlds.clients.size):
        for a in range(worlds.avatars.shape[1]):
            if worlds.near[w, a]:
                contacts = bullet.contacts_of(worlds.clients[w], worlds.avatars[w, a])
                for k in range(contacts.size):
                    other, touch = contacts[k].body_b, contacts[k]
                    if other != FLOOR:
                        # Bullet divides the last substep's impulse by the whole step.
                        feel(
                            w, a, worlds.things[w, other], touch.normal_x, touch.normal_y,
                            touch.distance, touch.force * substeps, avatars,
                        )  # fmt: skip
    return bad


@inner
def _advance(w, worlds, time_step, force, readings, props):  # type: ignore[no-untyped-def]
    """Steps one world and reads its avatars and the props that are awake."""
    client, avatars = worlds.clients[w], worlds.avatars[w]
    origin, pose, motion = np.zeros(3), np.zeros(7), np.zeros(6)
    for a in range(avatars.size):
        bullet.push(client, avatars[a], force[w, a], origin)
    bullet.step(client)
    for a in range(avatars.size):
        bullet.read_body(client, avatars[a], pose, motion)
        for k in range(3):
            readings[w, a, k], readings[w, a, 3 + k] = pose[k], motion[k]
    for i in range(worlds.bodies.shape[1]):
        for k in range(3):
            props.velocity[w, i, k] = 0.0
        if worlds.awake[w, i]:
            bullet.read_body(client, worlds.bodies[w, i], pose, motion)
            take_pose(pose, time_step, w, i, props)


@inner
def _take_over(worlds, avatars, props):  # type: ignore[no-untyped-def]
    """Places what a task or a hand has moved, and wakes what may rest on it."""
    upright = np.zeros(4)
    upright[3] = 1.0
    for w in range(worlds.clients.size):
        if not (props.moved[w].any() or avatars.placed[w].any()):
            continue
        client, bodies = worlds.clients[w], worlds.bodies[w]
        for i in range(bodies.size):
            if props.moved[w, i]:
                here = props.present[w, i] and props.holder[w, i] == NOTHING
                spot = props.position[w, i] if here else parking(i, props.half[w, i, 2])
                _place(client, bodies[i], spot, props.orientation[w, i])
        for a in range(worlds.avatars.shape[1]):
            if avatars.placed[w, a]:
                _place(client, worlds.avatars[w, a], standing(w, a, avatars), upright)
                avatars.placed[w, a] = False
        _wake(client, bodies, props.mass[w])
        for i in range(bodies.size):
            worlds.quiet[w, i] = -1
            props.moved[w, i] = False


@inner
def _place(client, body, spot, orientation):  # type: ignore[no-untyped-def]
    """Puts a body somewhere, at rest; a prop that is not solid has none."""
    if body != NOTHING:
        still = np.zeros(3)
        bullet.place(client, body, spot, orientation)
        bullet.set_velocity(client, body, still, still)


@inner
def _wake(client, bodies, mass):  # type: ignore[no-untyped-def]
    """Wakes every prop that can move."""
    for i in range(bodies.size):
        if bodies[i] != NOTHING and mass[i] > 0.0:
            bullet.wake(client, bodies[i])


@kernel(nogil=False)
def replay_world(world, worlds, mass, entries, readings, poses):  # type: ignore[no-untyped-def]
    """Lets one world that was just built go through its journal, and reads where it has come to.

    Nothing is read on the way: what `step_worlds` reads changes no bit.

    Args:
        world: its number.
        worlds: `Worlds`.
        mass: (props,), kilograms.
        entries: the journal, `journal.Entries`.
        readings: (avatars, 6), written: place and velocity.
        poses: (props, 7), written: place and quaternion.
    """
    worlds, entries = Worlds(*worlds), Entries(*entries)
    client, avatars, bodies = worlds.clients[world], worlds.avatars[world], worlds.bodies[world]
    origin, pose, motion = np.zeros(3), np.zeros(7), np.zeros(6)
    move = 0
    for step in range(entries.steps[world]):
        first = move
        while move < entries.moves[world] and entries.move_step[world, move] == step:
            target = entries.move_pose[world, move]
            thing = entries.move_prop[world, move]
            body = bodies[thing] if thing < bodies.size else avatars[thing - bodies.size]
            _place(client, body, target[:3], target[3:])
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
