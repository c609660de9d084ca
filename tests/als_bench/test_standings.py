"""A leaderboard ranks what was checked, ties what is not settled, and rewards no omission."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from als_bench.board.parts import marks
from als_bench.records import RunRecord, Unit
from als_bench.results.store import SeedMean, Store, StoreWriter
from als_bench.running.cells import Results, decimals
from als_bench.standings import Standing, Standings, read_standings, standings
from als_engine.errors import ALSError
from als_engine.evaluation.statistics import interquartile_interval
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

SUITE = SuiteSpec(
    id="two",
    entries=(
        SuiteEntry("ALS/Tag-v0", name="tag", random=-2.0, expert=8.0),
        SuiteEntry("ALS/Diagnosis-v0", name="diagnosis", random=0.0, expert=1.0),
        SuiteEntry("ALS/Delivery-v0", name="no yardsticks"),
    ),
    episodes=10,
)
RUN = RunRecord("two-00", SUITE.as_dict(), {}, {})
SURE = (0.6, 0.61, 0.62, 0.63, 0.64)

Scores = Mapping[str, Sequence[float]]


def means(scores: Scores, entries: Sequence[SuiteEntry] = SUITE.entries[:2]) -> list[SeedMean]:
    """Each agent with these normalized scores, seed by seed, in every entry."""
    return [
        SeedMean(e.name, agent, seed, 10, e.random + s * (e.expert - e.random), s / 2, 30.0)  # type: ignore[operator]
        for agent, found in scores.items()
        for e in entries
        for seed, s in enumerate(found)
    ]


def executed(scores: Scores, bundle: str = "b", **fields: Any) -> Results:
    run = dataclasses.replace(RUN, key=f"two-{bundle}", tier="executed", bundle=bundle * 64)
    players = {label: {label} for label in scores}
    return Results(run, means(scores), **{"players": players, **fields})


def row(found: Standings, label: str) -> Standing:
    (only,) = (row for row in found.rows if row.label == label)
    return only


def test_scores_lie_between_the_yardsticks_and_seeds_are_what_is_resampled() -> None:
    scores = [0.1, 0.5, 0.6, 0.7, 0.9]
    found = row(standings([Results(RUN, means({"ppo": scores}))]), "ppo")
    assert found.score is not None
    wanted = interquartile_interval([scores, scores])
    assert found.score.value == pytest.approx(wanted.value, abs=1e-12)
    assert (found.score.low, found.score.high) == pytest.approx((wanted.low, wanted.high))
    cell = found.cells["tag"]
    assert list(cell.scores.values()) == pytest.approx(scores)
    assert cell.total == pytest.approx(-2 + 10 * np.mean(scores))
    assert (cell.success, cell.length) == (pytest.approx(np.mean(scores) / 2), 30.0)
    assert found.gap is not None
    assert found.gap.value == pytest.approx(1 - np.mean(scores))


@pytest.mark.parametrize("played", [{"expert"}, {"random"}, {"expert", "ppo"}, {"ppo", "sac"}, ()])
def test_a_yardstick_never_ranks_whatever_it_is_called(played: Collection[str]) -> None:
    rivals = executed({"ppo": SURE, "super": [1.0] * 5})
    both = dataclasses.replace(rivals, players={"ppo": {"ppo"}, "super": played})
    found = standings([both])
    assert row(found, "super").rank is None
    assert row(found, "super").is_yardstick == bool({"expert", "random"} & {*played})
    assert row(found, "ppo").rank == 1
    known = dataclasses.replace(rivals, players={"ppo": {"ppo"}, "super": {"sac"}})
    assert row(standings([known]), "super").rank == 1


def test_an_entry_without_yardsticks_is_shown_and_not_counted() -> None:
    extra = SeedMean("no yardsticks", "ppo", 0, 10, 5.0, 1.0, 7.0)
    found = standings([Results(RUN, [*means({"ppo": SURE}), extra])])
    assert found.counted == ["tag", "diagnosis"]
    cell = row(found, "ppo").cells["no yardsticks"]
    assert (cell.score, cell.total) == (None, 5.0)
    assert not row(found, "ppo").missing


def test_only_executed_agents_rank_and_come_first() -> None:
    own = Results(
        RUN,
        means({"claims": [2.0] * 5, "replays": [1.9] * 5, "random": [0.0], "expert": [1.0]}),
        verdicts=[("replays", "replayed", "a" * 64, "")],
    )
    found = standings([own, executed({"runs": SURE})])
    listed = [(r.label, r.tier, r.rank) for r in found.rows]
    assert listed == [
        ("runs", "executed", 1),
        ("claims", "claimed", None),
        ("replays", "replayed", None),
        ("expert", "claimed", None),
        ("random", "claimed", None),
    ]


def test_a_verdict_of_execution_does_not_lift_rows_that_were_not_executed() -> None:
    verdicts = [("ppo", "executed", "a" * 64, "")]
    found = standings([Results(RUN, means({"ppo": SURE}), verdicts=verdicts)])
    assert (found.rows[0].tier, found.rows[0].rank) == ("replayed", None)


def test_an_execution_takes_the_place_of_what_its_bundle_claimed() -> None:
    claimed = means({"ppo": [2.0] * 5})
    linked = Results(RUN, claimed, verdicts=[("ppo", "replayed", "b" * 64, "")])
    (only,) = standings([linked, executed({"ppo": SURE})]).rows
    assert only.tier == "executed"
    assert only.score is not None
    assert only.score.value == pytest.approx(0.62)
    # Somebody else's agent of the same name is another one.
    both = standings([Results(RUN, claimed), executed({"ppo": SURE})]).rows
    assert [r.label for r in both] == ["ppo (bbbbbbbb)", "ppo (two-00)"]


def test_ranks_are_tied_where_intervals_overlap() -> None:
    wide = {"a": (0.6, 0.7, 0.8, 0.9, 1.0), "b": (0.5, 0.6, 0.7, 0.8, 0.9), "c": (0.1,) * 5}
    found = standings([executed(wide)])
    assert [(r.label, r.rank) for r in found.rows] == [("a", 1), ("b", 1), ("c", 3)]


def test_few_seeds_are_provisional_and_move_nobody_else() -> None:
    found = standings([executed({"lucky": [0.9], "sure": SURE, "poor": [0.1] * 4})])
    listed = {r.label: (r.rank, r.provisional) for r in found.rows}
    assert listed == {"lucky": (1, True), "sure": (1, False), "poor": (3, True)}


def test_a_suite_that_asks_for_more_seeds_gets_them_or_calls_it_provisional() -> None:
    more = dataclasses.replace(SUITE, seeds=10)
    run = dataclasses.replace(RUN, suite=more.as_dict())
    assert row(standings([Results(run, means({"ppo": SURE}))]), "ppo").provisional


@pytest.mark.parametrize("played", [0.9, -0.5])
def test_a_unit_that_failed_counts_no_more_than_random(played: float) -> None:
    rows = means({"ppo": [0.9] * 5})
    rows[3] = dataclasses.replace(rows[3], total=-2 + 10 * played)
    found = standings([executed({}), Results(RUN, rows, {Unit("two-00", "tag", "ppo", 3): "hung"})])
    ppo = row(found, "ppo")
    assert ppo.cells["tag"].scores[3] == pytest.approx(min(0.0, played))
    assert ppo.failures == [("tag", 3, "hung")]
    # One that never played counts 0, and lacks nothing.
    rows.pop(3)
    found = standings([Results(RUN, rows, {Unit("two-00", "tag", "ppo", 3): "hung"})])
    assert row(found, "ppo").cells["tag"].scores[3] == 0.0
    assert not row(found, "ppo").missing


def without(rows: list[SeedMean], *units: tuple[str, int]) -> list[SeedMean]:
    return [r for r in rows if (r.entry, r.seed) not in units]


@pytest.mark.parametrize(
    ("left", "missing"),
    [
        (lambda rows: without(rows, ("tag", 2)), "1 of 10 units"),
        (lambda rows: without(rows, ("tag", 2), ("diagnosis", 2)), "2 of 10 units"),
        (lambda rows: [r for r in rows if r.entry == "tag"], "5 of 10 units"),
        (
            lambda rows: [dataclasses.replace(rows[0], episodes=7), *rows[1:]],
            "3 of 100 episodes",
        ),
    ],
)
def test_leaving_something_out_makes_incomplete_and_never_better(left: Any, missing: str) -> None:
    rows = left(means({"ppo": [0.1, 0.2, -3.0, 0.4, 0.5]}))
    run = executed({}).run
    found = standings([Results(run, [*rows, *means({"other": SURE})])])
    ppo = row(found, "ppo")
    assert (ppo.missing, ppo.score, ppo.gap, ppo.rank) == (missing, None, None, None)
    assert found.rows[-1] == ppo


def test_how_much_is_played_is_the_boards_to_say_and_not_the_bundles() -> None:
    easy = executed({"ppo": SURE})
    run = dataclasses.replace(easy.run, suite={**SUITE.as_dict(), "episodes": 1, "seeds": 1})
    rows = [dataclasses.replace(r, episodes=1) for r in easy.means]
    found = standings([Results(RUN, []), Results(run, rows)])
    ppo = row(found, "ppo")
    assert (ppo.missing, ppo.rank, ppo.provisional) == ("90 of 100 episodes", None, False)


def test_a_seed_of_any_size_is_counted_at_once() -> None:
    """A store from a stranger may hold any number."""
    rows = [dataclasses.replace(r, seed=(1 << 62) + r.seed) for r in means({"ppo": SURE})]
    assert "units" in row(standings([Results(RUN, rows)]), "ppo").missing


def test_cross_play_is_a_table_of_its_own() -> None:
    alone, paired = means({"ppo": SURE, "dqn": SURE}), means({"ppo": [0.3] * 5, "dqn": [0.2] * 5})
    beside = [dataclasses.replace(r, entry=f"{r.entry} + ppo") for r in paired if r.entry == "tag"]
    rows = [*alone, *beside]
    failed = {Unit("two-00", "tag + dqn", "ppo", 0): "crashed: \x1b[2J"}
    found = standings([Results(RUN, rows, failed)])
    table = found.cross_play["tag"]
    assert set(found.cross_play) == {"tag"}
    assert (table.focals, table.partners) == (("dqn", "ppo"), ("dqn", "ppo"))
    assert list(table.cells["dqn", "ppo"].scores.values()) == pytest.approx([0.2] * 5)
    assert table.cells["ppo", "dqn"].failures == {0: "crashed:  [2J"}
    assert ("dqn", "dqn") not in table.cells
    assert not row(found, "ppo").failures


def test_the_order_of_rows_changes_nothing() -> None:
    scores = {f"agent {i}": tuple(np.random.default_rng(i).random(5)) for i in range(6)}
    rows = means(scores)
    first = json.dumps(standings([Results(executed({}).run, rows)]).as_dict())
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert json.dumps(standings([Results(executed({}).run, rows)]).as_dict()) == first


# -- from a store ---------------------------------------------------------------------------------


def insert(path: Path, run: RunRecord, agents: int, seeds: int, episodes: int) -> None:
    """Rows without logs: a million of them in seconds."""
    import sqlite3

    with StoreWriter(path) as writer:
        writer.add_run(run)
    connection = sqlite3.connect(path)
    units = [
        (entry.name, f"agent {agent}", seed)
        for agent in range(agents)
        for entry in SUITE.entries[:2]
        for seed in range(seeds)
    ]
    connection.executemany(
        f"INSERT INTO units (run, entry, agent, seed) VALUES ('{run.key}', ?, ?, ?)", units
    )
    rng = np.random.default_rng(0)
    for unit in range(1, len(units) + 1):
        totals = rng.normal(units[unit - 1][2], 1, episodes).tolist()
        connection.executemany(
            "INSERT INTO episodes VALUES (?, ?, ?, 10000, 100, ?, 1, 1, 7)",
            ((unit, i, i, total) for i, total in enumerate(totals)),
        )
    connection.commit()
    connection.close()


@pytest.mark.slow
def test_a_table_over_a_million_episodes_takes_less_than_two_seconds(tmp_path: Path) -> None:
    run = dataclasses.replace(RUN, suite={**SUITE.as_dict(), "episodes": 10_000})
    insert(tmp_path / "million.sqlite", run, agents=10, seeds=5, episodes=10_000)
    # Of this process alone: others may be computing at the same time.
    begin = time.process_time()
    with Store(tmp_path / "million.sqlite") as store:
        found = read_standings(store)
    assert time.process_time() - begin < 2
    assert sum(len(c.scores) for r in found.rows for c in r.cells.values()) == 100
    assert all(r.score and not r.missing for r in found.rows)


def a_store(path: Path, *keys: str) -> Path:
    with StoreWriter(path) as writer:
        for key in keys:
            executed = "executed" in key
            tier, bundle = ("executed", "b" * 64) if executed else ("claimed", "")
            suite = {**SUITE.as_dict(), "id": key.partition("-")[0]}
            run = dataclasses.replace(RUN, key=key, suite=suite, tier=tier, bundle=bundle)
            writer.add_run(run)
    return path


@pytest.mark.parametrize(
    ("stored", "asked", "shown", "members"),
    [
        (["two-1", "two-2"], None, "two-2", ["two-2"]),
        (["two-1", "two-2"], "two-1", "two-1", ["two-1"]),
        (["two-1", "six-1", "two-executed"], None, "two-1", ["two-1", "two-executed"]),
        (["two-executed", "six-1"], None, "six-1", ["six-1"]),
        (["two-executed-1", "two-executed-2"], None, "two-executed-2", None),
    ],
)
def test_a_board_is_a_run_with_the_executed_agents_of_its_suite(
    tmp_path: Path, stored: list[str], asked: str | None, shown: str, members: list[str] | None
) -> None:
    with Store(a_store(tmp_path / "runs.sqlite", *stored)) as store:
        found = read_standings(store, asked)
    assert found.run.key == shown
    assert sorted(found.members) == (members or sorted(stored))


def test_a_store_without_runs_and_an_unknown_run_are_told_in_a_line(tmp_path: Path) -> None:
    none, one = a_store(tmp_path / "none.sqlite"), a_store(tmp_path / "one.sqlite", "two-1")
    with Store(none) as store, pytest.raises(ALSError, match="no runs yet; `als bench run` makes"):
        read_standings(store)
    with Store(one) as store, pytest.raises(ALSError, match='"two-2"; did you mean "two-1"'):
        read_standings(store, "two-2")


def test_a_suite_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "odd.sqlite") as writer:
        writer.add_run(dataclasses.replace(RUN, suite={"id": "odd", "episode": 3}))
    message = "the suite of run two-00 cannot be read: "
    with Store(tmp_path / "odd.sqlite") as store, pytest.raises(ALSError, match=message):
        read_standings(store)


def test_what_is_nearly_zero_has_no_sign():
    assert [decimals(value) for value in (-0.004, 0.0, -0.006, 1.005)] == [
        "0.00",
        "0.00",
        "-0.01",
        "1.00",
    ]


def test_what_was_demonstrated_is_said_beside_the_steps() -> None:
    efforts = {"ppo": (600_000.0, 200_000.0), "dqn": (600_000.0, 0.0)}
    found = standings([Results(RUN, means({"ppo": SURE, "dqn": SURE}), efforts=efforts)])
    assert row(found, "ppo").shown == "200,000 of 600,000 steps demonstrated"
    assert row(found, "dqn").shown == ""
    assert marks(row(found, "ppo"))[-1] == ("demonstrated", row(found, "ppo").shown)
    lines = {each["agent"]: each for each in found.as_dict()["agents"]}
    assert (lines["ppo"]["steps"], lines["ppo"]["demonstrated"]) == (600_000, 200_000)
