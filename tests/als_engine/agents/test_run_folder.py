"""One run folder for everything long: locked, gone on with safely, its logs cut, nothing left."""

from __future__ import annotations

import csv
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from als_command import als
from learn_worlds import ID, learn
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from als_engine.agents.event_log import EventLog
from als_engine.agents.run_folder import RunFolder
from als_engine.agents.run_logs import Curve, cut_curve, cut_events
from als_engine.agents.saving import load_agent
from als_engine.agents.training import finished_training, read_job, resume_training, train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.files import replacing, write_text
from als_engine.system.interrupts import interruptible
from als_engine.system.leftovers import remove_leftovers, unfinished
from als_engine.system.locking import LOCK, locked
from als_engine.system.safe_files import check_folder, replace_folder

__all__ = ["learn"]

SENSED = {"sensors": ["proprioception"]}
PPO = {"net_arch": [8], "batch_size": 32, "rollout": 64, "n_epochs": 1}
WRITES = ("checkpoints", "tensorboard", "agent", "progress.csv", "training.json")
"""What a training writes into its folder, and would write through a link."""


def trained(folder: Path, steps: int = 128, agent: str = "ppo", **changes: object) -> object:
    job = {"worlds": 4, "arguments": SENSED, "config": PPO, "device": "cpu", **changes}
    return train_agent(ID, agent, steps=steps, folder=folder, **job)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(learn: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training; never written to."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(folder)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be gone on with."""
    subprocess.run(["cp", "-r", str(run), str(tmp_path / "copy")], check=True)
    return tmp_path / "copy"


def dead() -> int:
    """The number of a process that lives no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def steps_of(folder: Path) -> list[int]:
    """The steps in a learning curve."""
    return column(folder, "steps")


def column(folder: Path, name: str) -> list[int]:
    """A column of whole numbers of a learning curve."""
    lines = (folder / "progress.csv").read_text().splitlines()
    return [int(row[name]) for row in csv.DictReader(lines)]


def events_of(folder: Path) -> list[int]:
    """The steps of TensorBoard's events, in the order in which they were written."""
    paths = sorted((folder / "tensorboard").iterdir(), key=lambda p: int(p.name.split(".")[3]))
    return [
        event.step
        for path in paths
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary")
    ]


# The lock


HOLD = """
import sys, time
from pathlib import Path
from als_engine.system.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_dies_with_the_process_that_was_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(SavedFileError, match="another process is writing to"), locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path), pytest.raises(SavedFileError, match="another process"), locked(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()
    holder.stdout.close()


def test_two_cannot_go_on_with_one_training_and_the_second_one_changes_nothing(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with locked(copy):
        with pytest.raises(SavedFileError, match="another process is writing to"):
            resume_training(copy, steps=256)
        (copy / LOCK).unlink()
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    resume_training(copy, steps=192)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_lock_that_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    special(tmp_path / LOCK, kind, tmp_path / "elsewhere")
    with pytest.raises(SavedFileError, match="cannot lock"), locked(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


# Links, pipes and other things in somebody's folder


def special(path: Path, kind: str, target: Path) -> None:
    """Puts something where a file or a folder belongs."""
    if kind == "link":
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            before = Path.cwd()
            os.chdir(path.parent)  # A socket's path has at most 107 bytes.
            try:
                one.bind(path.name)
            finally:
                os.chdir(before)
    else:
        path.mkdir()


@pytest.mark.parametrize("name", [*WRITES, "checkpoints/000000000128/agent.json", "x/y/z"])
def test_a_training_never_goes_on_through_a_link(name: str, copy: Path, tmp_path: Path) -> None:
    place, outside = copy / name, tmp_path / "outside"
    if place.exists():
        place.rename(outside)
    else:
        place.parent.mkdir(parents=True)
        outside.mkdir()
    place.symlink_to(outside)
    kept = tmp_path / "outside" if outside.is_dir() else outside.parent
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    with pytest.raises(SavedFileError, match=r"is a link|there is no training"):
        resume_training(copy, steps=256)
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == before


@pytest.mark.parametrize("kind", ["fifo", "socket"])
@pytest.mark.parametrize("name", ["progress.csv", "training.json", "tensorboard/events.out"])
def test_a_training_never_waits_for_what_is_no_file(kind: str, name: str, copy: Path) -> None:
    (copy / name).unlink(missing_ok=True)
    special(copy / name, kind, copy)
    with pytest.raises(SavedFileError, match=r"neither a file nor a folder|there is no training"):
        resume_training(copy, steps=256)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
@pytest.mark.parametrize("name", ["agent.json", "weights.safetensors"])
def test_an_agent_is_read_from_files_alone(kind: str, name: str, copy: Path) -> None:
    (copy / "agent" / name).rename(copy / "taken")
    special(copy / "agent" / name, kind, copy / "taken")
    with pytest.raises(SavedFileError):
        load_agent(copy / "agent")


def test_an_agent_that_is_a_link_out_of_its_run_is_not_read(copy: Path, tmp_path: Path) -> None:
    (copy / "agent").rename(tmp_path / "mine")
    (copy / "agent").symlink_to(tmp_path / "mine")
    with pytest.raises(SavedFileError, match="is not a saved agent"):
        load_agent(copy)


def test_the_folder_itself_may_be_a_link_of_the_users(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(copy)
    assert check_folder(tmp_path / "short")[0] == tmp_path / "short"
    resume_training(tmp_path / "short", steps=192)
    assert (tmp_path / "short").is_symlink()


# The logs


def test_logs_of_a_killed_training_are_cut_at_the_checkpoint(copy: Path) -> None:
    """Also where the killed process wrote a half of a row, or of an event."""
    with (copy / "progress.csv").open("a") as file:
        file.write("140,0.3,5,0.1,0.0\r\n152,0.4,6,0.1,0.0\r\n16")
    log = EventLog(copy / "tensorboard")
    for step in (128, 144, 160):
        log.add({"rollout/ep_rew_mean": 1.0}, step)
    newest = max((copy / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-3])
    resume_training(copy, steps=256)
    rows, events = steps_of(copy), events_of(copy)
    assert rows == sorted(set(rows))
    assert 140 not in rows
    assert rows[-1] == 256
    assert events == sorted(events)
    assert not {144, 160} & set(events)
    assert column(copy, "episodes") == sorted(column(copy, "episodes"))


def test_a_training_that_was_killed_before_its_first_checkpoint_logs_from_the_beginning(
    copy: Path,
) -> None:
    subprocess.run(["rm", "-r", str(copy / "checkpoints"), str(copy / "agent")], check=True)
    done = resume_training(copy, steps=128)
    assert done.progress.steps == 128
    rows = steps_of(copy)
    assert rows == sorted(set(rows))
    assert len(events_of(copy)) == 2


def test_a_curve_holds_whole_rows_of_rising_steps(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    curve = Curve(path, ["steps", "x"])
    for step in (5, 10, 10, 7, 15):
        curve.add([step, step])
    with path.open("a") as file:
        file.write("17\r\nten,1\r\n99999999999999999999,1\r\n18,1\r\n19")
    cut_curve(path, 18)
    assert path.read_text().split() == ["steps,x", "5,5", "10,10", "15,15", "18,1"]
    assert Curve(path, ["steps", "x"]).last == ["18", "1"]
    cut_curve(path, None)
    assert not path.exists()
    cut_curve(path, 3)


def test_a_damaged_file_of_events_is_cut_where_it_is_damaged(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.add({"x": 1.0}, 5)
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xff" * 8 + bytes(40))
    cut_events(tmp_path, 5)
    assert path.read_bytes() == whole
    path.write_bytes(whole + bytes([2]) + bytes(11) + b"\x15\x10" + bytes(4))
    cut_events(tmp_path, 5)
    assert path.read_bytes() == whole


# What killed processes leave


def test_leftovers_of_killed_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    gone, lives = dead(), os.getppid()
    for number, place in enumerate((tmp_path, tmp_path / "agent")):
        place.mkdir(exist_ok=True)
        for process in (gone, lives):
            (place / f".a.json.unfinished-{process}-0000000{number}.json").touch()
            (place / f".b.unfinished-{process}-0000000{number}").mkdir()
    (tmp_path / ".keep").touch()
    (tmp_path / "run.json").touch()
    folder = RunFolder(tmp_path, "run.json", "a run")
    with folder.going_on():
        left = sorted(p.name for p in tmp_path.rglob(".*") if p.name != LOCK)
    assert len(left) == 5
    assert sum(str(lives) in name for name in left) == 4
    assert ".keep" in left


def test_whoever_writes_a_place_again_removes_what_was_left_there(tmp_path: Path) -> None:
    (tmp_path / f".a.txt.unfinished-{dead()}-00000000.txt").touch()
    (tmp_path / f".a.unfinished-{dead()}-00000000").mkdir()
    (tmp_path / f".b.unfinished-{dead()}-00000000").mkdir()
    write_text(tmp_path / "a.txt", "a")
    replace_folder(tmp_path / "a", lambda new: (new / "x").touch())
    assert sorted(path.name[:3] for path in tmp_path.iterdir()) == [".b.", "a", "a.t"]
    with replacing(tmp_path / "a.txt") as temporary:
        assert temporary.suffix == ".txt"
        remove_leftovers(tmp_path)  # Somebody else does not take it for one.
        temporary.write_text("b")
    assert (tmp_path / "a.txt").read_text() == "b"
    assert unfinished(tmp_path / "a") != unfinished(tmp_path / "a")


def test_a_beginning_that_was_killed_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f".training.json.unfinished-{dead()}-00000000.json").touch()
    (tmp_path / "run" / LOCK).touch()
    trained(tmp_path / "run", 64)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(WRITES)


def test_reading_an_agent_changes_nothing_even_where_a_write_was_killed(copy: Path) -> None:
    (copy / "agent").rename(copy / ".agent.old")
    before = sorted(copy.rglob("*"))
    assert load_agent(copy)[1].agent == "ppo"
    assert sorted(copy.rglob("*")) == before
    resume_training(copy, steps=192)
    assert not (copy / ".agent.old").exists()


# Killed at any moment


class Forked:
    """A process that does this, and nothing of ours afterwards; it does not outlive its block."""

    def __init__(self, work: Callable[[], int]) -> None:
        self.number = os.fork()
        if self.number == 0:
            code = 99
            try:
                code = work()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            self.end(signal.SIGKILL)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Waits for what it does; fails at once where it has ended without."""
        while not happened():
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            assert os.waitid(os.P_PID, self.number, options) is None, "the process has ended"
            time.sleep(0.01)

    def end(self, number: signal.Signals) -> int:
        """Sends it a signal; returns its exit code, as `subprocess` does."""
        os.kill(self.number, number)
        return os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])


