"""A number in a file, or in an argument, that only ends in a MemoryError is one line instead."""

from __future__ import annotations

import importlib
import json
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learn_worlds import ID, learn
from pydantic import BaseModel

import als_engine
import als_plugins
from als_bench.suites import read_suite
from als_engine import sb3_vec_env
from als_engine.agents.saving import make_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_engine.limits import EPISODES, STEPS, WORKERS, WORLDS, check_memory, memory
from als_engine.simulation import simulate
from als_plugins.experience.collect import collect
from als_plugins.experience.dataset import open_experience
from als_plugins.experiment.config import read_experiment

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

HUGE = 10**18
SENSED = {"sensors": ["proprioception"]}


# -- every number that a file declares -------------------------------------------------------------


def models() -> Iterator[type[BaseModel]]:
    """Every model that a file is read as."""
    for package in (als_engine, als_plugins):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    todo = [BaseModel]
    while todo:
        for model in todo.pop().__subclasses__():
            todo.append(model)
            if model.__module__.partition(".")[0] in ("als_bench", "als_engine", "als_plugins"):
                yield model


def unlimited(schema: Any, where: str) -> Iterator[str]:
    """The whole numbers of a JSON schema that have no largest value."""
    if not isinstance(schema, dict):
        return
    bounds = {"maximum", "exclusiveMaximum", "const", "enum"}
    if schema.get("type") == "integer" and not bounds & set(schema):
        yield where
    for name, part in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        yield from unlimited(part, f"{where}.{name}")
    for name in ("items", "additionalProperties"):
        yield from unlimited(schema.get(name), f"{where}[]")
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(name, ()):
            yield from unlimited(part, where)


def test_every_whole_number_that_a_file_declares_has_a_limit() -> None:
    found = sorted(
        {
            place
            for model in models()
            for place in unlimited(
                model.model_json_schema(), f"{model.__module__}.{model.__name__}"
            )
        }
    )
    assert found == []


# -- files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, learn: str) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "run"
    config = {"net_arch": [8], "batch_size": 32, "rollout": 64, "n_epochs": 1}
    train_agent(
        ID, steps=64, folder=folder, worlds=2, config=config, arguments=SENSED, device="cpu"
    )
    return folder


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"worlds": 100_000}, f"worlds: .* {WORLDS}, got 100000"),
        ({"workers": 1_000}, f"workers: .* {WORKERS}, got 1000"),
        ({"steps": HUGE}, f"steps: .* {STEPS}, got {HUGE}"),
        ({"observers": HUGE}, f"observers: .*, got {HUGE}"),
        ({"checkpoint_every": HUGE}, f"checkpoint_every: .*, got {HUGE}"),
        ({"seed": HUGE}, f"seed: .*, got {HUGE}"),
        ({"arguments": {"frame_size": 100_000}}, "frame_size must be"),
        ({"arguments": {"max_episode_steps": HUGE}}, f"max_episode_steps .*at most .*, got {HUGE}"),
        ({"arguments": {"num_avatars": 100_000}}, "num_avatars must be a whole number from 1 to 4"),
        ({"arguments": {"num_worlds": HUGE}}, '"num_worlds" cannot be an argument'),
        ({"arguments": {"workers": HUGE}}, '"workers" cannot be an argument'),
    ],
)
def test_a_training_cannot_be_resumed_with_a_number_that_fills_the_machine(
    run: Path, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    job = {**json.loads((copy / "training.json").read_text()), "steps": 1_000}
    for name, value in change.items():
        job[name] = {**job[name], **value} if isinstance(value, dict) else value
    (copy / "training.json").write_text(json.dumps(job))
    with pytest.raises(ALSError, match=line) as caught:
        resume_training(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["training.json", "checkpoint", "training.json alone"])
@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"net_arch": [HUGE]}, "ppo: net_arch: .* less than or equal to 2048"),
        ({"rollout": HUGE}, "ppo: rollout: .* less than or equal to"),
        ({"batch_size": HUGE}, "ppo: batch_size: .* less than or equal to"),
    ],
)
def test_a_training_cannot_be_resumed_with_hyperparameters_that_fill_the_machine(
    run: Path, tmp_path: Path, where: str, config: dict[str, Any], line: str
) -> None:
    """Wherever they stand: a checkpoint's own count, and those of `training.json` without one."""
    copy = shutil.copytree(run, tmp_path / "run")
    job = {**json.loads((copy / "training.json").read_text()), "steps": 1_000}
    checkpoint = next((copy / "checkpoints").iterdir())
    if where == "checkpoint":
        record = json.loads((checkpoint / "agent.json").read_text())
        record["config"].update(config)
        (checkpoint / "agent.json").write_text(json.dumps(record))
    else:
        job["config"].update(config)
    if where == "training.json alone":
        shutil.rmtree(copy / "checkpoints")
    (copy / "training.json").write_text(json.dumps(job))
    with pytest.raises(ALSError, match=line) as caught:
        resume_training(copy)
    assert "\n" not in str(caught.value)


