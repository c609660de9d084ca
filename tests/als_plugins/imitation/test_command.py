"""`als imitate` killed, interrupted, going on, and what comes of it used like any other agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from als_command import als
from learn_worlds import ID, NO_EXPERT, learn, site

from als_engine.agents.saving import load_agent

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

QUICK = [
    "--sensors", "proprioception,entities", "--worlds", "4", "--checkpoint-every", "256",
    "--set", "net_arch=[8]", "--set", "passes=1",
]  # fmt: skip


def begin(folder, *words):
    """Starts `als imitate` in a process group of its own, as a terminal does."""
    folder.mkdir()
    return subprocess.Popen(
        [Path(sys.executable).with_name("als"), "imitate", *map(str, words)],
        env=site(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def checkpoints(run):
    folder = run / "checkpoints"
    found = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in found if name.isdecimal())


def wait_for_checkpoints(run, process):
    until = time.monotonic() + 90
    while len(checkpoints(run)) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_one_that_was_killed_or_interrupted_goes_on(how, tmp_path):
    run = tmp_path / "run"
    process = begin(tmp_path / "site", ID, "--out", run, *QUICK, "--steps", "10000000")
    wait_for_checkpoints(run, process)
    os.killpg(process.pid, how)
    _, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130, err
        assert f"als imitate --resume --out {run}" in err
        assert "Traceback" not in err
    newest = checkpoints(run)[-1]
    assert not (run / "agent").exists()
    result = als("imitate", "--resume", "--out", run, "--steps", newest + 256)
    assert result.code == 0, result.err
    training = load_agent(run)[1].training
    assert training.demonstrated == training.steps >= newest + 256


def test_what_it_makes_is_evaluated_and_trained_on(tmp_path):
    run, after = tmp_path / "run", tmp_path / "after"
    result = als("imitate", ID, "--from", "expert", "--out", run, *QUICK, "--steps", 512)
    assert result.code == 0, result.err
    assert f"See how good it is: als evaluate {run}" in result.out
    assert json.loads(als("evaluate", run, "--episodes", 2, "--json").out)["episodes"] == 2
    words = ["--steps", 128, "--worlds", 4, "--set", "rollout=64", "--set", "batch_size=32"]
    result = als("train", ID, "--begin", run, "--out", after, *words)
    assert result.code == 0, result.err
    assert load_agent(after)[1].training.demonstrated == 512
    result = als("train", "--resume", "--begin", tmp_path, "--out", after, "--steps", 256)
    assert result.code == 2
    assert "is not a saved agent" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a scenario"),
        (["--resume"], "--resume needs --out"),
        ([ID, "--from", "nobody"], "nobody"),
        ([ID, "--method", "gail"], "method"),
        ([ID, "--agent", "dqn"], "dqn cannot learn from demonstrations"),
        ([ID, "--agent", "expert"], '"expert" does not learn'),
        ([ID, "--set", "passes=-1"], "passes"),
        ([NO_EXPERT, "--sensors", "proprioception"], "takes agents and datasets, too"),
    ],
)
def test_a_mistake_is_one_line(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = als("imitate", *words)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_resume_as_something_else_is_refused(tmp_path):
    run = tmp_path / "run"
    assert als("imitate", ID, "--out", run, *QUICK, "--steps", 128).code == 0
    for words, name in (
        (["--method", "bc"], "method=dagger"),
        (["--from", "random"], "source=expert"),
        (["--set", "passes=3"], "imitation="),
    ):
        result = als("imitate", "--resume", "--out", run, "--steps", 256, *words)
        assert result.code == 2
        assert name in result.err
    assert als("train", "--resume", "--out", run).code == 2
