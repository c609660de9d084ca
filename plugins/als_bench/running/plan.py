"""Plans a run: the units of a suite, and which of their parts are stored already."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from als_bench.claims import digest_of
from als_bench.contestants import Contestant
from als_bench.identity import YARDSTICKS
from als_bench.records import Unit
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

__all__ = ["CHUNK", "Item", "chunks", "plan"]

CHUNK: Final = 100
"""Episodes that are played and stored together. Part of what a result is: the same episodes in
other company may differ in the last bit of a network's output."""


@dataclass(frozen=True)
class Item:
    """One unit with all that is needed to do it.

    Attributes:
        unit: what its rows are stored under.
        contestant, entry: who plays where.
        partner: the unit whose agent drives the second avatar, in cross-play.
    """

    unit: Unit
    contestant: Contestant
    entry: SuiteEntry
    partner: Item | None = None

    @property
    def unit_alone(self) -> Unit:
        """The unit in which its agent plays by itself, and is trained."""
        if self.partner is None:
            return self.unit
        seed = self.unit.seed if self.contestant.trains else 0
        return Unit(self.unit.run, self.entry.name, self.unit.agent, seed)

    @property
    def arguments(self) -> dict[str, Any]:
        """The scenario's arguments in evaluation; a yardstick plays as its partner does."""
        partner = self.partner
        if partner is not None and self.contestant.agent in YARDSTICKS:
            return partner.contestant.in_evaluation(self.entry)
        return self.contestant.in_evaluation(self.entry)

    @property
    def training(self) -> str:
        """The same for units whose agents are trained in the same way; empty for no training."""
        if not self.contestant.trains:
            return ""
        entry, contestant = self.entry, self.contestant
        return digest_of(
            [
                entry.scenario,
                contestant.in_training(entry),
                entry.observers,
                entry.steps,
                contestant.agent,
                dict(contestant.config),
                self.unit.seed,
            ]
        )


def plan(suite: SuiteSpec, run: str, contestants: Sequence[Contestant], seeds: int) -> list[Item]:
    """The units of a run, seed by seed, so that an interrupted run has a bit of everything.

    Args:
        suite: what is played.
        run: the run's key.
        contestants: who plays.
        seeds: training seeds for those who learn.
    """
    alone = [
        Item(Unit(run, entry.name, contestant.label, seed), contestant, entry)
        for seed in range(seeds)
        for entry in suite.entries
        for contestant in contestants
        if contestant.plays(entry)
        # Whoever is not trained is the same for every seed.
        if contestant.trains or seed == 0
    ]
    by_unit = {item.unit: item for item in alone}
    pairs = [
        pair
        for seed in range(seeds)
        for entry in suite.entries
        if entry.cross_play
        for one in contestants
        for other in contestants
        if (pair := _pair(by_unit, run, entry, one, other, seed, seeds)) is not None
    ]
    return [*alone, *pairs]


def _pair(
    alone: dict[Unit, Item],
    run: str,
    entry: SuiteEntry,
    one: Contestant,
    other: Contestant,
    seed: int,
    seeds: int,
) -> Item | None:
    """Two agents in one world; None where they cannot be, or where this seed is no other pair."""
    if not (one.trains or other.trains) and seed > 0:
        return None
    # An agent's partner of its own kind comes from another training, where there is another.
    second = (seed + 1) % seeds if one.label == other.label else seed
    focal = alone.get(Unit(run, entry.name, one.label, seed if one.trains else 0))
    partner = alone.get(Unit(run, entry.name, other.label, second if other.trains else 0))
    if focal is None or partner is None or not _together(one, other, entry):
        return None
    return Item(
        Unit(run, f"{entry.name} + {other.label}", one.label, seed),
        one,
        dataclasses.replace(entry, observers=2),
        partner,
    )


def _together(one: Contestant, other: Contestant, entry: SuiteEntry) -> bool:
    """Whether two agents can act in one world: there is one kind of action and of observation."""
    if one.agent in YARDSTICKS or other.agent in YARDSTICKS:
        return True
    return one.in_evaluation(entry) == other.in_evaluation(entry)


def chunks(episodes: int, done: set[int]) -> Iterator[range]:
    """The chunks that are not stored yet."""
    for first in range(0, episodes, CHUNK):
        chunk = range(first, min(first + CHUNK, episodes))
        if not done.issuperset(chunk):
            yield chunk
