"""A run can be interrupted in any way and ends the same; who misbehaves fails alone."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from als_command import Result, als
from bench_runs import (
    EPISODES,
    alive_in,
    check_whole,
    command,
    finish_or_kill,
    installed,
    kill_when,
    rows_of,
    wait_for,
    write_suite,
)
from learn_worlds import learn, learn_in_sandboxes
from places import TESTS

from als_bench.results.store import Store
from als_engine.errors import StoreError

__all__ = ["learn", "learn_in_sandboxes"]

AGENTS = ("--agent", "random", "--agent", "learn/habit")
UNITS, PAIRS = 2 * 2, 2 * 2

NEAR = ("--only", "near")
ALONE = ("--workers", 1)
"""One process beside the command's own, where it does not matter how many there are."""

KILLS = 3


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def whole(learn_in_sandboxes: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that nobody interrupted: its suite, beside its store, and the table."""
    folder = tmp_path_factory.mktemp("whole")
    suite = write_suite(folder)
    words = ("bench", "run", suite, *AGENTS, *ALONE, "--store", folder / "it.sqlite")
    return folder, played(*words)


def played(*words: object) -> str:
    """Runs `als` to its end, in this process; returns what it printed."""
    done = als(*words)
    assert done.code == 0, done.err
    return done.out


def test_every_unit_has_all_its_episodes_and_every_pair_is_there(whole) -> None:
    folder, table = whole
    # Nothing is left in a log beside the store: it can be copied.
    assert sorted(path.name for path in folder.glob("it.sqlite*")) == ["it.sqlite", "it.sqlite.d"]
    rows = rows_of(folder / "it.sqlite")
    assert len(rows) == EPISODES * (UNITS + PAIRS)
    assert len({row[:4] for row in rows}) == len(rows)
    assert {row[0] for row in rows} == {
        "near",
        "together",
        *(f"together + {agent}" for agent in ("random", "learn/habit")),
    }
    assert "learn/habit" in table


def test_the_same_command_again_does_nothing_and_prints_the_same(whole) -> None:
    folder, table = whole
    before = rows_of(folder / "it.sqlite")
    store = folder / "it.sqlite"
    assert played("bench", "run", folder / "walks.toml", *AGENTS, "--store", store) == table
    assert rows_of(store) == before


@pytest.fixture(scope="module")
def grown(whole, tmp_path_factory) -> tuple[Path, list[object]]:
    """A store to which an agent was added, beside its suite; and the rows before that."""
    folder = tmp_path_factory.mktemp("grown")
    for name in ("walks.toml", "it.sqlite"):
        shutil.copy(whole[0] / name, folder)
    before = rows_of(folder / "it.sqlite")
    assert add_to(folder, "mine=learn/habit:rate=0.2", "--seeds", 2).code == 0
    return folder, before


def add_to(folder: Path, agent: str, *words: object) -> Result:
    """Plays with one more agent, in this process."""
    where = (folder / "walks.toml", *NEAR, *ALONE, "--store", folder / "it.sqlite")
    return als("bench", "run", *where, "--agent", agent, *words)


def test_more_agents_and_seeds_are_added_to_what_is_there(grown) -> None:
    folder, before = grown
    after = rows_of(folder / "it.sqlite")
    assert set(before) < set(after)
    added = {row[:3] for row in set(after) - set(before)}
    assert added == {("near", "mine", 0), ("near", "mine", 1)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_again_and_again_it_loses_nothing_and_doubles_nothing(whole, env, tmp_path) -> None:
    """It ends with the same table, byte for byte, as a run that nobody killed."""
    folder, table = whole
    draw, kills, store = random.Random(4), 0, tmp_path / "0.sqlite"
    words = ("bench", "run", folder / "walks.toml", *AGENTS, "--store")
    expected, seen = rows_of(folder / "it.sqlite"), 0
    while kills < KILLS:
        # Each time it has stored something since, and is in the middle of more.
        more = partial(has_more, store, seen)
        if not kill_when(more, draw.uniform(0.0, 0.3), *words, store, env=env):
            store = tmp_path / f"{kills}.sqlite"  # It had ended: the next one begins anew.
            seen = 0
            continue
        kills += 1
        check_whole(store)
        rows = rows_of(store)
        assert set(rows) <= set(expected)
        assert len(set(rows)) == len(rows)
        assert len(rows) > seen, "what was stored is gone"
        seen = len(rows)
    assert played(*words, store, *ALONE) == table
    assert rows_of(store) == expected
    check_whole(store)


def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(whole, env, tmp_path) -> None:
    folder, _ = whole
    store = tmp_path / "it.sqlite"
    words = ("bench", "run", folder / "walks.toml", *AGENTS, *NEAR, "--store", store)
    process = subprocess.Popen(
        command(*words), env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    )

    wait_for(lambda: counted(store) > 0)
    # As a terminal does it: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The same command goes on" in said
    assert "Traceback" not in said
    wait_for(lambda: not alive_in(process.pid), 20)
    played(*words, *ALONE)
    assert rows_of(store) == [row for row in rows_of(folder / "it.sqlite") if row[0] == "near"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_ray_cluster_that_loses_a_machine_ends_with_the_same_table(whole, env, tmp_path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    folder, table = whole
    script = TESTS / "support" / "ray_run.py"
    agents = [word for word in AGENTS if word != "--agent"]
    words = [sys.executable, script, folder / "walks.toml", tmp_path / "it.sqlite", *agents]
    printed = finish_or_kill(300, words, env)
    assert printed is not None, "it hung"
    assert table in printed  # Ray itself has something to say of the machine that it lost.
    assert rows_of(tmp_path / "it.sqlite") == rows_of(folder / "it.sqlite")


def test_another_agent_under_a_name_that_is_taken_is_refused(grown) -> None:
    said = add_to(grown[0], "mine=learn/habit:rate=0.3")
    assert said.code == 2
    assert said.err.strip().endswith(
        '"mine" stands for another agent in this store: choose another name'
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], 'unknown suite "none"'),
        (["SUITE", "--agent", "pppo"], 'unknown agent "pppo"'),
        (["SUITE", "--only", "nearer"], 'unknown entry "nearer"; did you mean "near"?'),
        (["SUITE", "--executor", "cloud"], 'unknown executor "cloud"; allowed: local, ray'),
        (["SUITE", "--agent", "learn/habit:rat=1"], "unexpected keyword argument 'rat'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(learn, tmp_path, words, message) -> None:
    suite, store = write_suite(tmp_path), tmp_path / "stores" / "it.sqlite"
    said = als("bench", "run", *(suite if w == "SUITE" else w for w in words), "--store", store)
    assert said.code == 2, said.out
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not store.exists()


def has_more(store: Path, than: int) -> bool:
    """Whether there are more episodes now."""
    return counted(store) > than


def counted(store: Path) -> int:
    """How many episodes there are so far."""
    try:
        with Store(store) as opened:
            return sum(
                len(opened.done(unit)) for run in opened.runs() for unit in opened.units(run.key)
            )
    except StoreError:  # It is not there yet, or just being made.
        return 0
