"""MuJoCo as the physics: one model and one data a world, stepped by kernels.

- An avatar is an upright capsule on three sliding joints, so it cannot turn over. Forces, not
  velocities, move it, and are held over the substeps. It stands at a limit of its height, without
  weight; the kernels give it one while it is lifted.
- What lies still sleeps, by MuJoCo's own rule; what a task or a hand moves wakes all of its world.
  What is carried or absent sleeps far away.
- A level of the same structure as the one before is written into the arrays of the model; another
  structure takes another model, from a pool.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from als_engine.errors import PhysicsError, SnapshotError
from als_engine.physics.base import broken_error
from als_engine.physics.kernels import WALL
from als_engine.physics.mujoco.model import (
    Places,
    Structure,
    compiled,
    content_of,
    geoms_of,
    places_of,
    structure_of,
    write_level,
)
from als_engine.physics.mujoco.worlds import (
    AWAKE,
    FLOOR,
    LOST,
    Handles,
    Numbers,
    place_world,
    restore_sleep,
    step_worlds,
)
from als_engine.physics.rows import avatar_rows, prop_rows
from als_engine.system.ownership import Owner
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState

_KEPT: Final = 64
"""How many models of other structures wait for a level that needs them."""


_MOMENT: Final = int(mujoco.mjtState.mjSTATE_INTEGRATION)
"""All that MuJoCo goes on from, but for who sleeps."""


class MuJoCo(Owner):
    """MuJoCo, without a window, for a number of worlds."""

    def __init__(self, num_worlds: int, substeps: int = 4) -> None:
        """Makes nothing yet: `build` knows what a model needs room for."""
        super().__init__()
        self.substeps = substeps
        self._worlds: list[tuple[Structure, Any, Any] | None] = [None] * num_worlds
        self._written = [b""] * num_worlds
        self._pool: list[tuple[Structure, Any, Any]] = []
        self._handles = Handles(*(np.zeros(num_worlds, np.intp) for _ in Handles._fields))
        self._broken: BoolArray = np.zeros(num_worlds, np.bool_)
        self._make_room(0, 0)

    def _make_room(self, geoms: int, props: int) -> None:
        """Enlarges `_numbers` where a world needs more; what it has stays."""
        worlds, old = len(self._worlds), getattr(self, "_numbers", None)
        if old is not None and old.things.shape[1] >= geoms and old.free.shape[1] == props:
            return
        self._numbers = Numbers(
            np.full((worlds, geoms), WALL, np.int32),
            np.full((worlds, props), NOTHING, np.int32),
            np.full((worlds, props), NOTHING, np.int32),
            np.zeros(worlds, np.int32),
        )
        if old is not None and old.free.shape[1] == props:
            self._numbers.things[:, : old.things.shape[1]] = old.things
            for new, array in zip(self._numbers[1:], old[1:], strict=True):
                new[:] = array

    def build(self, world: int, state: WorldState) -> None:
        """Puts one world's content into a model and resets its data: nothing of before is left."""
        self.check_owner()
        self._write(world, state, content_of(world, state))
        place_world(
            world, tuple(self._handles), tuple(self._numbers), avatar_rows(state), prop_rows(state)
        )

    def _write(self, world: int, state: WorldState, content: bytes) -> None:
        """Writes a level into a model, with data that are reset."""
        places = places_of(world, state)
        model, data = self._take(world, structure_of(world, state, places))
        mujoco.mj_resetData(model, data)
        write_level(model, world, state, places)
        mujoco.mj_setConst(model, data)
        mujoco.mj_resetData(model, data)  # Also of what the line before has computed.
        self._number(world, model, state, places)
        self._written[world] = content

    def _take(self, world: int, structure: Structure) -> tuple[Any, Any]:
        """Gives a world a model and data of a structure, and returns them."""
        held = self._worlds[world]
        if held is None or held[0] != structure:
            if held is not None:
                self._pool = [held, *self._pool[: _KEPT - 1]]
            for i, other in enumerate(self._pool):
                if other[0] == structure:
                    held = self._pool.pop(i)
                    break
            else:
                model = copy.copy(compiled(structure))
                held = structure, model, mujoco.MjData(model)
            self._worlds[world] = held
            _, model, data = held
            addresses = Handles(
                model._address, data._address, *(
                    array.ctypes.data
                    for array in (data.qpos, data.qvel, data.qfrc_applied, data.mocap_pos,
                                  data.mocap_quat, data.tree_asleep)
                ),
            )  # fmt: skip
            for handle, address in zip(self._handles, addresses, strict=True):
                handle[world] = address
        return held[1:]

    def _number(self, world: int, model: Any, state: WorldState, places: Places) -> None:
        """Notes what each geom of a world is."""
        self._make_room(model.ngeom, places.free.size)
        numbers, end = self._numbers, model.ngeom
        free, fixed = (geoms_of(world, state, which).prop for which in places)
        things = numbers.things[world]
        things[:] = WALL
        things[0] = FLOOR
        things[end - fixed.size : end] = fixed
        end -= fixed.size
        things[end - free.size : end] = free
        end -= free.size
        things[end - state.num_avatars : end] = WALL - 1 - np.arange(state.num_avatars)
        numbers.free[world], numbers.fixed[world] = places
        numbers.moving[world] = np.count_nonzero(places.free != NOTHING)

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Advances every world by one time step; see `Physics.step`."""
        self.check_owner()
        bad = step_worlds(
            tuple(self._handles), tuple(self._numbers), self.substeps, force, avatar_rows(state),
            prop_rows(state), self._broken,
        )  # fmt: skip
        if bad != NOTHING:
            raise broken_error(state, self._broken)

    def snapshot(self, worlds: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """What MuJoCo goes on from; see `Physics.snapshot`."""
        self.check_owner()
        held = [self._worlds[world] for world in worlds.tolist()]
        pairs = [each[1:] for each in held if each is not None]
        sizes = [mujoco.mj_stateSize(model, _MOMENT) for model, _ in pairs]
        moments = np.zeros((len(pairs), max(sizes, default=0)))
        asleep = np.zeros((len(pairs), max((m.ntree for m, _ in pairs), default=0)), np.int32)
        for row, ((model, data), size) in enumerate(zip(pairs, sizes, strict=True)):
            mujoco.mj_getState(model, data, moments[row, :size], _MOMENT)
            asleep[row, : model.ntree] = data.tree_asleep
        return {"moment": moments, "asleep": asleep}

    def restore(
        self, worlds: NDArray[np.intp], state: WorldState, saved: Mapping[str, NDArray[Any]]
    ) -> None:
        """Puts moments into worlds of their levels; see `Physics.restore`."""
        self.check_owner()
        contents = [content_of(world, state) for world in worlds.tolist()]
        models = [
            self._model_of(world, state, content)
            for world, content in zip(worlds.tolist(), contents, strict=True)
        ]
        check_saved(models, saved)
        strayed = []
        for row, (world, content) in enumerate(zip(worlds.tolist(), contents, strict=True)):
            if content == self._written[world]:
                mujoco.mj_resetData(*self._worlds[world][1:])
            else:
                self._write(world, state, content)
            held = self._worlds[world]
            assert held is not None
            _, model, data = held
            size = mujoco.mj_stateSize(model, _MOMENT)
            mujoco.mj_setState(model, data, saved["moment"][row, :size], _MOMENT)
            restore_sleep(world, tuple(self._handles), saved["asleep"][row, : model.ntree].copy())
            if not self._agrees(world, data, state):
                strayed.append(state.first_world + world)
        if strayed:
            raise PhysicsError(
                f"the physics of world {strayed[0]} is at another moment than its snapshot: "
                "the snapshot is damaged",
                world=strayed[0],
                worlds=tuple(strayed),
            )

    def _model_of(self, world: int, state: WorldState, content: bytes) -> Any:
        """A model of a world's structure; its own where that has the level already."""
        held = self._worlds[world]
        if held is not None and content == self._written[world]:
            return held[1]
        return compiled(structure_of(world, state, places_of(world, state)))

    def _agrees(self, world: int, data: Any, state: WorldState) -> bool:
        """Whether a world's bodies are where its state has them."""
        avatars, props, count = state.avatars, state.props, 3 * state.num_avatars
        centers = data.qpos[:count].reshape(-1, 3).copy()
        centers[:, 2] -= state.bodies.height / 2.0
        poses = data.qpos[count:].reshape(-1, 7)
        free = self._numbers.free[world]
        # What is to be moved, or was taken in hand, is not where the physics has it.
        here = props.present[world] & (props.holder[world] == NOTHING) & ~state.moved[world]
        here &= free != NOTHING
        poses = poses[free[here]]
        stands = avatars.present[world] & ~avatars.placed[world]
        if state.step[world] == 0:
            return True  # The state has the spawns, the data what was computed from them.
        return (
            np.array_equal(centers[stands], avatars.position[world, stands])
            and np.array_equal(
                data.qvel[:count].reshape(-1, 3)[stands], avatars.velocity[world, stands]
            )
            and np.array_equal(poses[:, :3], props.position[world, here])
            and np.array_equal(poses[:, [4, 5, 6, 3]], props.orientation[world, here])
        )

    def close(self) -> None:
        """Frees the models."""
        self._worlds = []
        self._pool = []


