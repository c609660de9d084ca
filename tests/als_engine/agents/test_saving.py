"""A saved agent comes back as it was, survives what happens to its disk, and cannot do harm."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn
from safetensors.numpy import load_file, save

from als_engine.agents.saving import (
    AgentRecord,
    TrainingRecord,
    load_agent,
    make_agent,
    open_agent,
    save_agent,
)
from als_engine.errors import SavedFileError
from als_engine.system import safe_files
from als_engine.system.safe_files import read_tensors, recover_folder, replace_folder, write_tensors

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

ARGUMENTS = {"sensors": ["proprioception"], "action_mode": "discrete", "num_avatars": 2}
CONFIG = {"net_arch": [8]}


@pytest.fixture(scope="module")
def agent(learn):
    torch.manual_seed(1)
    return make_agent("ppo", ID, ARGUMENTS, CONFIG)


def record(**changes):
    return AgentRecord(**{"agent": "ppo", "scenario": ID, "arguments": ARGUMENTS, **changes})


@pytest.fixture
def saved(agent, tmp_path):
    """A folder that nothing is wrong with."""
    save_agent(agent, tmp_path / "agent", record())
    return tmp_path / "agent"


def actions(agent, rows=20):
    drawn = np.random.default_rng(0).uniform(-1, 1, (rows, 11)).astype(np.float32)
    return agent.act({"proprioception": drawn})[0]


# What is saved comes back


def test_a_loaded_agent_acts_as_the_saved_one(agent, saved):
    loaded, _ = load_agent(saved)
    assert np.array_equal(actions(loaded), actions(agent))
    assert loaded.config == agent.config
    assert loaded.observation_space == agent.observation_space


def test_the_record_comes_back(agent, tmp_path):
    training = TrainingRecord(steps=10, seed=3, seconds=1.5, mean_return=0.5)
    written = save_agent(agent, tmp_path / "a", record(observers=2, training=training))
    _, read = load_agent(tmp_path / "a")
    assert read == written
    assert (read.training, read.observers, read.arguments) == (training, 2, ARGUMENTS)
    assert {"als-engine", "torch", "stable-baselines3", "numpy", "python"} <= set(read.versions)
    assert read.config["net_arch"] == [8]
    assert read.config["gamma"] == 0.99


def test_the_folder_holds_json_and_safetensors_and_nothing_else(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["agent.json", "weights.safetensors"]
    json.loads((saved / "agent.json").read_text())
    load_file(saved / "weights.safetensors")
    assert stat.S_IMODE(saved.stat().st_mode) & 0o111


def test_an_agent_without_weights_is_saved_too(tmp_path):
    save_agent(make_agent("random", ID), tmp_path / "r", AgentRecord(agent="random", scenario=ID))
    assert load_agent(tmp_path / "r")[0].config == {}


def test_an_opened_agent_knows_where_it_acts(saved):
    opened = open_agent(str(saved))
    assert (opened.scenario, opened.arguments, opened.observers) == (ID, ARGUMENTS, 1)
    assert open_agent(str(saved), arguments={"reach": 0.3}).arguments["reach"] == 0.3


def test_an_agent_is_not_put_where_it_cannot_act(saved):
    with pytest.raises(
        ValueError, match='other observations than Learn/Reach-v0: it has never seen "touch", but'
    ):
        open_agent(str(saved), arguments={"sensors": ["touch"]}, fewer_sensors=True)
    with pytest.raises(ValueError, match="other actions than"):
        open_agent(str(saved), arguments={"action_mode": "continuous"})


# What happens to the disk


@pytest.mark.parametrize("where", ["mkdir", "write_text", "write_bytes", "fsync", "rename"])
def test_a_failure_leaves_the_old_folder(agent, saved, monkeypatch, where):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where == "fsync":
        monkeypatch.setattr(safe_files.os, "fsync", full)
    else:
        monkeypatch.setattr(Path, where, full)
    with pytest.raises(SavedFileError, match="No space left on device"):
        save_agent(agent, saved, record(observers=2))
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["agent"]


def test_weights_that_are_not_finite_do_not_replace_those_that_work(agent, saved):
    broken = make_agent("ppo", ID, ARGUMENTS, CONFIG)
    next(broken.policy.parameters()).data[0] = np.nan
    with pytest.raises(SavedFileError, match="not finite"):
        save_agent(broken, saved, record())
    assert np.array_equal(actions(load_agent(saved)[0]), actions(agent))


def test_a_write_that_was_killed_between_its_renames_is_mended(agent, saved):
    saved.rename(saved.parent / ".agent.old")
    assert np.array_equal(actions(load_agent(saved)[0]), actions(agent))


WRITER = """
import sys
from pathlib import Path
from als_engine.system.safe_files import replace_folder

def fill(folder):
    for name in "abc":
        (folder / name).write_text(str(number) * 2_000)

