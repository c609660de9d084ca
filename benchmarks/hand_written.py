"""The same physics written by hand in Python, call by call, over the pybullet module.

The benchmark records the calls that it makes, the pictures of PyBullet's own renderer are taken of
its worlds, and the tests hold the engine's kernels against it, bit by bit.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import engine_kernels
import numpy as np
import pybullet as bullet
from numpy.typing import NDArray

from als_engine.errors import PhysicsError
from als_engine.geometry import portable_math as pmath
from als_engine.physics.kernels import GRAVITY, SUBSTEP, WALL
from als_engine.physics.rows import avatar_rows, prop_rows
from als_engine.simulation import Simulation, simulate
from als_engine.world.arrays import (
    NOTHING,
    SHAPE_BOX,
    SHAPE_SPHERE,
    BoolArray,
    FloatArray,
    IntArray,
)
from als_engine.world.state import WorldState


def simulate_by_hand(scenario: str, num_worlds: int, **arguments: Any) -> Simulation:
    """A scenario's simulation as `simulate` makes it, but on `HandWritten`."""
    simulation = simulate(scenario, num_worlds, **arguments)
    simulation.moving.physics = HandWritten(num_worlds)
    return simulation


class HandWritten:
    """PyBullet, without a window, for a number of worlds.

    Attributes:
        clients: the pybullet module's number of each world.
    """

    def __init__(self, num_worlds: int, substeps: int = 4) -> None:
        """Opens one client per world."""
        self.substeps = substeps
        self.clients = [bullet.connect(bullet.DIRECT) for _ in range(num_worlds)]
        self._disconnect = weakref.finalize(self, _disconnect, tuple(self.clients))
        self._avatars: list[list[int]] = [[] for _ in range(num_worlds)]
        self._props: list[list[int]] = [[] for _ in range(num_worlds)]
        self._thing: IntArray = np.full((num_worlds, 64), WALL, np.int32)
        self._awake: BoolArray = np.zeros((num_worlds, 0), np.bool_)
        self._quiet: NDArray[np.int8] = np.zeros((num_worlds, 0), np.int8)
        self._near: BoolArray = np.zeros((num_worlds, 0), np.bool_)
        self._broken: BoolArray = np.zeros(num_worlds, np.bool_)
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
        client = self.clients[world]
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
        client, walls = self.clients[world], state.walls
        n = int(walls.count[world])
        half_angle = walls.heading[world, :n] / 2
        rotation = np.zeros((n, 4))
        rotation[:, 2], rotation[:, 3] = pmath.sin(half_angle), pmath.cos(half_angle)
        for half, position, orientation in zip(
            walls.half[world, :n].tolist(), walls.position[world, :n].tolist(), rotation.tolist(),
            strict=True,
        ):  # fmt: skip
            shape = bullet.createCollisionShape(
                bullet.GEOM_BOX, halfExtents=half, physicsClientId=client
            )
            bullet.createMultiBody(0, shape, -1, position, orientation, physicsClientId=client)

    def _build_props(self, world: int, state: WorldState) -> None:
        client, props = self.clients[world], state.props
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
        client = self.clients[world]
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
        """Notes what a body is; see `WALL`."""
        if body >= self._thing.shape[1]:
            more = np.full((len(self.clients), 2 * body), WALL, np.int32)
            more[:, : self._thing.shape[1]] = self._thing
            self._thing = more
        self._thing[world, body] = thing

    # -- stepping -------------------------------------------------------------------------------

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        if state.moved.any() or state.avatars.placed.any():
            self._take_over(state)
        engine_kernels.find_awake(avatar_rows(state), prop_rows(state), self._quiet, self._awake)
        self._advance(state, force)
        bad = engine_kernels.scan(
            self._readings, avatar_rows(state), prop_rows(state), state.walls.rows(), self._near,
            self._broken,
        )  # fmt: skip
        self._read_contacts(state)
        if bad != NOTHING:
            world = state.first_world + bad
            raise PhysicsError(
                f"the physics of world {world} (level {state.level[bad]}, step {state.step[bad]}) "
                f"is not finite or has exploded; reset that world",
                world=world,
                worlds=tuple((np.flatnonzero(self._broken) + state.first_world).tolist()),
            )

    def _advance(self, state: WorldState, force: FloatArray) -> None:
        # Its arguments go by place, since a keyword costs a tenth of a call.
        origin = (0.0, 0.0, 0.0)
        for world, client in enumerate(self.clients):
            avatars = self._avatars[world]
            for body, push in zip(avatars, force[world].tolist(), strict=True):
                bullet.applyExternalForce(body, -1, push, origin, bullet.LINK_FRAME, client)
            bullet.stepSimulation(client)
            for avatar, body in enumerate(avatars):
                position = bullet.getBasePositionAndOrientation(body, client)[0]
                self._readings[world, avatar] = position + bullet.getBaseVelocity(body, client)[0]
            state.props.velocity[world] = 0.0
            for i in np.flatnonzero(self._awake[world]).tolist():
                body = self._props[world][i]
                position, orientation = bullet.getBasePositionAndOrientation(body, client)
                velocity = (position - state.props.position[world, i]) / (SUBSTEP * self.substeps)
                state.props.velocity[world, i] = velocity
                state.props.position[world, i] = position
                state.props.orientation[world, i] = orientation

    def _read_contacts(self, state: WorldState) -> None:
        avatars = avatar_rows(state)
        engine_kernels.forget_contacts(avatars)
        for world, avatar in np.argwhere(self._near).tolist():
            body, client = self._avatars[world][avatar], self.clients[world]
            for contact in bullet.getContactPoints(body, physicsClientId=client):
                if contact[2]:  # Body 0 is the ground.
                    # Bullet divides the last substep's impulse by the whole step.
                    force = contact[9] * self.substeps
                    thing = self._thing[world, contact[2]]
                    normal, distance = contact[7], contact[8]
                    engine_kernels.feel(world, avatar, thing, *normal[:2], distance, force, avatars)

    def _take_over(self, state: WorldState) -> None:
        """Places what a task or a hand has moved, and wakes what may rest on it."""
        props, avatars = state.props, state.avatars
        for world, a in np.argwhere(avatars.placed & avatars.present).tolist():
            x, y, z = avatars.position[world, a].tolist()
            body, client = self._avatars[world][a], self.clients[world]
            bullet.resetBasePositionAndOrientation(
                body, (x, y, z + float(state.bodies.height[a]) / 2), (0, 0, 0, 1),
                physicsClientId=client,
            )  # fmt: skip
            bullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0), physicsClientId=client)
        for world, i in np.argwhere(state.moved).tolist():
            body, client = self._props[world][i], self.clients[world]
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
        for world in np.flatnonzero(state.moved.any(1) | avatars.placed.any(1)).tolist():
            self._wake(world, state)
        state.moved.fill(False)
        avatars.placed.fill(False)

    def _wake(self, world: int, state: WorldState) -> None:
        for i, body in enumerate(self._props[world]):
            if body != NOTHING and state.props.mass[world, i] > 0:
                bullet.changeDynamics(
                    body, -1, activationState=bullet.ACTIVATION_STATE_WAKE_UP,
                    physicsClientId=self.clients[world],
                )  # fmt: skip
        self._quiet[world] = -1

    def close(self) -> None:
        """Disconnects every client."""
        self._disconnect()
        self.clients = []


def _disconnect(clients: Iterable[int]) -> None:
    for client in clients:
        if bullet.isConnected(client):
            bullet.disconnect(client)


def _parking(prop: int, state: WorldState, world: int) -> list[float]:
    return [float(x) for x in engine_kernels.parking(prop, state.props.half[world, prop, 2])]


def _collision_shape(client: int, shape: int, half: list[float]) -> int:
    kind: dict[str, Any]
    if shape == SHAPE_BOX:
        kind = {"shapeType": bullet.GEOM_BOX, "halfExtents": half}
    elif shape == SHAPE_SPHERE:
        kind = {"shapeType": bullet.GEOM_SPHERE, "radius": half[0]}
    else:
        kind = {"shapeType": bullet.GEOM_CYLINDER, "radius": half[0], "height": 2 * half[2]}
    return int(bullet.createCollisionShape(**kind, physicsClientId=client))
