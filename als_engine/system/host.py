"""All code that depends on the operating system: Linux, macOS or Windows.

Only Linux is tested with the real thing. The other branches do what Python's documentation says,
and are tested with stand-ins for what a system has.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import subprocess
    from multiprocessing.connection import Connection
    from pathlib import Path

__all__ = [
    "CLOSE_ON_EXEC",
    "NO_FOLLOW",
    "NO_WAIT",
    "RAW",
    "SharedBlock",
    "after_fork",
    "blocked",
    "cores",
    "duplicate",
    "end_group",
    "has_parent",
    "inherited",
    "is_alive",
    "library",
    "lock",
    "mask",
    "memory_file",
    "own_group",
    "pin",
    "pipe_of",
    "set_mask",
    "signals",
    "start_tracker",
    "stop_timer",
    "timer_runs",
]

NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT: Final[int] = getattr(os, "O_NONBLOCK", 0)
CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", 0)
RAW: Final[int] = getattr(os, "O_BINARY", 0)
"""Flags of `os.open`; 0 where a system has no such thing. `RAW`: line ends are left alone."""

_SYNCHRONIZE: Final = 0x0010_0000
_STILL_RUNS: Final = 0x102
_DENIED: Final = 5


def _is_windows() -> bool:
    return sys.platform == "win32"


# -- files ----------------------------------------------------------------------------------------


def lock(descriptor: int) -> None:
    """Locks a file for this process, until it closes it or ends; never waits.

    Raises:
        OSError: another one holds it, or the file system has no locks.
    """
    if _is_windows():
        import msvcrt

        windows: Any = msvcrt
        os.lseek(descriptor, 0, os.SEEK_SET)
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def duplicate(number: int) -> int:
    """A copy of a descriptor, above those of the standard streams; not inherited.

    Raises:
        OSError: it is closed.
    """
    if not _is_windows():
        import fcntl

        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    made = [os.dup(number)]
    while made[-1] < 3:
        made.append(os.dup(number))
    for low in made[:-1]:
        os.close(low)
    return made[-1]


def memory_file(name: str) -> int:
    """The descriptor of a file that is nowhere: in memory, or without a name on the disk.

    Raises:
        OSError: there is no room for it.
    """
    if hasattr(os, "memfd_create"):  # Linux.
        return os.memfd_create(name)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def library(folder: Path, name: str) -> Path | None:
    """A C library in a folder: `libNAME.so.1`, `libNAME.1.dylib` or `NAME.dll`."""
    pattern = f"{name}.dll" if _is_windows() else f"lib{name}.*"
    return min(folder.glob(pattern), default=None)


# -- memory that processes share ------------------------------------------------------------------


class SharedBlock(NamedTuple):
    """Memory that this process and those that it starts can map; freed with the last of them.

    Attributes:
        size: bytes.
        descriptor: of the file behind it; -1 on Windows.
        name: of the mapping on Windows.
    """

    size: int
    descriptor: int = -1
    name: str = ""

    @classmethod
    def make(cls, size: int) -> SharedBlock:
        """Makes a block of zeros."""
        if _is_windows():
            return cls(size, name=f"als-worlds-{os.getpid()}-{os.urandom(8).hex()}")
        descriptor = memory_file("als-worlds")
        os.ftruncate(descriptor, size)
        return cls(size, descriptor)

    def map(self) -> mmap.mmap:
        """The memory, in this process or in one that was started with `handles`."""
        if self.name:
            windows: Any = mmap.mmap
            made: mmap.mmap = windows(-1, self.size, tagname=self.name)
            return made
        return mmap.mmap(self.descriptor, self.size)

    @property
    def handles(self) -> list[int]:
        """The handles that a process has to inherit."""
        return [] if self.name else [self.descriptor]

    def close(self) -> None:
        """Gives up the file; what is mapped stays."""
        if not self.name:
            os.close(self.descriptor)


# -- processes ------------------------------------------------------------------------------------


def inherited(pipe: int, descriptors: Sequence[int]) -> dict[str, Any]:
    """Arguments for `subprocess.Popen`: the process inherits a pipe's end and open files.

    On Windows it is also in a group of its own, so that Ctrl-C is not sent to it.

    Args:
        pipe: `fileno()` of a `multiprocessing` connection.
        descriptors: under the same numbers; on Windows there can be none.
    """
    if not _is_windows():
        return {"pass_fds": (pipe, *descriptors)}
    import subprocess

    system: Any = os
    system.set_handle_inheritable(pipe, True)
    windows: Any = subprocess
    startup = windows.STARTUPINFO(lpAttributeList={"handle_list": [pipe]})
    return {"startupinfo": startup, **own_group()}


def pipe_of(number: int) -> Connection:
    """A connection over an end of a pipe that this process has inherited."""
    from multiprocessing import connection

    kinds: Any = connection
    kind: type[Connection] = kinds.PipeConnection if _is_windows() else kinds.Connection
    return kind(number)


def own_group() -> dict[str, Any]:
    """Arguments for `subprocess.Popen`: the process and what it starts are a group of their own."""
    if _is_windows():
        import subprocess

        windows: Any = subprocess
        return {"creationflags": windows.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a process that was started with `own_group`; except on Windows, its group as well."""
    if _is_windows():
        process.kill()
        return
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Whether there is a process of that number, whoever owns it."""
    if _is_windows():  # There `os.kill` would end it.
        import ctypes

        windows: Any = ctypes
        kernel = windows.windll.kernel32
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, process)
        if not handle:
            return bool(kernel.GetLastError() == _DENIED)
        waited = kernel.WaitForSingleObject(handle, 0)
        kernel.CloseHandle(handle)
        return bool(waited == _STILL_RUNS)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def has_parent(process: int) -> bool:
    """Whether that process has started this one, and lives."""
    # Windows goes on naming a parent that has ended.
    return os.getppid() == process and (not _is_windows() or is_alive(process))


def after_fork(function: Callable[[], object]) -> None:
    """Calls a function in every process that is forked from this one; Windows has no forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def start_tracker() -> None:
    """Starts the process that `multiprocessing` starts with the first one, except on Windows."""
    if not _is_windows():
        from multiprocessing import resource_tracker

        before = mask()
        resource_tracker.ensure_running()
        set_mask(before)  # It lets signals through that a worker process never sees.


def cores() -> list[int] | None:
    """The cores that this process may use; None where the system does not say, as on macOS."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def pin(core: int) -> None:
    """Keeps this process on one of `cores()`."""
    os.sched_setaffinity(0, {core})


# -- signals --------------------------------------------------------------------------------------


def signals(*names: str) -> tuple[signal.Signals, ...]:
    """Those of some signals that this system has."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


@contextmanager
def blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Keeps signals back; processes that are started meanwhile never see them.

    Windows cannot; see `inherited`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        set_mask(before)


def mask() -> set[Any]:
    """The signals that this thread keeps back."""
    if hasattr(signal, "pthread_sigmask"):
        return signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return set()


def set_mask(numbers: set[Any]) -> None:
    """Keeps back these signals, and no others."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, numbers)


def timer_runs() -> bool:
    """Whether this process has set itself an alarm."""
    return hasattr(signal, "getitimer") and bool(signal.getitimer(signal.ITIMER_REAL)[0])


def stop_timer() -> None:
    """Takes the alarm back."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