for number in range(100_000):
    replace_folder(Path(sys.argv[1]), fill)
    if number == 0:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("wait", [0.11, 0.23, 0.37])
def test_a_killed_writer_leaves_one_whole_folder(tmp_path, wait):
    folder = tmp_path / "folder"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE)
    writer.stdout.readline()
    time.sleep(wait)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    recover_folder(folder)
    assert len({(folder / name).read_text() for name in "abc"}) == 1
    # What the kill has left does not keep the next one from writing.
    replace_folder(folder, lambda new: (new / "d").touch())
    assert [path.name for path in folder.iterdir()] == ["d"]


def test_nobodys_files_are_replaced(agent, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SavedFileError, match="holds other files"):
        save_agent(agent, tmp_path, record())
    with pytest.raises(SavedFileError, match="is a file"):
        save_agent(agent, tmp_path / "thesis.tex", record())
    assert (tmp_path / "thesis.tex").exists()


def test_a_folder_that_cannot_be_made_is_named(agent):
    with pytest.raises(SavedFileError, match=r"cannot write /proc/nobody/agent: .+"):
        save_agent(agent, "/proc/nobody/agent", record())


# Folders from strangers


class Bomb:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def changed(**changes):
    """Rewrites fields of `agent.json`."""

    def change(folder):
        path = folder / "agent.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def arguments(**given):
    return changed(arguments={**ARGUMENTS, **given})


def config(**given):
    return changed(config=given)


