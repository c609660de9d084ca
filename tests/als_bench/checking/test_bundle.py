"""A bundle is all that others need to check a run, and nothing in it is trusted."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
from als_command import als
from made_bundles import close

from als_bench.checking.bundle import Bundle
from als_bench.checking.manifest import MANIFEST, MAX_MANIFEST, SEAL, TrainingClaims
from als_bench.checking.verify import verify, verify_bundle
from als_bench.checking.writing import write_bundle
from als_bench.claims import canonical_json, claims_of, origin_of, player_claims
from als_bench.provenance import run_record
from als_bench.records import TrainedAgent, Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.running.playing import Setting, play
from als_bench.suites import read_suite
from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.errors import SavedFileError, StoreError

SUITE = """
id = "tagging"
episodes = 4
seeds = 1
[[entries]]
scenario = "ALS/Tag-v0"
arguments = { max_episode_steps = 30 }
random = -1.0
expert = 14.0
"""
PERCEIVED = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a suite's file, a store and a bundle of it."""
    home = tmp_path_factory.mktemp("bundles")
    (home / "tagging.toml").write_text(SUITE)
    suite = read_suite(home / "tagging.toml")
    (entry,) = suite.entries
    run = run_record(suite)
    arguments = {**entry.arguments, **PERCEIVED}
    record = AgentRecord(agent="q-learning", scenario=entry.scenario, arguments=PERCEIVED)
    save_agent(make_agent("q-learning", entry.scenario, PERCEIVED), home / "saved", record)
    saved = {path.name: path.read_bytes() for path in (home / "saved").iterdir()}
    with StoreWriter(home / "store.sqlite") as writer:
        writer.add_run(run)
        for label, name, files in (
            ("expert", "expert", {}),
            ("mine@1", "q-learning", saved),
            ("random", "random", {}),
            ("broken", "q-learning", {}),
            ("unfinished", "q-learning", {}),
        ):
            unit = Unit(run.key, entry.name, label, 0)
            if label == "broken":
                writer.add_failure(unit, "it hung")
                continue
            claims = claims_of(
                run,
                scenario=entry.scenario,
                arguments=arguments,
                split=entry.split,
                observers=1,
                seed=0,
                player=player_claims(name, {}, files),
            )
            writer.add_claims(unit, claims)
            if files:
                writer.add_training(unit, TrainedAgent(files))
            chunk = play(
                make_agent(name, entry.scenario, arguments),
                Setting(entry, arguments, entry.split, origin_of(claims)),
                range(2 if label == "unfinished" else suite.episodes),
            )
            writer.add_chunk(unit, chunk)
    code, _, error = bundled(home, home / "bundle")
    assert code == 0, error
    return home


def bundled(home, out, *agents):
    words = [word for agent in agents or ("expert", "mine@1", "random", "broken")
             for word in ("--agent", agent)]  # fmt: skip
    return als("bench", "bundle", "--store", home / "store.sqlite", "--out", out, *words)


def verified(home, folder, *more, workers=1):
    suite = home / "tagging.toml"
    return als("verify", folder, "--suite", suite, "--workers", workers, *more)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_command_line_accepts_an_honest_bundle(home):
    code, out, error = verified(home, home / "bundle")
    bundle = Bundle.open(home / "bundle")
    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "accepted: 12 episodes of 3 units, replayed; 1 without a result",
        f"bundle {bundle.hash}",
    ]


def test_several_processes_say_the_same(home, tmp_path):
    # In which most units hold: so that is said by several processes, too.
    broken = tampered(home, tmp_path)
    one, two = (verified(home, broken, workers=count) for count in (1, 2))
    assert one == two
    assert one.code == 1


