"""Levels: which one a world plays next, what it holds, and the generators that decide both.

Whatever a level decides is drawn from `Levels.generator`, and from nothing else: scenario, level
and key give the same content everywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of, whole_number
from als_engine.errors import LayoutError
from als_engine.plugins.specs import SPLITS
from als_engine.simulation.arguments import Arguments
from als_engine.task import LAST_LEVEL, LEVELS, Task, drawn_level, unedited_level
from als_engine.world.layout import Layout

__all__ = ["ITS_OWN", "Levels", "check_level"]

ITS_OWN: Final = -1
"""In place of a level: the one that the world draws."""


class Levels:
    """The levels of one scenario, and where each world is in drawing them.

    Attributes:
        scenario: the id, the root of every level's seed.
        split: where levels are drawn from.
        fixed: always this level instead, or None.
        key: None for the levels that everybody knows; see `Simulation.level_key`.
        generators: one for each world, None before its first reset; draws its next levels.
        coming: (worlds,), which level each world lays out whenever it is reset; `ITS_OWN` where it
            draws one. A curriculum writes here.
    """

    def __init__(self, task: Task, given: Arguments) -> None:
        """Begins no level.

        Raises:
            ArgumentError: there is no such split or level.
        """
        self.scenario, self._task = given.scenario, task
        self.split = one_of("split", given.split, SPLITS)
        self.fixed = check_level(given.level)
        self.key: int | None = None
        self.generators: list[np.random.Generator | None] = [None] * given.num_worlds
        self.coming: NDArray[np.int64] = np.full(given.num_worlds, ITS_OWN, np.int64)

    def draw(self, world: int, seed: int | None) -> tuple[int, int]:
        """The next level of a world, `coming` or drawn, and the key of the world's own randomness.

        Args:
            world: which one.
            seed: makes the world's generator anew; None goes on with the one that it has.
        """
        rng = self.generators[world]
        if seed is not None or rng is None:
            rng = self.generators[world] = np.random.default_rng(seed)
        levels, coming = LEVELS[self.split], int(self.coming[world])
        drawn, key = int(rng.integers(levels.start, levels.stop)), int(rng.integers(1 << 63))
        return drawn if coming == ITS_OWN else coming, key

    def lay_out(self, level: int) -> Layout:
        """A level's content: a function of scenario, the task's arguments, level and key.

        Raises:
            LayoutError: the task cannot lay it out; names scenario and level.
        """
        rng, before = self.generator(level), unedited_level(level)
        layout = None if before is None else self.lay_out(before)
        with self.naming(level):
            if layout is None:
                return self._task.layout(rng, level)
            return self._task.edit(layout, rng)

    def example(self) -> Layout:
        """A level's content that says what every level holds: how many props, signs and sounds."""
        return self.lay_out(LEVELS[self.split].start if self.fixed is None else self.fixed)

    def generator(self, level: int, *stream: int) -> np.random.Generator:
        """The generator of whatever a level decides; the only one that is made of its number."""
        root = (zlib.crc32(self.scenario.encode()), level, *stream)
        key = () if self.key is None else (self.key,)
        return np.random.default_rng(np.random.SeedSequence(root, spawn_key=key))

    @contextmanager
    def naming(self, level: int) -> Iterator[None]:
        """Adds the scenario and the level to what is wrong with a layout."""
        try:
            yield
        except LayoutError as error:
            raise LayoutError(f"{self.scenario}, level {level}: {error}") from None


def check_level(level: int | None) -> int | None:
    """Returns a level of any split, or None.

    Raises:
        ArgumentError: no split has it.
    """
    last = max(levels.stop for levels in LEVELS.values()) - 1
    if isinstance(level, int) and last < level <= LAST_LEVEL and drawn_level(level) <= last:
        return level
    return None if level is None else whole_number("level", level, 0, last)