def newest(folder: Path) -> int:
    """The steps of the newest checkpoint, -1 for none."""
    names = [p.name for p in (folder / "checkpoints").glob("*") if p.name.isdecimal()]
    return max(map(int, names), default=-1)


def test_a_training_that_is_killed_again_and_again_goes_on_and_leaves_nothing(
    learn: str, tmp_path: Path
) -> None:
    folder, draw = tmp_path / "run", random.Random(0)

    def train() -> int:
        if (folder / "training.json").exists():
            resume_training(folder)
        else:
            trained(folder, 1_000_000, checkpoint_every=128)
        return 0

    for _ in range(6):
        before = newest(folder)
        with Forked(train) as process:
            process.wait_until(lambda before=before: newest(folder) > before)  # type: ignore[misc]
            time.sleep(draw.uniform(0.0, 0.3))
            assert process.end(signal.SIGKILL) == -signal.SIGKILL
    last = newest(folder)
    done = resume_training(folder, steps=last + 64)
    assert done.progress.steps >= last + 64
    rows, events = steps_of(folder), events_of(folder)
    assert rows == sorted(set(rows))
    assert events == sorted(events)
    assert {path.name for path in folder.rglob(".*")} == set()
    assert len(list((folder / "checkpoints").iterdir())) <= 2