def check_saved(models: list[Any], saved: Mapping[str, NDArray[Any]]) -> None:
    """Refuses arrays that no `snapshot` of such worlds returns: MuJoCo goes by what is in them.

    Raises:
        SnapshotError: names the array.
    """
    sizes = [mujoco.mj_stateSize(model, _MOMENT) for model in models]
    trees = [model.ntree for model in models]
    for name, kind, needed in (("moment", np.float64, sizes), ("asleep", np.int32, trees)):
        found = saved.get(name)
        if (
            found is None
            or found.dtype != kind
            or found.ndim != 2
            or found.shape[0] != len(models)
            or found.shape[1] < max(needed, default=0)
        ):
            raise SnapshotError(f'the snapshot has no "physics.{name}" of such worlds')
    if not (np.abs(saved["moment"]) < LOST).all():
        raise SnapshotError('the snapshot\'s "physics.moment" holds numbers of no world')
    if not _can_sleep(models, saved["asleep"]):
        raise SnapshotError('the snapshot\'s "physics.asleep" holds numbers of no world')


def _can_sleep(models: list[Any], asleep: NDArray[Any]) -> bool:
    """Whether these are cycles of sleepers, and counts of those who are awake: a row a model."""
    policies, trees = np.zeros(asleep.shape, np.int32), np.arange(asleep.shape[1])
    used: BoolArray = np.zeros(asleep.shape, np.bool_)
    for row, model in enumerate(models):
        used[row, : model.ntree] = True
        policies[row, : model.ntree] = model.tree_sleep_policy
    sleeps = used & (asleep >= 0)
    who, whom = (np.sort(np.where(sleeps, each, -1), axis=1) for each in (trees, asleep))
    return (
        np.array_equal(who, whom)
        and not (policies[sleeps] == int(mujoco.mjtSleepPolicy.mjSLEEP_NEVER)).any()
        and bool((asleep[used] >= AWAKE).all())
    )