def test_a_training_is_not_resumed_with_other_hyperparameters_in_silence(
    run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    job = {**json.loads((copy / "training.json").read_text()), "steps": 1_000}
    job["config"]["net_arch"] = [16]
    (copy / "training.json").write_text(json.dumps(job))
    with pytest.raises(SavedFileError, match="was made with another net_arch"):
        resume_training(copy)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"seeds = {HUGE}", f"seeds .* at most 1000, got {HUGE}"),
        (f"episodes = {HUGE}", f"episodes .* at most {EPISODES}, got {HUGE}"),
        (f"[[entries]]\nscenario = 'ALS/Tag-v0'\nsteps = {HUGE}0", f"steps .* at most {STEPS}"),
        (f"[[entries]]\nscenario = 'ALS/Tag-v0'\nobservers = {HUGE}", "observers .* at most 1000"),
        ("[[entries]]\nscenario = 'ALS/Tag-v0'\n" * 1_001, "has 1001 entries, at most 1000"),
        (f"seeds = 1000\nagents = {['random'] * 101}", "has 101000 units .*, at most 100000"),
        ("seeds = " + "9" * 10_000, "is not TOML"),
        ("agents = " + "[" * 50_000, "is not TOML"),
    ],
)
def test_a_suite_cannot_ask_for_more_than_there_is(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "suite.toml"
    entry = "" if "entries" in text else "\n[[entries]]\nscenario = 'ALS/Tag-v0'"
    path.write_text(text + entry)
    with pytest.raises(ArgumentError, match=line) as caught:
        read_suite(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"[train]\nsteps = {HUGE}", f"train.steps .*{STEPS}, got {HUGE}"),
        ("[train]\nsteps = 1\nworlds = 100_000", f"train.worlds .*{WORLDS}, got 100000"),
        ("[train]\nsteps = 1\nworkers = 1_000", f"train.workers .*{WORKERS}, got 1000"),
        ("[collect]\nepisodes = 1_000_000_000_000_000", f"collect.episodes .*{EPISODES}"),
        ("seed = " + "9" * 10_000, "is not TOML"),
        ("sensors = " + "[" * 50_000, "is not TOML"),
    ],
)
def test_an_experiment_cannot_ask_for_more_than_there_is(
    tmp_path: Path, text: str, line: str
) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(f"scenario = 'ALS/Tag-v0'\n{text}")
    with pytest.raises(ArgumentError, match=line) as caught:
        read_experiment(path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, learn: str) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "dataset"
    collect(ID, folder, policy="random", episodes=3, worlds=3, arguments=SENSED)
    open_experience(folder)
    return folder


