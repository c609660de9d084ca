"""`als verify --execute`: from somebody's bundle to a rank, on the board's own seeds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from als_command import Result, als
from bench_runs import als_process, command, installed, write_suite
from hostile_world import hostile, install
from learn_worlds import learn, learn_in_sandboxes

from als_bench.checking.bundle import Bundle
from als_bench.checking.bundle_execution import execute_bundle
from als_bench.checking.executed import Executed, ExecutedRun
from als_bench.checking.execution import Execution, secret_seed
from als_bench.commands.verify_execute import prepare
from als_bench.records import Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.sandbox.confinement import Confinement, confinement
from als_engine.errors import ALSError, ArgumentError, StoreError
from als_engine.seeding import spread

__all__ = ["hostile", "learn", "learn_in_sandboxes"]

pytestmark = [
    pytest.mark.skipif(not confinement().complete, reason=str(confinement())),
    pytest.mark.slow,
    pytest.mark.timeout(600),  # It waits for five commands, most of several processes.
]

SECRET = bytes(range(32))
EPISODES = 6


@dataclass(frozen=True)
class Place:
    """A folder with a run, its bundle, a secret, and the board's store."""

    folder: Path
    env: dict[str, str]
    printed: str

    def verify(self, *words: object) -> Result:
        """What `als verify` of the bundle says, in this process."""
        suite = self.folder / "walks.toml"
        return als("verify", self.folder / "bundle", "--suite", suite, "--workers", 1, *words)

    @property
    def run(self) -> str:
        """The executed run's key."""
        return re.findall(r"^run (\S+)$", self.printed, re.MULTILINE)[-1]


