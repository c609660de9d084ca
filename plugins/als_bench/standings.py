"""Computes the ranking from a store: scores, intervals, ranks and tiers.

The rules, all of them pure functions of the rows:

- An episode counts where random is 0 and the expert is 1, with the suite's frozen yardsticks. A
  score is the interquartile mean over training seeds, with a stratified bootstrap interval.
- A unit that failed counts what it has played, but no more than random, 0.
- An agent that lacks a unit or an episode has no score: leaving something out never helps.
- Ranks are tied as `tied_ranks` says. Only agents rank whose episodes were played on seeds that
  nobody knew before (tier "executed"); a run of ones own and a replayed bundle are listed below.
- What was run decides who ranks, not what it is called: a yardstick never does, and neither does
  a label of which it is not known what played under it.
- Persons are a yardstick: each of them counts as a training seed would, with the episodes that he
  or she has played, and the interval is over persons.
- Few training seeds are provisional: such a rank is in brackets and moves nobody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from als_bench.identity import HUMAN, YARDSTICKS
from als_bench.records import TIERS, RunRecord
from als_bench.running.cells import (
    Cell,
    CrossPlay,
    Results,
    is_counted,
    make_cell,
    pairings,
    printable,
)
from als_engine.errors import ArgumentError, StoreError, unknown
from als_engine.evaluation.statistics import (
    Interval,
    interquartile_interval,
    optimality_gap,
    tied_ranks,
)
from als_engine.plugins.specs import SuiteSpec

if TYPE_CHECKING:
    from als_bench.results.store import SeedMean, Store

__all__ = [
    "MIN_SEEDS",
    "Standing",
    "Standings",
    "read_standings",
    "seeds_wanted",
    "standings",
    "suite_of",
]

MIN_SEEDS: Final = 5
"""Fewer training seeds than this say little about the next one."""


@dataclass(frozen=True)
class Standing:
    """An agent's line.

    Attributes:
        label: what it is called in the table.
        run, agent: under which its units are stored.
        tier: of `TIERS`. bundle: that it comes from, or was checked with; may be empty.
        player: registered id of what is run; empty where that is not known, or not one.
        cells: entry to what it did there.
        seeds: how many training seeds it has.
        missing: what it lacks, such as "2 of 25 units"; empty for nothing.
        score, gap: interquartile mean and optimality gap over all entries; None when it lacks some.
        rank: None when it does not rank.
        provisional: whether it has too few seeds.
        steps: of a training, on average. demonstrated: those of them that somebody else has shown.
    """

    label: str
    run: str
    agent: str
    tier: str
    bundle: str
    player: str
    cells: Mapping[str, Cell]
    seeds: int
    missing: str = ""
    score: Interval | None = None
    gap: Interval | None = None
    rank: int | None = None
    provisional: bool = False
    steps: int = 0
    demonstrated: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Run and agent: different for each line."""
        return self.run, self.agent

    @property
    def is_yardstick(self) -> bool:
        """Whether it is what others are measured against."""
        return self.player in YARDSTICKS or self.agent in YARDSTICKS

    @property
    def failures(self) -> list[tuple[str, int, str]]:
        """Entry, training seed and reason of each unit that failed."""
        return [(e, seed, why) for e, c in self.cells.items() for seed, why in c.failures.items()]

    @property
    def shown(self) -> str:
        """What it was shown, in words; empty for nothing."""
        if not self.demonstrated:
            return ""
        return f"{self.demonstrated:,} of {self.steps:,} steps demonstrated"

    def groups(self, entries: Sequence[str]) -> list[list[float]]:
        """Its normalized scores, one list for each entry."""
        return [list(self.cells[name].scores.values()) for name in entries]