def tampered(home, tmp_path):
    """A bundle in which one action of an episode is another, sealed again."""
    from made_bundles import opened, rows, sealed

    files = contents(home / "bundle")
    manifest, logs = opened(files)
    unit = next(unit for unit in manifest["units"] if unit["agent"] == "expert")
    log = logs[unit["log"]]
    at = rows(log, 2).start + 9
    log["actions"][at] = (log["actions"][at] + 1) % 10
    agents = {name: data for name, data in files.items() if name.startswith("agents/")}
    listed = {name: manifest["files"][name] for name in agents}
    packed = sealed(manifest, logs)
    manifest["files"].update(listed)
    folder = tmp_path / "tampered"
    write(folder, close(manifest, {**packed, **agents}))
    return folder


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_a_refusal_names_unit_episode_and_step(home, tmp_path):
    code, out, _ = verified(home, tampered(home, tmp_path))
    line, last = out.splitlines()
    assert code == 1
    assert line.startswith("refused: ALS/Tag-v0, expert, seed 0: episode 2, step 9: hash ")
    assert last.startswith("bundle ")


def test_what_holds_is_kept_with_the_verdict(home, tmp_path):
    board = tmp_path / "board.sqlite"
    assert verified(home, home / "bundle", "--store", board).code == 0
    assert verified(home, home / "bundle", "--store", board).code == 0  # Once more is no more.
    expected = Bundle.open(home / "bundle").hash
    with Store(board) as ours, Store(home / "store.sqlite") as theirs:
        (run,) = ours.runs()
        assert [(agent, tier, bundle) for agent, tier, bundle, _ in ours.verdicts(run.key)] == [
            (agent, "replayed", expected) for agent in ("expert", "mine@1", "random")
        ]
        for unit in ours.units(run.key):
            assert ours.episodes(unit) == theirs.episodes(unit)
            assert ours.claims(unit) == theirs.claims(unit)
            assert ours.training(unit) == theirs.training(unit)
        assert ours.failures(run.key) == theirs.failures(run.key)
    # Bundled again from there, it is the same bundle.
    with Store(board) as ours:
        write_bundle(ours, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(home / "bundle")


def test_nothing_is_kept_of_what_is_refused(home, tmp_path):
    board = tmp_path / "board.sqlite"
    assert verified(home, tampered(home, tmp_path), "--store", board).code == 1
    assert not board.exists()


def test_the_same_results_give_the_same_bytes(home, tmp_path):
    bundled(home, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(home / "bundle")


def test_the_manifest_is_canonical_and_says_what_it_should(home):
    data = (home / "bundle" / MANIFEST).read_bytes()
    manifest = json.loads(data)
    assert canonical_json(manifest) == data
    assert (home / "bundle" / SEAL).read_text() == f"{hashlib.sha256(data).hexdigest()}\n"
    assert manifest["suite"]["id"] == "tagging"
    assert "als-engine" in manifest["code"]
    assert "pybullet" in manifest["versions"]
    assert manifest["failures"] == [
        {"entry": "ALS/Tag-v0", "agent": "broken", "seed": 0, "reason": "it hung"}
    ]
    (mine,) = [unit for unit in manifest["units"] if unit["agent"] == "mine@1"]
    (folder,) = (home / "bundle" / "agents").iterdir()
    assert (folder / "agent.json").read_bytes() == (home / "saved" / "agent.json").read_bytes()
    assert list(mine["player"]["files"]) == ["agent.json", "weights.safetensors"]


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        (("unfinished",), "has 2 of 4 episodes: let `als bench run` finish"),
        (("nobody",), 'unknown agent "nobody"'),
        (("broken",), "has no finished results"),
    ],
)
def test_what_cannot_be_bundled_is_one_line_and_leaves_nothing(home, tmp_path, agents, message):
    code, out, error = bundled(home, tmp_path / "bundle", *agents)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_named(home, tmp_path):
    with Store(home / "store.sqlite") as store, pytest.raises(StoreError, match="its runs are"):
        write_bundle(store, tmp_path / "bundle", run="core-00000000")


