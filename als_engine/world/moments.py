"""Takes moments of worlds out of a `WorldState` and puts them back, and hashes them.

What is put back may come from somebody else's file: `check` compares every array with those that
there are, and every index with what it is an index of, since kernels go where an index leads them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import LayoutError, SnapshotError
from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import (
    NOTHING,
    SHAPE_COMPOUND,
    SHAPE_CYLINDER,
    Arrays,
    Parts,
    Walls,
)
from als_engine.world.layout import OPENS, check_sign_text
from als_engine.world.shapes import MAX_PARTS
from als_engine.world.snapshot import Moment

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

__all__ = ["check", "digest", "put", "put_memories", "take"]

Worlds = NDArray[np.intp]
Saved = Mapping[str, NDArray[Any]]

# Made anew when a moment is put back: from the texts, from the headings; versions only go up.
_DERIVED: Final = {
    "walls.filled",
    "walls.cos",
    "walls.sin",
    "signs.glyphs",
    "signs.rows",
    "signs.columns",
}
_RAGGED: Final = ("parts", "walls")
_LARGEST: Final = 1e9


def _arrays(state: WorldState) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of a snapshot by name."""
    for group in (
        "avatars",
        "props",
        "parts",
        "hinges",
        "walls",
        "signs",
        "screens",
        "sounds",
        "events",
    ):
        for name, array in getattr(state, group).arrays():
            if name != "version" and f"{group}.{name}" not in _DERIVED:
                yield f"{group}.{name}", array
    for name in ("level", "step", "key", "bounds", "behaviour", "moved"):
        yield name, getattr(state, name)
    for name, array in state.quantities.items():
        yield f"task.{name}", array


@functools.cache
def _ragged(name: str) -> str:
    """The group whose `count` says how much of an array a world uses; empty if it uses it all."""
    group, _, member = name.partition(".")
    return group if group in _RAGGED and member != "count" else ""


def _rows(state: WorldState, worlds: Worlds) -> Worlds | slice:
    """These worlds as an index: NumPy copies all rows faster than rows by their numbers."""
    return slice(None) if np.array_equal(worlds, np.arange(state.num_worlds)) else worlds


def take(state: WorldState, worlds: Worlds) -> dict[str, NDArray[Any]]:
    """Copies of the arrays of some worlds, and of what is remembered of them."""
    most = {name: int(getattr(state, name).count[worlds].max(initial=0)) for name in _RAGGED}
    rows = _rows(state, worlds)
    taken = {
        name: np.array(array[rows, : most[group]] if (group := _ragged(name)) else array[rows])
        for name, array in _arrays(state)
    }
    for i, memory in enumerate(state.memories):
        for name, array in memory.remembered(worlds).items():
            taken[f"memory.{i}.{name}"] = array
    return taken