def edit_npy(path: Path, shape: tuple[int, ...]) -> None:
    """The same numbers under a header that declares others."""
    with path.open("wb") as file:
        header = {"descr": "<i8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)


@pytest.mark.parametrize(
    "change",
    [
        {"episodes": 10**15},
        {"episodes": 10**8, "steps": 10**9},
        {"steps": 10**11},
        {"attempted": HUGE},
        {"observers": HUGE},
    ],
)
def test_a_dataset_that_declares_more_than_it_holds_is_one_line(
    dataset: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    copy = shutil.copytree(dataset, tmp_path / "dataset")
    record = json.loads((copy / "dataset.json").read_text())
    record["sources"][0].update(change)
    (copy / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(SavedFileError) as caught:
        open_experience(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(10**15,), (1 << 62,), (0, 10**15), (3, 1)])
def test_a_cache_whose_header_lies_is_made_anew(
    dataset: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    # Files as old as they were: only the cache is another one.
    copy = shutil.copytree(dataset, tmp_path / "dataset", copy_function=shutil.copy2)
    before = open_experience(copy).part("train").steps
    edit_npy(next(copy.glob("cache/*/lengths.npy")), shape)
    assert open_experience(copy).part("train").steps == before


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: sb3_vec_env(ID, 100_000), f"num_envs .* at most {WORLDS}, got 100000"),
        (lambda: sb3_vec_env(ID, 2_000, workers=1_000), f"workers .* at most {WORKERS}, got 1000"),
        (lambda: VectorEnv(ID, HUGE), f"num_envs .* at most {WORLDS}, got {HUGE}"),
        (lambda: VectorEnv(ID, HUGE, workers=2), f"num_envs .* at most {WORLDS}, got {HUGE}"),
        (lambda: simulate(ID, HUGE), f"num_worlds .* at most {WORLDS}, got {HUGE}"),
        (lambda: simulate(ID, max_episode_steps=HUGE), f"max_episode_steps .*, got {HUGE}"),
        (lambda: evaluate(make_agent("random", ID), ID, 10**15), f"episodes .* at most {EPISODES}"),
        (lambda: train_agent(ID, steps=HUGE), f"steps: .*{STEPS}, got {HUGE}"),
        (lambda: train_agent(ID, steps=1, worlds=HUGE), f"worlds: .*{WORLDS}, got {HUGE}"),
        (lambda: collect(ID, "nowhere", episodes=HUGE), f"episodes .* at most {EPISODES}"),
    ],
)
def test_a_count_beyond_its_limit_is_one_line_with_both_numbers(make: Any, line: str) -> None:
    with pytest.raises(ArgumentError, match=line):
        make()


def test_what_does_not_fit_into_memory_is_said_before_it_is_tried() -> None:
    check_memory("nothing", 0)
    check_memory("all of it", memory())
    with pytest.raises(ArgumentError, match=r"more need [\d,.]+ GiB of memory; this machine has"):
        check_memory("more", memory() + 1)


@pytest.mark.parametrize(
    ("learner", "config", "line"),
    [
        ("ppo", {"n_steps": 100_000}, "ppo: 100000 steps of 400 rows need"),
        ("ppo", {"rollout": 10_000_000, "batch_size": 2}, "ppo: .* steps of 400 rows need"),
        ("dqn", {"buffer_size": 100_000_000}, "dqn: a buffer_size of 100000000 transitions need"),
    ],
)
def test_a_rollout_or_replay_buffer_that_does_not_fit_is_one_line(
    learner: str, config: dict[str, Any], line: str
) -> None:
    arguments = {"sensors": ["rgb"], "frame_size": 256}
    agent: Any = make_agent(learner, ID, arguments, config)
    with pytest.raises(ArgumentError, match=line):
        agent.algorithm_arguments(400)


def test_worlds_whose_pictures_do_not_fit_are_one_line() -> None:
    with pytest.raises(ArgumentError, match=r"16384 worlds with these sensors need .* GiB"):
        simulate(ID, WORLDS, sensors=["rgb", "depth", "semantic"], frame_size=1_024)
