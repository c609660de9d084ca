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

import math
import weakref
from collections.abc import Iterable
from typing import Any, Final

import numba
import numpy as np
import pybullet as bullet
from numpy.typing import NDArray

from als_engine.arrays import NOTHING, SHAPE_BOX, SHAPE_SPHERE, TOUCH_SECTORS, BoolArray, FloatArray
from als_engine.errors import PhysicsError
from als_engine.state import WorldState

GRAVITY: Final = -9.81
SUBSTEP: Final = 1 / 60
FAR: Final = 1_000.0
"""Where props that are carried or absent are parked, metres along x and y."""

_EXPLODED: Final = 500.0
_TOUCHING: Final = 0.01
_REACH: Final = 0.06
_WAKE: Final = 0.35
_QUIET: Final = 3


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
        self._index: list[dict[int, int]] = [{} for _ in range(num_worlds)]
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
        self._index[world] = {}
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
            self._index[world][body] = i
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

    # -- stepping -------------------------------------------------------------------------------

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        if state.moved.any():
            self._take_over(state)
        props, avatars = state.props, state.avatars
        _find_awake(
            props.position, props.velocity, props.half, props.mass, props.solid, props.present,
            props.holder, avatars.position, state.bodies.radius, self._quiet, self._awake,
        )  # fmt: skip
        self._advance(state, force)
        bad = _scan(
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
        # The one unavoidable loop over worlds: Bullet knows no batches.
        apply_force, step = bullet.applyExternalForce, bullet.stepSimulation
        get_pose, get_velocity = bullet.getBasePositionAndOrientation, bullet.getBaseVelocity
        frame, origin = bullet.LINK_FRAME, (0.0, 0.0, 0.0)
        readings: list[float] = []
        poses: list[tuple[float, ...]] = []
        where: list[tuple[int, int]] = []
        pushes, awake = force.tolist(), self._awake.tolist()
        for world, client in enumerate(self._clients):
            bodies = self._avatars[world]
            for body, (x, y) in zip(bodies, pushes[world], strict=True):
                apply_force(body, -1, (x, y, 0.0), origin, frame, physicsClientId=client)
            step(physicsClientId=client)
            for body in bodies:
                readings += get_pose(body, physicsClientId=client)[0]
                readings += get_velocity(body, physicsClientId=client)[0]
            for prop, active in enumerate(awake[world]):
                if active:
                    position, orientation = get_pose(
                        self._props[world][prop], physicsClientId=client
                    )
                    poses.append(position + orientation)
                    where.append((world, prop))
        self._readings.reshape(-1)[:] = readings
        state.props.velocity.fill(0.0)
        if where:
            props, pose = state.props, np.array(poses)
            worlds, indices = np.array(where).T
            with np.errstate(invalid="ignore"):  # What is not finite is refused by `_scan`.
                change = pose[:, :3] - props.position[worlds, indices]
            props.velocity[worlds, indices] = change / (SUBSTEP * self.substeps)
            props.position[worlds, indices] = pose[:, :3]
            props.orientation[worlds, indices] = pose[:, 3:]

    def _read_contacts(self, state: WorldState) -> None:
        avatars = state.avatars
        avatars.touch.fill(0.0)
        avatars.touches_prop.fill(False)
        avatars.touches_avatar.fill(False)
        avatars.touches_wall.fill(False)
        get_contacts = bullet.getContactPoints
        for world, avatar in np.argwhere(self._near).tolist():
            bodies, index = self._avatars[world], self._index[world]
            heading = avatars.heading[world, avatar]
            for contact in get_contacts(bodyA=bodies[avatar], physicsClientId=self._clients[world]):
                other, normal, distance = contact[2], contact[7], contact[8]
                if other == 0 or distance > _TOUCHING:  # Body 0 is the ground.
                    continue
                if other >= bodies[0]:
                    avatars.touches_avatar[world, avatar, other - bodies[0]] = True
                elif other in index:
                    avatars.touches_prop[world, avatar, index[other]] = True
                else:
                    avatars.touches_wall[world, avatar] = True
                angle = math.atan2(-normal[1], -normal[0]) - heading
                sector = round(angle / (2 * math.pi) * TOUCH_SECTORS) % TOUCH_SECTORS
                # Bullet divides the last substep's impulse by the whole time step.
                avatars.touch[world, avatar, sector] += contact[9] * self.substeps

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


@numba.njit(cache=True, nogil=True)
def _find_awake(  # type: ignore[no-untyped-def]
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


@numba.njit(cache=True, nogil=True)
def _near_awake(i, position, half, awake):  # type: ignore[no-untyped-def]
    for j in range(awake.shape[0]):
        if awake[j]:
            dx, dy = position[j, 0] - position[i, 0], position[j, 1] - position[i, 1]
            reach = _bounding_radius(half[i]) + _bounding_radius(half[j]) + _WAKE
            if dx * dx + dy * dy < reach * reach:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _bounding_radius(half):  # type: ignore[no-untyped-def]
    return math.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])


@numba.njit(cache=True, nogil=True)
def _scan(  # type: ignore[no-untyped-def]
    readings, height, position, velocity, radius, wall_count, wall_position, wall_half, wall_cos,
    wall_sin, prop_position, prop_orientation, prop_half, solid, present, holder, near,
):  # fmt: skip
    """Writes the avatars' readings to the state and marks who is close enough to touch something.

    Returns the first world whose readings are not finite or too large, or NOTHING.
    """
    worlds, avatars = near.shape
    for w in range(worlds):
        for a in range(avatars):
            for k in range(6):
                if not (-_EXPLODED < readings[w, a, k] < _EXPLODED):
                    return w
            for k in range(3):
                position[w, a, k] = readings[w, a, k]
                velocity[w, a, k] = readings[w, a, 3 + k]
            position[w, a, 2] -= height[a] / 2.0
        for i in range(prop_half.shape[1]):
            for k in range(3):  # A NaN fails the comparison.
                if not (abs(prop_position[w, i, k]) < _EXPLODED):
                    return w
            for k in range(4):
                if not (abs(prop_orientation[w, i, k]) < 2.0):
                    return w
        for a in range(avatars):
            near[w, a] = (
                _near_avatar(w, a, position, radius)
                or _near_prop(
                    w, a, position, radius, prop_position, prop_half, solid, present, holder
                )
                or _near_wall(
                    w, a, position, radius, wall_count, wall_position, wall_half, wall_cos, wall_sin
                )
            )
    return NOTHING


@numba.njit(cache=True, nogil=True)
def _near_avatar(w, a, position, radius):  # type: ignore[no-untyped-def]
    for b in range(radius.shape[0]):
        dx = position[w, b, 0] - position[w, a, 0]
        dy = position[w, b, 1] - position[w, a, 1]
        reach = radius[a] + radius[b] + _REACH
        if b != a and dx * dx + dy * dy < reach * reach:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _near_prop(  # type: ignore[no-untyped-def]
    w, a, position, radius, prop_position, half, solid, present, holder
):
    for i in range(half.shape[1]):
        if solid[w, i] and present[w, i] and holder[w, i] < 0:
            dx = prop_position[w, i, 0] - position[w, a, 0]
            dy = prop_position[w, i, 1] - position[w, a, 1]
            reach = _bounding_radius(half[w, i]) + radius[a] + _REACH
            if dx * dx + dy * dy < reach * reach:
                return True
    return False


@numba.njit(cache=True, nogil=True)
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
