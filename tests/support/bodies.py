"""Puts bodies of Bullet's worlds somewhere and reads them back, past the simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from als_engine.physics.bullet import calls as bullet_calls
from als_engine.physics.bullet.backend import Bullet
from als_engine.simulation import Simulation


def put_avatar(
    sim: Simulation, avatar: int, xy: Sequence[float], heading: float = 0.0, world: int = 0
) -> None:
    """Puts an avatar somewhere, upright and at rest, for Bullet and in the state."""
    avatars, physics = sim.state.avatars, sim._physics
    client, body = physics._clients[world], physics._avatars[world, avatar]
    center = np.array([*xy, sim.state.bodies.height[avatar] / 2])
    bullet_calls.place(client, body, center, np.array([0.0, 0.0, 0.0, 1.0]))
    bullet_calls.set_velocity(client, body, np.zeros(3), np.zeros(3))
    avatars.position[world, avatar, :2] = xy
    avatars.velocity[world, avatar] = 0.0
    avatars.heading[world, avatar] = heading


def throw_avatar(physics: Bullet, world: int, avatar: int, velocity: Sequence[float]) -> None:
    """Gives an avatar a velocity, metres per second."""
    client, body = physics._clients[world], physics._avatars[world, avatar]
    bullet_calls.set_velocity(client, body, np.array(velocity), np.zeros(3))


def pose_of_prop(physics: Bullet, world: int, prop: int) -> np.ndarray:
    """Where Bullet has a prop, (7,): place and quaternion."""
    pose, velocity = np.zeros(7), np.zeros(6)
    body = physics._props[world, prop]
    bullet_calls.read_body(physics._clients[world], body, pose, velocity)
    return pose