@pytest.fixture(scope="module")
def place(
    learn_in_sandboxes: None, hostile: None, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    folder = tmp_path_factory.mktemp("execute")
    env = installed(folder)
    install(folder / "site")
    suite, own = write_suite(folder, episodes=EPISODES), folder / "own.sqlite"
    # Its first entry alone: an agent that has not played everything does not rank.
    suite.write_text("[[entries]]".join(suite.read_text().split("[[entries]]")[:2]))
    words = ("--store", own, "--workers", 1)
    agents = ("random", "hostile/constant", "hostile/cheat", "hostile/vandal", "q-learning")
    named = [word for agent in agents for word in ("--agent", agent)]
    # In a process of its own, which the agent that cheats may spoil.
    als_process("bench", "run", suite, *words, *named, env=env)
    assert als("bench", "bundle", "--store", own, "--out", folder / "bundle").code == 0
    (folder / "secret").write_bytes(SECRET)
    (folder / "secret").chmod(0o600)
    found = Place(folder, env, "")
    board = ("--secret", folder / "secret", "--store", folder / "board.sqlite")
    code, printed, error = found.verify("--execute", *board)
    assert code == 0, printed + error
    return Place(folder, env, printed)


def test_the_seeds_come_of_the_bundle_and_the_secret_and_are_told(place: Place) -> None:
    bundle = Bundle.open(place.folder / "bundle").hash
    seed = secret_seed(SECRET, bundle)
    told = f'seeds: episode i is the world that is reset with spread("benchmark", {seed}, i)'
    assert told in place.printed
    with Store(place.folder / "board.sqlite") as store:
        for unit in store.units(place.run):
            if "vandal" not in unit.agent:
                found = [result.seed for result in store.episodes(unit)]
                assert found == [spread("benchmark", seed, i) for i in range(EPISODES)]


def test_each_unit_has_levels_of_its_own_and_their_key_is_told(place: Place) -> None:
    keys = dict(re.findall(r"^level key of (.+): ([0-9a-f]{32})$", place.printed, re.MULTILINE))
    units = Bundle.open(place.folder / "bundle").manifest.units
    assert set(keys) == {unit.name for unit in units}
    assert len(set(keys.values())) == len(units)
    with Store(place.folder / "board.sqlite") as store:
        for unit in units:
            claims = store.claims(Unit(place.run, unit.entry, unit.agent, unit.seed))
            assert claims is not None
            assert claims["level_key"] == keys[unit.name]


def test_the_executed_run_ranks_and_the_replayed_one_does_not(place: Place) -> None:
    with Store(place.folder / "board.sqlite") as store:
        tiers = {run.key: (run.tier, run.bundle) for run in store.runs()}
        bundle = Bundle.open(place.folder / "bundle").hash
        assert tiers[place.run] == ("executed", bundle)
        verdicts = {agent: (tier, detail) for agent, tier, _, detail in store.verdicts(place.run)}
    assert verdicts["q-learning"][0] == "executed"
    seeds = r"executed, episode 0 with seed \d+; "
    assert re.search(seeds + "Landlock", verdicts["q-learning"][1])
    assert re.search(seeds + "a yardstick, which nothing confines", verdicts["random"][1])
    table = als("leaderboard", "--store", place.folder / "board.sqlite").out
    assert re.search(r"\(1\)\*\s+q-learning\s+executed", table)


def test_an_agent_that_cheats_has_the_same_score_as_one_that_does_not(place: Place) -> None:
    with Store(place.folder / "board.sqlite") as store:
        totals = {
            agent: [r.total for r in store.episodes(Unit(place.run, "near", agent, 0))]
            for agent in ("hostile/constant", "hostile/cheat")
        }
    assert totals["hostile/constant"] == totals["hostile/cheat"]


def test_an_agent_that_failed_in_its_own_run_is_not_forgotten(place: Place) -> None:
    with Store(place.folder / "board.sqlite") as store:
        (failure,) = store.failures(place.run).items()
    assert failure[0].agent == "hostile/vandal"
    assert "ZeroDivisionError" in failure[1]


def test_the_same_call_adds_nothing(place: Place) -> None:
    board = place.folder / "board.sqlite"

    def rows() -> list[object]:
        with Store(board) as store:
            return [store.episodes(unit) for unit in store.units(place.run)]

    before = rows()
    secret = place.folder / "secret"
    code, printed, error = place.verify("--execute", "--secret", secret, "--store", board)
    assert code == 0, printed + error
    assert printed == place.printed
    assert rows() == before


def test_killed_it_goes_on_and_ends_the_same(place: Place, tmp_path: Path) -> None:
    board, bundle = tmp_path / "board.sqlite", place.folder / "bundle"
    words = ("--suite", place.folder / "walks.toml", "--workers", 1, "--execute")
    words = (*words, "--secret", place.folder / "secret", "--store", board)
    begun = subprocess.Popen(
        command("verify", bundle, *words), env=place.env, start_new_session=True
    )
    # Whoever failed in the run itself is there from the beginning; it waits for one that played.
    while begun.poll() is None and not any(
        isinstance(r, list) for r in kept(board, place.run).values()
    ):
        time.sleep(0.02)
    assert begun.poll() is None, "it ended before it could be killed"
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    before = kept(board, place.run)
    code, printed, error = place.verify(*words[4:])
    assert (code, printed) == (0, place.printed), error
    after = kept(board, place.run)
    assert after == kept(place.folder / "board.sqlite", place.run)
    assert 0 < len(before) < len(after)
    assert before.items() <= after.items()


def kept(board: Path, run: str) -> dict[Unit, object]:
    """What a board has of a run, unit by unit."""
    if not board.exists():
        return {}
    try:
        with Store(board) as store:
            failures = store.failures(run)
            episodes = {unit: store.episodes(unit) for unit in store.units(run)}
    except StoreError:  # It is being made.
        return {}
    found = {unit: failures.get(unit) or results for unit, results in episodes.items()}
    return {unit: result for unit, result in found.items() if result}


def test_what_cannot_be_executed_is_one_line(place: Place, tmp_path: Path) -> None:
    secret, board = place.folder / "secret", tmp_path / "board.sqlite"
    among_code = Path(re.__file__).with_name("secret")
    for given, line in (
        ((None, None, None, False), "--execute needs --secret FILE"),
        ((tmp_path / "no", None, None, False), "No such file"),
        ((secret, among_code, None, False), "keep it elsewhere"),
        ((secret, board, None, True), "leave --store out"),
        ((secret, board, 2, False), "leave --episodes out"),
    ):
        with pytest.raises(ALSError, match=line):
            prepare(*given)
    with pytest.raises(ALSError, match="episodes must be 1 to 6"):
        execute_bundle(place.folder / "bundle", SECRET, episodes=7)
    with pytest.raises(ALSError, match="2 of 6 episodes do not rank"):
        execute_bundle(place.folder / "bundle", SECRET, store=board, episodes=2)
    other, board = SECRET[::-1], place.folder / "board.sqlite"
    with pytest.raises(ALSError, match="with another secret"):
        execute_bundle(place.folder / "bundle", other, store=board)
    code, printed, error = place.verify("--execute")
    assert (code, printed) == (2, "")
    assert error.startswith("Error: --execute needs --secret FILE")
    assert len(error.splitlines()) == 1


def test_unconfined_agents_play_and_are_called_so(place: Place) -> None:
    secret = place.folder / "secret"
    words = ("--execute", "--secret", secret, "--unconfined", "--episodes", 2)
    code, printed, error = place.verify(*words)
    assert code == 0, printed + error
    assert "NOT confined: this does not rank" in printed
    assert "near, q-learning, seed 0: 2 episodes" in printed


def test_a_failure_is_kept_and_what_was_not_confined_is_not(place: Place, tmp_path: Path) -> None:
    bundle = Bundle.open(place.folder / "bundle")
    unit = bundle.manifest.units[0]
    entry, path = bundle.entry(unit), tmp_path / "it.sqlite"
    with StoreWriter(path) as writer, Store(path) as store:
        run = ExecutedRun(bundle, 0, [0] * len(bundle.manifest.units), store, writer)
        run.add(Executed(unit, entry, Execution((), "it crashed", confinement()), 0))
        free = Execution((), "", Confinement(0, False, ""))
        with pytest.raises(ArgumentError, match="was not confined"):
            run.add(Executed(unit, entry, free, 0))
        reasons, key = store.failures(run.record.key), run.record.key
    assert reasons[Unit(key, unit.entry, unit.agent, unit.seed)] == "it crashed"
