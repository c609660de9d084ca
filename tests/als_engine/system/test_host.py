"""What the engine asks of Linux, macOS and Windows, in the one place that knows which this is.

Linux is the real thing. For the others the module is shown what they have, and lack: which of their
calls are made is what these tests can say, not that the calls work there.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from places import ROOT

from als_engine.errors import SavedFileError
from als_engine.system import host
from als_engine.system.locking import LOCK, locked

LACKED = ("memfd_create", "sched_getaffinity")
"""What Python's module `os` has on Linux alone."""


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for name in LACKED:
        monkeypatch.delattr(os, name)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What Python has on Windows, each call of it written down."""
    monkeypatch.setattr(sys, "platform", "win32")
    for name in (*LACKED, "register_at_fork", "killpg"):
        monkeypatch.delattr(os, name)
    for name in ("pthread_sigmask", "getitimer", "setitimer", "SIGHUP", "SIGALRM"):
        monkeypatch.delattr(signal, name)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    msvcrt, kernel = Mock(LK_NBLCK=2), Mock()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(os, "set_handle_inheritable", inheritable := Mock(), raising=False)
    monkeypatch.setattr(subprocess, "STARTUPINFO", SimpleNamespace, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    return SimpleNamespace(msvcrt=msvcrt, kernel=kernel, inheritable=inheritable)


def test_only_one_module_asks_which_system_this_is() -> None:
    asks = re.compile(
        r"^\s*import (fcntl|msvcrt)|sys\.platform|os\.name\b|sched_\w+affinity|memfd_c"
    )
    allowed = {
        "als_engine/system/host.py",
        "als_engine/system/browser.py",  # Where playwright keeps its browsers.
        "als_engine/cli/doctor.py",  # Says that only Linux is tested.
        "als_engine/physics/engines.py",  # Which distribution has wheels.
    }
    sources = [*(ROOT / "als_engine").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    found = {
        path.relative_to(ROOT).as_posix()
        for path in [*sources, *(ROOT / "scenarios").rglob("*.py")]
        if any(asks.search(line) for line in path.read_text("utf-8").splitlines())
    }
    assert {name for name in found if "/sandbox/" not in name} == allowed


def test_a_lock_keeps_a_second_one_out(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    host.lock(first)
    with pytest.raises(OSError):  # noqa: PT011 - Which error it is depends on the system.
        host.lock(second)
    os.close(first)
    host.lock(second)
    os.close(second)


def test_windows_locks_the_first_byte(tmp_path: Path, windows: SimpleNamespace) -> None:
    with locked(tmp_path):
        assert (tmp_path / LOCK).is_file()
    (descriptor, mode, count), _ = windows.msvcrt.locking.call_args
    assert (mode, count) == (2, 1)
    assert descriptor > 2
    windows.msvcrt.locking.side_effect = PermissionError(13, "Permission denied")
    with pytest.raises(SavedFileError, match="another process is writing"), locked(tmp_path):
        pass


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
def test_copies_of_descriptors_lie_above_the_standard_streams(
    system: str, request: pytest.FixtureRequest
) -> None:
    if system != "linux":
        request.getfixturevalue(system)
    with tempfile.TemporaryFile() as file:
        copy = host.duplicate(file.fileno())
        assert copy > 2
        assert os.path.samestat(os.fstat(copy), os.fstat(file.fileno()))
        os.close(copy)
    with pytest.raises(OSError, match="Bad file descriptor"):
        host.duplicate(copy)


@pytest.mark.parametrize("system", ["linux", "macos"])
def test_a_block_is_the_same_memory_wherever_it_is_mapped(
    system: str, request: pytest.FixtureRequest
) -> None:
    if system != "linux":
        request.getfixturevalue(system)
    block = host.SharedBlock.make(4096)
    assert block.handles == [block.descriptor]
    one, other = block.map(), block.map()
    block.close()
    one[7:10] = b"als"
    assert other[7:10] == b"als"
    assert other[10:] == bytes(4096 - 10)


def test_windows_shares_memory_by_a_name(
    windows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "mmap", SimpleNamespace(mmap=(mapped := Mock())))
    block, other = host.SharedBlock.make(64), host.SharedBlock.make(64)
    assert block.name != other.name
    assert block.handles == []
    block.map()
    block.close()
    mapped.assert_called_once_with(-1, 64, tagname=block.name)


def test_a_process_inherits_its_pipe(windows: SimpleNamespace) -> None:
    given = host.inherited(77, [])
    windows.inheritable.assert_called_once_with(77, True)
    assert given["startupinfo"].lpAttributeList == {"handle_list": [77]}
    assert given["creationflags"] == 0x200  # Ctrl-C is not sent to it.


def test_elsewhere_it_inherits_descriptors_by_their_numbers(macos: None) -> None:
    assert host.inherited(7, [8, 9]) == {"pass_fds": (7, 8, 9)}


def test_it_knows_who_lives() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert host.is_alive(process.pid)
    assert host.is_alive(1)  # Not ours to signal, perhaps.
    process.communicate()
    assert not host.is_alive(process.pid)
    assert not host.is_alive(2**80)
    assert host.has_parent(os.getppid())
    assert not host.has_parent(os.getpid())


@pytest.mark.parametrize(
    ("handle", "error", "waited", "lives"),
    [(5, 0, 0x102, True), (5, 0, 0, False), (0, 5, None, True), (0, 87, None, False)],
    ids=["runs", "has ended", "belongs to another", "is unknown"],
)
def test_windows_is_asked_who_lives_and_nobody_is_killed(
    windows: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    handle: int,
    error: int,
    waited: int,
    lives: bool,
) -> None:
    monkeypatch.setattr(os, "kill", Mock(side_effect=AssertionError("it would have been ended")))
    windows.kernel.OpenProcess.return_value = handle
    windows.kernel.GetLastError.return_value = error
    windows.kernel.WaitForSingleObject.return_value = waited
    assert host.is_alive(4321) is lives
    assert windows.kernel.CloseHandle.call_count == bool(handle)
    assert host.has_parent(os.getppid()) is lives


def test_a_group_ends_as_a_whole() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1); input()'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **host.own_group(),
    )
    assert process.stdout is not None
    process.stdout.read(1)  # The inner one runs.
    host.end_group(process)
    process.communicate(timeout=20)  # Ends only when nobody holds the pipe any more.


def test_windows_ends_the_process_alone(windows: SimpleNamespace) -> None:
    process = Mock()
    host.end_group(process)
    process.kill.assert_called_once_with()
    assert host.own_group() == {"creationflags": 0x200}


def test_without_masks_timers_forks_and_cores_everything_goes_on(
    windows: SimpleNamespace,
) -> None:
    assert host.signals("SIGINT", "SIGHUP", "SIGALRM") == (signal.SIGINT,)
    with host.blocked({signal.SIGINT}):
        pass
    host.set_mask(host.mask())
    assert not host.timer_runs()
    host.stop_timer()
    host.after_fork(list)
    host.start_tracker()
    assert host.cores() is None


def test_signals_are_kept_back_for_as_long_as_the_block_lasts() -> None:
    before = host.mask()
    with host.blocked({signal.SIGUSR1}):
        assert host.mask() == before | {signal.SIGUSR1}
    assert host.mask() == before


def test_the_tracker_of_multiprocessing_lets_no_signal_through_that_was_kept_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker = resource_tracker.ResourceTracker()
    monkeypatch.setattr(resource_tracker, "ensure_running", tracker.ensure_running)
    with host.blocked({signal.SIGINT}):
        host.start_tracker()
        assert signal.SIGINT in host.mask()
    tracker._stop()


@pytest.mark.parametrize(
    ("system", "file"),
    [
        ("linux", "libmujoco.so.4.0.0"),
        ("macos", "libmujoco.4.0.0.dylib"),
        ("windows", "mujoco.dll"),
    ],
)
def test_libraries_are_found_by_the_names_that_the_wheels_give_them(
    system: str, file: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if system != "linux":
        request.getfixturevalue(system)
    assert host.library(tmp_path, "mujoco") is None
    (tmp_path / file).touch()
    (tmp_path / "libother.so").touch()
    assert host.library(tmp_path, "mujoco") == tmp_path / file