def test_a_second_als_train_on_the_same_folder_gets_one_line(learn: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["--worlds", 4, "--checkpoint-every", 128, "--sensors", "proprioception"]
    for name, value in PPO.items():
        words += ["--set", f"{name}={value}"]

    def first() -> int:
        result = als("train", ID, "--out", folder, "--steps", 1_000_000, *words)
        (tmp_path / "said").write_text(result.err)
        return int(str(result.code))

    with Forked(first) as process:
        process.wait_until(lambda: newest(folder) > 0)
        second = als("train", "--resume", "--out", folder)
        assert process.end(signal.SIGINT) == 130
    assert second.code == 2
    assert second.err.startswith(f"Error: another process is writing to {folder}: wait for it")
    assert second.err.count("\n") == 1
    assert f"als train --resume --out {folder}" in (tmp_path / "said").read_text()


# Interrupts


def test_an_interrupt_that_nobody_answers_is_raised_at_the_end() -> None:
    def body(answers: bool) -> None:
        with interruptible() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted()
            if answers:
                interrupted.answered()

    body(True)
    with pytest.raises(KeyboardInterrupt):
        body(False)
    thread = threading.Thread(target=lambda: interruptible().__enter__())
    thread.start()
    thread.join()


def test_ctrl_c_after_the_last_step_of_a_training_is_not_lost(learn: str, tmp_path: Path) -> None:
    def at_the_end(progress: object) -> None:
        if progress.steps >= 128:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)
            signal.signal(signal.SIGINT, lambda *_: None)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "run", on_progress=at_the_end)
    assert signal.getsignal(signal.SIGINT) is before
    found = finished_training(tmp_path / "run")
    assert found is not None
    assert found.training is not None
    assert found.training.steps == 128


