"""The cells of a leaderboard: an agent's results in one entry, alone or with a partner."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from als_bench.records import RunRecord, Unit
from als_engine.evaluation.statistics import Interval, interquartile_interval
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

if TYPE_CHECKING:
    from als_bench.results.store import SeedMean

__all__ = [
    "Cell",
    "CrossPlay",
    "Results",
    "decimals",
    "is_counted",
    "make_cell",
    "normalised",
    "pairings",
    "printable",
]

_WITH: Final = " + "
"""Between an entry and a partner in the name under which a pairing is stored; no entry has it."""


@dataclass(frozen=True)
class Results:
    """The contents of a store about a run, as far as a table needs them.

    Attributes:
        run: its record.
        means: of its units.
        failures: unit to reason.
        verdicts: (agent, tier, bundle, detail) of its verifications.
        players: agent to the registered ids of what played under that label, one of them if all is
            well. A label of which this is not known never ranks.
        efforts: agent to the mean steps of its trainings, and how many of them were demonstrated.
    """

    run: RunRecord
    means: Sequence[SeedMean]
    failures: Mapping[Unit, str] = field(default_factory=dict)
    verdicts: Sequence[tuple[str, str, str, str]] = ()
    players: Mapping[str, Collection[str]] = field(default_factory=dict)
    efforts: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """An agent in an entry.

    Attributes:
        scores: training seed to normalized score; empty without the entry's yardsticks.
        score: their interquartile mean; None without any.
        total, success, length: means over seeds of what was played; None where nothing was.
        failures: training seed to reason.
    """

    scores: Mapping[int, float] = field(default_factory=dict)
    score: Interval | None = None
    total: float | None = None
    success: float | None = None
    length: float | None = None
    failures: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CrossPlay:
    """The score of each agent beside each partner in an entry.

    Attributes:
        focals, partners: agents, of those who are counted and of those they play with.
        cells: (focal, partner) to what the focal agent did.
        normalized: whether there are scores; returns otherwise.
    """

    focals: tuple[str, ...]
    partners: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    normalized: bool


def is_counted(entry: SuiteEntry) -> bool:
    """Whether an entry has both yardsticks, without which there is no normalized score."""
    return entry.random is not None and entry.expert is not None


def normalised(entry: SuiteEntry, mean: float | None, failed: bool) -> float | None:
    """A unit's score where random is 0 and the expert 1, an agent's misbehaviour included.

    An agent that fails scores 0, or what it had played if that is less: failing never pays for an
    agent that is better than random, and is never worth more than random play.

    Args:
        entry: with its frozen yardsticks.
        mean: return of the episodes that were played; None for none.
        failed: whether the agent crashed, hung or gave no actions at some point.

    Returns:
        None where the entry has no yardsticks, or nothing was played and nothing failed.
    """
    if entry.random is None or entry.expert is None or (mean is None and not failed):
        return None
    score = 0.0 if mean is None else (mean - entry.random) / (entry.expert - entry.random)
    return min(score, 0.0) if failed else score


def make_cell(
    entry: SuiteEntry, means: Mapping[int, SeedMean], failures: Mapping[int, str]
) -> Cell:
    """Makes the cell of an agent's units in an entry.

    Args:
        entry: with its yardsticks, if it has some.
        means: training seed to what was played.
        failures: training seed to reason.
    """
    scores: dict[int, float] = {}
    for seed in sorted({*means, *failures}):
        mean = means[seed].total if seed in means else None
        score = normalised(entry, mean, seed in failures)
        if score is not None:
            scores[seed] = score
    return Cell(
        scores=scores,
        score=interquartile_interval([list(scores.values())]) if scores else None,
        total=_mean(mean.total for mean in means.values()),
        success=_mean(mean.success for mean in means.values()),
        length=_mean(mean.length for mean in means.values()),
        failures={seed: printable(reason) for seed, reason in sorted(failures.items())},
    )


def pairings(results: Results, suite: SuiteSpec, order: Sequence[str]) -> dict[str, CrossPlay]:
    """The cross-play of each entry that has some.

    Args:
        results: of the run.
        suite: that it played.
        order: agents as they stand in the table; others follow by name.
    """
    means: dict[tuple[str, str, str], dict[int, SeedMean]] = {}
    failures: dict[tuple[str, str, str], dict[int, str]] = {}
    for mean in results.means:
        name, together, partner = mean.entry.partition(_WITH)
        if together:
            means.setdefault((name, mean.agent, partner), {})[mean.seed] = mean
    for unit, reason in results.failures.items():
        name, together, partner = unit.entry.partition(_WITH)
        if together:
            failures.setdefault((name, unit.agent, partner), {})[unit.seed] = reason
    places = {agent: place for place, agent in enumerate(order)}

    def by_place(agents: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(set(agents), key=lambda name: (places.get(name, len(places)), name)))

    tables = {}
    for entry in suite.entries:
        found = [key for key in (*means, *failures) if key[0] == entry.name]
        if found:
            focals, partners = by_place(key[1] for key in found), by_place(key[2] for key in found)
            cells = {
                (one, other): make_cell(entry, means.get(key, {}), failures.get(key, {}))
                for one in focals
                for other in partners
                if (key := (entry.name, one, other)) in means or key in failures
            }
            tables[entry.name] = CrossPlay(focals, partners, cells, is_counted(entry))
    return tables


def decimals(value: float, digits: int = 2) -> str:
    """A number as tables show it; what is nearly zero has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def printable(text: str) -> str:
    """Text from other people, without what would move a terminal's cursor."""
    return "".join(each if each.isprintable() else " " for each in text)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    # Exact, so that the order of rows makes no difference.
    return math.fsum(found) / len(found) if found else None
