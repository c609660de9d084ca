"""The whole loop, small, with real stages: what is done is kept, what is interrupted goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from als_command import als

from als_engine.system.locking import locked
from als_plugins.experiment.config import read_experiment
from als_plugins.experiment.stages import DONE, plan

# The first test of each worker waits for a whole loop of five commands, and some for two more.
pytestmark = pytest.mark.timeout(400)

LOOP = """
scenario = "ALS/Tag-v0"
sensors = ["entities", "proprioception"]

[arguments]
max_episode_steps = 30

[collect]
episodes = 12
policy = "mix"

[pretrain]
steps = 6
batch = 8
config = { width = 16, depth = 1, heads = 2, features = 16 }
objectives = { masked = 1.0, dynamics = 0.5 }

[train]
steps = STEPS
worlds = 4
config = { rollout = 64, batch_size = 32, net_arch = [8] }

[adapt]
steps = 128

[evaluate]
episodes = 4
"""


PROGRAM = [sys.executable, "-c", "from als_engine.cli import main; main()"]
GIVEN: dict[str, Any] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
    "env": {**os.environ, "OMP_NUM_THREADS": "1"},
}


def written(folder: Path, steps: int) -> Path:
    path = folder / f"loop-{steps}.toml"
    path.write_text(LOOP.replace("STEPS", str(steps)))
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a loop that went through."""
    folder = tmp_path_factory.mktemp("loop")
    run = als("run", written(folder, 128), "--out", folder / "out")
    assert run.code == 0, run.err
    assert all(stage in run.out for stage in ("collect", "pretrain", "train", "adapt", "evaluate"))
    assert "expert" in run.out
    return folder


@pytest.mark.slow
def test_every_stage_leaves_what_the_single_command_would(done: Path) -> None:
    stages = {stage.name: stage for stage in plan(read_experiment(done / "loop-128.toml"), done)}
    assert list(stages) == ["collect", "pretrain", "train", "adapt", "evaluate"]
    folders = {path.name.split("-")[0]: path for path in (done / "out").iterdir()}
    assert set(folders) == set(stages)
    agent = json.loads((folders["train"] / "training" / "agent" / "agent.json").read_text())
    assert agent["config"]["encoder"] == "attention"
    assert agent["config"]["pretrained"] is None  # It stands on its own now.
    found = json.loads((folders["evaluate"] / DONE).read_text())["summary"]
    assert {"train", "adapt", "random", "expert"} <= set(found)


@pytest.mark.slow
def test_a_loop_that_was_killed_before_it_said_done_goes_on_also_when_it_was_moved(
    done: Path, tmp_path: Path
) -> None:
    """The work of every stage is there, and nothing but `done.json` is missing."""
    out = Path(shutil.copytree(done / "out", tmp_path / "moved"))
    for path in out.glob(f"*/{DONE}"):
        path.unlink()
    weights = list(out.rglob("*.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in weights}
    result = als("run", done / "loop-128.toml", "--out", out)
    assert result.code == 0, result.err
    assert len(list(out.glob(f"*/{DONE}"))) == 5
    assert {path: path.stat().st_mtime_ns for path in weights} == before


@pytest.mark.slow
def test_a_loop_goes_on_through_no_link_and_beside_no_other(done: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(done / "out", tmp_path / "copy"))
    (stage,) = out.glob("train-*")
    (stage / DONE).unlink()
    with locked(out):
        result = als("run", done / "loop-128.toml", "--out", out)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"another process is writing to {out}" in result.err
    stage.rename(tmp_path / "elsewhere")
    stage.symlink_to(tmp_path / "elsewhere")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*")}
    result = als("run", done / "loop-128.toml", "--out", out)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{stage} is a link: put what it leads to in its place" in result.err
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*")}
    assert after == before


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_a_change_does_only_what_depends_on_it(
    done: Path,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (done / "out").glob(f"*/{DONE}")}
    again = als("run", done / "loop-128.toml", "--out", done / "out")
    assert again.code == 0, again.err
    assert again.out.count("was done") == 5
    changed = als("run", written(done, 192), "--out", done / "out")
    assert changed.code == 0, changed.err
    assert changed.out.count("was done") == 2  # Experience and encoder do not depend on it.
    after = {path: path.stat().st_mtime_ns for path in (done / "out").glob(f"*/{DONE}")}
    assert before.items() <= after.items()
    assert len(after) == 8


@pytest.mark.slow
def test_a_stage_whose_output_is_damaged_is_done_again(done: Path) -> None:
    experiment = read_experiment(done / "loop-128.toml")
    named = {stage.name: stage.folder for stage in plan(experiment, done / "out")}
    for path in (
        named["pretrain"] / "pretraining" / "encoder" / "weights.safetensors",
        named["train"] / "training" / "agent" / "agent.json",
    ):
        path.write_bytes(path.read_bytes()[:100])
    stages = plan(experiment, done / "out")
    assert {stage.name: stage.done() is not None for stage in stages} == {
        "collect": True,
        "pretrain": False,
        "train": False,
        "adapt": True,
        "evaluate": True,
    }
    again = als("run", done / "loop-128.toml", "--out", done / "out")
    assert again.code == 0, again.err
    assert again.out.count("was done") == 3
    stages = plan(experiment, done / "out")
    assert all(stage.done() is not None for stage in stages)
    assert not list((done / "out").glob(".*"))


@pytest.mark.slow
def test_ctrl_c_stops_a_stage_and_the_same_command_goes_on(done: Path, tmp_path: Path) -> None:
    path = written(tmp_path, 200_000)
    shutil.copytree(done / "out", tmp_path / "out")  # So that the training comes at once.
    before = set((tmp_path / "out").glob("train-*"))

    def begun() -> set[Path]:
        return set((tmp_path / "out").glob("train-*")) - before

    run = subprocess.Popen([*PROGRAM, "run", path.name, "--out", "out"], cwd=tmp_path, **GIVEN)
    try:
        while not any((stage / "training" / "progress.csv").exists() for stage in begun()):
            assert run.poll() is None, run.communicate()[1]
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 130
    assert "Stopped in train. Go on with: als run" in error
    (stage,) = begun()
    (checkpoint, *_) = (stage / "training" / "checkpoints").iterdir()
    check = als("run", path, "--out", tmp_path / "out", "--check")
    assert check.out.count(" done ") == 2
    assert int(checkpoint.name) > 0