def check(state: WorldState, saved: Saved, moments: tuple[Moment, ...], behaviours: int) -> None:
    """Refuses what is not a moment of such worlds.

    Args:
        state: the worlds.
        saved: arrays, as `take` returns them.
        moments: of the same worlds.
        behaviours: how many scripted behaviours there are.

    Raises:
        SnapshotError: names the array or the text.
    """
    floats: dict[str, NDArray[Any]] = {}
    flags: dict[str, NDArray[Any]] = {}
    ragged: dict[str, str] = {}
    for name, array in _arrays(state):
        found = saved.get(name)
        after = 1
        if group := _ragged(name):
            after, ragged[name] = 2, group
        shape = (len(moments), *array.shape[after:])
        if found is None or found.ndim != array.ndim or found.dtype != array.dtype:
            raise SnapshotError(f'the snapshot\'s "{name}" is not as these worlds have it')
        if (found.shape[0], *found.shape[after:]) != shape:
            raise SnapshotError(f'the snapshot\'s "{name}" is not as these worlds have it')
        if found.dtype.kind == "f" and not name.startswith("task."):
            floats[name] = found
        elif found.dtype == np.bool_:
            flags[name] = found.view(np.uint8)
    _all_within(floats, -_LARGEST, _LARGEST)
    _all_within(flags, 0, 1)
    room = {group: saved[f"{group}.half"].shape[1] for group in _RAGGED}
    for name, group in ragged.items():
        if saved[name].shape[1] != room[group]:
            raise SnapshotError(
                f'the snapshot\'s "{group}" are not as many in one array as in another'
            )
    props, avatars = len(state.props.names) - 1, state.num_avatars - 1
    for name, low, high in (
        ("walls.count", 0, room["walls"]),
        ("parts.count", 0, min(room["parts"], MAX_PARTS * len(state.props.names))),
        ("parts.owner", 0, max(props, 0)),
        ("hinges.opens", 0, len(OPENS) - 1),
        ("parts.form", 0, SHAPE_CYLINDER),
        ("avatars.held", NOTHING, props),
        ("avatars.utterance", NOTHING, len(state.utterances) - 1),
        ("props.holder", NOTHING, avatars),
        ("props.shape", 0, SHAPE_COMPOUND),
        ("sounds.switch", NOTHING, props),
        ("events.picked_up", NOTHING, props),
        ("events.put_down", NOTHING, props),
        ("events.used", NOTHING, props),
        ("behaviour", NOTHING, behaviours - 1),
        ("step", 0, np.iinfo(np.int64).max // 2),
    ):
        _within(name, saved[name], low, high)
    if (saved["bounds"][:, :2] > saved["bounds"][:, 2:]).any():
        raise SnapshotError('the snapshot\'s "bounds" are those of no world')
    _check_parts(saved)
    for moment in moments:
        _check_texts(state, moment)


def _all_within(arrays: Saved, low: float, high: float) -> None:
    """Looks at all numbers at once; only where one is wrong, at each array, to name it."""
    together = np.concatenate([array.reshape(-1) for array in arrays.values()])
    if not (together.min(initial=low) >= low and together.max(initial=low) <= high):
        for name, array in arrays.items():
            _within(name, array, low, high)


def _within(name: str, found: NDArray[Any], low: float, high: float) -> None:
    if found.size and not (found.min() >= low and found.max() <= high):  # NaN is nowhere.
        raise SnapshotError(f'the snapshot\'s "{name}" holds numbers of no world')


def _check_parts(saved: Saved) -> None:
    """Refuses parts that do not belong to their props: the physics makes a body of each prop's."""
    owner, shape = saved["parts.owner"], saved["props.shape"]
    used = np.arange(owner.shape[1]) < saved["parts.count"][:, None]
    which = np.arange(shape.shape[1])[:, None, None]
    count = ((owner == which) & used).sum(-1).T if shape.shape[1] else np.zeros_like(shape)
    most = np.where(shape == SHAPE_COMPOUND, MAX_PARTS, 0)
    least = np.where(shape == SHAPE_COMPOUND, 1, 0)
    if (
        (count < least).any()
        or (count > most).any()
        or (used & ~(saved["parts.half"] > 0).all(-1)).any()
    ):
        raise SnapshotError('the snapshot\'s "parts" are not those of its props')


def _check_texts(state: WorldState, moment: Moment) -> None:
    for name, texts, count in (
        ("instructions", moment.instructions, state.num_avatars),
        ("signs", moment.signs, len(state.signs.names)),
        ("sounds", moment.sounds, len(state.sounds.names)),
    ):
        if len(texts) != count:
            raise SnapshotError(f"the snapshot has {len(texts)} {name}, these worlds {count}")
    for sign, text in zip(state.signs.names, moment.signs, strict=True):
        try:
            check_sign_text(f"sign {sign!r}", text)
        except LayoutError as error:
            raise SnapshotError(f"the snapshot's {error}") from None


def put(state: WorldState, worlds: Worlds, saved: Saved, moments: tuple[Moment, ...]) -> None:
    """Writes a moment, which `check` has found to be one, into some worlds."""
    walls, signs, sounds = state.walls, state.signs, state.sounds
    for group in _RAGGED:
        getattr(state, group).make_room(saved[f"{group}.half"].shape[1])
    rows = _rows(state, worlds)
    for name, array in _arrays(state):
        if _ragged(name):
            used = saved[name].shape[1]
            array[rows, :used] = saved[name]
            array[rows, used:] = 0
        else:
            array[rows] = saved[name]
    walls.cos[worlds] = pmath.cos(walls.heading[worlds])
    walls.sin[worlds] = pmath.sin(walls.heading[worlds])
    walls.filled[worlds] = walls.count[worlds]
    for world in worlds.tolist():
        for screen in range(len(state.screens.names)):
            state.screens.sum(world, screen)
    state.avatars.come_and_go |= bool(state.avatars.left.any() or not state.avatars.present.all())
    state.hinges.in_use |= bool(state.hinges.hinged.any())
    state.hang(worlds)
    for world, moment in zip(worlds.tolist(), moments, strict=True):
        state.instructions[world] = [*moment.instructions]
        sounds.text[world] = [*moment.sounds]
        for sign, text in enumerate(moment.signs):
            signs.write(world, sign, text)
    # What sensors have encoded of the texts before is out of date.
    state.instruction_version[worlds] += 1
    sounds.version[worlds] += 1
    signs.version[worlds] += 1


def put_memories(state: WorldState, worlds: Worlds, saved: Saved) -> None:
    """Lets everybody remember what was seen of some worlds.

    Raises:
        SnapshotError: an array is not what somebody who is attached remembers.
    """
    for i, memory in enumerate(state.memories):
        own = f"memory.{i}."
        seen = {name.removeprefix(own): a for name, a in saved.items() if name.startswith(own)}
        if seen:
            memory.remember(worlds, seen)


def digest(state: WorldState, world: int) -> bytes:
    """A 16-byte hash of everything in one world, quantities included."""
    hashed = hashlib.blake2b(digest_size=16)
    groups: list[Arrays] = [state.avatars, state.props, state.walls]
    groups += [state.signs, state.sounds, state.events]
    if state.parts.count[world]:
        groups.append(state.parts)
    if state.hinges.hinged[world].any():
        groups.append(state.hinges)
    if state.screens.names:
        groups.append(state.screens)
    comes_and_goes = state.avatars.left[world].any() or not state.avatars.present[world].all()
    for group in groups:
        for name, array in group.arrays():
            # What follows from others, what an episode never changes, or tells.
            if name in ("version", "filled", "switch", "placed"):
                continue
            if name in ("present", "left") and group is state.avatars and not comes_and_goes:
                continue
            part = array[world]
            if isinstance(group, (Walls, Parts)) and array.ndim > 1:
                part = part[: group.count[world]]
            if name == "glyphs":  # A byte of each will do: the texts themselves follow below.
                part = part.astype(np.uint8)
            hashed.update(np.ascontiguousarray(part).tobytes())
    for name in sorted(state.quantities):
        hashed.update(np.ascontiguousarray(state.quantities[name][world]).tobytes())
    for array in (state.level, state.step, state.key):
        hashed.update(array[world].tobytes())
    texts = [state.instructions[world], state.signs.text[world], state.sounds.text[world]]
    hashed.update(repr(texts).encode())
    return hashed.digest()
