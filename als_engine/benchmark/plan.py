"""What a run has to do: the units of a suite, and which of their parts are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from als_engine.benchmark.contestants import Contestant
from als_engine.benchmark.records import Unit
from als_engine.specs import SuiteEntry, SuiteSpec

__all__ = ["CHUNK", "Item", "chunks", "plan"]

CHUNK: Final = 50
"""Episodes that are played and stored together. Part of what a result is: the same episodes in
other company may differ in the last bit of a network's output."""


@dataclass(frozen=True)
class Item:
    """One unit with all that is needed to do it.

    Attributes:
        unit: what its rows are stored under.
        contestant, entry: who plays where.
        steps: environment steps that it costs at most, for the bar.
        partner: the unit whose agent drives the second avatar, in cross-play.
    """

    unit: Unit
    contestant: Contestant
    entry: SuiteEntry
    partner: Item | None = None

    @property
    def trains(self) -> bool:
        """Whether the run has to train its agent."""
        return self.contestant.trains


def plan(suite: SuiteSpec, run: str, contestants: Sequence[Contestant], seeds: int) -> list[Item]:
    """The units of a run, seed by seed, so that an interrupted run has a bit of everything.

    Args:
        suite: what is played.
        run: the run's key.
        contestants: who plays.
        seeds: training seeds for those who learn.
    """
    items = [
        Item(Unit(run, entry.name, contestant.label, seed), contestant, entry)
        for seed in range(seeds)
        for entry in suite.entries
        for contestant in contestants
        if contestant.plays(entry)
        # Whoever is not trained is the same for every seed.
        if contestant.trains or seed == 0
    ]
    return items


def chunks(episodes: int, done: set[int]) -> Iterator[range]:
    """The chunks that are not stored yet."""
    for first in range(0, episodes, CHUNK):
        chunk = range(first, min(first + CHUNK, episodes))
        if not done.issuperset(chunk):
            yield chunk
