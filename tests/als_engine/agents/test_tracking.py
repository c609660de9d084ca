"""What Weights & Biases tracks is all there, changes no bit of the training, and never hangs it."""

from __future__ import annotations

import csv
import json
import os
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from learn_worlds import ID, learn

from als_engine.agents import tracking
from als_engine.agents.training import read_job, resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.system.safe_files import read_tensors

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SMALL = {"net_arch": [8], "batch_size": 32, "n_steps": 8, "n_epochs": 1}


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """The real library, where it neither finds anybody's settings nor leaves any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Not ours to mend.
        found = pytest.importorskip("wandb", reason="needs the extra [wandb]")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    found.teardown()
    yield found
    found.teardown()


def trained(folder, name="mappo", steps=128, **changes):
    config = SMALL if name != "q-learning" else {}
    job = {"worlds": 4, "arguments": {"sensors": ["proprioception", "entities"]}, "device": "cpu"}
    return train_agent(ID, name, steps=steps, folder=folder, config=config, **{**job, **changes})


def records(folder: Path) -> Iterator[object]:
    """What an offline run has written: a log as LevelDB writes it, of protobuf messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("*.wandb")
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32_768 - at % 32_768 < 7:  # A head is not split between blocks.
            at += 32_768 - at % 32_768
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


class Tracked:
    """The settings, rows and result of a run."""

    def __init__(self, folder: Path) -> None:
        self.config, self.rows, self.result = {}, [], {}
        for record in records(folder):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self.config |= {c.key: json.loads(c.value_json) for c in record.run.config.update}
            elif kind == "history":
                self.rows.append(dict(map(_item, record.history.item)))
            elif kind == "summary":
                self.result |= dict(map(_item, record.summary.update))


def _item(item):
    return item.key or "/".join(item.nested_key), json.loads(item.value_json)


def logs(folder: Path) -> list[Path]:
    return list((folder / "wandb").glob("offline-run-*"))


def runs(wandb, folder: Path) -> list[Tracked]:
    """What has been tracked offline, the parts of a training in their order."""
    wandb.teardown()  # Its process has written everything when it has ended.
    return sorted(map(Tracked, logs(folder)), key=lambda run: run.config["begun at"])


@pytest.mark.parametrize("name", ["mappo", "ppo"])
def test_what_is_on_the_disk_is_tracked_as_well(name, wandb, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    done = trained(tmp_path / "run", name, track="wandb")
    (folder,) = logs(tmp_path / "run")
    assert done.tracked == f"wandb sync {folder}"
    (found,) = runs(wandb, tmp_path / "run")
    job = read_job(tmp_path / "run")
    assert {name: found.config[name] for name in job.model_dump()} == job.model_dump()
    assert (found.run.project, found.run.run_group) == ("als-engine", "run")
    with (tmp_path / "run" / "progress.csv").open() as file:
        curve = list(csv.DictReader(file))
    # The last steps may be told of twice, at other seconds.
    points = {
        (row["steps"], row["curve/seconds"]): row for row in found.rows if "curve/seconds" in row
    }
    for row in curve:
        point = points[int(row["steps"]), float(row["seconds"])]
        for column in ("episodes", "mean_return", "success"):
            if np.isfinite(value := float(row[column])):
                assert point[f"curve/{column}"] == value
    assert numbers(tmp_path / "run") == {
        (row["steps"], name): pytest.approx(value, rel=1e-6)
        for row in found.rows
        if "curve/seconds" not in row
        for name, value in row.items()
        if name != "steps" and not name.startswith("_")
    }
    record = done.record.training
    assert found.result["result/steps"] == record.steps == 128
    assert found.result["result/mean_return"] == record.mean_return
    assert found.result["result/stopped"] is False


def numbers(folder: Path):
    """What TensorBoard has: (steps, name) to value."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    (path,) = (folder / "tensorboard").iterdir()
    found = {}
    for event in LegacyEventFileLoader(str(path)).Load():
        found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
    assert found
    return {key: value for key, value in found.items() if np.isfinite(value)}


def test_a_training_that_is_tracked_learns_the_same_and_is_taken_up_again(
    wandb, tmp_path, monkeypatch
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    trained(tmp_path / "plain")
    trained(tmp_path / "run", track="wandb")
    plain, other = (
        read_tensors(tmp_path / name / "agent" / "weights.safetensors") for name in ("plain", "run")
    )
    assert all(np.array_equal(plain[key], other[key]) for key in plain)
    resume_training(tmp_path / "run", steps=256)
    first, second = runs(wandb, tmp_path / "run")
    assert first.run.run_group == second.run.run_group == "run"
    assert first.run.project == second.run.project == "mine"
    assert second.run.display_name == "run from 128"
    assert min(row["steps"] for row in second.rows) > 128
    resume_training(tmp_path / "run", steps=320, track="none")
    assert len(logs(tmp_path / "run")) == 2


def test_nobody_is_asked_where_nobody_is_logged_in(wandb, tmp_path, monkeypatch):
    def ask(*_):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.warns(UserWarning, match="nobody is logged in") as warned:
        done = trained(tmp_path / "run", track="wandb")
    assert len(warned) == 1
    assert done.progress.steps == 128
    assert runs(wandb, tmp_path / "run")[0].result["result/steps"] == 128


def test_a_server_that_does_not_answer_is_not_waited_for(wandb, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "PATIENCE", 1.0)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # Where nobody listens.
    begun = time.monotonic()
    with pytest.warns(UserWarning, match="server does not answer") as warned:
        done = trained(tmp_path / "run", track="wandb")
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert time.monotonic() - begun < 60.0  # By itself it would try for hours.
    assert done.progress.steps == 128
    assert runs(wandb, tmp_path / "run")[0].result["result/steps"] == 128


def test_a_tracker_that_fails_costs_a_warning_and_not_the_training(wandb, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb.Run, "log", full)
    with pytest.warns(UserWarning, match="does not go on: no space left") as warned:
        done = trained(tmp_path / "run", track="wandb")
    assert len(warned) == 1
    assert done.progress.steps == 128
    monkeypatch.setattr(wandb, "init", full)
    with pytest.warns(UserWarning, match="does not track this training: no space left"):
        assert trained(tmp_path / "other", track="wandb").tracked == ""


def test_a_training_that_fails_leaves_nothing_behind(wandb, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(ArgumentError, match='no device "abacus"'):
        trained(tmp_path / "run", track="wandb", device="abacus")
    wandb.teardown()
    assert not (tmp_path / "run").exists()


# Without the package


def test_without_the_package_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r'pip install "als-engine\[wandb\]"'):
        trained(tmp_path / "run", track="wandb")
    assert not (tmp_path / "run").exists()


def test_another_tracker_is_named(tmp_path):
    with pytest.raises(ArgumentError, match='"wandbb"; did you mean "wandb"'):
        trained(tmp_path / "run", track="wandbb")