def written(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def replaced(name, make):
    def change(folder):
        (folder / name).unlink()
        make(folder / name)

    return change


def tensors(change):
    """Rewrites the tensors."""

    def rewrite(folder):
        path = folder / "weights.safetensors"
        arrays = load_file(path)
        change(arrays)
        path.write_bytes(save(arrays))

    return rewrite


def header(text, body=b""):
    data = text if isinstance(text, bytes) else text.encode()
    return written("weights.safetensors", len(data).to_bytes(8, "little") + data + body)


def pickled(name):
    return lambda folder: (folder / name).write_bytes(pickle.dumps(Bomb(folder / "boom")))


def torch_archive(folder):
    torch.save({"bomb": Bomb(folder / "boom")}, folder / "weights.safetensors")


def first(arrays):
    return sorted(arrays)[0]


HOSTILE = {
    # agent.json
    "no record": lambda folder: (folder / "agent.json").unlink(),
    "empty record": written("agent.json", b""),
    "no JSON": written("agent.json", b"import os"),
    "a list": written("agent.json", b"[]"),
    "a number": written("agent.json", b"1"),
    "cut off": written("agent.json", b'{"format": 1, "agent": "pp'),
    "not UTF-8": written("agent.json", b'{"format": 1, "agent": "\xff\xfe"}'),
    "UTF-16": written("agent.json", '{"format": 1}'.encode("utf-16")),
    "deeply nested": written("agent.json", b'{"config":' * 50_000),
    "huge record": written("agent.json", b" " * (2 << 20)),
    "pickled record": pickled("agent.json"),
    "record is a link": replaced("agent.json", lambda path: path.symlink_to("/etc/hostname")),
    "record is a pipe": replaced("agent.json", os.mkfifo),
    "record is a folder": replaced("agent.json", Path.mkdir),
    "unknown field": changed(entry_point="os:system"),
    "another format": changed(format=2),
    "format as text": changed(format="1"),
    "unknown agent": changed(agent="pppo"),
    "agent as import path": changed(agent="os:system"),
    "agent as a file": changed(agent="../../agent"),
    "agent as a list": changed(agent=["ppo"]),
    "agent that does not fit": changed(agent="sac"),
    "endless name": changed(agent="p" * 10_000),
    "unknown scenario": changed(scenario="Learn/Rich-v0"),
    "scenario as import path": changed(scenario="os:system"),
    "scenario with a module": changed(scenario="os:Learn/Reach-v0"),
    "many worlds": arguments(num_worlds=1_000_000_000),
    "another scenario in the arguments": arguments(scenario="ALS/Tag-v0"),
    "workers": arguments(workers=64),
    "observers in the arguments": arguments(observers=1),
    "first world": arguments(first_world=1),
    "the training split": arguments(split="train"),
    "a level": arguments(level=3),
    "physics": arguments(physics="os:system"),
    "unknown argument": arguments(task="os:system"),
    "many avatars": arguments(num_avatars=1_000_000_000),
    "avatars as text": arguments(num_avatars="2"),
    "huge pictures": arguments(sensors=["rgb"], frame_size=1_000_000),
    "frames of three numbers": arguments(frame_size=[8, 8, 8]),
    "frame size as text": arguments(frame_size="big"),
    "unknown sensor": arguments(sensors=["x-ray"]),
    "sensors that are numbers": arguments(sensors=[1]),
    "sensors that are a number": arguments(sensors=7),
    "no sensors": arguments(sensors=[]),
    "unknown action mode": arguments(action_mode="telepathy"),
    "endless episodes": arguments(max_episode_steps=-1),
    "no observers": changed(observers=0),
    "many observers": changed(observers=10**12),
    "unknown hyperparameter": config(policy_kwargs={"features_extractor_class": "os:system"}),
    "a wide network": config(net_arch=[10**9]),
    "a deep network": config(net_arch=[64] * 1_000),
    "a network of text": config(net_arch="os.system"),
    "rate that is not finite": written(
        "agent.json", b'{"format":1,"agent":"ppo","scenario":"x","config":{"gamma":NaN}}'
    ),
    "code for a rate": config(learning_rate="__import__('os').system('true')"),
    "negative steps": changed(training={"steps": -1, "seed": 0, "seconds": 0.0}),
    "unknown training field": changed(
        training={"steps": 1, "seed": 0, "seconds": 0.0, "callback": "os:system"}
    ),
    # weights.safetensors
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "empty weights": written("weights.safetensors", b""),
    "seven bytes": written("weights.safetensors", b"\0" * 7),
    "pickled weights": pickled("weights.safetensors"),
    "torch archive": torch_archive,
    "weights are a link": replaced(
        "weights.safetensors", lambda path: path.symlink_to("/dev/zero")
    ),
    "weights are a pipe": replaced("weights.safetensors", os.mkfifo),
    "weights are a folder": replaced("weights.safetensors", Path.mkdir),
    "endless header": written("weights.safetensors", b"\xff" * 8 + b"{}"),
    "header longer than the file": written("weights.safetensors", (99).to_bytes(8, "little")),
    "header that is not JSON": header("not json"),
    "header that is a list": header("[1, 2]"),
    "deeply nested header": header('{"a":' * 5_000),
    "offsets beyond the end": header(
        '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', b"\0" * 4
    ),
    "shape that overflows": header(
        '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', b"\0" * 4
    ),
    "offsets that overlap": header(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        '"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b"\0" * 4,
    ),
    "unknown type": header('{"a":{"dtype":"PY","shape":[1],"data_offsets":[0,4]}}', b"\0" * 4),
    "type that NumPy has not": header(
        '{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', b"\0" * 4
    ),
    "cut off weights": lambda folder: os.truncate(folder / "weights.safetensors", 2_000),
    "too much at the end": lambda folder: os.truncate(
        folder / "weights.safetensors", (folder / "weights.safetensors").stat().st_size + 64
    ),
    "huge weights": lambda folder: os.truncate(folder / "weights.safetensors", 1 << 33),
    "a tensor less": tensors(lambda arrays: arrays.pop(first(arrays))),
    "a tensor more": tensors(lambda arrays: arrays.update(extra=np.zeros(1))),
    "no tensors": tensors(dict.clear),
    "another shape": tensors(lambda arrays: arrays.update({first(arrays): np.zeros((2, 3))})),
    "another type": tensors(
        lambda arrays: arrays.update({first(arrays): arrays[first(arrays)].astype(np.float64)})
    ),
    "not a number": tensors(lambda arrays: arrays[first(arrays)].fill(np.nan)),
    "infinite": tensors(lambda arrays: arrays[first(arrays)].fill(np.inf)),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_folder_from_a_stranger_is_refused_in_one_line(saved, change):
    change(saved)
    with pytest.raises(SavedFileError) as error:
        load_agent(saved)
    message = str(error.value)
    assert "agent" in message
    assert "\n" not in message
    assert len(message) < 1_500
    assert not (saved / "boom").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SavedFileError, match="nowhere is not a saved agent"):
        load_agent(tmp_path / "nowhere")


def test_other_files_in_the_folder_are_never_opened(saved, agent):
    pickled("policy.pkl")(saved)
    pickled("training.safetensors")(saved)
    assert np.array_equal(actions(load_agent(saved)[0]), actions(agent))
    assert not (saved / "boom").exists()


def test_tensors_without_a_template_are_checked_too(tmp_path):
    (tmp_path / "t").write_bytes(save({"a": np.array([np.nan])}))
    with pytest.raises(SavedFileError, match="not finite"):
        read_tensors(tmp_path / "t")


def test_a_record_never_holds_which_levels_or_how_many_worlds():
    for name in ("split", "level", "num_worlds", "workers"):
        with pytest.raises(ValueError, match="does not belong to a saved agent"):
            record(arguments={name: 1})


def test_a_header_of_any_length_is_read(tmp_path):
    # A length whose first byte is that of a pickle, 128, was once taken for one.
    firsts = set()
    for length in range(1, 300):
        tensors = {"x" * length: np.zeros(2, np.float32)}
        write_tensors(tmp_path / "weights.safetensors", tensors)
        firsts.add((tmp_path / "weights.safetensors").read_bytes()[0])
        assert read_tensors(tmp_path / "weights.safetensors").keys() == tensors.keys()
    assert 128 in firsts
