"""Writes down what happens in the worlds, step by step: actions, rewards and a chain of hashes.

A link of the chain is a 64-bit hash of the link before it, of everything that the world's state
holds, of the actions, the rewards and the two flags. Whoever simulates the episode again from its
seed and its actions gets the same links, whatever number of worlds it runs beside; whoever changes
anything gets others from that step on. The first link comes from `origin`, which stands for all
that is claimed of the episodes, so a log cannot be moved to other claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.bounds import action_bounds
from als_engine.physics.memory import read_bytes
from als_engine.simulation import Simulation
from als_engine.system.compiling import inner, kernel
from als_engine.world.state import WorldState

__all__ = ["Log", "Recorder", "action_log_type"]

Links = NDArray[np.uint64]

_ROOM: Final = 256
"""Steps that there is room for at first; it doubles when an episode is longer."""


class Log(NamedTuple):
    """One episode, step by step.

    Attributes:
        actions: (steps, observers, ...).
        rewards: (steps, observers).
        chain: (steps,), the link after each step.
    """

    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    chain: Links


class Recorder:
    """Records all worlds of a simulation at once; `begin` and `step` are called after its own."""

    def __init__(self, simulation: Simulation, origin: bytes) -> None:
        """Looks at a simulation.

        Args:
            simulation: its state, rewards and flags are read where they stand.
            origin: what the first link of every episode comes from, beside seed and number.
        """
        self._simulation, self._origin = simulation, origin
        worlds, observers = simulation.num_worlds, simulation.observers
        space = simulation.action_space
        shape = (worlds, observers, *(space.shape or ()))
        self._acted: NDArray[Any] = np.zeros(shape, space.dtype)
        # Walls do not move, and texts seldom change: one hash of each stands for them.
        self._walls: Links = np.zeros(worlds, np.uint64)
        self._texts: Links = np.zeros(worlds, np.uint64)
        self._versions = np.full(worlds, -1, np.int64)
        self._links: Links = np.zeros(worlds, np.uint64)
        self._lengths = np.zeros(worlds, np.int64)
        self._every = np.arange(worlds)
        self._actions = np.zeros((worlds, _ROOM, *shape[1:]), action_log_type(simulation))
        self._rewards = np.zeros((worlds, _ROOM, observers))
        self._chain: Links = np.zeros((worlds, _ROOM), np.uint64)

    def begin(self, worlds: Iterable[int], seeds: Iterable[int], episodes: Iterable[int]) -> None:
        """Starts the logs of worlds that were just reset.

        Args:
            worlds: their indices.
            seeds: what each was reset with.
            episodes: the number of each episode that begins.
        """
        # A task may have put other arrays in the place of the old ones, as walls do that grow.
        self._parts = [*_arrays(self._simulation), self._acted, self._walls, self._texts]
        self._addresses = np.array([part.ctypes.data for part in self._parts], np.intp)
        self._sizes = np.array([part[0].nbytes for part in self._parts], np.intp)
        self._scratch = np.zeros(-(-int(self._sizes.sum()) // 8), np.uint64)
        fresh = np.zeros(len(self._every), np.bool_)
        for world, seed, episode in zip(worlds, seeds, episodes, strict=True):
            fresh[world] = True
            self._walls[world] = _hash(_walls(self._simulation.state, world))
            claims = b"".join(n.to_bytes(16, "little", signed=True) for n in (seed, episode))
            self._links[world] = _hash(self._origin + claims)
        self._acted[fresh] = 0
        self._lengths[fresh] = 0
        self._read_texts()
        self._link(fresh)

    def step(self, actions: NDArray[Any]) -> None:
        """Adds a step to every log.

        Args:
            actions: (worlds, observers, ...), which the worlds have just taken.
        """
        self._acted[:] = actions
        self._read_texts()
        self._link(None)
        at = self._lengths
        if int(at.max()) == self._chain.shape[1]:
            self._grow()
        self._actions[self._every, at] = self._acted
        self._rewards[self._every, at] = self._simulation.rewards[:, : self._rewards.shape[2]]
        self._chain[self._every, at] = self._links
        at += 1

    def log(self, world: int) -> Log:
        """The log of a world since its episode began."""
        steps = int(self._lengths[world])
        kept = slice(steps)
        return Log(
            self._actions[world, kept].copy(),
            self._rewards[world, kept].copy(),
            self._chain[world, kept].copy(),
        )

    def _link(self, which: NDArray[np.bool_] | None) -> None:
        mask = np.ones(len(self._every), np.bool_) if which is None else which
        _link(self._addresses, self._sizes, self._scratch, mask, self._links)

    def _read_texts(self) -> None:
        state = self._simulation.state
        # Each of the three only goes up, so their sum changes when one of them does.
        versions = state.instruction_version + state.signs.version + state.sounds.version
        for world in np.flatnonzero(versions != self._versions).tolist():
            texts = [state.instructions[world], state.signs.text[world], state.sounds.text[world]]
            self._texts[world] = _hash(repr(texts).encode())
        self._versions = versions

    def _grow(self) -> None:
        for name in ("_actions", "_rewards", "_chain"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros_like(old)], axis=1))


def action_log_type(simulation: Simulation) -> np.dtype[Any]:
    """The dtype of logged actions: the smallest that holds them all."""
    if simulation.action_mode == "continuous":
        return np.dtype(np.float32)
    return np.min_scalar_type(int(np.max(action_bounds(simulation.action_space)[1])))


def _arrays(simulation: Simulation) -> list[NDArray[Any]]:
    """The arrays (worlds, ...) that change from step to step, in an order that never does."""
    state = simulation.state
    groups = (
        state.avatars, state.props, state.signs, state.screens, state.sounds, state.events
    )  # fmt: skip
    found = [a for group in groups for name, a in group.arrays() if name != "version"]
    found += [state.quantities[name] for name in sorted(state.quantities)]
    found += [state.level, state.step, state.key, state.behaviour]
    found += [simulation.rewards, simulation.terminated, simulation.truncated]
    return [a for a in found if a.nbytes]


def _walls(state: WorldState, world: int) -> bytes:
    count = int(state.walls.count[world])
    rows = [a[world, :count] for _, a in state.walls.arrays() if a.ndim > 1]
    return b"".join(np.ascontiguousarray(row).tobytes() for row in rows)


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


@kernel
def _link(addresses, sizes, scratch, mask, links):  # type: ignore[no-untyped-def]
    """Replaces the links of the worlds in `mask` by the next ones.

    Args:
        addresses: (arrays,), where each begins; world w's part lies w times its size further on.
        sizes: (arrays,), bytes of one world's part.
        scratch: (words,) uint64, room for one world; its last bytes stay 0.
        mask: (worlds,) bool.
        links: (worlds,) uint64.
    """
    room = scratch.view(np.uint8)
    for w in range(links.shape[0]):
        if not mask[w]:
            continue
        place = 0
        for k in range(sizes.shape[0]):
            read_bytes(room[place:].ctypes, addresses[k] + w * sizes[k], sizes[k])
            place += sizes[k]
        # Four lanes, so that one multiplication need not wait for the other; each is a bijection
        # of its word and of what came before, as in xxHash64 (Collet 2014), whose primes these are.
        a = links[w] ^ np.uint64(0x9E3779B185EBCA87)
        b = links[w] ^ np.uint64(0xC2B2AE3D27D4EB4F)
        c = links[w] ^ np.uint64(0x165667B19E3779F9)
        d = links[w] ^ np.uint64(0x85EBCA77C2B2AE63)
        words = scratch.shape[0]
        i = 0
        while i + 4 <= words:
            a = _round(a, scratch[i])
            b = _round(b, scratch[i + 1])
            c = _round(c, scratch[i + 2])
            d = _round(d, scratch[i + 3])
            i += 4
        while i < words:
            a = _round(a, scratch[i])
            i += 1
        link = np.uint64(words)
        for lane in (a, b, c, d):
            link = _finish(_round(link, lane))
        links[w] = link


@inner
def _round(lane, word):  # type: ignore[no-untyped-def]
    lane += word * np.uint64(0xC2B2AE3D27D4EB4F)
    lane = (lane << np.uint64(31)) | (lane >> np.uint64(33))
    return lane * np.uint64(0x9E3779B185EBCA87)


@inner
def _finish(link):  # type: ignore[no-untyped-def]
    link ^= link >> np.uint64(33)
    link *= np.uint64(0xC2B2AE3D27D4EB4F)
    link ^= link >> np.uint64(29)
    link *= np.uint64(0x165667B19E3779F9)
    return link ^ (link >> np.uint64(32))
