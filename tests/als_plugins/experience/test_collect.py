"""Collecting: the same bits however it is done, nothing lost, nothing doubled, nothing broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import minari
import numpy as np
import pytest
from experience_worlds import BANG, DEBT, FEVER, NO_EXPERT, WALK, trail  # noqa: F401
from places import TESTS

import als_engine  # noqa: F401 - registers the scenarios
from als_engine.errors import ArgumentError, SavedFileError, TaskError, UnknownIdError
from als_engine.seeding import spread
from als_engine.simulation import simulate
from als_engine.system.locking import locked
from als_plugins.experience.collect import collect
from als_plugins.experience.records import data_file, part_of, read_dataset

pytestmark = pytest.mark.usefixtures("trail")

SMALL = {"frame_size": 8}


def contents(folder: Path) -> dict[str, Any]:
    """Every array and attribute of a dataset's only source."""
    (source,) = read_dataset(folder).sources
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        found.update({f"{name}@{key}": value for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(data_file(folder, source.id)) as file:
        file.visititems(note)
    return found


def assert_same(one: Path, two: Path) -> None:
    ours, theirs = contents(one), contents(two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
        assert np.asarray(value).dtype == np.asarray(theirs[name]).dtype, name


@pytest.mark.parametrize("policy", ["random", "mix", "turns"])
def test_episodes_are_the_same_bits_however_many_worlds_run(policy: str, tmp_path: Path) -> None:
    for worlds in (1, 3, 8):
        collect(
            WALK,
            tmp_path / str(worlds),
            policy=policy,
            episodes=7,
            worlds=worlds,
            observers=2,
            arguments={**SMALL, "num_avatars": 2},
        )
    assert_same(tmp_path / "1", tmp_path / "3")
    assert_same(tmp_path / "1", tmp_path / "8")


def test_an_episode_is_the_world_reset_with_its_seed(tmp_path: Path) -> None:
    collected = collect(WALK, tmp_path, episodes=3, seed=5, arguments=SMALL)
    simulation = simulate(WALK, 1, **collected.source.arguments)
    file = h5py.File(data_file(tmp_path, collected.source.id))
    for i in range(3):
        group = file[f"episode_{i}"]
        seed = spread("collecting", 5, i)
        assert group.attrs["seed"] == seed
        simulation.reset([seed])
        simulation.observe()
        assert group.attrs["level"] == simulation.state.level[0]
        for step, action in enumerate(group["actions"]):
            for key, seen in simulation.observations.items():
                np.testing.assert_array_equal(group["observations"][key][step], seen[0, 0])
            simulation.step(np.array([[action]]))
            assert group["rewards"][step] == simulation.rewards[0, 0]
        for key, seen in simulation.observations.items():
            np.testing.assert_array_equal(group["observations"][key][step + 1], seen[0, 0])
        assert group["terminations"][-1] == simulation.terminated[0]
        assert group["truncations"][-1] == (not simulation.terminated[0])
    simulation.close()
    file.close()


def test_mix_is_half_expert_and_half_random(tmp_path: Path) -> None:
    for policy in ("mix", "expert", "random"):
        collect(WALK, tmp_path / policy, policy=policy, episodes=4, arguments=SMALL)
    mix, expert, random = (contents(tmp_path / name) for name in ("mix", "expert", "random"))
    for i, who in enumerate((expert, random, expert, random)):
        np.testing.assert_array_equal(mix[f"episode_{i}/actions"], who[f"episode_{i}/actions"])
    assert [mix[f"episode_{i}@policy"] for i in range(4)] == ["expert", "random"] * 2


def test_in_turns_random_actions_are_held_on_to_and_the_expert_finds_back(tmp_path: Path) -> None:
    arguments = {"sensors": ["text"], "action_mode": "continuous"}
    collect("ALS/Vocabulary-v0", tmp_path, policy="turns", episodes=12, arguments=arguments)
    turns = contents(tmp_path)
    assert {turns[f"episode_{i}@policy"] for i in range(12)} == {"turns"}
    actions = [turns[f"episode_{i}/actions"] for i in range(12)]
    # The expert of this lesson never says anything; what is drawn evenly nearly always does.
    drawn = [(episode[:, 3:5] != 0).any(1) for episode in actions]
    held = [(a[1:] == a[:-1]).all(1)[d[1:] & d[:-1]] for a, d in zip(actions, drawn, strict=True)]
    assert 0.2 < np.concatenate(drawn).mean() < 0.6
    assert np.concatenate(held).mean() > 0.9
    assert sum(turns[f"episode_{i}/terminations"][-1] for i in range(12)) > 8


def test_minari_lists_loads_and_splits_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = collect(WALK, tmp_path, episodes=6, arguments=SMALL).source
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    assert list(minari.list_local_datasets()) == [source.id]
    dataset = minari.load_dataset(source.id)
    assert (dataset.total_episodes, dataset.total_steps) == (6, source.steps)
    for number, episode in enumerate(dataset):
        assert episode.observations["rgb"].shape == (len(episode.actions) + 1, 8, 8, 3)
        first = {key: array[0] for key, array in episode.observations.items()}
        assert dataset.observation_space.contains(first)
        (metadata,) = dataset.storage.get_episode_metadata([number])
        assert metadata["seed"] == spread("collecting", 0, number)
        assert metadata["split"] == "train"
        assert (episode.infos["level"] == metadata["level"]).all()
    sizes = [half.total_episodes for half in minari.split_dataset(dataset, [4, 2], seed=0)]
    assert sizes == [4, 2]
    environment = dataset.recover_environment()
    assert environment.observation_space == dataset.observation_space
    environment.close()
    shown = subprocess.run(
        [sys.executable, "-c", "from minari.cli import app; app()", "list", "local"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert shown.returncode == 0, shown.stderr
    assert source.id.removesuffix("-v0").rpartition("/")[2] in shown.stdout


PROGRAM = """
import sys
import als_engine, experience_worlds
experience_worlds.install()
from als_plugins.experience import collect, shards
shards.SHARD_SECONDS = 0.0
collect.collect(
    experience_worlds.WALK,
    sys.argv[1],
    policy="mix",
    episodes=60,
    worlds=4,
    arguments={"frame_size": 8},
    on_progress=lambda progress: print(progress.episodes, flush=True),
)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_collecting_goes_on_where_it_stopped(
    end: signal.Signals, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(TESTS / "support"), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "cut")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 10:
        pass
    process.send_signal(end)
    assert process.wait(60) != 0
    process.stdout.close()
    assert read_dataset(tmp_path / "cut").sources == []
    arguments = {"policy": "mix", "episodes": 60, "arguments": SMALL}
    resumed = collect(WALK, tmp_path / "cut", **arguments)
    assert 0 < resumed.new <= 52, "it began anew"
    collect(WALK, tmp_path / "whole", **arguments)
    assert_same(tmp_path / "cut", tmp_path / "whole")
    assert not (tmp_path / "cut" / ".collecting").exists()


def test_a_kill_while_it_is_put_together_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("als_plugins.experience.collect.write_dataset", killed)
        (tmp_path / "cut").mkdir()
        (tmp_path / "cut" / "dataset.json").write_text('{"format": 1, "sources": []}')
        with pytest.raises(KeyboardInterrupt):
            collect(WALK, tmp_path / "cut", episodes=4, arguments=SMALL)
    assert collect(WALK, tmp_path / "cut", episodes=4, arguments=SMALL).new == 0
    collect(WALK, tmp_path / "whole", episodes=4, arguments=SMALL)
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_a_damaged_shard_is_named_and_the_dataset_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(WALK, tmp_path, episodes=2, arguments=SMALL)
    before = contents(tmp_path)

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("als_plugins.experience.collect.put_together", killed)
        with pytest.raises(KeyboardInterrupt):
            collect(WALK, tmp_path, episodes=5, arguments=SMALL)
    (shard,) = (tmp_path / ".collecting").rglob("*.raw")
    whole = shard.read_bytes()
    for damaged in (b"", whole[:-8]):
        shard.write_bytes(damaged)
        with pytest.raises(SavedFileError, match=r"is damaged: delete .* and collect again"):
            collect(WALK, tmp_path, episodes=5, arguments=SMALL)
        assert contents(tmp_path).keys() == before.keys()
    shard.write_bytes(whole)
    assert collect(WALK, tmp_path, episodes=5, arguments=SMALL).source.episodes == 5
    assert not list(tmp_path.rglob(".*.unfinished-*"))


def test_more_episodes_are_added_and_the_same_are_not(tmp_path: Path) -> None:
    collect(WALK, tmp_path / "grown", episodes=3, arguments=SMALL)
    before = data_file(tmp_path / "grown", read_dataset(tmp_path / "grown").sources[0].id)
    time_before = before.stat().st_mtime_ns
    assert collect(WALK, tmp_path / "grown", episodes=3, arguments=SMALL).new == 0
    assert before.stat().st_mtime_ns == time_before
    assert collect(WALK, tmp_path / "grown", episodes=8, arguments=SMALL).new == 5
    collect(WALK, tmp_path / "whole", episodes=8, arguments=SMALL)
    assert_same(tmp_path / "grown", tmp_path / "whole")


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        (FEVER, 'the sensor "thermometer" is not finite'),
        (DEBT, "the reward is not finite"),
        (BANG, "the physics broke"),
    ],
)
def test_broken_episodes_are_left_out_and_counted(
    scenario: str, reason: str, tmp_path: Path
) -> None:
    simulation = simulate(scenario, 1)
    levels = []
    for i in range(12):
        simulation.reset([spread("collecting", 0, i)])
        levels.append(int(simulation.state.level[0]))
    simulation.close()
    good = [level for level in levels if level % 3]
    assert 0 < len(good) < 12
    for worlds in (5, 12):
        folder = tmp_path / str(worlds)
        source = collect(scenario, folder, episodes=12, worlds=worlds).source
        assert source.left_out == {reason: 12 - len(good)}
        assert (source.attempted, source.episodes) == (12, len(good))
        found = contents(folder)
        assert [found[f"episode_{i}@level"] for i in range(len(good))] == good
    assert_same(tmp_path / "5", tmp_path / "12")
    assert collect(scenario, folder, episodes=12).new == 0


def test_a_task_that_answers_with_a_wrong_shape_is_an_error_not_a_broken_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experience_worlds.Walk.reward", lambda task, state: np.zeros(3))
    with pytest.raises(TaskError, match=r"^Trail/Walk-v0, level \d+, step 1: Walk\.reward must be"):
        collect(WALK, tmp_path, episodes=3, worlds=3, arguments=SMALL)
    assert read_dataset(tmp_path).sources == []


def test_parts_are_by_level_and_never_train_on_the_evaluation_split() -> None:
    counts = [sum(part_of(level) == part for level in range(10_000)) for part in ("train", "test")]
    assert counts[0] == pytest.approx(8_000, abs=150)
    assert counts[1] == pytest.approx(1_000, abs=150)
    assert {part_of(level) for level in range(10_000, 20_000)} == {"test"}
    assert {part_of(level) for level in range(20_000, 30_000)} == {"validation"}


FULL_DISK = """
import resource, signal, sys
import als_engine, experience_worlds, minari
experience_worlds.install()
from als_engine.errors import SavedFileError
from als_plugins.experience import shards
from als_plugins.experience.collect import collect
shards.SHARD_BYTES = int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
try:
    collect(experience_worlds.WALK, sys.argv[1], episodes=9, worlds=1, arguments={"frame_size": 8})
except SavedFileError as error:
    print(error)
"""


@pytest.mark.parametrize("shard_bytes", [1 << 20, 1], ids=["a shard", "the whole"])
def test_a_full_disk_is_one_line_and_costs_nothing(shard_bytes: int, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    collect(WALK, folder, episodes=1, arguments=SMALL)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    kept = contents(folder)
    path = os.pathsep.join([str(TESTS / "support"), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), str(shard_bytes)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert found.stdout.startswith("cannot write"), found.stdout + found.stderr
    assert found.stdout.count("\n") == 1
    assert "Traceback" not in found.stderr
    after = [path for path in folder.rglob("*") if ".collecting" not in path.parts]
    assert sorted(path.relative_to(folder) for path in after) == before
    assert contents(folder).keys() == kept.keys()
    assert collect(WALK, folder, episodes=9, arguments=SMALL).source.episodes == 9


def test_a_disk_that_fails_later_is_heard_of_and_nothing_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard gets to the disk in the background, which is where a failing disk is noticed."""

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    collect(WALK, tmp_path, episodes=1, arguments=SMALL)
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("als_plugins.experience.shards.os.fsync", fail)
        with pytest.raises(SavedFileError, match=r"cannot write .*\.raw: No space left"):
            collect(WALK, tmp_path, episodes=3, arguments=SMALL)
    assert not list((tmp_path / ".collecting").rglob("*.json"))
    assert contents(tmp_path).keys() == before.keys()
    assert collect(WALK, tmp_path, episodes=3, arguments=SMALL).source.episodes == 3


def test_what_cannot_be_collected_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match="Wolk"):
        collect("Trail/Wolk-v0", tmp_path / "a", episodes=1)
    with pytest.raises(UnknownIdError, match="rendom"):
        collect(WALK, tmp_path / "a", policy="rendom", episodes=1)
    with pytest.raises(ArgumentError, match="has no expert: use another policy"):
        collect(NO_EXPERT, tmp_path / "b", policy="expert", episodes=1)
    with pytest.raises(ArgumentError, match="episodes must be"):
        collect(WALK, tmp_path / "a", episodes=0)
    with pytest.raises(ArgumentError, match="speed"):
        collect(WALK, tmp_path / "a", episodes=1, arguments={"speed": 3})
    with pytest.raises(ArgumentError, match="seed"):
        collect(WALK, tmp_path / "a", episodes=1, seed=-1)
    assert not (tmp_path / "a").exists()


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SavedFileError, match="holds other files"):
        collect(WALK, tmp_path, episodes=1)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.txt"]
    with pytest.raises(SavedFileError, match="cannot write"):
        collect(WALK, "/proc/nowhere", episodes=1)


def test_two_processes_do_not_collect_into_one_folder(tmp_path: Path) -> None:
    collect(WALK, tmp_path, episodes=1, arguments=SMALL)
    with locked(tmp_path), pytest.raises(SavedFileError, match="another process is writing to"):
        collect(WALK, tmp_path, episodes=2, arguments=SMALL)
    assert collect(WALK, tmp_path, episodes=2, arguments=SMALL).new == 1


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    seen = []
    collect(FEVER, tmp_path, episodes=6, worlds=2, on_progress=seen.append)
    assert [p.total for p in seen] == [6] * len(seen)
    assert seen[-1].episodes == 6
    assert seen[-1].steps >= 6
    assert seen[-1].left_out == sum(read_dataset(tmp_path).sources[0].left_out.values())
