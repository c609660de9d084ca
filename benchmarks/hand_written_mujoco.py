"""MuJoCo's worlds written by hand: compiled anew at every reset, stepped by its Python bindings.

The tests hold the engine's kernels, and the models that it writes levels into, against this.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from engine_kernels import feel, forget_contacts, parking

from als_engine.geometry import portable_math as pmath
from als_engine.physics.base import broken_error
from als_engine.physics.kernels import GRAVITY, SUBSTEP, WALL
from als_engine.physics.rows import avatar_rows
from als_engine.simulation import Simulation, simulate
from als_engine.world.arrays import NOTHING, SHAPE_BOX, SHAPE_SPHERE, FloatArray
from als_engine.world.state import WorldState

_LIBRARY = ctypes.CDLL(str(next(Path(mujoco.__file__).parent.glob("libmujoco*"))))
_AWAKE = -11


def simulate_by_hand(scenario: str, num_worlds: int, **arguments: Any) -> Simulation:
    """A scenario's simulation as `simulate` makes it, but on `HandWritten`."""
    simulation = simulate(scenario, num_worlds, physics="mujoco", **arguments)
    simulation.moving.physics = HandWritten(num_worlds)
    return simulation


class HandWritten:
    """MuJoCo for a number of worlds, one Python call after the other."""

    def __init__(self, num_worlds: int, substeps: int = 4) -> None:
        self.substeps = substeps
        self.worlds: list[Any] = [None] * num_worlds

    def build(self, world: int, state: WorldState) -> None:
        """Compiles a model of just this level."""
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.gravity = SUBSTEP, (0, 0, GRAVITY)
        spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0
        spec.option.enableflags = int(mujoco.mjtEnableBit.mjENBL_SLEEP)
        off = mujoco.mjtDisableBit
        spec.option.disableflags = int(off.mjDSBL_AUTORESET | off.mjDSBL_WARMSTART)
        things: list[Any] = [None]
        root = spec.worldbody
        root.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1), friction=(0, 0, 0),
            contype=1, conaffinity=1,
        )  # fmt: skip
        for i in range(int(state.walls.count[world])):
            angle = state.walls.heading[world, i : i + 1] / 2
            root.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, size=state.walls.half[world, i],
                pos=state.walls.position[world, i], friction=(0, 0, 0),
                quat=(pmath.cos(angle)[0], 0, 0, pmath.sin(angle)[0]), contype=3, conaffinity=3,
            )  # fmt: skip
            things.append(WALL)
        centered = {"explicitinertial": True, "ipos": (0, 0, 0), "iquat": (1, 0, 0, 0)}
        for a in range(state.num_avatars):
            body = root.add_body(
                mass=state.bodies.mass[a], inertia=(1, 1, 1), gravcomp=1,
                sleep=mujoco.mjtSleepPolicy.mjSLEEP_NEVER, **centered,
            )  # fmt: skip
            radius, height = state.bodies.radius[a], state.bodies.height[a]
            for axis in np.eye(3):
                body.add_joint(
                    type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, range=(height / 2, 1e4),
                    limited=int(axis[2]),
                )  # fmt: skip
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=(radius, height / 2 - radius, 0),
                condim=1, priority=1, gap=0.01, contype=2, conaffinity=2,
            )  # fmt: skip
            things.append(WALL - 1 - a)
        props = state.props
        solid = np.flatnonzero(props.solid[world]).tolist()
        free = [i for i in solid if props.mass[world, i] > 0]
        fixed = [i for i in solid if i not in free]
        for i in free:
            mass, half = float(props.mass[world, i]), props.half[world, i]
            body = root.add_body(
                mass=mass, inertia=_inertia(int(props.shape[world, i]), half, mass), **centered
            )
            body.add_freejoint()
            _add_geom(body, world, i, state)
            things.append(i)
        for i in fixed:
            _add_geom(root.add_body(mocap=True), world, i, state)
            things.append(i)
        model = spec.compile()
        data = mujoco.MjData(model)
        self.worlds[world] = (model, data, things, free, fixed)
        for a in range(state.num_avatars):
            self._stand(world, a, state)
        for i in solid:
            self._place(world, i, state)
        self._doze(world, state)

    def _stand(self, world: int, avatar: int, state: WorldState) -> None:
        data, first = self.worlds[world][1], 3 * avatar
        place = state.avatars.position[world, avatar].copy()
        place[2] += state.bodies.height[avatar] / 2
        data.qpos[first : first + 3], data.qvel[first : first + 3] = place, 0

    def _place(self, world: int, prop: int, state: WorldState) -> None:
        _, data, _, free, fixed = self.worlds[world]
        here = state.props.present[world, prop] and state.props.holder[world, prop] == NOTHING
        spot = state.props.position[world, prop]
        if not here:
            spot = parking(prop, state.props.half[world, prop, 2])
        rotation = np.roll(state.props.orientation[world, prop], 1)
        first = 3 * state.num_avatars
        if prop in free:
            n = free.index(prop)
            data.qpos[first + 7 * n : first + 7 * n + 7] = [*spot, *rotation]
            data.qvel[first + 6 * n : first + 6 * n + 6] = 0
        elif prop in fixed:
            data.mocap_pos[fixed.index(prop)] = spot
            data.mocap_quat[fixed.index(prop)] = rotation

    def _doze(self, world: int, state: WorldState) -> None:
        model, data, _, free, _ = self.worlds[world]
        addresses = ctypes.c_void_p(model._address), ctypes.c_void_p(data._address)
        data.tree_asleep[:] = _AWAKE
        _LIBRARY.mj_updateSleep(*addresses)
        mujoco.mj_fwdPosition(model, data)
        for n, i in enumerate(free):
            if not state.props.present[world, i] or state.props.holder[world, i] != NOTHING:
                data.tree_asleep[state.num_avatars + n] = state.num_avatars + n
        _LIBRARY.mj_updateSleep(*addresses)

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        avatars = avatar_rows(state)
        forget_contacts(avatars)
        for world in range(state.num_worlds):
            placed = state.avatars.placed[world]
            if state.moved[world].any() or placed.any():
                for a in np.flatnonzero(placed & state.avatars.present[world]).tolist():
                    self._stand(world, a, state)
                for i in np.flatnonzero(state.moved[world]).tolist():
                    self._place(world, i, state)
                self._doze(world, state)
                state.moved[world] = placed[:] = False
            self._advance(world, state, force[world])
            self._feel(world, avatars)
        lost = ~np.isfinite(state.avatars.position).all(axis=(1, 2))
        if lost.any():
            raise broken_error(state, lost)

    def _advance(self, world: int, state: WorldState, force: FloatArray) -> None:
        model, data, _, free, _ = self.worlds[world]
        avatars, props, count = state.avatars, state.props, 3 * state.num_avatars
        data.qfrc_applied[:count] = force.ravel()
        for a, level in enumerate((state.bodies.height / 2).tolist()):
            z = 3 * a + 2
            if data.qpos[z] - level > 1e-5:
                data.qfrc_applied[z] += GRAVITY * state.bodies.mass[a]
            elif data.qpos[z] - level >= -1e-5 and abs(data.qvel[z]) <= 1e-3:
                data.qpos[z], data.qvel[z] = level, 0
        for _ in range(self.substeps):
            mujoco.mj_step(model, data)
        avatars.position[world] = data.qpos[:count].reshape(-1, 3)
        avatars.position[world, :, 2] -= state.bodies.height / 2
        avatars.velocity[world] = data.qvel[:count].reshape(-1, 3)
        props.velocity[world] = 0.0
        for n, i in enumerate(free):
            if props.present[world, i] and props.holder[world, i] == NOTHING:
                pose = data.qpos[count + 7 * n : count + 7 * n + 7]
                moved = pose[:3] - props.position[world, i]
                props.velocity[world, i] = moved / (SUBSTEP * self.substeps)
                props.position[world, i] = pose[:3]
                props.orientation[world, i] = np.roll(pose[3:], -1)

    def _feel(self, world: int, avatars: Any) -> None:
        model, data, things, _, _ = self.worlds[world]
        force = np.zeros(6)
        for k, contact in enumerate(data.contact):
            one, other = (things[geom] for geom in contact.geom)
            if one is None or other is None:
                continue
            mujoco.mj_contactForce(model, data, k, force)
            x, y = contact.frame[:2].tolist()
            for me, it, sign in ((one, other, -1.0), (other, one, 1.0)):
                if me < WALL:
                    feel(
                        world, WALL - 1 - me, it, sign * x, sign * y, contact.dist, force[0],
                        avatars,
                    )  # fmt: skip

    def close(self) -> None:
        """Frees the worlds."""
        self.worlds = []


