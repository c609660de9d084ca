"""Confines an agent's process: it reads installed code, writes to a scratch folder and computes.

The walls are the kernel's: Landlock for files, a seccomp filter for everything else, no
capabilities, and limits on memory, processor time and file sizes. This module plans them and tells
what the machine has; `child.py` puts them up in the agent's process before anything of the
agent's is imported.

What the sandbox is not: another user, a container or a virtual machine. The agent's process belongs
to the same user; it can see that files exist, and how large they are; a hole in the kernel is a
hole in the wall; and how long it takes, or how hot the machine gets, tells a neighbour something.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.machinery
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from als_bench.sandbox.syscalls import MACHINES, filter_program
from als_engine.errors import ALSError
from als_engine.plugins.registry import registry

__all__ = [
    "Confinement",
    "ConfinementError",
    "confinement",
    "import_path",
    "readable",
    "walls",
    "world_modules",
]

_LANDLOCK_CREATE: Final = 444
_LANDLOCK_VERSION: Final = 1
_PR_GET_SECCOMP: Final = 21
_LEAST_ABI: Final = 3
"""The first Landlock that guards against `O_TRUNC` (Linux 6.2)."""

# Landlock's rights on files, one bit each, in the order of the kernel's header.
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_DEVICES: Final = 1 << 6 | 1 << 9 | 1 << 11  # Making character devices, sockets, block devices.
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI to how many rights there are; later ones added none."""
_NEWEST_FILES: Final = 5
_IOCTL: Final = 1 << 15
_BIND_AND_CONNECT: Final = 3
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 3

_LIBRARIES: Final = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64")
_SYSTEM: Final = (
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/zero",
    "/sys/devices/system/cpu",
    # How much memory and which processor: NumPy, torch and glibc ask for no more of /proc.
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/maps",
    "/proc/self/status",
)


_WORLDS: Final = (
    "als_engine.simulation",
    "als_engine.physics",
    "pybullet",
    "pybullet_data",
    "pybullet_utils",
    "mujoco",
    "mujoco_py",
)
"""Modules that make worlds move: an agent is shown worlds and steps none of its own with them."""


class ConfinementError(ALSError, RuntimeError):
    """An agent's process that cannot be confined on this machine."""


@dataclass(frozen=True)
class Confinement:
    """The means of confinement that are in force, or would be.

    Attributes:
        landlock: its ABI; 0 where the kernel has none.
        seccomp: whether system calls are filtered.
        machine: the processor.
    """

    landlock: int
    seccomp: bool
    machine: str

    @property
    def complete(self) -> bool:
        """Whether an agent is held by all of it; nothing less ranks."""
        return self.landlock >= _LEAST_ABI and self.seccomp

    def __str__(self) -> str:
        """One line for people: what there is, or what is missing and what would mend it."""
        if self.complete:
            return f"Landlock ABI {self.landlock}, seccomp on {self.machine}, no capabilities"
        missing = []
        if self.landlock < _LEAST_ABI:
            has = f"ABI {self.landlock}" if self.landlock else "none"
            missing.append(
                f"Landlock ABI {_LEAST_ABI} (here: {has}): Linux 6.2 or newer, with landlock "
                "among the security modules of the kernel's command line (lsm=)"
            )
        if not self.seccomp:
            known = " or ".join(MACHINES)
            missing.append(f"seccomp filters (here: {self.machine}): Linux on {known}")
        return "agents cannot be confined on this machine; needed: " + "; and ".join(missing)


def confinement() -> Confinement:
    """The means by which this machine can confine an agent."""
    machine = platform.machine()
    if sys.platform != "linux":
        return Confinement(0, False, machine)
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    filters = libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.EINVAL
    return Confinement(max(abi, 0), filters and machine in MACHINES, machine)


def world_modules(agent: str) -> list[str]:
    """The modules that agents can neither import nor read: physics, simulation and scenarios.

    Of the package that the agent itself is in, only the modules of scenarios.

    Args:
        agent: `"module:Class"`.
    """
    module = agent.partition(":")[0]
    found = set(_WORLDS)
    for scenario in registry.scenarios():
        task = scenario.task.partition(":")[0]
        package = task.partition(".")[0]
        found.add(task if package == module.partition(".")[0] else package)
    return sorted(name for name in found if not f"{module}.".startswith(f"{name}."))


def walls(
    force: Confinement,
    pid: int,
    scratch: Path,
    agent: Path,
    limits: dict[str, int],
    quota: dict[str, int],
    hidden: Sequence[str] = (),
) -> dict[str, Any]:
    """The plan that `child.confine` carries out, JSON-able.

    Args:
        force: what to use; parts that it lacks are left out.
        pid: of the process to confine, a child of this one.
        scratch: the only folder that it may write to.
        agent: a folder that it may read besides what is installed.
        limits: name of an `RLIMIT_*` to its value.
        quota: most `threads`, and `bytes` and `files` of the scratch folder.
        hidden: modules that it may neither import nor read.
    """
    return {
        "parent": os.getpid(),
        "scratch": str(scratch),
        "limits": limits,
        "capabilities": force.landlock == 0 and not force.seccomp,
        # Without the filter nothing would keep what is bounded here.
        "quota": quota if force.seccomp else None,
        "landlock": _landlock(force.landlock, scratch, agent, hidden) if force.landlock else None,
        "seccomp": filter_program(force.machine, pid).hex() if force.seccomp else None,
    }


