"""Snapshots of a simulation: takes the moment of some worlds, puts it back, forks worlds from it.

A moment is the state's arrays, what the physics needs to go on from there, the sums and flags of
the episode, and the generators. Which worlds it fits is its identity: scenario, arguments, engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import at_least_one
from als_engine.errors import SnapshotError
from als_engine.task import LEVELS
from als_engine.world import moments
from als_engine.world.snapshot import Generator, Moment, Snapshot

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["check", "fork", "identity", "restore", "take"]

Worlds = NDArray[np.intp]
_OWN = ("rewards", "returns", "terminated", "truncated")


def identity(simulation: Simulation) -> dict[str, Any]:
    """What a snapshot of these worlds is of, as JSON has it; it fits worlds of the same."""
    from als_engine import __version__

    given = simulation.given
    key = simulation.level_key
    of = {
        "scenario": simulation.scenario,
        "version": __version__,
        "engine": simulation.physics,
        "task": type(simulation.task).__name__,
        "task_arguments": {"num_avatars": simulation.num_avatars, **given["task_arguments"]},
        "observers": simulation.observers,
        "sensors": sorted(simulation.observation_space.spaces) + sorted(simulation.flat_layout),
        "shapes": [list(each.shape or ()) for each in simulation.observation_space.values()],
        "action_mode": simulation.action_mode,
        "clip_actions": bool(given["clip_actions"]),
        "split": simulation.split,
        "level": simulation.level,
        "background": given["background"],
        "max_episode_steps": simulation.state.max_episode_steps,
        # A secret key is not to be read from a file; whether it is the same one can be seen.
        "level_key": key and hashlib.blake2b(f"{key:x}".encode(), digest_size=16).hexdigest(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(of, default=repr))
    return plain


def take(simulation: Simulation, worlds: Worlds) -> Snapshot:
    """A snapshot of some worlds.

    Raises:
        ResetNeededError: a world is not reset, or its last step broke off in the middle.
        PhysicsError: the physics cannot keep a moment of a world.
    """
    physics = simulation.open_physics("snapshot()", worlds)
    state = simulation.state
    arrays = moments.take(state, worlds)
    for name in (*_OWN, *(("terms",) if simulation.has_terms else ())):
        arrays[f"episode.{name}"] = getattr(simulation, name)[worlds]
    for name, array in physics.snapshot(worlds).items():
        arrays[f"physics.{name}"] = array
    each = tuple(
        Moment.model_construct(
            instructions=tuple(state.instructions[world]),
            signs=tuple(state.signs.text[world]),
            sounds=tuple(state.sounds.text[world]),
            generator=Generator.of(simulation.generators[world]),
            seed=None,
            np_random=None,
        )
        for world in worlds.tolist()
    )
    return Snapshot(identity(simulation), arrays, each)


def check(simulation: Simulation, snapshot: Snapshot, worlds: Worlds) -> None:
    """Refuses a snapshot that is not of such worlds, or not of so many.

    Raises:
        SnapshotError: names what differs.
    """
    if not isinstance(snapshot, Snapshot):
        raise SnapshotError(f"a snapshot is needed, got {type(snapshot).__name__}")
    ours, theirs = identity(simulation), snapshot.identity
    for name, value in ours.items():
        found = theirs.get(name)
        if found != value:
            what = name.replace("_", " ")
            raise SnapshotError(
                f"the snapshot is of {what} {_short(found)}, these worlds have {_short(value)}"
            )
    if snapshot.num_worlds != worlds.size:
        raise SnapshotError(
            f"the snapshot is of {snapshot.num_worlds} worlds, and {worlds.size} are to be "
            "restored: snapshot.select(...) chooses and repeats worlds"
        )
    if np.unique(worlds).size != worlds.size:
        raise SnapshotError(f"worlds {worlds.tolist()} are not all different")
    _check(simulation, snapshot)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def restore(simulation: Simulation, snapshot: Snapshot, worlds: Worlds) -> None:
    """Puts a moment into some worlds, or changes nothing.

    Raises:
        SnapshotError: it does not fit them.
        PhysicsError: it is damaged: the physics does not come to that moment.
    """
    check(simulation, snapshot, worlds)
    simulation.open()
    standing = worlds[simulation.ready[worlds]]
    before = take(simulation, standing) if standing.size else None
    simulation.ready[worlds] = False
    try:
        _put(simulation, snapshot, worlds)
    except BaseException:
        if before is not None:
            _put(simulation, before, standing)
            simulation.ready[standing] = True
        raise
    simulation.ready[worlds] = True


def _check(simulation: Simulation, snapshot: Snapshot) -> None:
    behaviours = len(simulation.behaviours)
    moments.check(simulation.state, snapshot.arrays, snapshot.moments, behaviours)
    for name in (*_OWN, *(("terms",) if simulation.has_terms else ())):
        ours, found = getattr(simulation, name), snapshot.arrays.get(f"episode.{name}")
        shape = (snapshot.num_worlds, *ours.shape[1:])
        if found is None or found.dtype != ours.dtype or found.shape != shape:
            raise SnapshotError(f'the snapshot\'s "episode.{name}" is not as these worlds have it')
    driven = snapshot.arrays["behaviour"] >= 0
    if driven[:, : simulation.observers].any() or not driven[:, simulation.observers :].all():
        raise SnapshotError('the snapshot\'s "behaviour" is that of no such world')
    for level in snapshot.arrays["level"].tolist():
        if not any(level in levels for levels in LEVELS.values()):
            raise SnapshotError(f"the snapshot is of level {level}, which is in no split")


def _put(simulation: Simulation, snapshot: Snapshot, worlds: Worlds) -> None:
    state, arrays = simulation.state, snapshot.arrays
    moments.put(state, worlds, arrays, snapshot.moments)
    # What the task has found out about the worlds that were there before, such as ways through
    # them, is out of date: it looks at these as after a reset. What it writes there is undone.
    simulation.task.after_reset(state, worlds)
    moments.put(state, worlds, arrays, snapshot.moments)
    moments.put_memories(state, worlds, arrays)
    for name in (*_OWN, *(("terms",) if simulation.has_terms else ())):
        getattr(simulation, name)[worlds] = arrays[f"episode.{name}"]
    for world, moment in zip(worlds.tolist(), snapshot.moments, strict=True):
        simulation.generators[world] = moment.generator.make()
    saved = _of_physics(arrays)
    simulation.open().restore(worlds, state, saved)
    simulation.find_drivers()


def _of_physics(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = "physics."
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def fork(simulation: Simulation, count: int, world: int) -> Simulation:
    """A simulation of `count` worlds of its own, all at the moment of one world.

    Raises:
        ResetNeededError: that world is not reset, or its last step broke off in the middle.
    """
    count = at_least_one("num_worlds", count)
    moment = take(simulation, simulation.state.which(world))
    if moment.num_worlds != 1:
        raise SnapshotError(f"one world is to be forked, got {moment.num_worlds}")
    # A task of its own; what the old one keeps of these worlds is left behind.
    task = deepcopy(simulation.task, {id(simulation.state): None})
    twin = simulation.remake(task, num_worlds=count, first_world=0)
    try:
        restore(twin, moment.select([0] * count), np.arange(count))
    except BaseException:
        twin.close()
        raise
    return twin