def _add_geom(body: Any, world: int, prop: int, state: WorldState) -> None:
    props, kinds = state.props, mujoco.mjtGeom
    shape, (x, y, z) = int(props.shape[world, prop]), props.half[world, prop].tolist()
    friction = float(props.friction[world, prop])
    if shape == SHAPE_BOX:
        body.add_geom(
            type=kinds.mjGEOM_BOX,
            size=(x, y, z),
            condim=3,
            friction=(friction, 0.005, 0),
            contype=3,
            conaffinity=3,
        )
        return
    kind, size = kinds.mjGEOM_CYLINDER, (x, z, 0)
    if shape == SHAPE_SPHERE:
        kind, size = kinds.mjGEOM_SPHERE, (x, 0, 0)
    body.add_geom(
        type=kind, size=size, condim=6, friction=(friction, 0.005, 0.01), contype=3, conaffinity=3
    )


def _inertia(shape: int, half: FloatArray, mass: float) -> list[float]:
    x, y, z = (half * half).tolist()
    if shape == SHAPE_BOX:
        whole = x + y + z
        return [(whole - side) / 3 * mass for side in (x, y, z)]
    if shape == SHAPE_SPHERE:
        return [0.4 * x * mass] * 3
    return [(x / 4 + z / 3) * mass] * 2 + [x / 2 * mass]
