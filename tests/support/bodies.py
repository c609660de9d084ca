"""Puts bodies of the engines' worlds somewhere and reads them back, past the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from als_engine.physics.base import Physics
from als_engine.physics.bullet import calls as bullet_calls
from als_engine.physics.bullet.backend import Bullet
from als_engine.simulation import Simulation
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING


def put_avatar(
    sim: Simulation, avatar: int, xy: Sequence[float], heading: float = 0.0, world: int = 0
) -> None:
    """Puts an avatar somewhere, upright and at rest, for the engine and in the state."""
    avatars, physics = sim.state.avatars, sim.moving.physics
    center = np.array([*xy, sim.state.bodies.height[avatar] / 2])
    if isinstance(physics, Bullet):
        client, body = _avatar_of(physics, world, avatar)
        _place(client, body, center, np.array([0.0, 0.0, 0.0, 1.0]))
    else:
        _mujoco_data(physics, world).qpos[3 * avatar : 3 * avatar + 3] = center
    throw_avatar(physics, world, avatar, (0.0, 0.0, 0.0))
    avatars.position[world, avatar, :2] = xy
    avatars.velocity[world, avatar] = 0.0
    avatars.heading[world, avatar] = heading


def throw_avatar(physics: Physics, world: int, avatar: int, velocity: Sequence[float]) -> None:
    """Gives an avatar a velocity, metres per second."""
    if isinstance(physics, Bullet):
        client, body = _avatar_of(physics, world, avatar)
        _set_velocity(client, body, np.array(velocity), np.zeros(3))
    else:
        _mujoco_data(physics, world).qvel[3 * avatar : 3 * avatar + 3] = velocity


def pose_of_prop(physics: Physics, world: int, prop: int) -> np.ndarray:
    """Where the engine has a prop, (7,): place and quaternion x, y, z, w."""
    if isinstance(physics, Bullet):
        pose, velocity = np.zeros(7), np.zeros(6)
        body = physics._worlds.bodies[world, prop]
        _read_body(physics._worlds.clients[world], body, pose, velocity)
        return pose
    free = int(physics._numbers.free[world, prop])
    assert free != NOTHING
    count = len(physics._worlds[world][0].avatars)
    pose = _mujoco_data(physics, world).qpos[3 * count + 7 * free :][:7]
    return pose[[0, 1, 2, 4, 5, 6, 3]]


def sleeping_props(physics: Physics, world: int) -> int:
    """How many props sleep."""
    if isinstance(physics, Bullet):
        return int((~physics._worlds.awake[world]).sum())
    return int((_mujoco_data(physics, world).tree_asleep >= 0).sum())


def _avatar_of(physics: Bullet, world: int, avatar: int) -> tuple[int, int]:
    return physics._worlds.clients[world], physics._worlds.avatars[world, avatar]


# The engine calls these from kernels only.
_place = kernel(bullet_calls.place.py_func, nogil=False)
_set_velocity = kernel(bullet_calls.set_velocity.py_func, nogil=False)
_read_body = kernel(bullet_calls.read_body.py_func, nogil=False)


def _mujoco_data(physics: Any, world: int) -> Any:
    return physics._worlds[world][2]
