"""Somebody's agent is run itself, on seeds that nobody knew; whatever it does, the run goes on."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hostile_agents
import numpy as np
import pytest
from hostile_world import hostile
from learn_worlds import ID, learn

from als_bench.checking.execution import (
    Execution,
    check_hidden,
    execute,
    level_key,
    read_secret,
    require_confinement,
    secret_seed,
)
from als_bench.contestants import Contestant
from als_bench.running.cells import normalised
from als_bench.running.playing import Setting, replay, world_seeds
from als_bench.running.tasks import PlayTask, Seat
from als_bench.sandbox.agent import Limits
from als_bench.sandbox.confinement import Confinement, ConfinementError, confinement
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.plugins.specs import SuiteEntry
from als_engine.simulation import Simulation

__all__ = ["hostile", "learn"]

pytestmark = [
    pytest.mark.usefixtures("learn", "hostile"),
    pytest.mark.skipif(not confinement().complete, reason=str(confinement())),
]

SECRET = bytes(range(32))
SEED = secret_seed(SECRET, "0" * 64)
KEY = level_key(SECRET, "0" * 64, (ID, "anybody", 0))
ORIGIN = bytes(32)
# The frozen yardsticks of the scenario: nobody who stumbles about finds the flag in 40 steps.
ENTRY = SuiteEntry(ID, random=-0.39, expert=0.8)
LIMITS = Limits(memory_bytes=1 << 30, scratch_bytes=16 << 20)


def task(agent: str, episodes: int = 4, config: Mapping[str, Any] | None = None) -> PlayTask:
    seat = Seat(Contestant(agent, agent, config=config or {}), {})
    return PlayTask((seat,), ENTRY, {}, range(episodes), SEED, ORIGIN, KEY)


def run(agent: str, episodes: int = 4, limits: Limits = LIMITS, **config: Any) -> Execution:
    return execute(task(agent, episodes, config), limits=limits)


def score(found: Execution) -> float:
    totals = [result.total for chunk in found.chunks for result in chunk.results]
    mean = float(np.mean(totals)) if totals else None
    worth = normalised(ENTRY, mean, bool(found.failure))
    assert worth is not None
    return worth


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder, no process and no zombie, whatever happened."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    children = set(_children())
    yield
    assert [path.name for path in tmp_path.iterdir() if "sandbox" in path.name] == []
    assert set(_children()) <= children


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


# Whoever misbehaves

IN_ONE_LINE = {
    "raises": "ZeroDivisionError: division by zero",
    "leaves": "SystemExit: 3",
    "exits": "exit code 7",
    "exits well": "exit code 0",
    "kills itself": "killed by SIGKILL",
    "segfaults": "killed by SIGSEGV",
    "sleeps": r"did not answer within 0\.4 s",
    "spins": r"did not answer within 0\.4 s",
    "lingers": r"did not answer within 0\.4 s",
    "stops": r"did not answer within 0\.4 s",
    "eats memory": "MemoryError",
    "maps memory": "Cannot allocate memory",
    "writes much": "wrote more than 16 MiB or 2000 files|OSError",
    "writes many": "wrote more than 16 MiB or 2000 files|No space left",
    "digs deep": "wrote more than|RuntimeError: deep",
    # On Python 3.12.1 it hangs in the end, and has no action to give either.
    "starts many threads": (
        r"RuntimeError: ([1-5]\d|6[0-4]) threads|had more than 64 threads|did not answer within 30"
    ),
    "writes without names": "wrote more than 16 MiB|No space left",
    "maps without names": "wrote more than 16 MiB|No space left",
    "floods": "garbage",
    "hangs up": "hung up",
    "calls as i386": "killed by SIGSYS",
    "calls as x32": "killed by SIGSYS",
    "no JSON": "garbage",
    "no object": "garbage",
    "many brackets": "garbage",
    "a long error": "the agent failed: .31m e+$",
    "too many rows": r"shape \[5\], not \[4\]",
    "too few rows": r"shape \[3\], not \[4\]",
    "no rows": r"shape \[\], not \[4\]",
    "huge": r"shape \[16777216\], not \[4\]",
    "announces a huge array": r"shape \[1125899906842624\], not \[4\]",
    "announces and sends less": r"did not answer within 0\.4 s",
    "NaN": '"<f8", not int64',
    "fractions": '"<f4", not int64',
    "objects": r'"\|O", not int64',
    "texts": '"<U4", not int64',
    "negative": r"action -1 is not in Discrete",
    "too large": r"action 10000 is not in Discrete",
    "nothing": r'"\|O", not int64|shape \[\]',
    "raises at the beginning": "ZeroDivisionError",
    "exits at the beginning": "exit code 9",
    "sleeps at the beginning": "did not answer within 4 s",
}


def test_every_misdeed_is_tried() -> None:
    assert set(IN_ONE_LINE) == {*hostile_agents.ACTS, *hostile_agents.BEGINNINGS} - {"naps"}


@pytest.mark.parametrize("misdeed", IN_ONE_LINE)
def test_an_agent_that_misbehaves_scores_no_more_than_random(misdeed: str) -> None:
    # Only those who keep us waiting need a short time; a busy machine may be slow with the others.
    hangs = r"0\.4 s" in IN_ONE_LINE[misdeed]
    limits = dataclasses.replace(LIMITS, seconds_per_act=0.4 if hangs else 30.0)
    if misdeed == "sleeps at the beginning":
        limits = dataclasses.replace(LIMITS, seconds_to_start=4.0)
    found = run("hostile/vandal", limits=limits, act=misdeed)
    assert found.chunks == ()
    assert "\n" not in found.failure
    assert re.search(IN_ONE_LINE[misdeed], found.failure), found.failure
    assert score(found) == 0.0


@pytest.mark.parametrize("agent", ["hostile/constant", "hostile/cheat", "hostile/burglar"])
def test_an_agent_that_does_no_more_than_it_may_scores_what_it_plays(agent: str) -> None:
    step, advance = Simulation.step, Simulation.advance
    found = run(agent)
    assert found.failure == ""
    assert [r.total for chunk in found.chunks for r in chunk.results] == pytest.approx([-0.4] * 4)
    assert score(found) <= 0.0
    assert (Simulation.step, Simulation.advance) == (step, advance)


def test_after_an_agent_that_fails_the_next_one_plays() -> None:
    for misdeed in ("segfaults", "floods", "exits"):
        assert run("hostile/vandal", act=misdeed).failure
        assert run("random").failure == ""


def test_what_it_played_before_it_failed_counts_if_that_is_worse() -> None:
    assert normalised(ENTRY, None, True) == 0.0
    assert normalised(ENTRY, 0.8, True) == 0.0
    assert normalised(ENTRY, -0.39 - 1.19, True) == pytest.approx(-1.0)
    assert normalised(ENTRY, 0.8, False) == pytest.approx(1.0)
    assert normalised(ENTRY, None, False) is None
    assert normalised(SuiteEntry(ID), 0.8, False) is None


def test_the_time_for_everything_is_limited_too() -> None:
    limits = Limits(seconds_per_act=5.0, seconds=4.0)
    found = run("hostile/vandal", limits=limits, act="naps", after=0, episodes=50)
    assert found.failure == "the agent took more than 4 s in all"


# Whoever behaves


def test_its_seeds_are_secret_and_can_be_repeated_by_whoever_knows_the_seed() -> None:
    found = run("random", episodes=5)
    again = run("random", episodes=5)
    assert found.ranks
    assert [r.seed for r in found.chunks[0].results] == [world_seeds(SEED)(i) for i in range(5)]
    for name in ("actions", "rewards", "chain"):
        assert np.array_equal(getattr(found.chunks[0], name), getattr(again.chunks[0], name))
    setting = Setting(ENTRY, {}, "test", ORIGIN, seed=SEED, level_key=KEY)
    assert replay(setting, found.chunks[0]) == []


def test_its_levels_are_in_no_table_that_could_be_made_before() -> None:
    chunk = run("random", episodes=5).chunks[0]
    public = dataclasses.replace(task("random", 5), level_key=None)
    known = execute(public, limits=LIMITS).chunks[0]
    # The same seeds draw the same numbers of levels, but other worlds.
    assert [r.level for r in chunk.results] == [r.level for r in known.results]
    assert all(a.chain != b.chain for a, b in zip(chunk.results, known.results, strict=True))
    for key in (None, KEY + 1):
        lines = replay(Setting(ENTRY, {}, "test", ORIGIN, seed=SEED, level_key=key), chunk)
        assert lines[0].startswith("episode 0, step 0: hash")


def test_a_level_key_has_128_bits_and_is_each_units_own() -> None:
    unit = ("near", "ppo", 0)
    keys = {
        level_key(secret, bundle, each)
        for secret in (SECRET, SECRET[::-1])
        for bundle in ("a", "b")
        for each in (unit, ("near", "ppo", 1), ("near", "sac", 0), ("far", "ppo", 0))
    }
    assert len(keys) == 16
    assert level_key(SECRET, "0" * 64, (ID, "anybody", 0)) == KEY
    assert 1 << 100 < max(keys) < 1 << 128


def test_a_seed_comes_of_the_secret_and_the_bundle() -> None:
    assert secret_seed(SECRET, "a") != secret_seed(SECRET, "b")
    assert secret_seed(SECRET, "a") != secret_seed(SECRET[:-1] + b"\xff", "a")
    assert 0 <= secret_seed(SECRET, "a") < 1 << 62


def test_an_agent_that_was_free_is_not_ranked() -> None:
    found = execute(task("hostile/constant", 2), force=Confinement(0, False, "riscv64"))
    assert found.failure == ""
    assert not found.ranks


@pytest.mark.parametrize(
    ("force", "missing"),
    [
        (Confinement(0, True, "x86_64"), r"Landlock ABI 3 \(here: none\): Linux 6.2 or newer"),
        (Confinement(2, True, "aarch64"), r"Landlock ABI 3 \(here: ABI 2\)"),
        (Confinement(7, False, "riscv64"), r"seccomp filters \(here: riscv64\): Linux on x86_64"),
    ],
)
def test_a_machine_that_cannot_confine_says_what_is_missing(
    force: Confinement, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("als_bench.checking.execution.confinement", lambda: force)
    with pytest.raises(ConfinementError, match=missing):
        require_confinement()


# The secret


def test_a_secret_is_long_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    assert read_secret(path) == SECRET
    path.chmod(0o640)
    with pytest.raises(SavedFileError, match=f"can be read by others: chmod 600 {path}"):
        read_secret(path)
    path.chmod(0o600)
    path.write_bytes(SECRET[:-1])
    with pytest.raises(SavedFileError, match="31 bytes; a secret has at least 32"):
        read_secret(path)
    with pytest.raises(SavedFileError, match="No such file"):
        read_secret(tmp_path / "none")


def test_a_secret_among_installed_code_is_refused(tmp_path: Path) -> None:
    check_hidden([tmp_path / "secret"])
    with pytest.raises(ArgumentError, match="agents can read: keep it elsewhere"):
        check_hidden([Path(np.__file__).with_name("secret")])
