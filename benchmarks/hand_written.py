"""Bullet as the physics: one client per world, opened once and reused.

Three things make this exact and fast, each measured before it was chosen:

- A reset empties the client and makes the same calls in the same order, with deterministic
  overlapping pairs: bit-exact, where Bullet's `restoreState` is not.
- An avatar is an upright capsule of infinite rotational inertia. Forces, not velocities, move it,
  so its push is bounded; Bullet's own `numSubSteps` holds the force over the substeps in one call.
- Reading a body back costs a microsecond, so sleeping props are not read, and contacts are asked
  for only where an avatar is close enough to something to have one.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from itertools import compress
from typing import Any, Final

import numpy as np
import pybullet as bullet
from numpy.typing import NDArray

from als_engine.arrays import NOTHING, SHAPE_BOX, SHAPE_SPHERE, BoolArray, FloatArray, IntArray
from als_engine.errors import PhysicsError
from als_engine.physics.kernels import WALL, find_awake, scan, take_poses, touch
from als_engine.state import WorldState

GRAVITY: Final = -9.81
SUBSTEP: Final = 1 / 60
FAR: Final = 1_000.0
"""Where props that are carried or absent are parked, metres along x and y."""


class Bullet:
    """PyBullet, without a window, for a number of worlds."""

    def __init__(self, num_worlds: int, substeps: int = 4) -> None:
        """Opens one client per world: about 70 ms and 28 MiB each."""
        self.substeps = substeps
        self._clients = [bullet.connect(bullet.DIRECT) for _ in range(num_worlds)]
        # Whoever forgets to close an environment must not lose 28 MiB a world for good.
        self._disconnect = weakref.finalize(self, _disconnect, tuple(self._clients))
        self._avatars: list[list[int]] = [[] for _ in range(num_worlds)]
        self._props: list[list[int]] = [[] for _ in range(num_worlds)]
        self._thing: IntArray = np.full((num_worlds, 64), WALL, np.int32)
        self._awake: BoolArray = np.zeros((num_worlds, 0), np.bool_)
        self._quiet: NDArray[np.int8] = np.zeros((num_worlds, 0), np.int8)
        self._near: BoolArray = np.zeros((num_worlds, 0), np.bool_)
        self._readings: NDArray[np.float64] = np.zeros((num_worlds, 0, 6))

    # -- building -------------------------------------------------------------------------------

    def build(self, world: int, state: WorldState) -> None:
        """Empties a world and creates its bodies, always in the same order."""
        if self._awake.shape[1] != len(state.props.names):
            self._awake = np.zeros((state.num_worlds, len(state.props.names)), np.bool_)
            self._quiet = np.zeros(self._awake.shape, np.int8)
        if self._near.shape[1] != state.num_avatars:
            self._near = np.zeros((state.num_worlds, state.num_avatars), np.bool_)
            self._readings = np.zeros((state.num_worlds, state.num_avatars, 6))
        client = self._clients[world]
        self._thing[world] = WALL
        bullet.resetSimulation(physicsClientId=client)
        bullet.setGravity(0, 0, GRAVITY, physicsClientId=client)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=SUBSTEP * self.substeps,
            numSubSteps=self.substeps,
            deterministicOverlappingPairs=1,
            physicsClientId=client,
        )
        ground = bullet.createCollisionShape(bullet.GEOM_PLANE, physicsClientId=client)
        body = bullet.createMultiBody(0, ground, physicsClientId=client)
        bullet.changeDynamics(body, -1, lateralFriction=1.0, physicsClientId=client)
        self._build_walls(world, state)
        self._build_props(world, state)
        self._build_avatars(world, state)

    def _build_walls(self, world: int, state: WorldState) -> None:
        client, walls = self._clients[world], state.walls
        n = int(walls.count[world])
        half_angle = walls.heading[world, :n] / 2
        rotation = np.zeros((n, 4))
        rotation[:, 2], rotation[:, 3] = np.sin(half_angle), np.cos(half_angle)
        for half, position, orientation in zip(
            walls.half[world, :n].tolist(), walls.position[world, :n].tolist(), rotation.tolist(),
            strict=True,
        ):  # fmt: skip
            shape = bullet.createCollisionShape(
                bullet.GEOM_BOX, halfExtents=half, physicsClientId=client
            )
            bullet.createMultiBody(0, shape, -1, position, orientation, physicsClientId=client)

    def _build_props(self, world: int, state: WorldState) -> None:
        client, props = self._clients[world], state.props
        bodies = self._props[world] = [NOTHING] * len(props.names)
        for i in range(len(props.names)):
            if not props.solid[world, i]:
                continue
            here = bool(props.present[world, i])
            mass = float(props.mass[world, i])
            bodies[i] = body = bullet.createMultiBody(
                mass,
                _collision_shape(client, int(props.shape[world, i]), props.half[world, i].tolist()),
                -1,
                props.position[world, i].tolist() if here else _parking(i, state, world),
                props.orientation[world, i].tolist(),
                flags=bullet.URDF_ENABLE_SLEEPING,
                physicsClientId=client,
            )
            self._name(world, body, i)
            bullet.changeDynamics(
                body,
                -1,
                lateralFriction=float(props.friction[world, i]),
                rollingFriction=0.01 if props.shape[world, i] != SHAPE_BOX else 0.0,
                activationState=bullet.ACTIVATION_STATE_ENABLE_SLEEPING,
                physicsClientId=client,
            )
        self._quiet[world] = -1

    def _build_avatars(self, world: int, state: WorldState) -> None:
        client = self._clients[world]
        self._avatars[world] = []
        for a in range(state.num_avatars):
            radius, height = float(state.bodies.radius[a]), float(state.bodies.height[a])
            shape = bullet.createCollisionShape(
                bullet.GEOM_CAPSULE, radius=radius, height=height - 2 * radius,
                physicsClientId=client,
            )  # fmt: skip
            x, y, z = state.avatars.position[world, a].tolist()
            body = bullet.createMultiBody(
                float(state.bodies.mass[a]), shape, -1, [x, y, z + height / 2],
                physicsClientId=client,
            )  # fmt: skip
            bullet.changeDynamics(
                body,
                -1,
                localInertiaDiagonal=[0, 0, 0],  # Bullet reads zero as infinite: it stays upright.
                lateralFriction=0.0,  # The commanded force is all that moves it along the floor.
                linearDamping=0.0,
                angularDamping=0.0,
                activationState=bullet.ACTIVATION_STATE_DISABLE_SLEEPING,
                physicsClientId=client,
            )
            self._avatars[world].append(body)
            self._name(world, body, WALL - 1 - a)

    def _name(self, world: int, body: int, thing: int) -> None:
        """Notes what a body is; see `kernels.WALL`."""
        if body >= self._thing.shape[1]:
            more = np.full((len(self._clients), 2 * body), WALL, np.int32)
            more[:, : self._thing.shape[1]] = self._thing
            self._thing = more
        self._thing[world, body] = thing

    # -- stepping -------------------------------------------------------------------------------

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        if state.moved.any():
            self._take_over(state)
        props, avatars = state.props, state.avatars
        find_awake(
            props.position, props.velocity, props.half, props.mass, props.solid, props.present,
            props.holder, avatars.position, state.bodies.radius, self._quiet, self._awake,
        )  # fmt: skip
        self._advance(state, force)
        bad = scan(
            self._readings, state.bodies.height, avatars.position, avatars.velocity,
            state.bodies.radius, state.walls.count, state.walls.position, state.walls.half,
            state.walls.cos, state.walls.sin, props.position, props.orientation, props.half,
            props.solid, props.present, props.holder, self._near,
        )  # fmt: skip
        if bad != NOTHING:
            world = state.first_world + bad
            raise PhysicsError(
                f"the physics of world {world} (level {state.level[bad]}, step {state.step[bad]}) "
                f"is not finite or has exploded; reset that world",
                world=world,
            )
        self._read_contacts(state)

    def _advance(self, state: WorldState, force: FloatArray) -> None:
        # The one unavoidable loop over worlds: Bullet knows no batches. Its arguments go by place,
        # since a keyword costs a tenth of a call.
        apply_force, step = bullet.applyExternalForce, bullet.stepSimulation
        get_pose, get_velocity = bullet.getBasePositionAndOrientation, bullet.getBaseVelocity
        frame, origin = bullet.LINK_FRAME, (0.0, 0.0, 0.0)
        readings: list[float] = []
        poses: list[float] = []
        worlds = zip(
            self._clients, self._avatars, self._props, force.tolist(), self._awake.tolist(),
            strict=True,
        )  # fmt: skip
        for client, avatars, props, pushes, awake in worlds:
            for body, push in zip(avatars, pushes):  # noqa: B905 - the check costs time here
                apply_force(body, -1, push, origin, frame, client)
            step(client)
            for body in avatars:
                readings += get_pose(body, client)[0]
                readings += get_velocity(body, client)[0]
            for body in compress(props, awake):
                position, orientation = get_pose(body, client)
                poses += position
                poses += orientation
        self._readings.reshape(-1)[:] = np.fromiter(readings, np.float64, len(readings))
        take_poses(
            np.fromiter(poses, np.float64, len(poses)).reshape(-1, 7),
            self._awake,
            SUBSTEP * self.substeps,
            state.props.position,
            state.props.orientation,
            state.props.velocity,
        )

    def _read_contacts(self, state: WorldState) -> None:
        avatars, get_contacts = state.avatars, bullet.getContactPoints
        contacts: list[float] = []
        for world, avatar in np.argwhere(self._near).tolist():
            body, client = self._avatars[world][avatar], self._clients[world]
            for contact in get_contacts(body, physicsClientId=client):
                if contact[2]:  # Body 0 is the ground.
                    x, y, _ = contact[7]
                    contacts += (world, avatar, contact[2], x, y, contact[8], contact[9])
        touch(
            np.fromiter(contacts, np.float64, len(contacts)).reshape(-1, 7),
            float(self.substeps),  # Bullet divides the last substep's impulse by the whole step.
            self._thing,
            avatars.heading,
            avatars.touch,
            avatars.touches_prop,
            avatars.touches_avatar,
            avatars.touches_wall,
        )

    def _take_over(self, state: WorldState) -> None:
        """Places the props that a task or a hand has moved, and wakes what may rest on them."""
        props = state.props
        for world, i in np.argwhere(state.moved).tolist():
            body, client = self._props[world][i], self._clients[world]
            if body == NOTHING:
                continue
            here = props.present[world, i] and props.holder[world, i] == NOTHING
            bullet.resetBasePositionAndOrientation(
                body,
                props.position[world, i].tolist() if here else _parking(i, state, world),
                props.orientation[world, i].tolist(),
                physicsClientId=client,
            )
            bullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0), physicsClientId=client)
        for world in np.flatnonzero(state.moved.any(1)).tolist():
            self._wake(world, state)
        state.moved.fill(False)

    def _wake(self, world: int, state: WorldState) -> None:
        for i, body in enumerate(self._props[world]):
            if body != NOTHING and state.props.mass[world, i] > 0:
                bullet.changeDynamics(
                    body, -1, activationState=bullet.ACTIVATION_STATE_WAKE_UP,
                    physicsClientId=self._clients[world],
                )  # fmt: skip
        self._quiet[world] = -1

    def close(self) -> None:
        """Disconnects every client."""
        self._disconnect()
        self._clients = []


def _disconnect(clients: Iterable[int]) -> None:
    for client in clients:
        if bullet.isConnected(client):
            bullet.disconnect(client)


def _parking(prop: int, state: WorldState, world: int) -> list[float]:
    """A place on the floor, far away, where a prop falls asleep and meets nobody."""
    return [FAR + 10.0 * prop, FAR, float(state.props.half[world, prop, 2])]


def _collision_shape(client: int, shape: int, half: list[float]) -> int:
    kind: dict[str, Any]
    if shape == SHAPE_BOX:
        kind = {"shapeType": bullet.GEOM_BOX, "halfExtents": half}
    elif shape == SHAPE_SPHERE:
        kind = {"shapeType": bullet.GEOM_SPHERE, "radius": half[0]}
    else:
        kind = {"shapeType": bullet.GEOM_CYLINDER, "radius": half[0], "height": 2 * half[2]}
    return int(bullet.createCollisionShape(**kind, physicsClientId=client))
