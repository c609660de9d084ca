"""An experiment's file: every mistake is one line that names the key, and where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT

from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_plugins.experiment.checks import check_ids
from als_plugins.experiment.config import read_experiment

GOOD = """
scenario = "ALS/Tag-v0"
sensors = ["entities", "proprioception"]

[collect]
episodes = 4

[pretrain]
steps = 10
objectives = { masked = 1.0 }

[train]
steps = 100

[train.config]
rollout = 64

[evaluate]
episodes = 2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_read(tmp_path):
    path = written(tmp_path, GOOD)
    experiment = read_experiment(path)
    check_ids(experiment, path)
    assert experiment.train is not None
    assert experiment.train.config == {"rollout": 64}
    assert experiment.pretrain is not None
    assert experiment.pretrain.encoder == "attention"


MISTAKES = {
    "no TOML": ("steps = 100", "steps = = 100", r"is not TOML: .*line 13"),
    "unknown key": ("steps = 100", "step = 100", r"train\.step \(line 13\): extra inputs"),
    "unknown table": ("[evaluate]", "[evalute]", r"evalute \(line 18\): extra inputs"),
    "missing key": ("episodes = 4", "", r"collect\.episodes \(line 5\): field required"),
    "out of range": ("steps = 100", "steps = 0", r"train\.steps \(line 13\): .*greater than"),
    "wrong type": ("steps = 100", 'steps = "many"', r"train\.steps \(line 13\): .*integer"),
    "within a table": ("masked = 1.0", 'masked = "a lot"', r"objectives\.masked \(line 10"),
    "a stage without what it needs": (
        "[collect]\nepisodes = 4", "", r"\[pretrain\] needs a table \[collect\]",
    ),
    "not finite": ("masked = 1.0", "masked = nan", r"objectives\.masked .*finite"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_key_and_line(tmp_path, mistake):
    good, bad, expected = MISTAKES[mistake]
    assert good in GOOD
    path = written(tmp_path, GOOD.replace(good, bad))
    with pytest.raises(ArgumentError, match=expected) as caught:
        read_experiment(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


NAMES = {
    "scenario": ("ALS/Tag-v0", "ALS/Tug-v0", 'scenario: unknown scenario "ALS/Tug-v0"; did you'),
    "sensor": ('"entities"', '"entitys"', 'arguments: unknown sensor "entitys"; did you'),
    "encoder": ("steps = 10\n", 'steps = 10\nencoder = "vit"\n', 'encoder: unknown encoder "vit"'),
    "agent": ("steps = 100\n", 'steps = 100\nagent = "pp0"\n', 'train: unknown agent "pp0"'),
    "hyperparameter": ("rollout = 64", "rolout = 64", 'unknown hyperparameter of ppo "rolout"'),
    "another scenario": (
        "episodes = 4", 'episodes = 4\nscenarios = ["ALS/Nothing-v0"]', "collect.scenarios: unknown"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_name_is_found_before_anything_is_done(tmp_path, name):
    good, bad, expected = NAMES[name]
    assert good in GOOD
    path = written(tmp_path, GOOD.replace(good, bad))
    with pytest.raises(ALSError) as caught:
        check_ids(read_experiment(path), path)
    assert expected in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(SavedFileError, match=r"cannot read .*nothing\.toml"):
        read_experiment(tmp_path / "nothing.toml")


def test_the_example_is_good():
    example = ROOT / "benchmarks" / "experiments" / "tag.toml"
    check_ids(read_experiment(example), example)


def test_paths_in_a_file_mean_the_same_from_everywhere(tmp_path, monkeypatch):
    policy = '[collect]\npolicy = "agents/mine"\n'
    text = GOOD.replace("[collect]\n", policy) + '[adapt]\nsteps = 64\nfeedback = "said.jsonl"\n'
    (tmp_path / "agents" / "mine").mkdir(parents=True)
    (tmp_path / "said.jsonl").touch()
    (tmp_path / "mix").mkdir()  # Ids win.
    written(tmp_path, text)
    (tmp_path / "elsewhere").mkdir()
    for folder, name in ((tmp_path, "."), (tmp_path / "elsewhere", "..")):
        monkeypatch.chdir(folder)
        experiment = read_experiment(Path(name) / "experiment.toml")
        assert experiment.path(experiment.collect.policy) == str(tmp_path / "agents" / "mine")
        assert experiment.path(experiment.adapt.feedback) == str(tmp_path / "said.jsonl")
        assert experiment.path("mix") == "mix"
        assert experiment.path("not/there") == "not/there"
