"""`als train` killed, interrupted, out of disk, and going on each time."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from als_command import als
from learn_worlds import ID, learn, site

from als_engine.agents.saving import load_agent
from als_engine.agents.training import read_job

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

QUICK = [
    "--sensors", "proprioception", "--worlds", "4", "--checkpoint-every", "256",
    "--set", "rollout=128", "--set", "batch_size=32", "--set", "net_arch=[8]",
]  # fmt: skip
TABULAR = [
    "--agent", "q-learning", "--sensors", "proprioception,entities", "--worlds", "4",
    "--checkpoint-every", "256",
]  # fmt: skip
"""Without torch, which takes longest to start."""

ENDLESS = ["--steps", "10000000"]


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "site").mkdir()
    return site(tmp_path / "site")


def begin(environment, *words):
    """Starts `als train` in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("als"), "train", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_checkpoints(run, process, count=2):
    """Waits until a training has written some."""
    until = time.monotonic() + 90
    while len(checkpoints(run)) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


def checkpoints(run):
    folder = run / "checkpoints"
    found = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in found if name.isdecimal())


def test_a_killed_training_goes_on_from_its_checkpoint(environment, tmp_path):
    run = tmp_path / "run"
    process = begin(environment, ID, "--out", run, *QUICK, *ENDLESS)
    wait_for_checkpoints(run, process)
    process.kill()
    process.communicate()
    newest = checkpoints(run)[-1]
    agent, record = load_agent(run / "checkpoints" / f"{newest:012d}")
    assert record.training.steps == newest
    assert agent.config["net_arch"] == [8]

    result = als("train", "--resume", "--out", run, "--steps", newest + 512)
    assert result.code == 0, result.err
    assert load_agent(run)[1].training.steps >= newest + 512
    assert read_job(run).steps == newest + 512
    shown = json.loads(als("evaluate", run, "--episodes", 3, "--json").out)
    assert shown["arguments"]["sensors"] == ["proprioception"]


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(environment, tmp_path):
    run = tmp_path / "run"
    process = begin(environment, ID, "--out", run, "--workers", 2, *TABULAR, *ENDLESS)
    wait_for_checkpoints(run, process)
    before = checkpoints(run)[-1]
    os.killpg(process.pid, signal.SIGINT)  # The workers get it too, as from a terminal.
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"als train --resume --out {run}" in err
    assert "Traceback" not in err
    newest = checkpoints(run)[-1]
    assert newest >= before
    assert f"Stopped at step {newest:,} of 10,000,000" in err
    assert not (run / "agent").exists()
    words = ["--steps", newest + 128, "--workers", 1]
    assert als("train", "--resume", "--out", run, *words).code == 0


@contextmanager
def limited_files(size):
    """Makes every file larger than this fail, as a full disk does."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_one_line_and_costs_no_checkpoint(tmp_path):
    run = tmp_path / "run"
    assert als("train", ID, "--out", run, *QUICK, "--steps", 512).code == 0
    before = {path: path.read_bytes() for path in (run / "checkpoints").rglob("*.*")}
    # Room for every small file, but not for the state of the optimizer.
    size = max(len(data) for data in before.values()) - 1
    with limited_files(size):
        failed = als("train", "--resume", "--out", run, "--steps", 4096)
    assert_one_line_of_it(failed)
    assert all(path.read_bytes() == data for path, data in before.items())
    assert als("train", "--resume", "--out", run, "--steps", 1024).code == 0


@pytest.mark.parametrize("size", [0, 2_000], ids=["any file", "what comes later"])
def test_a_full_disk_from_the_beginning_is_one_line_and_leaves_nothing(tmp_path, size):
    run = tmp_path / "run"
    with limited_files(size):
        failed = als("train", ID, "--out", run, *QUICK, "--steps", 512)
    assert_one_line_of_it(failed)
    assert not run.exists()


def assert_one_line_of_it(failed):
    assert failed.code == 2, failed.err
    assert failed.err.count("\n") == 1
    assert "Error: cannot write" in failed.err
    assert "File too large" in failed.err


def test_a_training_says_what_it_did(tmp_path):
    result = als("train", ID, "--out", tmp_path / "run", *QUICK, "--steps", 512)
    assert result.code == 0, result.err
    assert "Trained 512 steps" in result.out
    assert f"als evaluate {tmp_path / 'run'}" in result.out
    assert result.err == ""


def test_without_a_folder_a_new_one_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("reach-v0-ppo", "reach-v0-ppo-2"):
        assert als("train", ID, *QUICK, "--steps", 128).code == 0
        assert load_agent(Path("runs") / name)[1].scenario == ID


def test_the_learners_own_action_mode_is_chosen(tmp_path):
    words = ["--agent", "sac", "--set", "learning_starts=64", "--set", "net_arch=[8]"]
    result = als("train", ID, "--out", tmp_path / "run", *words, "--steps", 96, "--worlds", 4)
    assert result.code == 0, result.err
    assert load_agent(tmp_path / "run")[1].arguments["action_mode"] == "continuous"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a scenario"),
        (["Learn/Rich-v0"], ID),
        ([ID, "--agent", "poo"], 'did you mean "ppo"'),
        ([ID, "--agent", "random"], '"random" does not learn'),
        ([ID, "--agent", "dqn", "--arg", "action_mode=continuous"], 'needs action_mode="discrete"'),
        ([ID, "--arg", "reech=1"], '"reach"'),
        ([ID, "--sensors", "x-ray"], "x-ray"),
        ([ID, "--set", "gama=1"], 'did you mean "gamma"'),
        ([ID, "--set", "gamma=2"], "gamma"),
        ([ID, "--set", "gamma"], "key=value"),
        ([ID, "--set", "pretrained=nowhere"], "nowhere is not a saved encoder"),
        ([ID, "--steps", "0"], "steps"),
        ([ID, "--worlds", "0"], "worlds"),
        ([ID, "--workers", "99"], "workers"),
        ([ID, "--drive", "2"], "observers"),
        ([ID, "--seed", "-1"], "seed"),
        ([ID, "--device", "abacus"], "abacus"),
        ([ID, "--out", "/proc/nobody/run"], "/proc/nobody/run"),
        ([ID, "--pool", "size=3"], "--pool goes with --self-play"),
        ([ID, "--self-play"], "has one avatar, and nobody to play against"),
        ([ID, "--self-play", "--pool", "sise=3"], 'did you mean "size"'),
        ([ID, "--self-play", "--pool", "size=0"], "size"),
        (["--resume"], "--out"),
        (["--resume", "--out", "/proc/nobody"], "there is no training in /proc/nobody"),
        ([ID, "--stepz", "1"], "--stepz"),
    ],
)
def test_a_mistake_is_one_line_and_not_exit_code_0(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = als("train", *words)
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert not [path for path in tmp_path.rglob("*") if path.name != "runs"]


def test_going_on_changes_nothing_that_it_cannot_change(tmp_path):
    run = tmp_path / "run"
    assert als("train", ID, "--out", run, *QUICK, "--steps", 128).code == 0
    changes = ["--seed", 9], ["--agent", "dqn"], ["--arg", "reach=2"], ["--set", "gamma=0.5"]
    for words in (*changes, ["--self-play"]):
        result = als("train", "--resume", "--out", run, "--steps", 256, *words)
        assert result.code == 2
        assert "which --resume cannot change" in result.err
    assert als("train", ID, "--resume", "--out", run, *QUICK, "--steps", 256).code == 0
