"""Bullet as the physics: one client per world, opened once and reused.

Three things make this exact and fast, each measured before it was chosen:

- A reset empties the client and makes the same calls in the same order, with deterministic
  overlapping pairs: bit-exact, where Bullet's `restoreState` is not. So a snapshot is a journal of
  what has gone in since the reset, and a restore replays it.
- An avatar is an upright capsule of infinite rotational inertia. Forces, not velocities, move it,
  so its push is bounded; Bullet's own `numSubSteps` holds the force over the substeps in one call.
- Kernels call Bullet's C functions, those that the pybullet module is made of, with no Python in
  between. `worlds` holds the kernels, `calls` what one call of pybullet does, `api`
  the functions' declarations.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import PhysicsError, SnapshotError
from als_engine.geometry import portable_math as pmath
from als_engine.physics.base import broken_error
from als_engine.physics.bullet.calls import close_client, open_client
from als_engine.physics.bullet.journal import Journal
from als_engine.physics.bullet.worlds import Worlds, build_world, replay_world, step_worlds
from als_engine.physics.kernels import SUBSTEP, WALL
from als_engine.physics.rows import avatar_rows, prop_rows
from als_engine.system.host import after_fork
from als_engine.system.ownership import Owner
from als_engine.world.arrays import NOTHING, FloatArray
from als_engine.world.state import WorldState

_KEPT: Final = 64
"""How many clients wait for the next simulation. Opening one takes as long as a few hundred steps,
and a reset leaves nothing of what it was used for."""

_idle: list[int] = []
# A forked process opens its own: what it has inherited belongs to the process before it.
after_fork(_idle.clear)


class Bullet(Owner):
    """Bullet, without a window, for a number of worlds."""

    def __init__(self, num_worlds: int, substeps: int = 4) -> None:
        """Takes one client per world; a new one takes about 45 ms and 10 MiB."""
        super().__init__()
        self.substeps = substeps
        clients = [_idle.pop() if _idle else open_client() for _ in range(num_worlds)]
        # Whoever forgets to close an environment must not lose 10 MiB a world for good.
        self._close = weakref.finalize(self, _close, tuple(clients), os.getpid())
        self._make_room(np.array(clients, np.intp), 0, 0)

    def _make_room(self, clients: NDArray[np.intp], avatars: int, props: int) -> None:
        worlds = clients.size
        self._worlds = Worlds(
            clients,
            things=np.full((worlds, 64), WALL, np.int32),
            avatars=np.full((worlds, avatars), NOTHING, np.int32),
            bodies=np.full((worlds, props), NOTHING, np.int32),
            quiet=np.zeros((worlds, props), np.int8),
            awake=np.zeros((worlds, props), np.bool_),
            near=np.zeros((worlds, avatars), np.bool_),
            broken=np.zeros(worlds, np.bool_),
        )
        self._journal = Journal(worlds, avatars, props)

    def build(self, world: int, state: WorldState) -> None:
        """Empties a world and creates its bodies, always in the same order."""
        self.check_owner()
        self._fit(state)
        self._journal.begin(world, state)
        self._construct(world, state)

    def _fit(self, state: WorldState) -> None:
        """Makes room for the state's avatars and props, once."""
        needed = (state.num_avatars, len(state.props.names))
        if (self._worlds.avatars.shape[1], self._worlds.bodies.shape[1]) != needed:
            self._make_room(self._worlds.clients, *needed)

    def _construct(self, world: int, state: WorldState) -> None:
        """Creates the bodies of a world where its journal begins."""
        walls, props, bodies, journal = state.walls, state.props, state.bodies, self._journal
        count, num_props = int(walls.count[world]), len(props.names)
        old = self._worlds.things
        if (need := 1 + count + num_props + state.num_avatars) > old.shape[1]:
            more = np.full((old.shape[0], 2 * need), WALL, np.int32)
            more[:, : old.shape[1]] = old
            self._worlds = self._worlds._replace(things=more)
        # NumPy's sine, not the kernel's: the last bit may differ.
        half_angle = walls.heading[world, :count] / 2
        rotation = np.zeros((count, 4))
        rotation[:, 2], rotation[:, 3] = pmath.sin(half_angle), pmath.cos(half_angle)
        made = build_world(
            world, tuple(self._worlds), SUBSTEP * self.substeps, self.substeps,
            (walls.half[world, :count], walls.position[world, :count], rotation),
            (
                journal.position[world], journal.orientation[world], props.shape[world],
                props.half[world], props.mass[world], props.friction[world], props.solid[world],
                journal.present[world],
            ),
            state.parts.rows(),
            (journal.avatars[world], bodies.radius, bodies.height, bodies.mass),
        )  # fmt: skip
        self._worlds.quiet[world] = -1
        if not made:
            number = state.first_world + world
            raise PhysicsError(
                f"Bullet cannot build world {number} (level {state.level[world]})", world=number
            )

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        self.check_owner()
        avatars, props = avatar_rows(state), prop_rows(state)
        self._journal.note(force, avatars, props)
        bad = step_worlds(
            tuple(self._worlds), SUBSTEP * self.substeps, self.substeps, force,
            avatars, props, state.walls.rows(),
        )  # fmt: skip
        if bad != NOTHING:
            raise broken_error(state, self._worlds.broken)

    def snapshot(self, worlds: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """The journals of some worlds; see `Physics.snapshot`."""
        self.check_owner()
        return {**self._journal.take(worlds), "quiet": self._worlds.quiet[worlds]}

    def restore(
        self, worlds: NDArray[np.intp], state: WorldState, saved: Mapping[str, NDArray[Any]]
    ) -> None:
        """Builds worlds anew and replays their journals; see `Physics.restore`."""
        self.check_owner()
        self._fit(state)
        self._journal.check(worlds, saved)
        quiet = saved.get("quiet")
        shape = (worlds.size, self._worlds.quiet.shape[1])
        if quiet is None or quiet.dtype != np.int8 or quiet.shape != shape:
            raise SnapshotError('the snapshot has no "physics.quiet" of such worlds')
        self._journal.put(worlds, saved)
        strayed = [world for world in worlds.tolist() if not self._replay(world, state)]
        self._worlds.quiet[worlds] = quiet
        if strayed:
            numbers = tuple(state.first_world + world for world in strayed)
            raise PhysicsError(
                f"the replay of world {numbers[0]} comes to another moment than its snapshot's: "
                "the snapshot is damaged, or of another build of Bullet",
                world=numbers[0],
                worlds=numbers,
            )

    def _replay(self, world: int, state: WorldState) -> bool:
        """Brings a world to the end of its journal; says whether the state has it there, too."""
        self._construct(world, state)
        avatars, props = state.avatars, state.props
        readings = np.zeros((state.num_avatars, 6))
        poses = np.concatenate([props.position[world], props.orientation[world]], axis=1)
        entries = tuple(self._journal.entries)
        replay_world(world, tuple(self._worlds), props.mass[world], entries, readings, poses)
        if self._journal.entries.steps[world] == 0:
            return True  # It stands where it was built.
        readings[:, 2] -= state.bodies.height / 2.0
        stands = avatars.present[world] & ~avatars.placed[world]
        # What is to be moved, or was taken in hand, is not where the physics has it; what is fixed
        # is never read.
        here = props.present[world] & (props.holder[world] == NOTHING) & ~state.moved[world]
        here &= props.mass[world] > 0.0
        return (
            np.array_equal(readings[stands, :3], avatars.position[world, stands])
            and np.array_equal(readings[stands, 3:], avatars.velocity[world, stands])
            and np.array_equal(poses[here, :3], props.position[world, here])
            and np.array_equal(poses[here, 3:], props.orientation[world, here])
        )

    def close(self) -> None:
        """Gives every client back."""
        self._close()
        self._make_room(np.zeros(0, np.intp), 0, 0)


def _close(clients: tuple[int, ...], owner: int) -> None:
    if owner != os.getpid():
        return  # A forked process has inherited them: they are not its to give back.
    for client in clients:
        if len(_idle) < _KEPT:
            _idle.append(client)
        else:
            close_client(client)