def readable(path: Path) -> bool:
    """Whether a confined agent could read a file because of where it lies."""
    path = path.resolve()
    return any(path.is_relative_to(place) for place, right in _places() if right & _READ)


def _landlock(abi: int, scratch: Path, agent: Path, hidden: Sequence[str]) -> dict[str, Any]:
    handled = (1 << _RIGHTS[min(abi, _NEWEST_FILES)]) - 1
    attr = [handled]
    if abi >= 4:
        attr.append(_BIND_AND_CONNECT)
    if abi >= 6:
        attr.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    everything = handled & ~(_EXECUTE | _DEVICES | _IOCTL)
    kept = frozenset(map(str, _files_of(hidden)))
    above = frozenset(str(folder) for path in kept for folder in Path(path).parents)
    rules: list[tuple[str, int]] = []
    for found, right in _places():
        place = str(found) if str(found).startswith("/proc") else os.path.realpath(found)
        if not _lies_in(place, kept):
            rules += _without(place, right, kept, above)
    rules += [
        ("/dev/null", _READ | _WRITE),
        (str(agent), _READ | _LIST),
        (str(scratch), everything),
    ]
    return {"attr": attr, "rules": rules}


def _places() -> Iterator[tuple[Path, int]]:
    """What may be read or listed: libraries, the interpreter, and what can be imported."""
    whole = {Path(name).resolve() for name in (*_LIBRARIES, sys.prefix, sys.base_prefix)}
    named = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    whole |= {Path(name).resolve() for name in named if name}
    for place in sorted(whole):
        yield place, _READ | _LIST
    for name in _SYSTEM:
        # /proc/self is to be that of whoever is confined, so it is not resolved here.
        yield Path(name), _READ | (_LIST if Path(name).is_dir() else 0)
    for entry in import_path():
        folder = Path(entry).resolve()
        if any(folder.is_relative_to(place) for place in whole):
            continue
        if folder.is_file():  # A zip of modules.
            yield folder, _READ
            continue
        # The folder's names can be listed, as imports do; what is no code cannot be read.
        yield folder, _LIST
        for child in sorted(folder.iterdir()):
            if _is_importable(child):
                yield child.resolve(), _READ | (_LIST if child.is_dir() else 0)


def _files_of(modules: Sequence[str]) -> Iterator[Path]:
    """Where modules lie, compiled or not, in every folder that they might be imported from."""
    roots = {Path(entry).resolve() for entry in import_path()}
    for place in {
        Path(name).resolve()
        for name in (*_LIBRARIES, "/usr/local/lib", sys.prefix, sys.base_prefix)
    }:
        for pattern in ("lib*/python3*/*-packages", "python3*/*-packages"):
            roots |= {folder.resolve() for folder in place.glob(pattern)}
    for module in modules:
        *parents, name = module.split(".")
        for root in roots:
            folder = root.joinpath(*parents)
            for pattern in (name, f"{name}.*", f"__pycache__/{name}.*"):
                yield from (path.resolve() for path in folder.glob(pattern))


def _without(
    place: str, right: int, kept: frozenset[str], above: frozenset[str]
) -> Iterator[tuple[str, int]]:
    """The rules for a place that leave out some of what lies in it.

    An installation has thousands of folders, and every agent has rules of its own: so names are
    compared, and nothing but links is resolved.

    Args:
        place: resolved, and in nothing that is left out.
        right: to what lies in it.
        kept: what is left out, resolved.
        above: the folders that any of it lies in.
    """
    if not right & _READ or place not in above:
        yield place, right
        return
    yield place, _LIST  # By name, as imports look around; a rule for a folder is one for all in it.
    with os.scandir(place) as children:
        for child in children:
            path = os.path.realpath(child.path) if child.is_symlink() else child.path
            below = right if child.is_dir() else right & ~_LIST
            if path not in kept and (path == child.path or not _lies_in(path, kept)):
                yield from _without(path, below, kept, above)


def _lies_in(path: str, places: frozenset[str]) -> bool:
    return any(str(folder) in places for folder in (Path(path), *Path(path).parents))


def import_path() -> list[str]:
    """Where this process imports from; the current folder, where it counts, by its name."""
    entries = (entry or os.getcwd() for entry in sys.path)
    return [entry for entry in dict.fromkeys(entries) if Path(entry).exists()]


def _is_importable(path: Path) -> bool:
    """Whether `import` or `importlib.metadata` would look at it: a module, a package, metadata."""
    if path.is_file():
        return path.name.endswith((*importlib.machinery.all_suffixes(), ".pth"))
    if path.suffix in (".dist-info", ".egg-info"):
        return True
    suffixes: Sequence[str] = importlib.machinery.all_suffixes()
    return path.name.isidentifier() and any(
        child.name.endswith(tuple(suffixes)) for child in path.iterdir()
    )
