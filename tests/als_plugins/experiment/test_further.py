"""Any command of `als` that prints JSON can be a stage of an experiment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from als_command import als

from als_plugins.experiment.config import read_experiment
from als_plugins.experiment.further import check
from als_plugins.experiment.stages import plan

FILE = """
scenario = "ALS/Tag-v0"
sensors = ["entities"]

[arguments]
max_episode_steps = 20

[collect]
episodes = 4
policy = "random"

[[then]]
run = "data show"
inputs = ["{collect}"]

[[then]]
name = "shaken"
run = "robustness"
inputs = ["random"]
options = { on = "ALS/Tag-v0", try = ["noise=0.1", "drop=0.5"], episodes = 2 }
out = "figure.svg"
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_commands_run_after_the_loop_with_what_its_stages_have_left(tmp_path: Path) -> None:
    path, out = written(tmp_path), tmp_path / "out"
    run = als("run", path, "--out", out)
    assert run.code == 0, run.err
    assert "data-show" in run.out
    shown, shaken = list(plan(read_experiment(path), out))[1:]
    assert json.loads((shown.folder / "output.json").read_text())
    assert (shaken.folder / "figure.svg").read_text().startswith("<")
    assert len(json.loads((shaken.folder / "output.json").read_text())[0]["results"]) == 3

    again = als("run", path, "--out", out)
    assert again.out.count("was done") == 3

    (shaken.folder / "figure.svg").unlink()
    checked = als("run", path, "--out", out, "--check")
    assert [line.split()[1] for line in checked.out.splitlines()] == ["done", "done", "to"]


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ('run = "data sow"', 'run = "data show"', 'then.data-sow: unknown command "sow"'),
        ('run = "data"', 'run = "data show"', "run: needs another word"),
        ('run = "serve"', 'run = "data show"', "has no --json"),
        ("{colect}", "{collect}", 'unknown earlier stage "colect"'),
        ("episods = 2", "episodes = 2", 'then.shaken: unknown option "episods"'),
        ("episodes = 0 }", "episodes = 2 }", "then.shaken: Invalid value for '--episodes'"),
        ('name = "collect"', 'name = "shaken"', 'two stages are called "collect"'),
        ('out = "../x"', 'out = "figure.svg"', "then.1.out"),
    ],
)
def test_what_a_command_does_not_take_is_said_before_anything_runs(
    tmp_path: Path, wrong: str, right: str, says: str
) -> None:
    assert right in FILE
    run = als("run", written(tmp_path, FILE.replace(right, wrong)), "--out", tmp_path / "out")
    assert run.code == 2
    assert says in run.err
    assert len(run.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_command_that_fails_says_so_in_its_own_words(tmp_path: Path) -> None:
    text = FILE.replace('inputs = ["random"]', 'inputs = ["runs/nobody"]')
    path = written(tmp_path, text)
    check(read_experiment(path), path)  # Whether an agent is there is the command's business.
    run = als("run", path, "--out", tmp_path / "out")
    assert run.code == 2
    assert "then.shaken: `als robustness` failed" in run.err