def test_other_files_are_not_overwritten_and_an_old_bundle_is(home, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, error = bundled(home, tmp_path)
    assert code == 2
    assert "holds other files" in error
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    old = tmp_path / "old"
    bundled(home, old, "random")
    assert bundled(home, old).code == 0
    assert contents(old) == contents(home / "bundle")


# -- folders that are none ----------------------------------------------------------------------


def link(folder):
    target = folder / "elsewhere"
    (folder / MANIFEST).rename(target)
    (folder / MANIFEST).symlink_to(target)


def linked_folder(folder):
    (folder / "logs").rename(folder.parent / "logs")
    (folder / "logs").symlink_to(folder.parent / "logs")


def pipe(folder):
    log = next((folder / "logs").iterdir())
    log.unlink()
    os.mkfifo(log)


def huge(folder):
    os.truncate(folder / MANIFEST, MAX_MANIFEST + 1)


def huge_log(folder):
    os.truncate(next((folder / "logs").iterdir()), 1 << 40)


def stray(folder):
    (folder / "agents" / "run.py").write_text("print('hello')")


def emptied(folder):
    (folder / SEAL).unlink()


@pytest.mark.parametrize("change", [link, linked_folder, pipe, huge, huge_log, stray, emptied])
def test_a_folder_that_is_no_plain_bundle_is_refused_in_one_line(home, tmp_path, change):
    folder = tmp_path / "bundle"
    write(folder, contents(home / "bundle"))
    change(folder)
    code, out, _ = verified(home, folder)
    assert code == 1
    assert out.startswith("refused: ")
    assert len([line for line in out.splitlines() if not line.startswith("bundle ")]) == 1


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_a_pickle_in_the_place_of_a_log_is_not_opened(home, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    files = contents(home / "bundle")
    manifest = json.loads(files[MANIFEST])
    name = manifest["units"][0]["log"]
    data = pickle.dumps(Trap())
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    files = {key: value for key, value in files.items() if key not in (MANIFEST, SEAL)}
    bundle = Bundle.of(close(manifest, {**files, name: data}))
    (line,) = verify_bundle(bundle, read_suite(home / "tagging.toml")).refusals
    assert "pickle, which could run code: it was not opened" in line
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"format":1e400}',
        b'{"format":NaN}',
        b'{"format":1,"format":1}',
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_none_is_refused(text):
    files = {MANIFEST: text, SEAL: f"{hashlib.sha256(text).hexdigest()}\n".encode()}
    with pytest.raises(SavedFileError, match=MANIFEST):
        Bundle.of(files)


@pytest.mark.parametrize(
    "name", ["logs/../../x.safetensors", "/etc/passwd", "logs/.hidden", "logs//x", "code/x.py"]
)
def test_no_path_leads_out_of_the_bundle(home, name):
    files = contents(home / "bundle")
    manifest = json.loads(files[MANIFEST])
    unit = manifest["units"][0]
    manifest["files"][name] = manifest["files"].pop(unit["log"])
    unit["log"] = name
    with pytest.raises(SavedFileError, match=MANIFEST):
        Bundle.of(close(manifest, {}))


def test_a_manifest_that_is_not_written_canonically_is_refused(home):
    files = contents(home / "bundle")
    data = json.dumps(json.loads(files[MANIFEST]), indent=1).encode()
    seal = f"{hashlib.sha256(data).hexdigest()}\n".encode()
    with pytest.raises(SavedFileError, match="canonical"):
        Bundle.of({**files, MANIFEST: data, SEAL: seal})


def test_a_suite_that_is_not_installed_is_named(home):
    verdict = verify(home / "bundle")
    assert verdict.lines()[0].startswith('refused: suite: unknown suite "tagging"')


def test_another_processor_is_offered_as_an_explanation(home, tmp_path, monkeypatch):
    from als_bench.checking import verify as module

    here = {**module.machine(), "processor": "an abacus"}
    monkeypatch.setattr(module, "machine", lambda: here)
    code, out, _ = verified(home, tampered(home, tmp_path))
    assert code == 1
    assert "this one is an abacus" in out.splitlines()[-1]


def test_claims_of_a_training_without_demonstrations_have_the_bytes_that_they_always_had():
    fields = {"steps": 10, "budget": 10, "seconds": 1.0, "attempts": 1, "curve": ()}
    plain, shown = TrainingClaims(**fields), TrainingClaims(**fields, demonstrated=4)
    assert "demonstrated" not in plain.model_dump(mode="json")
    assert shown.model_dump(mode="json")["demonstrated"] == 4
    for claims in (plain, shown):
        assert TrainingClaims.model_validate_json(claims.model_dump_json()) == claims
