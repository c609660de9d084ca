"""Derives the seeds of a run's parts, and keeps global generators as the caller left them.

Two runs whose seeds are 0 and 1 must not share levels, and neither must a training and an
evaluation with the same seed. So no run adds a number to its seed: it spreads the seed, under the
name of what the numbers are for (O'Neill 2015, as `numpy.random.SeedSequence` does it).

`reset(seed=s)` of an environment is no run: it does what Gymnasium says, and world `i` is the
single environment with the seed `s + i`.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import whole_number

__all__ = ["Generators", "RowGenerators", "row_seeds", "spread"]

_ROWS: Final = 1_009
"""More than there are avatars: rows of different worlds never share a seed."""

_AGENT_STREAM: Final = 1
"""Goes into the seed of every row's generator: the worlds use the same numbers as seeds."""


def spread(use: str, seed: int, *at: int) -> int:
    """A seed of 62 bits for one part of a run; other parts, uses and seeds give independent ones.

    Args:
        use: what it is for, such as "training" or "evaluation".
        seed: of the run, at least 0.
        at: which part: the number of an episode or a world, say; each from 0 to 2**32 - 1.

    Raises:
        ArgumentError: the seed is no whole number, or negative.
    """
    root = whole_number("seed", seed, 0)
    parts = np.random.SeedSequence(root, spawn_key=(zlib.crc32(use.encode()), *at))
    return int(parts.generate_state(1, np.uint64)[0]) >> 2


def row_seeds(world_seed: int, observers: int) -> list[int]:
    """The seeds of a world's rows, for agents that draw in each row by itself."""
    return [world_seed * _ROWS + avatar for avatar in range(observers)]


class RowGenerators:
    """A generator for each row of an agent that draws: what happens in a row depends on its seed.

    How many other rows there are, and what is drawn in them, makes no difference to it.
    """

    def __init__(self, seed: int) -> None:
        """Takes the seed of the rows that are given none of their own."""
        self._spare = np.random.default_rng([seed, _AGENT_STREAM])

    def of(
        self, generators: Sequence[np.random.Generator] | None, rows: int
    ) -> list[np.random.Generator]:
        """The rows' generators, made now where there are none yet."""
        return self._spare.spawn(rows) if generators is None else list(generators)

    def restarted(
        self,
        generators: Sequence[np.random.Generator] | None,
        rows: NDArray[np.bool_],
        seeds: Sequence[int] | None,
    ) -> list[np.random.Generator]:
        """The rows' generators, new ones where a row begins and has a seed.

        Args:
            generators: what the last call of `of` or `restarted` returned, or None.
            rows: (rows,), which ones begin.
            seeds: one for each row that begins, or None.
        """
        found = self.of(generators, len(rows))
        for row, seed in zip(np.flatnonzero(rows).tolist(), seeds or (), strict=False):
            found[row] = np.random.default_rng([seed, _AGENT_STREAM])
        return found


class Generators:
    """The global generators of `random`, NumPy and torch, lent to a block of code.

    Libraries draw from them, so that what they do depends on whoever drew before, and changes what
    whoever draws later does. Inside `with generators:` they are in a state of their own, which goes
    on from block to block; outside they are as if nothing had happened.
    """

    def __init__(self, seed: int) -> None:
        """Takes the seed of the first block."""
        self._seed = seed
        self._theirs: _States | None = None
        self._ours: _States | None = None
        self._entered = 0

    def __enter__(self) -> Generators:
        self._entered += 1
        if self._entered == 1:
            self._theirs = _States()
            if self._ours is None:
                _seed_all(self._seed)
            else:
                self._ours.restore()
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered -= 1
        if self._entered == 0:
            assert self._theirs is not None
            self._ours = _States()
            self._theirs.restore()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Inside a block: lets the caller's own code, such as a callback, have its generators."""
        entered, self._entered = self._entered, 1
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()
            self._entered = entered


class _States:
    """How the global generators are now."""

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        # Whoever has not loaded it need not wait for it.
        self._torch: Any = sys.modules.get("torch")
        if self._torch is not None:
            self._cpu, self._first = self._torch.get_rng_state(), self._torch.initial_seed()
            ready = self._torch.cuda.is_initialized()
            self._cuda = self._torch.cuda.get_rng_state_all() if ready else None

    def restore(self) -> None:
        """Puts them back."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        if self._torch is None:
            return
        self._torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            self._torch.cuda.set_rng_state_all(self._cuda)
        else:
            # It begins with the seed that torch was given last, when it begins.
            self._torch.cuda.manual_seed_all(self._first)


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % (1 << 32))  # noqa: NPY002
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
