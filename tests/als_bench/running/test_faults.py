"""A fault of the machine is nobody's score, and what it left is cleared away."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from als_command import als
from bench_runs import command, installed, rows_of, write_suite
from learn_worlds import learn, learn_in_sandboxes

from als_bench.results.store import Store
from als_bench.running.faults import machine_fault
from als_bench.running.tasks import attempt
from als_bench.sandbox.agent import AgentFailure
from als_bench.sandbox.confinement import ConfinementError
from als_engine.errors import ArgumentError, MachineError, SavedFileError, WorkerError
from als_engine.system.files import write_text
from als_engine.system.leftovers import remove_leftovers, temporary_folder

__all__ = ["learn", "learn_in_sandboxes"]


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x")


def reported() -> None:
    try:
        full()
    except OSError as error:
        raise SavedFileError("cannot write") from error


def failed_of_it() -> None:
    try:
        full()
    except OSError:
        raise AgentFailure("the agent's process ended with exit code 1") from None


def no_memory() -> None:
    raise MemoryError


def unconfined() -> None:
    raise ConfinementError("this kernel has no seccomp")


@pytest.mark.parametrize("task", [full, reported, failed_of_it, no_memory, unconfined])
def test_what_the_machine_cannot_do_is_no_failure_of_an_agent(task) -> None:
    worked, error = attempt(task, ())
    assert not worked
    assert isinstance(error, MachineError)
    assert "\n" not in str(error)


def crashed() -> None:
    raise AgentFailure("the agent's process ended with exit code 1")


def refused() -> None:
    raise ArgumentError("no such sensor")


def missing() -> None:
    Path("/nowhere/at/all").read_bytes()


@pytest.mark.parametrize(
    ("task", "kind"), [(crashed, AgentFailure), (refused, ArgumentError), (missing, WorkerError)]
)
def test_what_an_agent_does_wrong_stays_its_own_failure(task, kind) -> None:
    worked, error = attempt(task, ())
    assert (worked, type(error)) == (False, kind)


def test_an_agent_that_dies_where_its_promised_room_is_missing_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system here")
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(small))
        _, error = attempt(crashed, ())
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert isinstance(error, MachineError)
    assert f"{small} has " in str(error)
    assert not machine_fault(AgentFailure("it crashed"))


@pytest.mark.slow
def test_a_run_on_a_full_disk_scores_nobody_and_goes_on_when_there_is_room(
    learn_in_sandboxes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, store = tmp_path / "full", tmp_path / "it.sqlite"
    marker.touch()
    monkeypatch.setenv("HABIT_FULL_DISK", str(marker))
    suite = write_suite(tmp_path, episodes=2)
    words = ("bench", "run", suite, "--agent", "learn/habit", "--only", "near", "--workers", 1)
    first = als(*words, "--store", store)
    assert first.code == 2, first.err
    assert "units were not done and are not scored" in first.err
    assert "No space left on device" in first.err
    assert "Traceback" not in first.err
    with Store(store) as opened:
        (record,) = opened.runs()
        assert opened.failures(record.key) == {}
    assert not rows_of(store)
    marker.unlink()
    again = als(*words, "--store", store)
    assert again.code == 0, again.err
    assert len(rows_of(store)) == 2


HOLD = """
import sys, time
from als_engine.system.leftovers import temporary_folder
with temporary_folder("als-test") as folder:
    (folder / "deep").mkdir()
    print(folder, flush=True)
    time.sleep(60)
"""


def test_temporary_folders_of_killed_processes_go_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed, living = (Path(holder.stdout.readline().strip()) for holder in holders)  # type: ignore[union-attr]
    holders[0].kill()
    holders[0].wait()
    assert killed.exists()
    with temporary_folder("als-test") as mine:
        assert not killed.exists()
        assert (living / "deep").exists()
        assert mine.stat().st_mode & 0o777 == 0o700
    assert not mine.exists()
    # A process of another container has a number that means nothing here; its lock does.
    renamed = living.with_name(living.name.replace(f"-{holders[1].pid}-", f"-{holders[0].pid}-"))
    living.rename(renamed)
    remove_leftovers(tmp_path)
    assert (renamed / "deep").exists()
    holders[1].kill()
    holders[1].wait()
    remove_leftovers(tmp_path)
    assert not renamed.exists()
    for holder in holders:
        holder.stdout.close()  # type: ignore[union-attr]


@pytest.mark.slow
def test_ctrl_c_at_any_moment_of_a_run_prints_no_traceback(tmp_path: Path) -> None:
    """Also while the worker processes are still importing."""
    env, suite = installed(tmp_path), write_suite(tmp_path, episodes=200)
    for number, seconds in enumerate((0.0, 0.5)):
        store = tmp_path / f"{number}.sqlite"
        process = subprocess.Popen(
            command("bench", "run", suite, "--workers", 2, "--store", store),
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while not store.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=100)
        assert "Traceback" not in error


def test_what_a_killed_writer_left_in_a_store_goes_with_the_next_write(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / f".a.json.unfinished-{process.pid}-00000000.json").touch()
    write_text(tmp_path / "a.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