@dataclass(frozen=True)
class Standings:
    """The table.

    Attributes:
        run: whose table it is. suite: what was played.
        members: all runs that lines come from, by key.
        rows: those who rank, the best first; those who do not; the yardsticks.
        cross_play: entry to its pairings.
    """

    run: RunRecord
    suite: SuiteSpec
    members: Mapping[str, RunRecord]
    rows: tuple[Standing, ...]
    cross_play: Mapping[str, CrossPlay]

    @property
    def counted(self) -> list[str]:
        """The entries that count: those with both yardsticks."""
        return [entry.name for entry in self.suite.entries if is_counted(entry)]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, the same for the same rows."""
        return {
            "run": self.run.key,
            "suite": self.suite.id,
            "counted": self.counted,
            "agents": [_row_as_dict(row) for row in self.rows],
            "cross_play": {
                entry: [
                    {"agent": focal, "partner": partner, **asdict(cell)}
                    for (focal, partner), cell in table.cells.items()
                ]
                for entry, table in self.cross_play.items()
            },
        }


def read_standings(store: Store, run: str | None = None) -> Standings:
    """The table of a run, with everyone of the same suite whose agent the board has executed.

    Args:
        store: where from.
        run: the run's key; by default the newest one that was not made by `als verify`.

    Raises:
        StoreError: the store has no run, or none of that key.
    """
    with store.snapshot():
        runs = store.runs()
        main = _choose(runs, run, store)
        members = [main, *(r for r in runs if r.tier == TIERS[-1] and r != main)]
        found = [
            Results(
                r,
                store.seed_means(r.key),
                store.failures(r.key),
                store.verdicts(r.key),
                store.players(r.key),
                store.efforts(r.key),
            )
            for r in members
            if _plays_the_same(r, main)
        ]
    return standings(found)


def standings(results: Sequence[Results]) -> Standings:
    """The table of the first results, with the executed agents of the others.

    A line is replaced by the one of the run that executed its bundle.

    Args:
        results: of runs of one suite.
    """
    main, *executed = results
    suite = suite_of(main.run)
    linked = {(agent, bundle) for agent, _, bundle, _ in main.verdicts if bundle}
    above = [row for each in executed for row in _lines(each, suite)]
    replaced = {row.agent for row in above if (row.agent, row.bundle) in linked}
    own = [row for row in _lines(main, suite) if row.agent not in replaced]
    # Yardsticks that were measured again are the same ones.
    mine = {row.agent for row in own}
    rows = [*own, *(row for row in above if not (row.is_yardstick and row.agent in mine))]
    ordered = tuple(_ranked(_labelled(rows)))
    return Standings(
        main.run,
        suite,
        {each.run.key: each.run for each in results},
        ordered,
        pairings(main, suite, [row.agent for row in ordered]),
    )


def suite_of(run: RunRecord) -> SuiteSpec:
    """The suite of a run.

    Raises:
        StoreError: this version cannot read it.
    """
    try:
        return SuiteSpec.from_fields(run.suite)
    except ArgumentError as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"the suite of run {run.key} cannot be read: {reason}") from None


def seeds_wanted(suite: SuiteSpec) -> int:
    """With fewer training seeds than this an agent is provisional."""
    return max(MIN_SEEDS, suite.seeds)


def _choose(runs: Sequence[RunRecord], key: str | None, store: Store) -> RunRecord:
    if not runs:
        raise StoreError(f'"{store.path}" holds no runs yet; `als bench run` makes one')
    if key is not None:
        found = {run.key: run for run in runs}
        if key not in found:
            raise StoreError(unknown("run", key, found))
        return found[key]
    newest = runs[-1]
    own = [r for r in runs if r.tier != TIERS[-1] and _plays_the_same(r, newest)]
    return own[-1] if own else newest


def _plays_the_same(one: RunRecord, other: RunRecord) -> bool:
    return all(one.suite.get(key) == other.suite.get(key) for key in ("id", "entries"))


def _lines(results: Results, suite: SuiteSpec) -> Iterator[Standing]:
    """The agents of one run, not ranked yet."""
    names = {entry.name for entry in suite.entries}
    means: dict[str, dict[tuple[str, int], SeedMean]] = {}
    for mean in results.means:
        if mean.entry in names:
            means.setdefault(mean.agent, {})[mean.entry, mean.seed] = mean
    failures: dict[str, dict[tuple[str, int], str]] = {}
    for unit, reason in results.failures.items():
        if unit.entry in names:
            failures.setdefault(unit.agent, {})[unit.entry, unit.seed] = reason
    for agent in sorted({*means, *failures}):
        yield _line(results, suite, agent, means.get(agent, {}), failures.get(agent, {}))


def _line(
    results: Results,
    suite: SuiteSpec,
    agent: str,
    means: Mapping[tuple[str, int], SeedMean],
    failures: Mapping[tuple[str, int], str],
) -> Standing:
    seeds = {seed for _, seed in (*means, *failures)}
    cells = {
        entry.name: make_cell(
            entry,
            {seed: mean for (name, seed), mean in means.items() if name == entry.name},
            {seed: reason for (name, seed), reason in failures.items() if name == entry.name},
        )
        for entry in suite.entries
    }
    counted = [entry.name for entry in suite.entries if is_counted(entry)]
    players = sorted(results.players.get(agent, ()))
    if HUMAN in (agent, *players):
        missing = _unplayed(means, counted)
    else:
        missing = _missing(means, failures, counted, seeds, suite.episodes)
    groups = [list(cells[name].scores.values()) for name in counted]
    complete = bool(counted) and not missing
    tier, bundle = _tier(results, agent)
    steps, demonstrated = map(round, results.efforts.get(agent, (0.0, 0.0)))
    return Standing(
        label=printable(agent),
        run=results.run.key,
        agent=agent,
        tier=tier,
        bundle=bundle,
        # Of several, one that is a yardstick: nobody hides one among others.
        player=next((p for p in players if p in YARDSTICKS or len(players) == 1), ""),
        cells=cells,
        seeds=len(seeds),
        missing=missing,
        score=interquartile_interval(groups) if complete else None,
        gap=optimality_gap(groups) if complete else None,
        provisional=not {agent, *players} & {*YARDSTICKS} and len(seeds) < seeds_wanted(suite),
        steps=steps,
        demonstrated=demonstrated,
    )


def _missing(
    means: Mapping[tuple[str, int], SeedMean],
    failures: Mapping[tuple[str, int], str],
    entries: Sequence[str],
    seeds: Collection[int],
    episodes: int,
) -> str:
    """What an agent lacks, in words."""
    # Seeds are counted from 0: one that is left out everywhere is a gap all the same.
    wanted = len(entries) * (1 + max(seeds))
    played = [mean for (name, _), mean in means.items() if name in entries]
    absent = wanted - len({unit for unit in (*means, *failures) if unit[0] in entries})
    if absent:
        return f"{absent} of {wanted} units"
    unfinished = [mean for mean in played if (mean.entry, mean.seed) not in failures]
    short = sum(max(0, episodes - mean.episodes) for mean in unfinished)
    return f"{short} of {wanted * episodes} episodes" if short else ""


def _unplayed(means: Mapping[tuple[str, int], SeedMean], entries: Sequence[str]) -> str:
    """What persons lack: entries that nobody has played. Each plays as much as he or she likes."""
    played = {name for name, _ in means}
    absent = sum(name not in played for name in entries)
    return f"{absent} of {len(entries)} entries" if absent else ""


def _tier(results: Results, agent: str) -> tuple[str, str]:
    """How far an agent's rows were checked, and the bundle that this was done with."""
    if results.run.tier == TIERS[-1]:
        return results.run.tier, results.run.bundle
    found = [(tier, bundle) for name, tier, bundle, _ in results.verdicts if name == agent]
    # These rows are not those that an execution has played: replayed is the most they can be.
    best = max(found, key=lambda f: (min(TIERS.index(f[0]), 1), f), default=("claimed", ""))
    return TIERS[min(TIERS.index(best[0]), 1)], best[1] or results.run.bundle


