"""Reading: every window is what was collected, of any size, and nothing from a stranger is run."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from experience_worlds import FEVER, WALK, trail  # noqa: F401
from places import ROOT

import als_engine  # noqa: F401 - registers the scenarios
from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.experience import cache
from als_plugins.experience.collect import collect
from als_plugins.experience.dataset import Windows, open_experience
from als_plugins.experience.records import data_file, part_of, read_dataset

pytestmark = pytest.mark.usefixtures("trail")

SMALL = {"frame_size": 8}


@pytest.fixture(scope="module")
def walks(trail: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("walks")
    collect(WALK, folder, policy="mix", episodes=40, arguments=SMALL)
    open_experience(folder)
    return folder


@pytest.fixture
def copied(walks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(walks, tmp_path / "copy"))


def episodes_of(folder: Path) -> list[Any]:
    (source,) = read_dataset(folder).sources
    found = []
    with h5py.File(data_file(folder, source.id)) as file:
        for i in range(source.episodes):
            group = file[f"episode_{i}"]
            arrays = {key: group["observations"][key][()] for key in group["observations"]}
            infos = {key: group["infos"][key][()] for key in group["infos"]}
            found.append((arrays, infos, group["actions"][()], group["rewards"][()]))
    return found


@pytest.mark.parametrize("length", [1, 3])
def test_windows_are_all_runs_of_steps_and_hold_what_was_collected(
    walks: Path, length: int
) -> None:
    experience = open_experience(walks)
    expected = {"train": [], "validation": [], "test": []}
    for arrays, infos, actions, rewards in episodes_of(walks):
        for start in range(len(actions) - length + 1):
            run = slice(start, start + length)
            expected[part_of(int(infos["level"][0]))].append((arrays, infos, actions, rewards, run))
    for name, runs in expected.items():
        windows = experience.part(name).windows(length, ends=True)
        assert len(windows) == len(runs) > 0
        order = np.random.default_rng(0).permutation(len(windows))
        taken = windows.take(order)
        for row, number in enumerate(order):
            arrays, infos, actions, rewards, run = runs[number]
            for key, values in taken.observation.items():
                np.testing.assert_array_equal(values[row], arrays[key][run])
                assert values.dtype == arrays[key].dtype
            for key, values in taken.last.items():
                np.testing.assert_array_equal(values[row], arrays[key][len(actions) - 1])
            for key, values in taken.labels.items():
                np.testing.assert_array_equal(values[row], infos[key][run])
            np.testing.assert_array_equal(taken.actions[row], actions[run])
            np.testing.assert_array_equal(taken.rewards[row], rewards[run])


def test_the_code_on_the_page_reads_windows(walks: Path) -> None:
    page = (ROOT / "docs" / "experience.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert code.count('"data/tag"') == 1
    names: dict[str, Any] = {}
    exec(code.replace('"data/tag"', repr(str(walks))), names)
    assert {len(values) for values in names["window"].observation.values()} == {64}


def test_batches_hold_every_window_once(walks: Path) -> None:
    windows = open_experience(walks).part("train").windows(2)
    rng = np.random.default_rng(3)
    rewards = np.concatenate([batch.rewards for batch in windows.batches(16, rng)])
    assert len(rewards) == len(windows) // 16 * 16
    every = windows.take(np.random.default_rng(3).permutation(len(windows))[: len(rewards)])
    np.testing.assert_array_equal(rewards, every.rewards)


def test_indices_outside_are_refused(walks: Path) -> None:
    windows = open_experience(walks).part("train").windows(2)
    for wrong in (-1, len(windows)):
        with pytest.raises(IndexError):
            windows.take(np.array([wrong]))
    assert windows.take(np.array([], np.intp)).rewards.shape == (0, 2)
    assert windows.take(np.array([0])).last == {}
    assert len(open_experience(walks).part("train").windows(10_000)) == 0
    with pytest.raises(ArgumentError, match="length"):
        Windows(open_experience(walks).part("train"), 0)
    with pytest.raises(ArgumentError, match="did you mean"):
        open_experience(walks).part("tran")


def test_statistics_are_those_of_the_train_part_alone(walks: Path) -> None:
    experience = open_experience(walks)
    steps = experience.part("train").windows(1)
    everything = steps.take(np.arange(len(steps))).observation
    for key, statistic in experience.statistics.items():
        values = everything[key][:, 0].astype(np.float64)
        assert statistic.mean.shape == experience.observation_space[key].shape
        np.testing.assert_allclose(statistic.mean, values.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(statistic.std, values.std(axis=0), atol=1e-9)


def test_several_scenarios_are_read_as_one(tmp_path: Path) -> None:
    collect(WALK, tmp_path, episodes=10, arguments=SMALL)
    collect(FEVER, tmp_path, episodes=10)
    both = open_experience(tmp_path)
    assert both.scenarios == (WALK, FEVER)
    assert list(both.observation_space) == ["proprioception"]
    windows = both.part("train").windows(2)
    alone = []
    for source in read_dataset(tmp_path).sources:
        folder = tmp_path / source.scenario.rpartition("/")[2]
        collect(source.scenario, folder, episodes=10, arguments=source.arguments)
        alone.append(open_experience(folder, ["proprioception"]).part("train").windows(2))
    assert len(windows) == sum(map(len, alone))
    taken = windows.take(np.arange(len(windows))[::-1])
    apart = [part.take(np.arange(len(part))) for part in alone]
    values = np.concatenate([part.observation["proprioception"] for part in apart])
    np.testing.assert_array_equal(taken.observation["proprioception"], values[::-1])
    with pytest.raises(ArgumentError, match=r"Fever-v0 was collected without the sensor \"rgb\""):
        open_experience(tmp_path, ["rgb"])


def test_sensors_and_actions_that_differ_are_named_with_the_remedy(tmp_path: Path) -> None:
    sensors = ["rgb", "proprioception"]
    collect(WALK, tmp_path, episodes=1, arguments={"frame_size": 8, "sensors": sensors})
    collect(WALK, tmp_path, episodes=1, arguments={"frame_size": 16, "sensors": sensors})
    with pytest.raises(ArgumentError, match=r'"rgb" is uint8 \(8, 8, 3\) in .* \(16, 16, 3\)'):
        open_experience(tmp_path)
    assert list(open_experience(tmp_path, ["proprioception"]).observation_space) == [sensors[1]]
    collect(WALK, tmp_path, episodes=1, arguments={**SMALL, "action_mode": "continuous"})
    with pytest.raises(ArgumentError, match=r"the actions are Discrete\(\d+\).*action_mode"):
        open_experience(tmp_path, ["proprioception"])


@pytest.mark.parametrize("mode", ["continuous", "factored"])
def test_actions_of_several_numbers_come_back(tmp_path: Path, mode: str) -> None:
    collect(WALK, tmp_path, episodes=10, arguments={**SMALL, "action_mode": mode})
    experience = open_experience(tmp_path)
    windows = experience.part("train").windows(2)
    actions = windows.take(np.arange(4)).actions
    assert actions.shape == (4, 2, *experience.action_space.shape)
    assert experience.action_space.contains(actions[0, 0])


def test_spaces_come_back_as_the_scenario_has_them(tmp_path: Path) -> None:
    every = ["rgb", "depth", "semantic", "audio", "text", "touch", "proprioception", "entities"]
    collect(WALK, tmp_path, episodes=1, arguments={**SMALL, "sensors": every})
    from als_engine.agents.saving import spaces

    observations, actions = spaces(WALK, {**SMALL, "sensors": every})
    assert open_experience(tmp_path).observation_space == observations
    assert open_experience(tmp_path).action_space == actions


def test_the_arrays_are_made_once_and_anew_when_the_episodes_change(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    build = cache._build
    monkeypatch.setattr(cache, "_build", lambda *a: (made.append(1), build(*a)))
    open_experience(copied)
    assert made == [1]  # Those that came with a copy may be anybody's.
    open_experience(copied)
    assert made.pop() == 1
    (source,) = read_dataset(copied).sources
    os.utime(data_file(copied, source.id))
    open_experience(copied)
    open_experience(copied)
    assert len(made) == 1
    collect(WALK, copied, policy="mix", episodes=44, arguments=SMALL)
    assert open_experience(copied).part("train").episodes > 0
    assert len(made) == 2
    assert (
        sum(open_experience(copied).part(p).episodes for p in ("train", "validation", "test")) == 44
    )
    (arrays,) = (copied / "cache").iterdir()
    victim = arrays / "actions.npy"
    victim.write_bytes(victim.read_bytes()[:-8])
    open_experience(copied)
    assert len(made) == 3


@pytest.mark.parametrize("name", ["actions", "rewards", "lengths", "levels", "observations%2Frgb"])
def test_a_cache_that_was_edited_is_never_used(name: str, copied: Path) -> None:
    """Though its size is the same, and its time was set back."""
    before = taken(copied)
    (arrays,) = (copied / "cache").iterdir()
    victim = arrays / f"{name}.npy"
    times = victim.stat()
    with victim.open("r+b") as file:
        file.seek(-16, os.SEEK_END)
        file.write(bytes(range(1, 17)))
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = taken(copied)
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_a_cache_whose_episodes_were_edited_is_never_used(copied: Path) -> None:
    before = taken(copied)["rewards"]
    path = data_file(copied, read_dataset(copied).sources[0].id)
    times = path.stat()
    with h5py.File(path, "r+") as file:
        for group in file.values():
            group["rewards"][...] = 7.0
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not (before == 7.0).any()
    assert (taken(copied)["rewards"] == 7.0).all()


@pytest.mark.parametrize("name", ["actions.npy", "cache.json", "statistics.safetensors"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_cache_with_links_and_pipes_is_made_anew(
    name: str, kind: str, copied: Path, tmp_path: Path
) -> None:
    before = taken(copied)
    (arrays,) = (copied / "cache").iterdir()
    (arrays / name).rename(tmp_path / "outside")
    kept = (tmp_path / "outside").read_bytes()
    if kind == "link":
        (arrays / name).symlink_to(tmp_path / "outside")
    else:
        os.mkfifo(arrays / name)
    after = taken(copied)
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert (tmp_path / "outside").read_bytes() == kept
    assert (arrays / name).is_file()


@pytest.mark.parametrize("where", ["cache", "cache/*", "minari", "minari/als/*/data/*.hdf5"])
def test_a_dataset_is_never_read_or_written_through_a_link(
    where: str, copied: Path, tmp_path: Path
) -> None:
    place = next(path for path in copied.glob(where) if path.suffix != ".json")
    place.rename(tmp_path / "outside")
    place.symlink_to(tmp_path / "outside")
    before = sorted((tmp_path / "outside").rglob("*"))
    for use in (open_experience, lambda folder: collect(WALK, folder, policy="mix", episodes=44)):
        with pytest.raises(SavedFileError, match=r"is a link: put what it leads to in its place"):
            use(copied)
    assert sorted((tmp_path / "outside").rglob("*")) == before


def taken(folder: Path) -> dict[str, Any]:
    """All that a dataset gives to learn from."""
    windows = open_experience(folder).part("train").windows(1)
    window = windows.take(np.arange(len(windows)))
    return {**window.observation, "actions": window.actions, "rewards": window.rewards}


def test_what_is_no_dataset_is_one_line(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(SavedFileError, match="is not a dataset"):
        open_experience(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "dataset.json").write_text('{"format": 1, "sources": []}')
    with pytest.raises(SavedFileError, match="has no episodes: `als collect` adds some"):
        open_experience(tmp_path / "empty")
    (tmp_path / "empty" / "dataset.json").write_text('{"format": 7}')
    with pytest.raises(SavedFileError, match="format"):
        open_experience(tmp_path / "empty")
    with pytest.raises(ArgumentError, match="did you mean"):
        open_experience(copied, ["rbg"])
    shutil.rmtree(copied / "minari")
    with pytest.raises(SavedFileError, match="is missing: collect"):
        open_experience(copied)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["TRAP"],)


def _replace(group: h5py.Group, name: str, make: Any) -> None:
    del group[name]
    make(group, name)


def _objects(group: h5py.Group, name: str) -> None:
    steps = int(group.attrs["total_steps"])
    made = group.create_dataset(name, shape=(steps,), dtype=h5py.vlen_dtype(np.uint8))
    for step in range(steps):
        made[step] = np.frombuffer(pickle.dumps(Trap()), np.uint8)


def _huge(group: h5py.Group, name: str) -> None:
    steps = group.attrs["total_steps"]
    group.create_dataset(name, shape=(steps,), dtype="float64", chunks=(1,), compression="gzip")


def _unwritten(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, shape=(group.attrs["total_steps"],), dtype="float64", chunks=(1,))


def _elsewhere(group: h5py.Group, name: str) -> None:
    group[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _outside(group: h5py.Group, name: str) -> None:
    steps = int(group.attrs["total_steps"])
    group.create_dataset(
        name, shape=(steps,), dtype="float64", external=[("/etc/passwd", 0, 8 * steps)]
    )


def _soft(group: h5py.Group, name: str) -> None:
    group[name] = h5py.SoftLink("/episode_1/rewards")


def _nan(group: h5py.Group, name: str) -> None:
    group[name] = np.full(group.attrs["total_steps"], np.nan)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_objects, "is object"),
        (_huge, "not stored as plain numbers"),
        (_unwritten, "is not whole"),
        (_elsewhere, "has no rewards"),
        (_outside, "not stored as plain numbers"),
        (_soft, "has no rewards"),
        (_nan, "not finite"),
    ],
)
def test_hostile_files_are_refused_and_run_nothing(
    make: Any, message: str, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    (source,) = read_dataset(copied).sources
    with h5py.File(data_file(copied, source.id), "a") as file:
        _replace(file["episode_0"], "rewards", make)
    with pytest.raises(SavedFileError, match=message) as error:
        open_experience(copied)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "sprung").exists()
    assert not [path for path in (copied / "cache").iterdir() if path.name.startswith(".")]


def test_tokens_and_actions_outside_of_their_space_are_refused(copied: Path) -> None:
    (source,) = read_dataset(copied).sources
    for name in ("observations/text", "actions"):
        with h5py.File(data_file(copied, source.id), "a") as file:
            kept = file["episode_0"][name][()]
            file["episode_0"][name][0] = 20_000
        with pytest.raises(SavedFileError, match=f"{name} has numbers outside"):
            open_experience(copied)
        with h5py.File(data_file(copied, source.id), "a") as file:
            file["episode_0"][name][...] = kept


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_one_line(keep: float, copied: Path) -> None:
    (source,) = read_dataset(copied).sources
    path = data_file(copied, source.id)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(SavedFileError, match="damaged or not a file of episodes") as error:
        open_experience(copied)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("id",), "als/../../etc-v0", "sources.0.id"),
        (("observations", "rgb", "shape"), [1 << 20, 1 << 20], "more than"),
        (("observations", "rgb", "dtype"), "object", "dtype"),
        (("observations", "rgb", "high"), [1, 2, 3], "a space of"),
        (("episodes",), 41, "has no episode_40"),
        (("steps",), 5, "has another length than recorded"),
    ],
)
def test_a_record_from_a_stranger_is_checked(
    where: tuple[str, ...], value: Any, message: str, copied: Path
) -> None:
    path = copied / "dataset.json"
    record = json.loads(path.read_text())
    inner = record["sources"][0]
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    path.write_text(json.dumps(record))
    with pytest.raises(SavedFileError, match=message):
        open_experience(copied)
