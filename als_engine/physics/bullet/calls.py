"""The calls of the pybullet module as functions for kernels: they send the same commands.

Each is the Numba version of a function in Bullet's `examples/pybullet/pybullet.c`, with the
arguments that the engine leaves to pybullet filled in. Bullet has global variables and is not made
for threads: like the pybullet module itself, none of this gives up the interpreter's lock.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.physics.bullet import api
from als_engine.physics.memory import read_bytes
from als_engine.system.compiling import inner, kernel
from als_engine.system.quiet import import_physics
from als_engine.world.shapes import SHAPE_BOX, SHAPE_SPHERE

pybullet = import_physics()

BASE: Final = -1
"""The link number of a body itself: none of ours has others."""

NO_SHAPE: Final = -1
SLEEPS: Final = int(pybullet.ACTIVATION_STATE_ENABLE_SLEEPING)
NEVER_SLEEPS: Final = int(pybullet.ACTIVATION_STATE_DISABLE_SLEEPING)
WAKES: Final = int(pybullet.ACTIVATION_STATE_WAKE_UP)
MAY_SLEEP: Final = int(pybullet.URDF_ENABLE_SLEEPING)
_RENDERER: Final = np.frombuffer(b"tinyRendererPlugin\0", np.uint8)
_CENTER: Final = np.zeros(3)
_UP: Final = np.array([0.0, 0.0, 1.0])
_UPRIGHT: Final = np.array([0.0, 0.0, 0.0, 1.0])
_LINK_FRAME: Final = int(pybullet.LINK_FRAME)


@inner
def submit(client, command):  # type: ignore[no-untyped-def]
    """Carries a command out and returns the handle of its status.

    `b3SubmitClientCommandAndWaitStatus` would do the same with a clock and a yield to other
    threads; here the server is in this process, and the status is there at once.
    """
    api.submit_command(client, command)
    return api.process_status(client)


@kernel(nogil=False)
def open_client():  # type: ignore[no-untyped-def]
    """Opens a client without a window or a renderer and returns its handle.

    Pictures come from the engine's own camera. PyBullet's renderer would keep a mesh of every
    shape, which costs 10 MiB a world and a third of the time of a reset. Its number is what loading
    it once more gives.
    """
    client = api.connect()
    command = api.init_custom(client)
    api.set_loaded(command, _RENDERER.ctypes)
    renderer = api.loaded_plugin(submit(client, command))
    command = api.init_custom(client)
    api.set_unloaded(command, renderer)
    submit(client, command)
    return client


@kernel(nogil=False)
def close_client(client):  # type: ignore[no-untyped-def]
    """Frees a client; its handle is invalid from then on."""
    api.disconnect(client)


@inner
def reset_world(client, gravity, time_step, substeps):  # type: ignore[no-untyped-def]
    """Empties a world: `resetSimulation`, `setGravity`, `setPhysicsEngineParameter`."""
    command = api.init_reset(client)
    api.set_reset_flags(command, 0)
    submit(client, command)
    command = api.init_parameters(client)
    api.set_gravity(command, 0.0, 0.0, gravity)
    submit(client, command)
    command = api.init_parameters(client)
    api.set_substeps(command, substeps)
    api.set_time_step(command, time_step)
    api.set_deterministic(command, 1)
    submit(client, command)


@inner
def plane(client):  # type: ignore[no-untyped-def]
    """`createCollisionShape(GEOM_PLANE)`: the floor."""
    command = api.init_shape(client)
    api.add_plane(command, _UP.ctypes, 0.0)
    return api.created_shape(submit(client, command))


@inner
def box(client, half):  # type: ignore[no-untyped-def]
    """`createCollisionShape(GEOM_BOX)` with half extents (3,)."""
    command = api.init_shape(client)
    api.add_box(command, half.ctypes)
    return api.created_shape(submit(client, command))


@inner
def sphere(client, radius):  # type: ignore[no-untyped-def]
    """`createCollisionShape(GEOM_SPHERE)`."""
    command = api.init_shape(client)
    api.add_sphere(command, radius)
    return api.created_shape(submit(client, command))


@inner
def cylinder(client, radius, height):  # type: ignore[no-untyped-def]
    """`createCollisionShape(GEOM_CYLINDER)`."""
    command = api.init_shape(client)
    api.add_cylinder(command, radius, height)
    return api.created_shape(submit(client, command))


@inner
def compound(client, w, owner, parts):  # type: ignore[no-untyped-def]
    """`createCollisionShapeArray` of the boxes, balls and cylinders of one prop."""
    command = api.init_shape(client)
    rotation = np.zeros(4)
    for k in range(parts.used[w]):
        if parts.owner[w, k] != owner:
            continue
        half = parts.half[w, k]
        if parts.form[w, k] == SHAPE_BOX:
            child = api.add_box(command, half.ctypes)
        elif parts.form[w, k] == SHAPE_SPHERE:
            child = api.add_sphere(command, half[0])
        else:
            child = api.add_cylinder(command, half[0], 2.0 * half[2])
        rotation[2], rotation[3] = parts.turn[w, k, 0], parts.turn[w, k, 1]
        if child >= 0:
            api.set_child(command, child, parts.offset[w, k].ctypes, rotation.ctypes)
    return api.created_shape(submit(client, command))


@inner
def capsule(client, radius, height):  # type: ignore[no-untyped-def]
    """`createCollisionShape(GEOM_CAPSULE)`; the height is that of its cylinder."""
    command = api.init_shape(client)
    api.add_capsule(command, radius, height)
    return api.created_shape(submit(client, command))


@inner
def body(client, mass, shape, position, orientation, flags):  # type: ignore[no-untyped-def]
    """`createMultiBody` without links; an empty world numbers its bodies from 0 on.

    Its status is not asked for: it describes the body to the client, which reads the same long
    table of Bullet's types for every body. Whether all bodies are there is what `has_body` says of
    the last one.
    """
    command = api.init_body(client)
    api.set_base(
        command, mass, shape, NO_SHAPE, position.ctypes, orientation.ctypes, _CENTER.ctypes,
        _UPRIGHT.ctypes,
    )  # fmt: skip
    if flags > 0:
        api.set_body_flags(command, flags)
    api.submit_command(client, command)


@inner
def has_body(client, number):  # type: ignore[no-untyped-def]
    """Whether a body of that number is there."""
    pose, motion = np.zeros(7), np.zeros(6)
    read_body(client, number, pose, motion)
    return not np.isnan(pose[0])


@inner
def wake(client, number):  # type: ignore[no-untyped-def]
    """`changeDynamics` with `ACTIVATION_STATE_WAKE_UP`."""
    command = api.init_dynamics(client)
    api.set_activation(command, number, WAKES)
    submit(client, command)


@inner
def place(client, number, position, orientation):  # type: ignore[no-untyped-def]
    """`resetBasePositionAndOrientation`."""
    command = api.init_pose(client, number)
    api.set_position(command, position[0], position[1], position[2])
    api.set_orientation(command, orientation[0], orientation[1], orientation[2], orientation[3])
    submit(client, command)


@inner
def set_velocity(client, number, linear, angular):  # type: ignore[no-untyped-def]
    """`resetBaseVelocity`."""
    command = api.init_pose(client, number)
    api.set_linear_velocity(command, linear.ctypes)
    api.set_angular_velocity(command, angular.ctypes)
    submit(client, command)


@inner
def push(client, number, force, origin):  # type: ignore[no-untyped-def]
    """`applyExternalForce` in the body's own frame.

    One command a force: with several in one, `b3ApplyExternalForce` writes them over one another.
    """
    command = api.init_force(client)
    api.add_force(command, number, BASE, force.ctypes, origin.ctypes, _LINK_FRAME)
    submit(client, command)


@inner
def step(client):  # type: ignore[no-untyped-def]
    """`stepSimulation`."""
    submit(client, api.init_step(client))


@inner
def read_body(client, number, pose, velocity):  # type: ignore[no-untyped-def]
    """`getBasePositionAndOrientation` and `getBaseVelocity`, which ask Bullet for the same.

    Args:
        client: its handle.
        number: of the body.
        pose: (7,) position and orientation; NaN where Bullet does not know the body.
        velocity: (6,) linear and angular.
    """
    status = submit(client, api.init_state(client, number))
    found = np.zeros(2, np.intp)
    if api.actual_state(status, 0, 0, 0, 0, found[:1].ctypes, found[1:].ctypes, 0) == 0:
        pose[:] = np.nan
        return
    read_bytes(pose.ctypes, found[0], 7 * 8)
    read_bytes(velocity.ctypes, found[1], 6 * 8)


@inner
def contacts_of(client, number):  # type: ignore[no-untyped-def]
    """`getContactPoints(body)`: the contacts as an array of `api.CONTACT`; it is body A."""
    command = api.init_contacts(client)
    api.of_body(command, number)
    submit(client, command)
    found = np.zeros(1, api.CONTACTS)
    api.contacts_found(client, found.ctypes)
    contacts = np.empty(max(0, found[0].count), api.CONTACT)
    read_bytes(contacts.ctypes, found[0].address, contacts.size * contacts.itemsize)
    return contacts