def _labelled(rows: Sequence[Standing]) -> list[Standing]:
    """Tells apart those of one name by their bundle or, where they have none, by their run."""
    labels = [row.label for row in rows]

    def label(row: Standing) -> str:
        if labels.count(row.label) == 1:
            return row.label
        return f"{row.label} ({row.bundle[:8] or row.run})"

    return [replace(row, label=label(row)) for row in rows]


def _ranked(rows: Sequence[Standing]) -> list[Standing]:
    """Those who rank, then the others, then the yardsticks; each by score."""

    def order(row: Standing) -> tuple[int, float, str]:
        part = 2 if row.is_yardstick else 0 if row.rank is not None else 1
        return part, -row.score.value if row.score else float("inf"), row.label

    executed = [row for row in rows if row.tier == TIERS[-1] and row.score]
    ranking = [row for row in executed if row.player and not row.is_yardstick]
    firm = [row for row in ranking if not row.provisional]
    ranks = _ranks(ranking) | _ranks(firm)
    return sorted((replace(row, rank=ranks.get(row.key)) for row in rows), key=order)


def _ranks(rows: Sequence[Standing]) -> dict[tuple[str, str], int]:
    ranks = tied_ranks([row.score for row in rows if row.score])
    return {row.key: rank for row, rank in zip(rows, ranks, strict=True)}


def _row_as_dict(row: Standing) -> dict[str, Any]:
    return {
        **asdict(row),
        "yardstick": row.is_yardstick,
        "failed": [
            {"entry": entry, "seed": seed, "reason": reason} for entry, seed, reason in row.failures
        ],
    }
