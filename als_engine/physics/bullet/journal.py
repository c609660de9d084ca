"""Records the inputs of Bullet's worlds since their resets, so that a restore can replay them.

Bullet cannot put a world back exactly, so a moment is kept as the way to it: where the bodies stood
at first, and for every step the forces and the props that were moved. All worlds share arrays that
grow by doubling, and one kernel writes a step of them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import PhysicsError, SnapshotError
from als_engine.physics.kernels import parking, standing
from als_engine.physics.rows import AvatarRows, PropRows, avatar_rows
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState

REPLAYED: Final = 1 << 17
"""The most steps, and the most moved props, of an episode that are kept: a few seconds of replay.
An episode without an end must not fill the memory."""

_FIRST: Final = 64
_LARGEST: Final = 1e9
Rows = tuple[NDArray[Any], ...]


class Entries(NamedTuple):
    """The arrays of a journal, (worlds, ...).

    Attributes:
        steps: (worlds,) how many steps; more than there is room for once the limit is reached.
        force: (worlds, room, avatars, 3), newtons.
        moves: (worlds,) how many times a prop or an avatar was placed.
        move_step: (worlds, room) in which step, (worlds, room) move_prop: which prop, or, beyond
            these, which avatar.
        move_pose: (worlds, room, 7) to where: place and quaternion.
    """

    steps: NDArray[np.int64]
    force: FloatArray
    moves: NDArray[np.int64]
    move_step: IntArray
    move_prop: IntArray
    move_pose: FloatArray


class Journal:
    """The inputs of a number of worlds since each was built.

    Attributes:
        entries: the steps.
        position, orientation, present: (worlds, props, ...) of the props when a world was built.
        avatars: (worlds, avatars, 3), their middles likewise.
    """

    def __init__(self, worlds: int, avatars: int, props: int) -> None:
        self.position: FloatArray = np.zeros((worlds, props, 3))
        self.orientation: FloatArray = np.zeros((worlds, props, 4))
        self.present: BoolArray = np.zeros((worlds, props), np.bool_)
        self.avatars: FloatArray = np.zeros((worlds, avatars, 3))
        self.entries = Entries(
            np.zeros(worlds, np.int64),
            np.zeros((worlds, _FIRST, avatars, 3)),
            np.zeros(worlds, np.int64),
            np.zeros((worlds, _FIRST), np.int32),
            np.zeros((worlds, _FIRST), np.int32),
            np.zeros((worlds, _FIRST, 7)),
        )
        self._most = (0, 0)

    def begin(self, world: int, state: WorldState) -> None:
        """Starts anew with a world that is about to be built."""
        props = state.props
        self.position[world] = props.position[world]
        self.orientation[world] = props.orientation[world]
        self.present[world] = props.present[world]
        _stand(world, avatar_rows(state), self.avatars)
        self.entries.steps[world] = self.entries.moves[world] = 0

    def note(self, force: FloatArray, avatars: Rows, props: Rows) -> None:
        """Notes what is about to go into a step of every world; see `rows`."""
        things = self.position.shape[1] + self.avatars.shape[1]
        self._make_room(self._most[0] + 1, self._most[1] + things)
        self._most = _note(tuple(self.entries), force, avatars, props)

    def _make_room(self, steps: int, moves: int) -> None:
        old = self.entries
        for need, names in ((steps, ("force",)), (moves, ("move_step", "move_prop", "move_pose"))):
            room = getattr(old, names[0]).shape[1]
            if room < need and room < REPLAYED:
                room = min(max(need, 2 * room), REPLAYED)
                grown = {name: _grown(getattr(old, name), room) for name in names}
                self.entries = self.entries._replace(**grown)

    def take(self, worlds: NDArray[np.intp], first_world: int = 0) -> dict[str, NDArray[Any]]:
        """The journals of some worlds, copied, as long as the longest.

        Raises:
            PhysicsError: an episode is too long to be replayed.
        """
        entries = self.entries
        for counts, arrays in ((entries.steps, entries.force), (entries.moves, entries.move_step)):
            if (long := counts[worlds] > arrays.shape[1]).any():
                world = int(worlds[int(long.argmax())]) + first_world
                raise PhysicsError(
                    f"the episode of world {world} is too long for a snapshot with Bullet, which "
                    f"replays it from its reset: at most {REPLAYED} steps and moved props are kept",
                    world=world,
                )
        steps, moves = (int(each[worlds].max(initial=0)) for each in (entries.steps, entries.moves))
        taken: dict[str, NDArray[Any]] = {
            "position": self.position[worlds],
            "orientation": self.orientation[worlds],
            "present": self.present[worlds],
            "avatars": self.avatars[worlds],
            "steps": entries.steps[worlds],
            "force": entries.force[worlds, :steps],
            "moves": entries.moves[worlds],
        }
        for name in ("move_step", "move_prop", "move_pose"):
            taken[name] = getattr(entries, name)[worlds, :moves]
        return taken

    def check(self, worlds: NDArray[np.intp], saved: Mapping[str, NDArray[Any]]) -> None:
        """Refuses arrays that `take` does not return: the kernels go by what is in them.

        Raises:
            SnapshotError: names the array.
        """
        like = self.take(worlds[:0])
        for name, array in like.items():
            found = saved.get(name)
            ragged = name == "force" or name.startswith("move_")
            least = 2 if ragged else 1
            if (
                found is None
                or found.dtype != array.dtype
                or found.ndim != array.ndim
                or found.shape[0] != worlds.size
                or found.shape[least:] != array.shape[least:]
                or (ragged and found.shape[1] > REPLAYED)
            ):
                raise SnapshotError(f'the snapshot has no "physics.{name}" of such worlds')
            if found.dtype.kind == "f" and not (np.abs(found) <= _LARGEST).all():
                raise SnapshotError(f'the snapshot\'s "physics.{name}" holds numbers of no world')
        things = self.position.shape[1] + self.avatars.shape[1]
        room = min(saved[name].shape[1] for name in like if name.startswith("move_"))
        for name, most in (
            ("steps", saved["force"].shape[1]),
            ("moves", room),
            ("move_prop", things - 1),
        ):
            if (saved[name] < 0).any() or (saved[name] > most).any():
                raise SnapshotError(f'the snapshot\'s "physics.{name}" holds numbers of no world')

    def put(self, worlds: NDArray[np.intp], saved: Mapping[str, NDArray[Any]]) -> None:
        """Takes over journals that `check` has found to be some."""
        self._make_room(saved["force"].shape[1], saved["move_step"].shape[1])
        self._most = (
            max(self._most[0], saved["force"].shape[1]),
            max(self._most[1], saved["move_step"].shape[1]),
        )
        for name in ("position", "orientation", "present", "avatars"):
            getattr(self, name)[worlds] = saved[name]
        for name in self.entries._fields:
            array, found = getattr(self.entries, name), saved[name]
            if found.ndim == 1:
                array[worlds] = found
            else:
                array[worlds, : found.shape[1]] = found


def _grown(old: NDArray[Any], room: int) -> NDArray[Any]:
    new = np.zeros((old.shape[0], room, *old.shape[2:]), old.dtype)
    new[:, : old.shape[1]] = old
    return new


@kernel(nogil=False)
def _stand(w, avatars, out):  # type: ignore[no-untyped-def]
    avatars = AvatarRows(*avatars)
    for a in range(out.shape[1]):
        out[w, a] = standing(w, a, avatars)


@kernel(nogil=False)
def _note(entries, force, avatars, props):  # type: ignore[no-untyped-def]
    """Writes one step of every world; returns the largest numbers of steps and of moves."""
    entries, avatars, props = Entries(*entries), AvatarRows(*avatars), PropRows(*props)
    most_steps, most_moves = 0, 0
    for w in range(force.shape[0]):
        step = entries.steps[w]
        if step < entries.force.shape[1]:
            for a in range(force.shape[1]):
                for k in range(3):
                    entries.force[w, step, a, k] = force[w, a, k]
        entries.steps[w] = step + 1
        for i in range(props.moved.shape[1]):
            if not props.moved[w, i]:
                continue
            n = entries.moves[w]
            if n < entries.move_step.shape[1]:
                here = props.present[w, i] and props.holder[w, i] == NOTHING
                spot = props.position[w, i] if here else parking(i, props.half[w, i, 2])
                entries.move_step[w, n], entries.move_prop[w, n] = step, i
                for k in range(3):
                    entries.move_pose[w, n, k] = spot[k]
                for k in range(4):
                    entries.move_pose[w, n, 3 + k] = props.orientation[w, i, k]
            entries.moves[w] = n + 1
        for a in range(force.shape[1]):
            if not avatars.placed[w, a]:
                continue
            n = entries.moves[w]
            if n < entries.move_step.shape[1]:
                entries.move_step[w, n], entries.move_prop[w, n] = step, props.moved.shape[1] + a
                entries.move_pose[w, n] = 0.0
                entries.move_pose[w, n, :3] = standing(w, a, avatars)
                entries.move_pose[w, n, 6] = 1.0
            entries.moves[w] = n + 1
        most_steps, most_moves = max(most_steps, step + 1), max(most_moves, entries.moves[w])
    return most_steps, most_moves