# Off-policy learners, and paths


def test_a_resumed_off_policy_learner_waits_for_its_buffer(learn: str, tmp_path: Path) -> None:
    config = {"net_arch": [8], "batch_size": 16, "learning_starts": 100}
    trained(tmp_path / "run", 160, agent="dqn", config=config)
    updates: list[tuple[int, int]] = []
    from als_plugins.learners import off_policy

    class Watched(off_policy.PatientDQN):
        def train(self, gradient_steps: int, batch_size: int = 100) -> None:
            before = self._n_updates
            super().train(gradient_steps, batch_size)
            if self._n_updates > before:
                assert self.replay_buffer is not None
                updates.append((self.num_timesteps, self.replay_buffer.size() * 4))

    before = off_policy.DQN.algorithm
    try:
        off_policy.DQN.algorithm = Watched
        resume_training(tmp_path / "run", steps=400)
    finally:
        off_policy.DQN.algorithm = before
    assert updates[0] == (260, 100)
    assert updates[-1][0] >= 396


def test_a_training_from_a_pretrained_encoder_goes_on_without_it(
    learn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from als_engine.agents.saving import spaces
    from als_plugins.encoders.saving import make_encoder, save_encoder

    monkeypatch.chdir(tmp_path)
    space, _ = spaces(ID, SENSED)
    save_encoder(make_encoder("mlp", space, {}), "mlp", "enc")
    config = {**PPO, "pretrained": "enc"}
    trained(Path("run"), config=config)
    assert read_job("run").config["pretrained"] == str(tmp_path / "enc")
    (tmp_path / "elsewhere").mkdir()
    Path("run").rename("elsewhere/run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    subprocess.run(["rm", "-r", str(tmp_path / "enc")], check=True)
    assert resume_training("run", steps=192).progress.steps == 192


def test_a_checkpoint_of_another_agent_is_refused(copy: Path) -> None:
    path = next((copy / "checkpoints").iterdir()) / "agent.json"
    path.write_text(path.read_text().replace(ID, "Learn/Trade-v0"))
    with pytest.raises((SavedFileError, ArgumentError)):
        resume_training(copy, steps=192)
