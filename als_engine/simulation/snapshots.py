"""Takes the moment of some worlds of a simulation, and puts it back.

A moment is the state's arrays, what the physics needs to go on from there, the sums and flags of
the episode, and the generators. Which worlds it fits is its identity: scenario, arguments, engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SnapshotError
from als_engine.simulation.acting import Acting
from als_engine.simulation.arguments import Arguments
from als_engine.simulation.company import Company
from als_engine.simulation.levels import Levels
from als_engine.simulation.moving import Moving
from als_engine.simulation.observing import Observing
from als_engine.simulation.scoring import Scoring
from als_engine.task import LEVELS, Task, drawn_level
from als_engine.world import moments
from als_engine.world.snapshot import Generator, Moment, Snapshot
from als_engine.world.state import WorldState

__all__ = ["Snapshots"]

Worlds = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Takes moments of the worlds that these parts of a simulation share, and puts them back."""

    given: Arguments
    task: Task
    state: WorldState
    levels: Levels
    company: Company
    acting: Acting
    moving: Moving
    scoring: Scoring
    observing: Observing

    def identity(self) -> dict[str, Any]:
        """Identifies the worlds that a snapshot of these fits, as plain JSON."""
        from als_engine import __version__

        given, key, space = self.given, self.levels.key, self.observing.space
        of = {
            "scenario": given.scenario,
            "version": __version__,
            "engine": self.moving.name,
            "task": type(self.task).__name__,
            "task_arguments": {"num_avatars": self.state.num_avatars, **given.task_arguments},
            "observers": self.acting.observers,
            "sensors": sorted(space.spaces) + sorted(self.observing.flat_layout),
            "shapes": [list(each.shape or ()) for each in space.values()],
            "action_mode": self.acting.codec.mode,
            "clip_actions": bool(given.clip_actions),
            "split": self.levels.split,
            "level": self.levels.fixed,
            "background": given.background,
            "max_episode_steps": self.state.max_episode_steps,
            # A secret key is not to be read from a file; whether it is the same one can be seen.
            "level_key": key and hashlib.blake2b(f"{key:x}".encode(), digest_size=16).hexdigest(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(of, default=repr))
        return plain

    def take(self, worlds: Worlds) -> Snapshot:
        """A snapshot of some worlds.

        Raises:
            ResetNeededError: a world is not reset, or its last step broke off in the middle.
            PhysicsError: the physics cannot keep a moment of a world.
            SnapshotError: an agent keeps company there.
        """
        if self.company.hired:
            raise SnapshotError(
                f"{self.company.hired[0]} keeps company here: no snapshot holds what it remembers"
            )
        return Snapshot(self.identity(), *self._copy(worlds))

    def _copy(self, worlds: Worlds) -> tuple[dict[str, NDArray[Any]], tuple[Moment, ...]]:
        """The arrays of some worlds, and what there is beside them."""
        physics = self.moving.whole("snapshot()", worlds)
        arrays = moments.take(self.state, worlds)
        for name, array in self.scoring.arrays():
            arrays[f"episode.{name}"] = array[worlds]
        for name, array in physics.snapshot(worlds).items():
            arrays[f"physics.{name}"] = array
        return arrays, tuple(map(self._moment, worlds.tolist()))

    def _moment(self, world: int) -> Moment:
        state, generator = self.state, self.levels.generators[world]
        assert generator is not None  # The world is whole.
        return Moment.model_construct(
            instructions=tuple(state.instructions[world]),
            signs=tuple(state.signs.text[world]),
            sounds=tuple(state.sounds.text[world]),
            generator=Generator.of(generator),
            seed=None,
            np_random=None,
        )

    def check(self, snapshot: Snapshot, worlds: Worlds) -> None:
        """Refuses a snapshot that is not of such worlds, or not of so many.

        Raises:
            SnapshotError: names what differs.
        """
        if not isinstance(snapshot, Snapshot):
            raise SnapshotError(f"a snapshot is needed, got {type(snapshot).__name__}")
        for name, value in self.identity().items():
            found = snapshot.identity.get(name)
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
        self._check_arrays(snapshot)

    def _check_arrays(self, snapshot: Snapshot) -> None:
        behaviours = len(self.company.behaviours)
        moments.check(self.state, snapshot.arrays, snapshot.moments, behaviours)
        for name, ours in self.scoring.arrays():
            found = snapshot.arrays.get(f"episode.{name}")
            shape = (snapshot.num_worlds, *ours.shape[1:])
            if found is None or found.dtype != ours.dtype or found.shape != shape:
                raise SnapshotError(
                    f'the snapshot\'s "episode.{name}" is not as these worlds have it'
                )
        driven, observers = snapshot.arrays["behaviour"] >= 0, self.acting.observers
        if driven[:, :observers].any() or not driven[:, observers:].all():
            raise SnapshotError('the snapshot\'s "behaviour" is that of no such world')
        for level in snapshot.arrays["level"].tolist():
            if not any(drawn_level(level) in levels for levels in LEVELS.values()):
                raise SnapshotError(f"the snapshot is of level {level}, which is in no split")

    def restore(self, snapshot: Snapshot, worlds: Worlds) -> None:
        """Puts a moment into some worlds, or changes nothing.

        Raises:
            SnapshotError: it does not fit them.
            PhysicsError: it is damaged: the physics does not come to that moment.
        """
        self.check(snapshot, worlds)
        self.moving.open()
        ready = self.moving.ready
        standing = worlds[ready[worlds]]
        before = self._copy(standing) if standing.size else None
        ready[worlds] = False
        try:
            self._put(snapshot.arrays, snapshot.moments, worlds)
        except BaseException:
            if before is not None:
                self._put(*before, standing)
                ready[standing] = True
            raise
        ready[worlds] = True

    def _put(
        self, arrays: Mapping[str, NDArray[Any]], each: tuple[Moment, ...], worlds: Worlds
    ) -> None:
        state = self.state
        moments.put(state, worlds, arrays, each)
        # What the task has found out about the worlds that were there before, such as ways through
        # them, is out of date: it looks at these as after a reset. What it writes there is undone.
        self.task.after_reset(state, worlds)
        moments.put(state, worlds, arrays, each)
        moments.put_memories(state, worlds, arrays)
        for name, array in self.scoring.arrays():
            array[worlds] = arrays[f"episode.{name}"]
        for world, moment in zip(worlds.tolist(), each, strict=True):
            if (generator := self.levels.generators[world]) is None:
                self.levels.generators[world] = moment.generator.make()
            else:
                moment.generator.put(generator)
        self.moving.open().restore(worlds, state, _of_physics(arrays))
        self.company.find_drivers(state)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _of_physics(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = "physics."
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
